"""A real disk that fails while a test says so."""

from pathlib import Path
from threading import Event

from tallystick.log import PosixDisk
from tallystick.log.disk import BlockFile


class FailingDisk(PosixDisk):
    """Fails `operation`, a method of a block file, before or after it took effect.

    While `goes_on` is not set, every sync hangs.
    """

    def __init__(self) -> None:
        self.operation: str | None = None
        self.took_effect = False
        self.failed = Event()
        self.goes_on = Event()
        self.goes_on.set()

    def block_file(self, path: Path, size: int) -> BlockFile:
        return _File(self, super().block_file(path, size))


class _File:
    def __init__(self, disk: FailingDisk, file: BlockFile) -> None:
        self.disk, self.file = disk, file

    def pread(self, size: int, offset: int) -> bytes:
        return self.file.pread(size, offset)

    def pwrite(self, data: bytes, offset: int) -> None:
        fails = self.disk.operation == "pwrite"
        if not fails or self.disk.took_effect:
            self.file.pwrite(data, offset)
        self._fail(fails)

    def datasync(self) -> None:
        assert self.disk.goes_on.wait(20), "the test forgot about the disk"
        fails = self.disk.operation == "datasync"
        if not fails or self.disk.took_effect:
            self.file.datasync()
        self._fail(fails)

    def close(self) -> None:
        self.file.close()

    def _fail(self, fails: bool) -> None:
        if fails:
            self.disk.failed.set()
            raise OSError(28, "No space left on device")
