"""Leaf and node hashes of an RFC 9162 tree, and the root over given leaf hashes.

Source:
    RFC 9162, section 2.1.1 (same as RFC 6962, section 2.1).
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

HASH_BYTES: Final = 32

EMPTY_ROOT: Final = sha256(b"").digest()
"""Root of the tree without leaves."""


def leaf_hash(data: bytes) -> bytes:
    """Hash the data of one leaf; the prefix keeps leaves and nodes apart."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two children, each `HASH_BYTES` long (not checked here: this is the hot path)."""
    return sha256(b"\x01" + left + right).digest()


def parent_level(level: bytes) -> bytes:
    """Hash neighbouring pairs of one level into the next.

    Args:
        level: An even number of hashes, concatenated.

    Returns:
        Half as many hashes, concatenated.
    """
    digest = sha256
    return b"".join(
        [digest(b"\x01" + level[at : at + 64]).digest() for at in range(0, len(level), 64)]
    )


def perfect_root(leaf_hashes: bytes) -> bytes:
    """Return the root over 2**k leaf hashes, concatenated."""
    level = leaf_hashes
    while len(level) > HASH_BYTES:
        level = parent_level(level)
    return level


def tree_root(leaf_hashes: Sequence[bytes] | bytes) -> bytes:
    """Return the root over leaf hashes, given one by one or concatenated.

    Works level by level. A last hash without a neighbour rises unchanged, which gives the same
    tree as splitting at the largest power of two below the size.
    """
    level = leaf_hashes if isinstance(leaf_hashes, bytes) else b"".join(leaf_hashes)
    if not level:
        return EMPTY_ROOT
    while len(level) > HASH_BYTES:
        odd = len(level) % 64
        level = parent_level(level[: len(level) - odd]) + level[len(level) - odd :]
    return level
