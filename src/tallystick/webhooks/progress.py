"""How far a webhook has come: one small file for each, written by the service only.

Trust: whoever can write it can make a webhook skip statements or send them again; what it sends
stays signed and provable.
"""

from pathlib import Path
from typing import Final, Literal

import msgspec

from tallystick.errors import EncodingError
from tallystick.ledger.versioned import parse_versioned
from tallystick.log import PosixDisk

FORMAT: Final = 1
FILE_BYTES_MAX: Final = 64 << 10
Why = Literal["gone", "failing"]


class Halt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why the service stopped delivering, until somebody resumes it.

    Attributes:
        why: `gone` after a 410, `failing` after too long without success.
        at: When, seconds since 1970.
        resumed: How often the webhook had been resumed then; resuming once more ends the halt.
    """

    why: Why
    at: int
    resumed: int


class Progress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a webhook has come.

    Attributes:
        position: Index of the first statement that was not delivered or passed over.
        delivered: Statements that a target took.
        delivered_at: When it last did, seconds since 1970.
        failing_since: When the first of the failures since then was.
        error: What the last failure was, in words.
        halt: Why nothing is delivered any more.
    """

    position: int
    delivered: int = 0
    delivered_at: int | None = None
    failing_since: int | None = None
    error: str = ""
    halt: Halt | None = None
    format: int = FORMAT


def progress_path(folder: Path, webhook_id: str) -> Path:
    """Return where the progress of a webhook lies."""
    return folder / f"{webhook_id}.json"


def read_progress(folder: Path, webhook_id: str) -> Progress | None:
    """Return how far a webhook has come; None if it has not begun.

    Raises:
        EncodingError: The file is damaged.
        VersionError: It is of a later release.
    """
    path = progress_path(folder, webhook_id)
    data = PosixDisk().read(path)
    if data is None:
        return None
    try:
        return parse_versioned(path, data, Progress, FORMAT, bytes_max=FILE_BYTES_MAX)
    except EncodingError as error:
        error.advice = "remove the webhook, and add it with --since"
        raise


def write_progress(folder: Path, webhook_id: str, progress: Progress) -> None:
    """Make durable how far a webhook has come.

    Raises:
        OSError: The disk does not take it.
    """
    PosixDisk().replace(progress_path(folder, webhook_id), msgspec.json.encode(progress))


def remove_progress(folder: Path, webhook_id: str) -> None:
    """Forget a webhook."""
    progress_path(folder, webhook_id).unlink(missing_ok=True)
