"""Who reads content: every read is noted in a file before the content is handed out.

    with reading_as("jane", "complaint 17"):
        vault.get(statement.id)

A note is with the system before its content is with the reader, so a killed process loses none; a
power cut loses at most those of the last second. What is noted is later registered, many reads as
one statement, by `tallystick.ledger.reads`. Where nothing can be noted, nothing is read.

Trust: whoever can write to the folder can remove notes until they are registered.
"""

import errno
import fcntl
import getpass
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

from tallystick.errors import UnavailableError

READS_MAX: Final = 10_000
"""Reads in one file, and so in one statement."""
FILE_SECONDS: Final = 30
"""How long one file is written to; then it can be registered."""
SYNC_SECONDS: Final = 1
ENDING: Final = ".reads"
TEXT_MAX: Final = 200
UNSTATED: Final = "unstated"


@dataclass(frozen=True, slots=True)
class Reading:
    """Who reads, and what for.

    Attributes:
        who: A name that the operator knows.
        purpose: Why, in a few words.
    """

    who: str
    purpose: str


_reading: ContextVar[Reading | None] = ContextVar("tallystick_reading")


@contextmanager
def reading_as(who: str, purpose: str) -> Iterator[None]:
    """Say who reads content until the end of the block, and what for."""
    token = _reading.set(Reading(who[:TEXT_MAX], purpose[:TEXT_MAX]))
    try:
        yield
    finally:
        _reading.reset(token)


@contextmanager
def unsafe_unrecorded() -> Iterator[None]:
    """Read without a note until the end of the block: for checks that show content to nobody."""
    token = _reading.set(None)
    try:
        yield
    finally:
        _reading.reset(token)


class ReadBook:
    """Notes reads into files of one folder; safe to share between threads."""

    def __init__(self, folder: Path, purpose: str = UNSTATED) -> None:
        """Begin; a file is made with the first read.

        Args:
            folder: Of the files.
            purpose: What this user of the system reads for, where `reading_as` says nothing.
        """
        self._folder, self._lock = folder, Lock()
        self._default = Reading(_user(), purpose)
        self._file: int | None = None
        self._said: Reading | None = None
        self._count, self._begun, self._synced = 0, 0.0, 0.0

    def note(self, statement_id: bytes, position: int | None = None) -> None:
        """Note that content was read, before it is handed out.

        Args:
            statement_id: Whose.
            position: The row, where it is a single one.

        Raises:
            UnavailableError: It cannot be noted.
        """
        reading = _reading.get(self._default)
        if reading is None:
            return
        try:
            with self._lock:
                self._write(reading, statement_id, position)
        except OSError as error:
            raise UnavailableError(
                f"content is not read, because that cannot be noted in {self._folder}: "
                f"{error.strerror or error}",
                advice="give this user the right to write there, or make room",
            ) from error

    def turn(self) -> None:
        """End the file that is written to, so that it can be registered."""
        with self._lock:
            self._end()

    def _write(self, reading: Reading, statement_id: bytes, position: int | None) -> None:
        now = time.time()
        if self._count >= READS_MAX or not 0 <= now - self._begun < FILE_SECONDS:
            self._end()
        if self._file is None:
            self._begin(now)
        line = f"{int(now)} {statement_id.hex()} {'-' if position is None else position}\n"
        if reading is not self._said:
            line = f"{json.dumps([reading.who, reading.purpose])}\n{line}"
        assert self._file is not None  # noqa: S101 - `_begin` made it
        self._append(self._file, line.encode())
        self._said, self._count = reading, self._count + 1
        if not 0 <= now - self._synced < SYNC_SECONDS:
            os.fsync(self._file)
            self._synced = now

    @staticmethod
    def _append(file: int, line: bytes) -> None:
        """Write a line, or nothing of it: what is torn would spoil the next one."""
        written = os.write(file, line)
        if written < len(line):
            os.ftruncate(file, os.fstat(file).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _begin(self, now: float) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._folder / f"{time.time_ns()}-{os.urandom(8).hex()}{ENDING}"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._begun, self._synced = now, now
        self._count, self._said = 0, None

    def _end(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            try:
                os.fsync(file)
            finally:
                os.close(file)  # gives the lock back


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"user {os.getuid()}"
