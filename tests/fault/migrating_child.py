"""Migrates a ledger, and is killed at one operation of its disk, before or after its effect."""

import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from tallystick.ledger import Home
from tallystick.ledger.migration import migrate
from tallystick.log import PosixDisk


class CountingDisk(PosixDisk):
    """Calls `harm` at operation number `at`, counted from 0."""

    def __init__(self, at: int, mode: str, harm: Callable[[], None]) -> None:
        self.at, self.mode, self.harm = at, mode, harm
        self.count = 0

    def write(self, path: Path, data: bytes) -> None:
        self._do(lambda: super(CountingDisk, self).write(path, data))

    def sync(self, paths: Iterable[Path]) -> None:
        self._do(lambda: super(CountingDisk, self).sync(paths))

    def remove(self, path: Path) -> None:
        self._do(lambda: super(CountingDisk, self).remove(path))

    def replace(self, path: Path, data: bytes) -> None:
        """The operations in it are counted, and so is the renaming at its end."""
        super().replace(path, data)
        self._do(lambda: None)

    def _do(self, operation: Callable[[], None]) -> None:
        number, self.count = self.count, self.count + 1
        if number == self.at and self.mode == "before":
            self.harm()
        operation()
        if number == self.at and self.mode == "after":
            self.harm()


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    disk = CountingDisk(int(sys.argv[2]), sys.argv[3], kill)
    migrate(Home(Path(sys.argv[1])), disk, 1_790_000_000)
