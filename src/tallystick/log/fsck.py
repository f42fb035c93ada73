"""Check every file of a log against every other, and say which one is wrong.

Shares no code with the writer beyond the hash functions and paths: leaves are computed from the
entries, tiles from the leaves, the root from the tiles, and each is compared with what is stored.
Where entry and leaf disagree, the tile above, or the signed root, says which was changed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tallystick.errors import EncodingError, TallystickError
from tallystick.log.bundle import parse_bundle
from tallystick.log.layout import CHECKPOINT, ENTRIES, tile_path
from tallystick.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    TILE_WIDTH,
    Tile,
    leaf_hash,
    tile_width,
    tree_root,
)
from tallystick.statement import (
    Checkpoint,
    VerifierKey,
    parse_checkpoint,
    parse_note,
    verify_note,
)

_NO_FILE: Final = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is wrong.

    Attributes:
        path: The file, as it is served.
        what: What was seen, what was expected.
        index: The entry it concerns, where it is one.
    """

    path: str
    what: str
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found.

    Attributes:
        checkpoint: The log's own claim; None if it cannot be read.
        damage: Empty if every file agrees with it.
    """

    checkpoint: Checkpoint | None
    damage: tuple[Damage, ...]


Progress = Callable[[int, int], None]
"""Called with entries checked and entries in all."""


def fsck(folder: Path, key: VerifierKey, progress: Progress | None = None) -> Report:
    """Check a log's public files.

    Whether entries are valid statements, and were admitted rightly, is not checked here.

    Raises:
        OSError: A file is there and cannot be read: nobody knows whether it is damaged.
    """
    try:
        note = parse_note((folder / CHECKPOINT).read_bytes())
        verify_note(note, [key])
        checkpoint = parse_checkpoint(note.text)
    except (*_NO_FILE, TallystickError) as error:
        return Report(None, (Damage(CHECKPOINT, str(error)),))
    check = _Check(folder, checkpoint, progress)
    damage = [*check.leaves(), *check.upper_levels()]
    if not damage and check.root() != checkpoint.root:
        damage.append(Damage(CHECKPOINT, "the root is not the root of the tiles"))
    return Report(checkpoint, tuple(damage))


class _Check:
    """Holds, level by level, the hashes that the files below lead to."""

    def __init__(self, folder: Path, claim: Checkpoint, progress: Progress | None) -> None:
        self.folder, self.progress = folder, progress
        self.size, self.signed = claim.size, claim.root
        self.hashes: list[bytes] = []  # of the level above the one being checked
        self.partials: list[bytes] = []  # right edge of each level, lowest first

    def leaves(self) -> Iterator[Damage]:
        """Check bundles against leaf tiles."""
        for number in range(-(-self.size // TILE_WIDTH)):
            width = tile_width(0, number, self.size)
            entries, damage = self._bundle(number, width)
            yield from damage
            yield from self._leaf_tile(number, width, entries)
            if self.progress:
                self.progress(number * TILE_WIDTH + width, self.size)

    def upper_levels(self) -> Iterator[Damage]:
        """Check each tile of the upper levels against the tiles it covers."""
        level = 1
        while self.hashes:
            below, self.hashes = self.hashes, []
            for number in range(-(-len(below) // TILE_WIDTH)):
                expected = b"".join(below[number * TILE_WIDTH : (number + 1) * TILE_WIDTH])
                tile = Tile(level, number, len(expected) // HASH_BYTES)
                yield from self._compare(tile, expected)
                self._rise(expected)
            level += 1

    def root(self) -> bytes:
        """Return the root that all files lead to."""
        return _fold(self.partials)

    def _bundle(self, number: int, width: int) -> tuple[list[bytes] | None, list[Damage]]:
        tile = Tile(ENTRIES, number, width)
        data = self._read(tile)
        if data is None:
            return None, [Damage(tile_path(tile), "the file is missing")]
        try:
            return parse_bundle(data, width), []
        except EncodingError as error:
            return None, [Damage(tile_path(tile), str(error))]

    def _leaf_tile(self, number: int, width: int, entries: list[bytes] | None) -> Iterator[Damage]:
        tile = Tile(0, number, width)
        stored = self._read(tile)
        computed = b"".join(map(leaf_hash, entries)) if entries is not None else None
        if stored is None or len(stored) != width * HASH_BYTES:
            seen = "the file is missing" if stored is None else f"it has {len(stored)} bytes"
            yield Damage(tile_path(tile), f"{seen}, {width * HASH_BYTES} expected")
            self._rise(computed or bytes(width * HASH_BYTES))
            return
        if computed is None or computed == stored:
            self._rise(stored)
            return
        entry_is_wrong = self._confirms(number, stored)
        yield from _differences(tile, stored, computed, entry_is_wrong=entry_is_wrong)
        self._rise(stored if entry_is_wrong else computed)

    def _confirms(self, number: int, stored: bytes) -> bool:
        """Tell whether the tree confirms a leaf tile: the tile above, or the signed root."""
        if len(stored) < TILE_WIDTH * HASH_BYTES:  # the last one: nothing is above it alone
            return _root_over(self.hashes, stored) == self.signed
        above, at = divmod(number, TILE_WIDTH)
        data = self._read(Tile(1, above, tile_width(1, above, self.size))) or b""
        return data[at * HASH_BYTES : (at + 1) * HASH_BYTES] == tree_root(stored)

    def _compare(self, tile: Tile, expected: bytes) -> Iterator[Damage]:
        stored = self._read(tile)
        if stored is None:
            yield Damage(tile_path(tile), "the file is missing")
        elif len(stored) != len(expected):
            yield Damage(tile_path(tile), f"it has {len(stored)} bytes, {len(expected)} expected")
        else:
            for at in range(0, len(expected), HASH_BYTES):
                if stored[at : at + HASH_BYTES] != expected[at : at + HASH_BYTES]:
                    what = f"hash {at // HASH_BYTES} is not the root of the tile below"
                    yield Damage(tile_path(tile), what)

    def _rise(self, hashes: bytes) -> None:
        """Hand the root of a full tile to the level above, keep a partial one for the root."""
        if len(hashes) == TILE_WIDTH * HASH_BYTES:
            self.hashes.append(tree_root(hashes))
        else:
            self.partials.append(hashes)

    def _read(self, tile: Tile) -> bytes | None:
        try:
            return (self.folder / tile_path(tile)).read_bytes()
        except _NO_FILE:
            return None


def _root_over(full: list[bytes], last: bytes) -> bytes:
    """Return the root of a tree, from the roots of its full leaf tiles and its last, partial one.

    A tree of leaves is a tree over the roots of full tiles, except for what the last tile adds.
    """
    roots, partials = full, [last]
    while roots:
        at = len(roots) - len(roots) % TILE_WIDTH
        partials.append(b"".join(roots[at:]))
        whole = (roots[n : n + TILE_WIDTH] for n in range(0, at, TILE_WIDTH))
        roots = [tree_root(b"".join(tile)) for tile in whole]
    return _fold(partials)


def _fold(partials: list[bytes]) -> bytes:
    """Return the root over the right edge of each level, lowest first."""
    root = b""
    for partial in partials:
        root = tree_root(partial + root) if partial + root else b""
    return root or EMPTY_ROOT


def _differences(
    tile: Tile, stored: bytes, computed: bytes, *, entry_is_wrong: bool
) -> Iterator[Damage]:
    for at in range(tile.width):
        here = slice(at * HASH_BYTES, (at + 1) * HASH_BYTES)
        if stored[here] == computed[here]:
            continue
        index = tile.number * TILE_WIDTH + at
        if entry_is_wrong:
            path = tile_path(Tile(ENTRIES, tile.number, tile.width))
            what = f"entry {index} was changed: its hash is not the leaf that the tree confirms"
        else:
            path = tile_path(tile)
            what = f"leaf {index} is not the hash of entry {index}"
        yield Damage(path, what, index)
