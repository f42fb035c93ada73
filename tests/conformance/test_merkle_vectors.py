"""Proofs of transparency-dev/merkle: mostly wrong ones, each wrong in its own way."""

import base64
from collections.abc import Callable
from typing import Any

from tallystick.errors import ProofError
from tallystick.merkle import verify_consistency, verify_inclusion

Vectors = Callable[[str], list[tuple[str, Any]]]


def unb64(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def accepts(check: Callable[..., None], *args: object) -> bool:
    try:
        check(*args)
    except ProofError:
        return False
    return True


def test_inclusion(vectors: Vectors) -> None:
    cases = vectors("merkle/inclusion")
    wrong = [
        name
        for name, v in cases
        if accepts(
            verify_inclusion,
            unb64(v["leafHash"]),
            v["leafIdx"],
            v["treeSize"],
            [unb64(p) for p in v["proof"] or []],
            unb64(v["root"]),
        )
        is v["wantErr"]
    ]

    assert len(cases) == 98
    assert not wrong


def test_consistency(vectors: Vectors) -> None:
    cases = vectors("merkle/consistency")
    wrong = [
        name
        for name, v in cases
        if accepts(
            verify_consistency,
            v["size1"],
            unb64(v["root1"]),
            v["size2"],
            unb64(v["root2"]),
            [unb64(p) for p in v["proof"] or []],
        )
        is v["wantErr"]
    ]

    # One positive case uses a "hash" of twelve letters, which we refuse for its length.
    short = {name for name, v in cases if len(unb64(v["root1"])) != 32 and not v["wantErr"]}
    assert len(cases) == 98
    assert set(wrong) == short == {"additional/sizes-are-equal-one-and-proof-is-empty.json"}
