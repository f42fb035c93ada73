"""Which subtrees a proof consists of: pure arithmetic, no hashes.

A proof is a list of subtree roots. `inclusion_ranges` and `consistency_ranges` name them as
half-open ranges of leaf indexes; whoever has the hashes turns ranges into roots.

Source:
    RFC 9162, sections 2.1.3.1 (PATH) and 2.1.4.1 (SUBPROOF).
"""

from tallystick.errors import InputError

Range = tuple[int, int]
"""First leaf index, and the index after the last."""


def split_point(size: int) -> int:
    """Return the largest power of two below `size`, which is at least 2."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Name the subtrees that prove leaf `index` in a tree of `size` leaves.

    Returns:
        Ranges from the leaf's neighbour up to the child of the root.

    Raises:
        InputError: `index` is not in the tree.
    """
    if not 0 <= index < size:
        raise InputError(f"leaf index must be in 0..{size - 1}, got {index}")
    ranges: list[Range] = []
    first, last = 0, size
    while last - first > 1:
        middle = first + split_point(last - first)
        if index < middle:
            ranges.append((middle, last))
            last = middle
        else:
            ranges.append((first, middle))
            first = middle
    ranges.reverse()
    return ranges


def consistency_ranges(size1: int, size2: int) -> list[Range]:
    """Name the subtrees that prove that a tree of `size1` leaves is a prefix of `size2` leaves.

    Returns:
        Ranges in the order of RFC 9162; none where the sizes are equal.

    Raises:
        InputError: The sizes are not 1 <= size1 <= size2.
    """
    if not 1 <= size1 <= size2:
        raise InputError(f"sizes must be 1 <= size1 <= size2, got {size1} and {size2}")
    ranges: list[Range] = []
    first, last, known = 0, size2, True  # known: the old root is this whole range
    while size1 != last:
        middle = first + split_point(last - first)
        if size1 <= middle:
            ranges.append((middle, last))
            last = middle
        else:
            ranges.append((first, middle))
            first, known = middle, False
    if not known:
        ranges.append((first, last))
    ranges.reverse()
    return ranges


def perfect_ranges(first: int, last: int) -> list[Range]:
    """Split a range that a proof names into perfect subtrees, largest first.

    Such a range starts at a multiple of the power of two that covers it, so plain binary
    splitting from the left gives aligned subtrees.
    """
    ranges: list[Range] = []
    while first < last:
        width = 1 << (last - first).bit_length() - 1
        ranges.append((first, first + width))
        first += width
    return ranges
