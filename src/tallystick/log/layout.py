"""Paths of a log's public files, exactly as static hosting and other people's readers want them.

Source:
    C2SP tlog-tiles v0.1.0, section "APIs".
"""

import re
from typing import Final

from tallystick.errors import EncodingError
from tallystick.merkle import TILE_WIDTH, Tile

CHECKPOINT: Final = "checkpoint"
LEVEL_MAX: Final = 63

_NUMBER: Final = r"((?:x\d{3}/){0,6}\d{3})"
"""Seven groups: more tiles than a tree of 2**63 entries has."""
_PATH: Final = re.compile(rf"tile/(entries|\d{{1,2}})/{_NUMBER}(?:\.p/([1-9]\d{{0,2}}))?", re.ASCII)

ENTRIES: Final = -1
"""Stands for `entries` where a tile level is expected."""


def tile_path(tile: Tile) -> str:
    """Return the path of a tile of hashes, or of a bundle where the level is `ENTRIES`."""
    level = "entries" if tile.level == ENTRIES else str(tile.level)
    partial = f".p/{tile.width}" if tile.width < TILE_WIDTH else ""
    return f"tile/{level}/{number_path(tile.number)}{partial}"


def partial_folder(level: int, number: int) -> str:
    """Return the folder that holds the partial versions of a tile."""
    return tile_path(Tile(level, number)) + ".p"


def number_path(number: int) -> str:
    """Write a tile number in groups of three digits: 1234067 is `x001/x234/067`."""
    groups = [f"{number % 1000:03d}"]
    while number := number // 1000:
        groups.append(f"x{number % 1000:03d}")
    return "/".join(reversed(groups))


def parse_tile_path(path: str) -> Tile:
    """Read a tile path.

    Raises:
        EncodingError: Not the path of a tile or bundle, or not its only spelling.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise EncodingError(f"not the path of a tile: {path[:80]!r}")
    level = ENTRIES if match[1] == "entries" else int(match[1])
    number = int(match[2].replace("x", "").replace("/", ""))
    tile = Tile(level, number, int(match[3]) if match[3] else TILE_WIDTH)
    if level > LEVEL_MAX or tile_path(tile) != path:
        raise EncodingError(f"not the only spelling of a tile path: {path[:80]!r}")
    return tile
