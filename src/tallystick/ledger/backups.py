"""What a ledger remembers of its last backup: for `tally doctor` and the service's metrics.

Trust: whoever changes the note can make an old backup look new; the backup itself is checked by
`tally restore`, which does not look here.
"""

from pathlib import Path

import msgspec

from tallystick.errors import EncodingError
from tallystick.ledger.home import Home
from tallystick.log import PosixDisk

NOTE: str = "last-backup.json"


class BackupNote(msgspec.Struct, frozen=True):
    """The last backup.

    Attributes:
        at: When it ended, seconds since 1970.
        folder: Where to.
        size: Entries that it holds.
        content: Whether the vault was copied, too.
    """

    at: int
    folder: str
    size: int
    content: bool = True


def note_path(home: Home) -> Path:
    """Return where the note lies."""
    return home.data / NOTE


def write_backup_note(home: Home, note: BackupNote) -> None:
    """Remember a backup.

    Raises:
        OSError: It could not be written; the backup is none the worse.
    """
    PosixDisk().replace(note_path(home), msgspec.json.encode(note))


def read_backup_note(home: Home) -> BackupNote | None:
    """Return what is known of the last backup; None if nothing is.

    Raises:
        EncodingError: The note is damaged.
    """
    data = PosixDisk().read(note_path(home))
    if data is None:
        return None
    try:
        return msgspec.json.decode(data, type=BackupNote)
    except (msgspec.DecodeError, RecursionError) as error:
        raise EncodingError(
            f"{note_path(home)} is damaged: {error}", advice="remove it, and make a backup"
        ) from error
