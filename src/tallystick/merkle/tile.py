"""Where the hashes of a tree lie in tiles of 256, and what a tile looks like inside.

Source:
    C2SP tlog-tiles v0.1.0, sections "Merkle Tree" and "Partial Tiles".
"""

from dataclasses import dataclass
from typing import Final

from tallystick.merkle.hashing import HASH_BYTES, parent_level

TILE_WIDTH: Final = 256
"""Hashes in a full tile, entries in a full bundle."""
TILE_HEIGHT: Final = 8
"""Levels of the tree in one tile."""


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """One tile of a tree.

    Attributes:
        level: Tile level; hashes of level 0 are leaf hashes.
        number: Which tile of that level.
        width: Hashes in it, 1 to `TILE_WIDTH`; smaller than that is partial.
    """

    level: int
    number: int
    width: int = TILE_WIDTH


def tile_width(level: int, number: int, size: int) -> int:
    """Return how many hashes tile `number` of `level` has in a tree of `size`; 0 if none."""
    hashes = size >> TILE_HEIGHT * level
    return max(0, min(TILE_WIDTH, hashes - number * TILE_WIDTH))


def edge_tiles(size: int) -> list[Tile]:
    """Return the partial tiles at the right edge of a tree, level 0 first."""
    tiles: list[Tile] = []
    level = 0
    while hashes := size >> TILE_HEIGHT * level:
        number, width = divmod(hashes, TILE_WIDTH)
        if width:
            tiles.append(Tile(level, number, width))
        level += 1
    return tiles


def tile_of_subtree(height: int, number: int) -> tuple[int, int, int, int]:
    """Locate the root of a perfect subtree of 2**height leaves.

    Returns:
        Tile level, tile number, level inside the tile, and position in that level.
    """
    level, inner = divmod(height, TILE_HEIGHT)
    per_tile = TILE_WIDTH >> inner
    tile, at = divmod(number, per_tile)
    return level, tile, inner, at


def expand_tile(hashes: bytes) -> list[bytes]:
    """Compute all inner levels of a tile.

    Args:
        hashes: The tile, concatenated, of any width.

    Returns:
        Nine levels, lowest first, concatenated; only hashes of complete subtrees are in them.
    """
    levels = [hashes]
    for _ in range(TILE_HEIGHT):
        level = levels[-1]
        levels.append(parent_level(level[: len(level) // 64 * 64]))
    return levels


def hash_in_tile(levels: list[bytes], inner: int, at: int) -> bytes:
    """Pick one hash from an expanded tile."""
    return levels[inner][at * HASH_BYTES : (at + 1) * HASH_BYTES]
