"""Read a log from its public files: hashes, entries and proofs, for one tree size.

    reader = TileReader(folder, size)
    reader.entry(17)
    reader.inclusion_path(17)

A `Tail` holds what is not in files yet: the writing process hands its own in, everybody else
reads files only. Nothing is believed here: whoever needs to believe compares the root with a
verified checkpoint.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final, Generic, TypeVar

from tallystick.errors import DamagedError, EncodingError, NotFoundError, UnavailableError
from tallystick.log.bundle import parse_bundle
from tallystick.log.disk import Disk, PosixDisk
from tallystick.log.halfway import HalfwayStore
from tallystick.log.layout import ENTRIES, tile_path
from tallystick.merkle import (
    HASH_BYTES,
    TILE_HEIGHT,
    TILE_WIDTH,
    Tile,
    TileNodes,
    consistency_ranges,
    edge_tiles,
    fold_right,
    halfway_hashes,
    perfect_ranges,
    tile_of_subtree,
    tile_width,
)
from tallystick.merkle.path import Range

CACHED_LEAVES: Final = 64
"""Tiles of level 0 kept in memory, at most 16 KiB each with their inner nodes."""
CACHED_TILES: Final = 512
"""The same for upper levels, of which there are 256 times fewer."""
CACHED_BUNDLES: Final = 16

Place = tuple[int, int, int]
"""Level, number and width of a tile, as a key."""
T = TypeVar("T")


class Kept(Generic[T]):
    """What was read last, first in, first out; readers need no lock."""

    def __init__(self, most: int) -> None:
        """Keep `most` things."""
        self._most = most
        self._kept: dict[Place, T] = {}
        self._lock = Lock()
        self.get = self._kept.get

    def put(self, place: Place, value: T) -> None:
        """Keep a value until others push it out."""
        with self._lock:
            self._kept[place] = value
            while len(self._kept) > self._most:
                del self._kept[next(iter(self._kept))]


class TileCache:
    """Tiles and bundles that were read last, shared by the readers of one log."""

    def __init__(self) -> None:
        """Begin empty."""
        self.leaves: Kept[TileNodes] = Kept(CACHED_LEAVES)
        self.upper: Kept[TileNodes] = Kept(CACHED_TILES)
        self.bundles: Kept[list[bytes]] = Kept(CACHED_BUNDLES)


@dataclass(frozen=True, slots=True)
class Tail:
    """What only memory holds, never changed after it was made.

    Attributes:
        tiles: Hashes of tiles by level and number, partial ones at the right edge included.
        bundles: Entries by bundle number.
    """

    tiles: Mapping[tuple[int, int], bytes] = field(default_factory=dict)
    bundles: Mapping[int, list[bytes]] = field(default_factory=dict)


class TileReader:
    """Reads the tree of one size; cheap to make, safe to share between threads."""

    def __init__(
        self,
        folder: Path,
        size: int,
        *,
        tail: Tail | None = None,
        cache: TileCache | None = None,
        disk: Disk | None = None,
        halfway: HalfwayStore | None = None,
        published: int | None = None,
    ) -> None:
        """Read `folder`, which holds `checkpoint` and `tile/`.

        `published` is a larger size whose tiles are there too; by default, none is known.
        """
        self.size = size
        self._published = size if published is None else published
        self._folder = f"{folder}/"
        self._tail = tail or Tail()
        self._cache = cache or TileCache()
        self._disk = disk or PosixDisk()
        self._halfway = halfway

    def of_size(self, size: int) -> "TileReader":
        """Return a reader of the same log as it was at a smaller size.

        Raises:
            NotFoundError: The tree never had that size yet.
        """
        if not 0 <= size <= self.size:
            raise NotFoundError(f"no tree of size {size}: the log has {self.size} entries")
        return TileReader(
            Path(self._folder),
            size,
            tail=self._tail,
            cache=self._cache,
            disk=self._disk,
            halfway=self._halfway,
            published=self._published,
        )

    def entry(self, index: int) -> bytes:
        """Return one entry.

        Raises:
            NotFoundError: The tree ends before `index`.
            DamagedError: The bundle is missing or cut off.
        """
        self._check_index(index)
        number, at = divmod(index, TILE_WIDTH)
        return self.bundle(number)[at]

    def bundle(self, number: int) -> list[bytes]:
        """Return the entries of one bundle, as far as this tree reaches.

        Raises:
            DamagedError: It is missing or cut off.
        """
        width = tile_width(0, number, self.size)
        if number in self._tail.bundles:
            return self._tail.bundles[number][:width]
        place = (ENTRIES, number, width)
        entries = self._cache.bundles.get(place)
        if entries is None:
            entries = self._read_bundle(Tile(*place))
            self._cache.bundles.put(place, entries)
        return entries

    def _read_bundle(self, tile: Tile) -> list[bytes]:
        data, found = self._read(tile)
        try:
            return parse_bundle(data, found)[: tile.width]
        except EncodingError as error:
            raise DamagedError(
                f"{tile_path(tile)} is damaged: {error}",
                advice="run `tally fsck`; restore the file from a backup or a mirror",
            ) from error

    def leaf(self, index: int) -> bytes:
        """Return one leaf hash.

        Raises:
            NotFoundError: The tree ends before `index`.
            DamagedError: The tile is missing or cut off.
        """
        self._check_index(index)
        return self.subtree(0, index)

    def inclusion_path(self, index: int) -> tuple[bytes, ...]:
        """Return the proof that leaf `index` is in the tree, from the leaf upwards."""
        self._check_index(index)
        path: list[bytes] = []
        for level in range(((self.size - 1).bit_length() + TILE_HEIGHT - 1) // TILE_HEIGHT):
            path += self._path_in_tile(level, index >> level * TILE_HEIGHT)
        return tuple(path)

    def _path_in_tile(self, level: int, index: int) -> Iterator[bytes]:
        """Yield the part of an inclusion path that lies in one tile."""
        number = index // TILE_WIDTH
        nodes = self._nodes(level, number, tile_width(level, number, self.size))
        for inner in range(TILE_HEIGHT):
            height = level * TILE_HEIGHT + inner
            sibling = index >> inner ^ 1
            if sibling + 1 << height <= self.size:
                yield nodes.node(inner, sibling & TILE_WIDTH - 1 >> inner)
            elif sibling << height < self.size:  # the right edge: not a perfect subtree
                yield self._range_root((sibling << height, self.size))

    def consistency_path(self, size: int) -> tuple[bytes, ...]:
        """Return the proof that the tree of `size` leaves is a prefix of this one."""
        return tuple(self._range_root(r) for r in consistency_ranges(size, self.size))

    def root(self, size: int | None = None) -> bytes:
        """Return the root over the first `size` leaves, all by default, from stored hashes."""
        return self._range_root((0, self.size if size is None else size))

    def partial(self) -> dict[int, bytes]:
        """Return the partial tiles at the right edge, by level."""
        return {
            t.level: self._nodes(t.level, t.number, t.width).hashes for t in edge_tiles(self.size)
        }

    def subtree(self, height: int, number: int) -> bytes:
        """Return the root of the perfect subtree of 2**height leaves with that number."""
        level, tile, inner, at = tile_of_subtree(height, number)
        width = tile_width(level, tile, self.size)
        return self._nodes(level, tile, width).node(inner, at)

    def raw(self, tile: Tile) -> bytes:
        """Return the bytes of a tile or bundle as they are served, of exactly its width.

        Raises:
            NotFoundError: The tree does not reach that far.
            DamagedError: It should be there and is not.
        """
        if tile.width > tile_width(max(tile.level, 0), tile.number, self.size):
            raise NotFoundError(f"{tile_path(tile)} is beyond size {self.size}")
        if tile.level == ENTRIES:
            entries = self.bundle(tile.number)[: tile.width]
            return b"".join([part for e in entries for part in (len(e).to_bytes(2), e)])
        width = tile_width(tile.level, tile.number, self.size)
        hashes = self._nodes(tile.level, tile.number, width).hashes
        return hashes[: tile.width * HASH_BYTES]

    def _check_index(self, index: int) -> None:
        if not 0 <= index < self.size:
            raise NotFoundError(f"no entry {index}: the log has {self.size}")

    def _range_root(self, leaves: Range) -> bytes:
        return fold_right(
            [
                self.subtree((last - first).bit_length() - 1, first // (last - first))
                for first, last in perfect_ranges(*leaves)
            ]
        )

    def _nodes(self, level: int, number: int, width: int) -> TileNodes:
        """Return a tile with its inner nodes; a smaller width is a prefix of a larger one."""
        kept, place = self._cache.upper if level else self._cache.leaves, (level, number, width)
        nodes = kept.get(place)
        if nodes is None:
            hashes = self._tail.tiles.get((level, number))
            if hashes is None:
                hashes, _ = self._read(Tile(*place))
            if len(hashes) < width * HASH_BYTES:
                raise DamagedError(
                    f"{tile_path(Tile(*place))} has {len(hashes)} bytes, "
                    f"at least {width * HASH_BYTES} expected"
                )
            nodes = TileNodes(hashes[: width * HASH_BYTES])
            if level == 0 and width == TILE_WIDTH:
                self._use_halfway(number, nodes)
            kept.put(place, nodes)
        return nodes

    def _use_halfway(self, number: int, nodes: TileNodes) -> None:
        """Use the half-way hashes of a full tile, if they lead to its hash in the tile above."""
        if self._halfway is None:
            return
        nodes.halfway = self._halfway.row(number)
        if nodes.halfway is None or nodes.node(TILE_HEIGHT, 0) != self.subtree(TILE_HEIGHT, number):
            nodes.forget()
            self._halfway.keep(number, halfway_hashes(nodes.hashes))

    def _read(self, tile: Tile) -> tuple[bytes, int]:
        """Read a file of that tile, or of a wider version of it; return it with its width."""
        path = tile_path(tile)
        try:
            data = self._disk.read(self._folder + path)
            if data is not None:
                return data, tile.width
            # An earlier partial tile may be gone; what took its place begins with it.
            width = tile_width(max(tile.level, 0), tile.number, self._published)
            for wider in {width, TILE_WIDTH} - {tile.width}:
                data = self._disk.read(
                    self._folder + tile_path(Tile(tile.level, tile.number, wider))
                )
                if data is not None:
                    return data, wider
        except OSError as error:
            raise UnavailableError(f"{path} cannot be read: {error}") from error
        raise DamagedError(
            f"{path} is missing from {self._folder}",
            advice="run `tally fsck`; restore the file from a backup or a mirror",
        )
