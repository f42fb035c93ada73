"""What is known of the small model: how it does on text it has not seen, and its card."""

import importlib.metadata
import json
import math
import platform
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from tallystick.endpoint.network import Network
from tallystick.endpoint.tokens import Tokens
from tallystick.endpoint.weights import Weights
from tallystick.merkle import leaf_hash, tree_root
from tools.small_lm_text import ROOT, SOURCES, Document

FOLDER: Final = ROOT / "src" / "tallystick" / "endpoint" / "data"
WEIGHTS: Final = FOLDER / "small-lm.weights"
CARD: Final = FOLDER / "small-lm.card.json"
MODEL: Final = "small-lm"
DIGITS: Final = 3


def held_out_figures(
    weights: Weights, learned: Sequence[int], held_out: Sequence[Sequence[int]]
) -> dict[str, Any]:
    """Return bits per byte on text that was not learned from, beside two baselines."""
    tokens, network = Tokens(weights.pairs), Network(weights)
    size = sum(len(tokens.bytes_of(t)) for text in held_out for t in text)
    said = [t for text in held_out for t in text[1:]]
    bits = sum(_bits(network, text) for text in held_out)
    figures = {
        "held_out_texts": len(held_out),
        "held_out_bytes": size,
        "bits_per_byte": bits / size,
        "bits_per_byte_of_frequencies": _frequency_bits(learned, said, len(tokens)) / size,
        "bits_per_byte_of_pairs": _pair_bits(learned, held_out, len(tokens)) / size,
        "perplexity_per_token": 2 ** (bits / len(said)),
    }
    return {name: round(value, DIGITS) for name, value in figures.items()}


def _bits(network: Network, text: Sequence[int]) -> float:
    """Return what a text costs, in windows that overlap by half."""
    context, half, bits = network.shape.context, network.shape.context // 2, 0.0
    for start in range(0, max(1, len(text) - half), half):
        window = list(text[start : start + context + 1])
        logits = network.scores(network.read(window[:-1], network.cache())).astype(np.float64)
        top = logits.max(axis=-1, keepdims=True)
        logs = logits - top - np.log(np.exp(logits - top).sum(axis=-1, keepdims=True))
        costs = -logs[np.arange(len(window) - 1), window[1:]] / math.log(2)
        bits += float(costs[0 if start == 0 else context - half :].sum())
    return bits


def _frequency_bits(learned: Sequence[int], said: Iterable[int], vocabulary: int) -> float:
    """Return what the text costs if only each token's frequency is known."""
    counts = Counter(learned)
    total = counts.total() + vocabulary
    return -sum(math.log2((counts[token] + 1) / total) for token in said)


def _pair_bits(learned: Sequence[int], held_out: Sequence[Sequence[int]], vocabulary: int) -> float:
    """Return what it costs if the frequency of each pair of tokens is known, too."""
    singles, pairs = Counter(learned), Counter(pairwise(learned))
    followers = Counter(first for first, _ in pairs)
    total, bits = len(learned) + vocabulary, 0.0
    for text in held_out:
        for before, token in pairwise(text):
            alone = (singles[token] + 1) / total
            kinds, seen = followers[before], singles[before]
            # Witten and Bell: how often something new followed tells how likely that is again.
            share = (pairs[before, token] + kinds * alone) / (seen + kinds) if seen else alone
            bits -= math.log2(share)
    return bits


def write_card(
    file: bytes,
    documents: Sequence[Document],
    hyperparameters: Mapping[str, Any],
    figures: Mapping[str, Any],
) -> None:
    """Write the card beside the weights."""
    learned = [d for d in documents if not d.held_out]
    held_out = [d for d in documents if d.held_out]
    card = {
        "name": MODEL,
        "algorithm": "decoder-only transformer, 3 layers of width 96, 8-bit weights",
        "weights_bytes": len(file),
        "weights_sha256": sha256(file).hexdigest(),
        "licence": "Apache-2.0",
        "use": "to try the product, and to test it; knows nothing, and is often wrong",
        "trained_by": "tools/train_small_lm.py",
        "commit": _commit(),
        "text": [_source(name, documents) for name in SOURCES],
        "rows": len(learned),
        "row_root": _root(learned),
        "held_out_rows": len(held_out),
        "held_out_root": _root(held_out),
        "parameters": dict(hyperparameters),
        "measured": dict(figures),
        "software": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in ("jax", "jaxlib", "numpy")},
        },
    }
    CARD.write_text(json.dumps(card, indent=2) + "\n")


def _root(documents: Sequence[Document]) -> str:
    leaves = b"".join(leaf_hash(document.text.encode()) for document in documents)
    return tree_root(leaves).hex()


def _source(name: str, documents: Sequence[Document]) -> dict[str, Any]:
    what, licence = SOURCES[name]
    texts = [d.text.encode() for d in documents if d.source == name]
    return {
        "what": what,
        "licence": licence,
        "documents": len(texts),
        "bytes": sum(map(len, texts)),
        "sha256": sha256(b"\0".join(texts)).hexdigest(),
    }


def _commit() -> str:
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(
        command, cwd=Path(ROOT), check=True, capture_output=True, text=True
    ).stdout.strip()
