"""Files of a log that its checkpoint does not need: earlier partial tiles, and what is foreign."""

from collections.abc import Iterator
from pathlib import Path

from tallystick.errors import EncodingError
from tallystick.log.fsck import Damage
from tallystick.log.layout import CHECKPOINT, parse_tile_path
from tallystick.log.snapshot import Snapshot
from tallystick.merkle import TILE_WIDTH, tile_width


def leftovers(folder: Path, snapshot: Snapshot) -> Iterator[Damage | str]:
    """Yield earlier partial tiles that are wrong, and the paths of files that no log writes.

    Assumes that `fsck` found nothing, so that what is served can be compared with.
    """
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder).as_posix()
        if not file.is_file() or path == CHECKPOINT or path.endswith(".new"):
            continue
        try:
            tile = parse_tile_path(path)
        except EncodingError:
            yield path
            continue
        # Those beyond the checkpoint are written before it is, and overwritten after a crash.
        within = tile.width <= tile_width(max(tile.level, 0), tile.number, snapshot.checkpoint.size)
        if within and tile.width < TILE_WIDTH and file.read_bytes() != snapshot.reader.raw(tile):
            yield Damage(path, "this earlier partial tile is not the beginning of the later one")
