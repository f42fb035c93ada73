"""Train the small language model that ships with the product, and write its model card.

    python3.11 -m venv /tmp/train && /tmp/train/bin/pip install jax==0.10.2 numpy==2.4.6 -e .
    /tmp/train/bin/python tools/train_small_lm.py             writes weights and card
    /tmp/train/bin/python tools/train_small_lm.py --steps 50  a try: prints, writes nothing

Run from the repository's root, on one core, in about ten minutes. JAX is used to train only; the
product computes with NumPy. The text comes with Python and with this repository
(`tools/small_lm_text.py`); the seed, Python's version and the commit fix everything else. The same
machine gives the same bytes; other processors round differently in the last digit, and then not.

The optimiser is Muon (Jordan et al., 2024) for the matrices, Adam for the embedding. What is
reported is measured with the product's own code on the numbers as they are shipped.
"""

import argparse
import json
import os
import sys
import time
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import jax.numpy as jnp
import numpy as np

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that this runs as a file

from tallystick.endpoint import network as product  # noqa: E402
from tallystick.endpoint.tokens import FIRST_PAIR, Mark, Tokens  # noqa: E402
from tallystick.endpoint.weights import EMBEDDING, Matrix, Shape, Weights  # noqa: E402
from tools.small_lm_card import WEIGHTS, held_out_figures, write_card  # noqa: E402
from tools.small_lm_pairs import learn_pairs  # noqa: E402
from tools.small_lm_text import Document, documents  # noqa: E402

SHAPE: Final = Shape(layers=3, width=96, heads=4, context=512)
VOCABULARY: Final = 1280
SEED: Final = 1
STEPS: Final = 1450
LENGTHS: Final = ((0.85, 256, 8), (1.0, 512, 4))
"""Up to which share of the steps: tokens of a window, windows of a step."""
WARM_UP: Final = 40
RATE: Final = 0.02
RATE_EMBEDDING: Final = 0.005
MOMENTUM: Final = 0.95
BETAS: Final = (0.9, 0.95)
HYPERPARAMETERS: Final = {
    "vocabulary": VOCABULARY, "seed": SEED, "steps": STEPS, "tokens_per_step": 2048,
    "rate": RATE, "rate_embedding": RATE_EMBEDDING, "momentum": MOMENTUM, "warm_up": WARM_UP,
    "optimiser": "Muon, Adam for the embedding",
}  # fmt: skip

Params = dict[str, Any]


def tokens_of(document: Document, tokens: Tokens) -> list[list[int]]:
    """Return a document as it is learned: as a text, and as a conversation if it makes one."""
    made = [[Mark.TEXT, *tokens.encode(document.text), Mark.END]]
    if (said := document.conversation()) is not None:
        rule, question, answer = said
        before = [] if rule is None else [Mark.SYSTEM, *tokens.encode(rule), Mark.END]
        asked = [Mark.USER, *tokens.encode(question), Mark.END]
        made.append([*before, *asked, Mark.ASSISTANT, *tokens.encode(answer), Mark.END])
    return made


def begin(seed: int) -> Params:
    """Return numbers to begin with: what adds to the stream begins at zero."""
    random = np.random.default_rng(seed)
    params = {}
    for name, rows, columns in SHAPE.matrices(VOCABULARY):
        zero = name.endswith(("attended", "narrow"))
        spread = 0.02 if name == EMBEDDING else 0.5 / columns**0.5
        params[name] = jnp.asarray(
            np.zeros((rows, columns)) if zero else random.normal(0, spread, (rows, columns)),
            jnp.float32,
        )
    return params


def scores(params: Params, tokens: Any) -> Any:
    """Compute what `tallystick.endpoint.network` does, for tokens in windows."""
    windows, length = tokens.shape
    half = SHAPE.width // SHAPE.heads // 2
    angles = np.outer(np.arange(length), product.ROTATION_BASE ** (-np.arange(half) / half))
    cos, sin = jnp.cos(angles)[:, None], jnp.sin(angles)[:, None]

    def turn(rows: Any) -> Any:
        low, high = jnp.split(rows, 2, axis=-1)
        return jnp.concatenate((low * cos - high * sin, low * sin + high * cos), axis=-1)

    seen = jnp.tril(jnp.ones((length, length), bool))
    states = normal(params[EMBEDDING][tokens])
    for layer in range(SHAPE.layers):
        split = normal(states) @ params[f"{layer}.attend"].T
        split = split.reshape(windows, length, 3, SHAPE.heads, -1)
        queries, keys = turn(normal(split[:, :, 0])), turn(normal(split[:, :, 1]))
        shares = jnp.einsum("wqhd,wkhd->whqk", queries, keys) * product.SHARPNESS
        shares = jax.nn.softmax(jnp.where(seen, shares, -jnp.inf), axis=-1)
        attended = jnp.einsum("whqk,wkhd->wqhd", shares, split[:, :, 2])
        states += attended.reshape(windows, length, -1) @ params[f"{layer}.attended"].T
        inner = normal(states) @ params[f"{layer}.widen"].T
        states += jnp.square(jax.nn.relu(inner)) @ params[f"{layer}.narrow"].T
    return normal(states) @ params[EMBEDDING].T


def normal(rows: Any) -> Any:
    """Scale rows to a mean square of one."""
    return rows * jax.lax.rsqrt(jnp.mean(jnp.square(rows), axis=-1, keepdims=True) + product.SMALL)


def loss_of(params: Params, windows: Any) -> Any:
    """Return the mean loss per token, in nats."""
    logits = scores(params, windows[:, :-1])
    right = jnp.take_along_axis(logits, windows[:, 1:, None], axis=-1)[..., 0]
    return jnp.mean(jax.nn.logsumexp(logits, axis=-1) - right)


@partial(jax.jit, donate_argnums=(0, 1))
def step(params: Params, state: Params, windows: Any, at: Any, share: Any) -> tuple[Any, Any, Any]:
    """Learn from one step's windows; `share` is what is left of the rate."""
    loss, slopes = jax.value_and_grad(loss_of)(params, windows)
    for name, slope in slopes.items():
        first, second = state[name]
        if name == EMBEDDING:
            first = BETAS[0] * first + (1 - BETAS[0]) * slope
            second = BETAS[1] * second + (1 - BETAS[1]) * slope**2
            spread = jnp.sqrt(second / (1 - BETAS[1] ** at)) + 1e-8
            change = RATE_EMBEDDING * first / (1 - BETAS[0] ** at) / spread
        else:
            first = MOMENTUM * first + slope
            parts = 3 if name.endswith(".attend") else 1
            change = RATE * orthogonal(slope + MOMENTUM * first, parts)
        params[name] -= share * change
        state[name] = (first, second)
    return params, state, loss


def orthogonal(slope: Any, parts: int) -> Any:
    """Return the nearest matrix without preferred directions, of each part."""
    rows, columns = slope.shape
    split = slope.reshape(parts, rows // parts, columns)
    tall = split.shape[1] > columns
    x = split.swapaxes(1, 2) if tall else split
    x /= jnp.linalg.norm(x, axis=(1, 2), keepdims=True) + 1e-7
    for _ in range(5):
        square = x @ x.swapaxes(1, 2)
        x = 3.4445 * x + (-4.775 * square + 2.0315 * square @ square) @ x
    scale = max(1.0, split.shape[1] / columns) ** 0.5
    return scale * (x.swapaxes(1, 2) if tall else x).reshape(rows, columns)


def train(stream: np.ndarray[Any, Any], steps: int) -> Params:
    """Return the numbers after so many steps."""
    params, random, begun = begin(SEED), np.random.default_rng(SEED), time.monotonic()
    state = {n: (jnp.zeros_like(p), jnp.zeros_like(p)) for n, p in params.items()}
    queue: list[np.ndarray[Any, Any]] = []
    length = 0
    for at in range(1, steps + 1):
        _, now, count = next(row for row in LENGTHS if at <= row[0] * steps)
        if now != length or len(queue) < count:
            length, shift = now, int(random.integers(now))
            starts = random.permutation(range(shift, len(stream) - now - 1, now))
            queue = [stream[start : start + now + 1] for start in starts]
        windows = np.stack([queue.pop() for _ in range(count)])
        share = min(at / WARM_UP, 1.0) * (1 - at / steps) ** 0.8
        params, state, loss = step(params, state, windows, at, share)
        if at % 50 == 0:
            print(f"step {at}, loss {loss:.3f}, {time.monotonic() - begun:.0f} s", flush=True)
    return params


def packed(params: Params, pairs: list[tuple[int, int]]) -> Weights:
    """Round to a byte per number, with a scale per row."""
    matrices = {}
    for name, values in params.items():
        rows = np.asarray(values, np.float32)
        scales = (np.abs(rows).max(axis=1) / 127 + 1e-8).astype("<f2")
        whole = np.rint(rows / scales.astype(np.float32)[:, None]).clip(-127, 127).astype(np.int8)
        matrices[name] = Matrix(scales.tobytes(), whole.tobytes())
    return Weights(SHAPE, tuple(pairs), matrices)


def main() -> None:
    """Train, measure, and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=STEPS)
    steps = parser.parse_args().steps
    all_documents = documents()
    learned = [d for d in all_documents if not d.held_out]
    pairs = learn_pairs((d.text for d in learned), VOCABULARY - FIRST_PAIR)
    tokens = Tokens(pairs)
    texts = [made for document in learned for made in tokens_of(document, tokens)]
    np.random.default_rng(SEED).shuffle(texts)
    stream = np.array([token for text in texts for token in text], np.int32)
    print(f"{len(learned)} documents, {len(stream)} tokens", flush=True)
    weights = packed(train(stream, steps), pairs)
    held_out = [made for d in all_documents if d.held_out for made in tokens_of(d, tokens)]
    figures = held_out_figures(weights, stream.tolist(), held_out)
    file = weights.encode()
    print(json.dumps(figures, indent=1))
    print(f"{len(file)} bytes, SHA-256 {sha256(file).hexdigest()}")
    if steps == STEPS:
        WEIGHTS.parent.mkdir(exist_ok=True)
        WEIGHTS.write_bytes(file)
        write_card(file, all_documents, HYPERPARAMETERS | {"tokens": len(stream)}, figures)


if __name__ == "__main__":
    main()
