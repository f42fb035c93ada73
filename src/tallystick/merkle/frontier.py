"""The right edge of a growing tree: enough to append leaves and to know the root.

A frontier of size n holds the roots of the perfect subtrees that n splits into, one per bit that
is set in n, largest first: at most 64 hashes, however large the tree.

Source:
    RFC 9162, section 2.1.2, which verifies with the same stack.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tallystick.merkle.hashing import EMPTY_ROOT, node_hash


def subtree_sizes(size: int) -> list[int]:
    """Split a tree into perfect subtrees and return their sizes, largest first."""
    return [1 << bit for bit in range(size.bit_length() - 1, -1, -1) if size >> bit & 1]


@dataclass(slots=True)
class Frontier:
    """Roots of the perfect subtrees of a tree, changed in place by its owner.

    Attributes:
        size: Number of leaves.
        roots: One hash per bit set in `size`, largest subtree first.
    """

    size: int = 0
    roots: list[bytes] = field(default_factory=list)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash: merge equal neighbours, as a binary counter carries."""
        roots, carry = self.roots, self.size
        while carry & 1:
            leaf = node_hash(roots.pop(), leaf)
            carry >>= 1
        roots.append(leaf)
        self.size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add many leaf hashes."""
        for leaf in leaves:
            self.append(leaf)

    def root(self) -> bytes:
        """Return the root of the whole tree."""
        return fold_right(self.roots)


def fold_right(roots: Sequence[bytes]) -> bytes:
    """Join the roots of neighbouring perfect subtrees, largest first, into one root."""
    if not roots:
        return EMPTY_ROOT
    joined = roots[-1]
    for root in reversed(roots[:-1]):
        joined = node_hash(root, joined)
    return joined
