"""A disk that is only looked at: nothing is made, filled up or written, by type and by mode."""

import os
from pathlib import Path
from typing import NoReturn

from tallystick.log.disk import PosixDisk


class LookingFile:
    """A file of a journal, opened for reading alone."""

    def __init__(self, path: Path) -> None:
        """Open an existing file."""
        self._descriptor = os.open(path, os.O_RDONLY)

    def pread(self, size: int, offset: int) -> bytes:
        """Read, fewer bytes only at the end."""
        return os.pread(self._descriptor, size, offset)

    def pwrite(self, data: bytes, offset: int) -> NoReturn:
        """Refuse: whoever only looks has no reason to write."""
        raise PermissionError(f"{len(data)} bytes at {offset}: this file is only looked at")

    def datasync(self) -> None:
        """Do nothing: nothing was written."""

    def close(self) -> None:
        """Give the file back."""
        os.close(self._descriptor)


class LookingDisk(PosixDisk):
    """Opens files as they are: also on a medium that cannot be written."""

    def block_file(self, path: Path, size: int) -> LookingFile:  # noqa: ARG002 - of any size
        """Open a file that exists; one that was cut off stays so."""
        return LookingFile(path)
