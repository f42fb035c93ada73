"""The right edge of a tiled tree: what is not yet part of a full tile, level by level.

An edge takes leaf hashes and gives back the tiles they complete. It holds less than 256 hashes
per tile level and hashes each node once, however the leaves arrive.

Source:
    C2SP tlog-tiles v0.1.0, section "Merkle Tree".
"""

from dataclasses import dataclass, field

from tallystick.merkle.frontier import Frontier, fold_right
from tallystick.merkle.hashing import HASH_BYTES, perfect_root
from tallystick.merkle.tile import TILE_WIDTH, Tile

_TILE_BYTES = TILE_WIDTH * HASH_BYTES


@dataclass(slots=True)
class _Level:
    number: int = 0
    hashes: bytearray = field(default_factory=bytearray)
    frontier: Frontier = field(default_factory=Frontier)


class Edge:
    """Grows in place; only its owner may call `extend`.

    Attributes:
        size: Number of leaves so far.
    """

    def __init__(self) -> None:
        """Begin with the empty tree."""
        self.size = 0
        self._levels: list[_Level] = []

    @classmethod
    def load(cls, size: int, partial: dict[int, bytes]) -> "Edge":
        """Rebuild the edge of a tree from its partial tiles.

        Args:
            size: Number of leaves.
            partial: Hashes of the partial tile of each level that has one.
        """
        edge = cls()
        edge.size = size
        level = 0
        while hashes := size >> 8 * level:
            row = edge._level(level)
            row.number = hashes // TILE_WIDTH
            for at in range(0, len(partial.get(level, b"")), HASH_BYTES):
                row.frontier.append(partial[level][at : at + HASH_BYTES])
            row.hashes += partial.get(level, b"")
            level += 1
        return edge

    def extend(self, leaves: bytes) -> list[tuple[Tile, bytes]]:
        """Add leaf hashes.

        Args:
            leaves: Leaf hashes, concatenated.

        Returns:
            Every tile that became full, with its hashes, lower levels first where they depend.
        """
        done: list[tuple[Tile, bytes]] = []
        self._extend(0, leaves, done)
        self.size += len(leaves) // HASH_BYTES
        return done

    def root(self) -> bytes:
        """Return the root of the whole tree."""
        return fold_right([root for row in reversed(self._levels) for root in row.frontier.roots])

    def partial(self) -> dict[int, bytes]:
        """Return the hashes of the partial tile of each level that has one."""
        return {level: bytes(row.hashes) for level, row in enumerate(self._levels) if row.hashes}

    def _extend(self, level: int, hashes: bytes, done: list[tuple[Tile, bytes]]) -> None:
        row, at = self._level(level), 0
        while at < len(hashes):
            room = _TILE_BYTES - len(row.hashes)
            chunk = hashes[at : at + room]
            at += len(chunk)
            row.hashes += chunk
            if len(row.hashes) < _TILE_BYTES:
                _feed(row.frontier, chunk)
                return
            tile = bytes(row.hashes)
            if len(chunk) == _TILE_BYTES:
                root = perfect_root(tile)
            else:
                _feed(row.frontier, chunk)
                [root] = row.frontier.roots
            done.append((Tile(level, row.number), tile))
            row.number += 1
            row.hashes.clear()
            row.frontier = Frontier()
            self._extend(level + 1, root, done)

    def _level(self, level: int) -> _Level:
        while len(self._levels) <= level:
            self._levels.append(_Level())
        return self._levels[level]


def _feed(frontier: Frontier, hashes: bytes) -> None:
    for at in range(0, len(hashes), HASH_BYTES):
        frontier.append(hashes[at : at + HASH_BYTES])
