"""One writer per ledger: a lock that dies with its process."""

import fcntl
import os
from pathlib import Path

from tallystick.errors import ConflictError


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
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._descriptor, 32, 0).decode(errors="replace").strip()
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
