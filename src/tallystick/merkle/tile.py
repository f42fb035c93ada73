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
_HALF: Final = TILE_HEIGHT // 2


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


class TileNodes:
    """All inner nodes of a tile, computed when asked for and kept.

    A path through a full tile needs 247 hashes, or 30 where the roots of its 16 groups of 16
    hashes are known: hand those in as `halfway`. They are believed; compare `root` with the tile
    above to check them.
    """

    __slots__ = ("_groups", "_upper", "halfway", "hashes")

    def __init__(self, hashes: bytes, halfway: bytes | None = None) -> None:
        """Take the hashes of a tile of any width; `halfway` is for full tiles only."""
        self.hashes = hashes
        self.halfway = halfway
        self._groups: dict[int, list[bytes]] = {}
        self._upper: list[bytes] | None = None

    def node(self, inner: int, at: int) -> bytes:
        """Return node `at` of level `inner` inside the tile, 0 being the hashes themselves.

        Returns:
            32 bytes; none where the subtree is not complete in this tile.
        """
        if inner < _HALF:
            group = at >> _HALF - inner
            return _pick(self._group(group)[inner], at - (group << _HALF - inner))
        if self._upper is None:
            self._upper = _levels(self._halfway())
        return _pick(self._upper[inner - _HALF], at)

    def forget(self) -> None:
        """Drop what was derived from `halfway`, which turned out to be wrong."""
        self.halfway = self._upper = None

    def _halfway(self) -> bytes:
        if self.halfway is None:
            self.halfway = halfway_hashes(self.hashes)
        return self.halfway

    def _group(self, group: int) -> list[bytes]:
        levels = self._groups.get(group)
        if levels is None:
            width = HASH_BYTES << _HALF
            levels = _levels(self.hashes[group * width : (group + 1) * width])
            self._groups[group] = levels
        return levels


def halfway_hashes(hashes: bytes) -> bytes:
    """Return the roots of the complete groups of 16 hashes of a tile, concatenated."""
    level = hashes[: len(hashes) >> _HALF + 5 << _HALF + 5]
    for _ in range(_HALF):
        level = parent_level(level)
    return level


def _levels(hashes: bytes) -> list[bytes]:
    levels = [hashes]
    for _ in range(_HALF):
        level = levels[-1]
        levels.append(parent_level(level[: len(level) // 64 * 64]))
    return levels


def _pick(level: bytes, at: int) -> bytes:
    return level[at * HASH_BYTES : (at + 1) * HASH_BYTES]
