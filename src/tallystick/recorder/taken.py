"""How far the forwarder has what applications said: beside the spool, and never ahead of it."""

from pathlib import Path
from typing import Final

import msgspec

from tallystick.ledger.versioned import parse_versioned, replace_private

FORMAT: Final = 1


class Progress(msgspec.Struct, forbid_unknown_fields=True):
    """Of one file.

    Attributes:
        frames: So many are in the spool.
        intents: Statements, in hex, of calls that have not ended, by number.
    """

    frames: int = 0
    intents: dict[int, str] = {}


class Taken(msgspec.Struct, forbid_unknown_fields=True):
    """Of all files.

    Attributes:
        epoch: Newest epoch that was begun.
        files: By the process that wrote it, in hex.
        format: Version of this file.
    """

    epoch: int = -1
    files: dict[str, Progress] = {}
    format: int = FORMAT


def read_taken(path: Path) -> Taken:
    """Return how far it came; nowhere where there is no file.

    Raises:
        VersionError: Another release wrote it.
        EncodingError: It is damaged.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Taken()
    return parse_versioned(path, data, Taken, FORMAT)


def write_taken(path: Path, taken: Taken) -> None:
    """Keep it durably.

    Raises:
        OSError: The disk does not take it.
    """
    replace_private(path, msgspec.json.encode(taken))
