"""Check inclusion and consistency proofs; nothing here knows how they were made.

Both functions return the root they arrive at or raise; neither returns a bool that could be
forgotten. Trees of size 0 and hashes that are not 32 bytes long are refused: textbook verifiers
accept both.

Source:
    RFC 9162, sections 2.1.3.2 and 2.1.4.2.
"""

from collections.abc import Sequence

from tallystick.errors import ProofError
from tallystick.merkle.hashing import HASH_BYTES, node_hash

SIZE_MAX = 2**63 - 1
"""Largest tree size a proof may speak of; keeps the loops below bounded by 63 steps."""


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Return the root of the only tree of `size` leaves in which `proof` puts `leaf` at `index`.

    Whether anybody signed that root is not checked here: compare it with a verified checkpoint.

    Args:
        leaf: Leaf hash.
        index: Zero-based.
        size: Number of leaves.
        proof: Hashes from the leaf's neighbour upwards.

    Raises:
        ProofError: The index is outside the tree, or a hash or the number of hashes is wrong.
    """
    _check_hashes([leaf, *proof])
    if not 0 <= index < size <= SIZE_MAX:
        raise ProofError(f"leaf index must be in 0..size-1, got index {index}, size {size}")
    node, last, root = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofError(f"proof has {len(proof)} hashes, too many for index {index} of {size}")
        if node & 1 or node == last:
            root = node_hash(sibling, root)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            root = node_hash(root, sibling)
        node >>= 1
        last >>= 1
    if last:
        raise ProofError(f"proof has {len(proof)} hashes, too few for index {index} of {size}")
    return root


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Accept only if `proof` leads from `leaf` at `index` to `root` of `size` leaves.

    Raises:
        ProofError: It does not.
    """
    _check_hashes([root])
    if root_from_inclusion(leaf, index, size, proof) != root:
        raise ProofError(f"inclusion proof for index {index} does not lead to the root of {size}")


def verify_consistency(
    size1: int, root1: bytes, size2: int, root2: bytes, proof: Sequence[bytes]
) -> None:
    """Accept only if the tree of `size1` leaves is a prefix of the tree of `size2` leaves.

    Raises:
        ProofError: It is not, or the proof has the wrong shape. An empty first tree proves
            nothing and is refused.
    """
    _check_hashes([root1, root2, *proof])
    if not 1 <= size1 <= size2 <= SIZE_MAX:
        raise ProofError(f"sizes must be 1 <= size1 <= size2, got {size1} and {size2}")
    if size1 == size2:
        if proof or root1 != root2:
            raise ProofError(f"two trees of size {size1} must have one root and an empty proof")
        return
    if not proof:
        raise ProofError(f"proof is empty, but sizes {size1} and {size2} differ")
    _check_prefix(size1, root1, size2, root2, proof)


def _check_prefix(
    size1: int, root1: bytes, size2: int, root2: bytes, proof: Sequence[bytes]
) -> None:
    node, last = size1 - 1, size2 - 1
    while node & 1:
        node >>= 1
        last >>= 1
    # A power of two is a complete subtree: its root is the start and not part of the proof.
    old = new = proof[0] if node else root1
    for sibling in proof[1:] if node else proof:
        if last == 0:
            raise ProofError(f"proof has {len(proof)} hashes, too many for {size1} to {size2}")
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        node >>= 1
        last >>= 1
    if last:
        raise ProofError(f"proof has {len(proof)} hashes, too few for {size1} to {size2}")
    if old != root1 or new != root2:
        which = "first" if old != root1 else "second"
        raise ProofError(f"consistency proof does not lead to the {which} root")


def _check_hashes(hashes: Sequence[bytes]) -> None:
    for digest in hashes:
        if len(digest) != HASH_BYTES:
            raise ProofError(f"a hash must have {HASH_BYTES} bytes, got {len(digest)}")
