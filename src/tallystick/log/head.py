"""The last checkpoint that was signed, kept apart from the data it speaks of.

A log that was restored from an old backup finds here that it had signed more than it now holds,
and refuses to go on: going on would sign a second history. Keep this file on another disk if you
can, and never restore it from a backup.

Trust: whoever can change this file and the data together can make the log fork itself; others
notice as soon as they compare checkpoints.
"""

from hashlib import sha256
from pathlib import Path
from typing import Final

from tallystick.errors import ConflictError, DamagedError
from tallystick.log.disk import Disk

SLOT_BYTES: Final = 4096
_HEAD_BYTES: Final = 8 + 4 + 32
NOTE_MAX: Final = SLOT_BYTES - _HEAD_BYTES


class HeadStore:
    """Two slots written in turn: while one is being overwritten, the other is whole."""

    def __init__(self, disk: Disk, path: Path) -> None:
        """Open the store, or make an empty one."""
        self.path = path
        self._file = disk.block_file(path, 2 * SLOT_BYTES)
        self._counter, self._note = self._newest()

    @property
    def note(self) -> bytes | None:
        """The checkpoint that was stored last, None before the first."""
        return self._note

    def swap(self, old: bytes | None, new: bytes) -> None:
        """Replace `old` by `new` durably, if `old` is what is stored.

        Raises:
            ConflictError: Something else is stored: another writer was here.
        """
        counter, stored = self._newest()
        if stored != old or counter != self._counter:
            raise ConflictError(f"{self.path} was changed by another writer")
        if len(new) > NOTE_MAX:
            raise DamagedError(f"checkpoint has {len(new)} bytes, at most {NOTE_MAX} fit")
        counter += 1
        self._file.pwrite(_encode(counter, new), counter % 2 * SLOT_BYTES)
        self._file.datasync()
        self._counter, self._note = counter, new

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def _newest(self) -> tuple[int, bytes | None]:
        return _newest(self._file.pread(2 * SLOT_BYTES, 0), self.path)


def stored_head(path: Path) -> bytes | None:
    """Return the checkpoint that was stored last, None before the first; makes no file.

    Raises:
        DamagedError: The file is missing, or holds no whole checkpoint.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DamagedError(
            f"{path} cannot be read: {error.strerror}",
            advice="put the head store back where it was, or run `tally restore`",
        ) from error
    return _newest(data, path)[1]


def _newest(data: bytes, path: Path) -> tuple[int, bytes | None]:
    slots = [_parse(data[:SLOT_BYTES]), _parse(data[SLOT_BYTES:])]
    whole = [slot for slot in slots if slot is not None]
    if whole:
        return max(whole)
    # The very first write may have been torn: then the other slot is still untouched.
    if any(data[:SLOT_BYTES]) and any(data[SLOT_BYTES:]):
        raise DamagedError(
            f"{path} holds no whole checkpoint",
            advice="run `tally restore` with a checkpoint that others hold",
        )
    return 0, None


def _encode(counter: int, note: bytes) -> bytes:
    head = counter.to_bytes(8) + len(note).to_bytes(4)
    return head + sha256(head + note).digest() + note


def _parse(slot: bytes) -> tuple[int, bytes] | None:
    head, digest = slot[:12], slot[12:_HEAD_BYTES]
    note = slot[_HEAD_BYTES : _HEAD_BYTES + int.from_bytes(head[8:])]
    if sha256(head + note).digest() != digest:
        return None
    return int.from_bytes(head[:8]), note
