"""Look into a spool from beside: what is durable there and not registered yet."""

import os
from dataclasses import dataclass
from pathlib import Path

from tallystick.capture.spool import SEGMENT_BYTES, opened_by, read_mark
from tallystick.errors import DamagedError
from tallystick.log import LookingDisk
from tallystick.log.journal import Journal


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a spool holds.

    Attributes:
        items: Statements that are durable and may not be registered yet.
        open_intents: Calls whose intent has no outcome.
        fail_open: Whether calls were passed on without evidence when it was written.
    """

    items: int
    open_intents: int
    fail_open: bool


def waiting(folder: Path) -> Waiting:
    """Look into the spool in a folder; a gateway may be writing to it.

    Raises:
        DamagedError: A segment was cut off.
        EncodingError: The mark is damaged.
        VersionError: A release of another format wrote it.
    """
    disk = LookingDisk()
    mark = read_mark(folder, disk)
    journal = folder / "journal"
    for name in disk.names(journal):
        if name.isdigit() and (journal / name).stat().st_size != SEGMENT_BYTES:
            raise DamagedError(f"spool segment {name} does not have {SEGMENT_BYTES} bytes")
    opened = Journal(disk, journal, os.urandom, SEGMENT_BYTES)
    items, opens = 0, mark.open_intents
    try:
        for first, _, body in opened.replay(mark.registered):
            items, opens = items + 1, opens + opened_by(body, first)
    finally:
        opened.close()
    return Waiting(items, opens, mark.fail_open)
