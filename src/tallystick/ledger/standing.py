"""How a ledger stands, looked at from beside: what was signed, and what time it last said it was.

Read-only, also where another process has the ledger open. `tallystick.ledger.examination` and
`tally doctor` ask here.
"""

import os
from pathlib import Path
from typing import Final

from tallystick.errors import DamagedError
from tallystick.ledger.creation import Card
from tallystick.ledger.home import Home
from tallystick.log import LookingDisk, Snapshot, stored_head
from tallystick.log.journal import SEGMENT_BYTES, Journal
from tallystick.statement import (
    Checkpoint,
    parse_checkpoint,
    parse_note,
    parse_statement,
    parse_vkey,
    verify_note,
)
from tallystick.statement.governance import StatementType, parse_heartbeat

LOOK_BACK_MAX: Final = 4096
"""Entries in which the newest heartbeat is looked for."""


def signed_last(home: Home, card: Card, head: Path | None = None) -> Checkpoint:
    """Return the checkpoint that the head store holds.

    Args:
        home: The ledger.
        card: Which one it is.
        head: Folder of the head store, if it is not in `home`.

    Raises:
        DamagedError: The head store is missing or not whole.
        TallystickError: It holds no checkpoint of this log.
    """
    path = home.places(head).head
    stored = stored_head(path)
    if stored is None:
        raise DamagedError(
            f"{path} is empty, it should hold the last signed checkpoint",
            advice="put the head store back where it was, or run `tally restore`",
        )
    note = parse_note(stored)
    verify_note(note, [parse_vkey(card.checkpoint_key)])
    return parse_checkpoint(note.text)


def check_signed(home: Home, snapshot: Snapshot, signed: Checkpoint) -> int:
    """Check that what was signed last is public or in the journal; return where that ends.

    Call it while no process has the ledger open: one that has it writes to the journal.

    Raises:
        DamagedError: It is not.
    """
    check_history(snapshot, signed)
    end = journal_end(home, snapshot.checkpoint.size)
    if end < signed.size:
        raise DamagedError(
            f"the journal ends at size {end}, but a checkpoint of size {signed.size} was signed",
            advice="put back the newest copy of the data folder",
        )
    return end


def check_history(snapshot: Snapshot, signed: Checkpoint) -> None:
    """Check that a signed checkpoint is one of the public log's, as far as that reaches.

    Raises:
        DamagedError: It is of another history.
    """
    reached = signed.size <= snapshot.checkpoint.size
    if reached and snapshot.reader.root(signed.size) != signed.root:
        raise DamagedError(f"the head store at size {signed.size} is of another history")


def journal_end(home: Home, size: int) -> int:
    """Return how far the journal reaches beyond what is public.

    Raises:
        DamagedError: A segment of it was cut off.
    """
    folder, disk = home.places().journal, LookingDisk()
    for name in disk.names(folder):
        if name.isdigit() and (folder / name).stat().st_size != SEGMENT_BYTES:
            raise DamagedError(f"journal segment {name} does not have {SEGMENT_BYTES} bytes")
    journal = Journal(disk, folder, os.urandom)
    try:
        return max([size, *(first + count for first, count, _ in journal.replay(size))])
    finally:
        journal.close()


def newest_heartbeat(snapshot: Snapshot) -> int | None:
    """Return the time of the newest heartbeat among the last entries, in seconds since 1970.

    In a log without any it is the time of the genesis statement. Who signed it is not looked at.

    Returns:
        None if there is none within `LOOK_BACK_MAX` entries.
    """
    size = snapshot.checkpoint.size
    for index in range(size - 1, max(0, size - LOOK_BACK_MAX) - 1, -1):
        statement = parse_statement(snapshot.reader.entry(index))
        if statement.header.type == StatementType.HEARTBEAT:
            return parse_heartbeat(statement.payload).time
        if index == 0:
            return statement.header.issued_at
    return None
