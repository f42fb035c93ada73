"""Copy the files of a log, each checked against the signed checkpoint before it is written.

A backup is often the last good copy. So whatever is to be written is compared first with what the
log signed, and nothing that disagrees replaces anything.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tallystick.errors import DamagedError
from tallystick.log import PosixDisk, Snapshot
from tallystick.log.layout import ENTRIES, tile_path
from tallystick.merkle import (
    HASH_BYTES,
    TILE_WIDTH,
    Edge,
    Tile,
    edge_tiles,
    leaf_hash,
    tile_width,
    tree_root,
)


def checked_edge(snapshot: Snapshot) -> dict[str, bytes]:
    """Return the partial tiles at the right edge by path, as the checkpoint confirms them.

    Raises:
        DamagedError: They are not what was signed.
    """
    reader, size = snapshot.reader, snapshot.checkpoint.size
    if Edge.load(size, reader.partial()).root() != snapshot.checkpoint.root:
        raise DamagedError(
            f"tiles at the edge of size {size} do not lead to the signed root",
            advice="run `tally fsck` to see which file is wrong; nothing was replaced",
        )
    tiles = edge_tiles(size)
    tiles += [Tile(ENTRIES, tile.number, tile.width) for tile in tiles if tile.level == 0]
    for tile in tiles:
        if tile.level == ENTRIES:
            _check_bundle(snapshot, tile)
    return {tile_path(tile): reader.raw(tile) for tile in tiles}


def copy_full_tiles(snapshot: Snapshot, source: Path, target: Path) -> int:
    """Write the full tiles and bundles that `target` lacks; return how many.

    Raises:
        DamagedError: One does not lead to the signed root; it was not written.
    """
    copied = 0
    for tile in _full_tiles(snapshot.checkpoint.size):
        path = tile_path(tile)
        if not is_copied(source / path, target / path):
            _check_tile(snapshot, tile)
            _appear(target / path, snapshot.reader.raw(tile))
            copied += 1
    os.sync()
    return copied


def copy_new(source: Path, target: Path) -> int:
    """Copy files that are not there yet; what is under a name never changes.

    Each appears under its name when it is whole, so that a copy that is killed can be repeated;
    one that is shorter than the original is what a power cut left, and is copied again.

    Raises:
        DamagedError: The original is shorter than the copy.
    """
    copied = 0
    for path in sorted(source.rglob("*")):
        into = target / path.relative_to(source)
        if path.is_file() and path.suffix != ".new" and not is_copied(path, into):
            copy_file(path, into)
            copied += 1
    os.sync()
    return copied


def copy_file(path: Path, into: Path) -> None:
    """Copy a file; it appears under its name when it is whole."""
    into.parent.mkdir(parents=True, exist_ok=True)
    beside = into.with_name(into.name + ".new")
    shutil.copyfile(path, beside)
    beside.replace(into)


def write_edge(edge: dict[str, bytes], public: Path) -> int:
    """Write what `checked_edge` returned; return how many files that were."""
    for path, data in edge.items():
        PosixDisk().replace(public / path, data)
    return len(edge)


def is_copied(path: Path, into: Path) -> bool:
    """Tell whether a file is there already, in full.

    Raises:
        DamagedError: The original is missing, or shorter than the copy.
    """
    if not into.exists():
        return False
    original = path.stat().st_size if path.exists() else 0
    if original < into.stat().st_size:
        raise DamagedError(
            f"{path} has {original} bytes, its copy {into} has {into.stat().st_size}",
            advice="the copy was left as it is; put the file back from it",
        )
    return original == into.stat().st_size


def _full_tiles(size: int) -> Iterator[Tile]:
    level, full = 0, size // TILE_WIDTH
    while full >> 8 * level:
        yield from (Tile(level, number) for number in range(full >> 8 * level))
        level += 1
    yield from (Tile(ENTRIES, number) for number in range(full))


def _check_tile(snapshot: Snapshot, tile: Tile) -> None:
    """Compare a full tile with the tile above, a bundle with its leaf hashes."""
    if tile.level == ENTRIES:
        _check_bundle(snapshot, tile)
        return
    level, (number, at) = tile.level + 1, divmod(tile.number, TILE_WIDTH)
    above = Tile(level, number, tile_width(level, number, snapshot.checkpoint.size))
    expected = snapshot.reader.raw(above)[at * HASH_BYTES : (at + 1) * HASH_BYTES]
    if tree_root(snapshot.reader.raw(tile)) != expected:
        raise _damaged(tile, "the tile above says otherwise")


def _check_bundle(snapshot: Snapshot, tile: Tile) -> None:
    leaves = b"".join(map(leaf_hash, snapshot.reader.bundle(tile.number)))
    if leaves != snapshot.reader.raw(Tile(0, tile.number, tile.width)):
        raise _damaged(tile, "entries and leaf hashes differ")


def _damaged(tile: Tile, what: str) -> DamagedError:
    return DamagedError(
        f"{tile_path(tile)} is damaged: {what}",
        advice="run `tally fsck` to see which file is wrong; no good copy was replaced",
    )


def _appear(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(data)
    beside.replace(path)
