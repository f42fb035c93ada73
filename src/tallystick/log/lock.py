"""One writer per ledger: a lock that dies with its process."""

import fcntl
import os
import time
from pathlib import Path
from typing import Final

from tallystick.errors import ConflictError

LOOK_SECONDS: Final = 0.05
"""After this a lock is tried once more: `lock_holder` may just be looking."""
_PID_BYTES: Final = 32


class WriterLock:
    """Held from construction to `release`; whoever else tries is told who holds it."""

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises:
            ConflictError: Another process holds it.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(self._descriptor)
        except BlockingIOError as error:
            holder = _written(self._descriptor)
            os.close(self._descriptor)
            raise ConflictError(
                f"process {holder or 'unknown'} is already writing to {path.parent}",
                advice="one process writes at a time: send to the running service, or stop it",
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the lock back."""
        os.close(self._descriptor)


def lock_holder(path: Path) -> str | None:
    """Return the process that holds a lock, as it wrote itself down; None if nobody does.

    Changes nothing. Looking takes a shared lock for a moment.

    Raises:
        OSError: It cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _written(descriptor) or "unknown"
    finally:
        os.close(descriptor)
    return None


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(LOOK_SECONDS)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _written(descriptor: int) -> str:
    return os.pread(descriptor, _PID_BYTES, 0).decode(errors="replace").strip()
