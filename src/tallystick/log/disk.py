"""The few operations on files that durability rests on, behind a protocol.

Everything the log writes goes through here, so that a test can fail each single operation, before
or after it took effect, and can lose what was not synced. `PosixDisk` is the real one.
"""

import os
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol


class BlockFile(Protocol):
    """A file of fixed size that is overwritten in place."""

    def pread(self, size: int, offset: int) -> bytes:
        """Read, fewer bytes only at the end."""
        ...

    def pwrite(self, data: bytes, offset: int) -> None:
        """Write all of it; durable only after `datasync`."""
        ...

    def datasync(self) -> None:
        """Make all writes durable."""
        ...

    def close(self) -> None:
        """Give the file back."""
        ...


class Disk(Protocol):
    """What the log asks of a file system."""

    def read(self, path: Path | str) -> bytes | None:
        """Return the whole file, None if there is none."""
        ...

    def write(self, path: Path, data: bytes) -> None:
        """Create or overwrite a file and the folders above it; durable only after `sync`."""
        ...

    def sync(self, paths: Iterable[Path]) -> None:
        """Make files and their names durable."""
        ...

    def replace(self, path: Path, data: bytes) -> None:
        """Put new content under a name at once: readers see the old or the new, durably."""
        ...

    def remove(self, path: Path) -> None:
        """Remove a file or folder; nothing happens if it is not there."""
        ...

    def block_file(self, path: Path, size: int) -> BlockFile:
        """Open a file to overwrite; create it durably, filled with zeros, if it is not there.

        One that was cut off is filled up with zeros: what it still holds may be all there is.
        """
        ...

    def names(self, folder: Path) -> list[str]:
        """Return what is in a folder, sorted; empty if there is none."""
        ...

    def age(self, path: Path) -> float:
        """Return how many seconds ago a file was written; 0 if there is none."""
        ...


class PosixBlockFile:
    """A preallocated file, so that syncing data needs no change to the file system's records."""

    def __init__(self, path: Path) -> None:
        """Open an existing file."""
        self._descriptor = os.open(path, os.O_RDWR)

    def pread(self, size: int, offset: int) -> bytes:
        """Read, fewer bytes only at the end."""
        return os.pread(self._descriptor, size, offset)

    def pwrite(self, data: bytes, offset: int) -> None:
        """Write all of it."""
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, offset)
            view, offset = view[written:], offset + written

    def datasync(self) -> None:
        """Make all writes durable."""
        _datasync(self._descriptor)

    def close(self) -> None:
        """Give the file back."""
        os.close(self._descriptor)


class PosixDisk:
    """A local file system."""

    def read(self, path: Path | str) -> bytes | None:
        """Return the whole file, None if there is none."""
        try:
            descriptor = os.open(path, os.O_RDONLY)  # half the time that Path.read_bytes takes
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            data, size = b"", os.fstat(descriptor).st_size
            while len(data) < size and (part := os.read(descriptor, size - len(data))):
                data += part
            return data
        finally:
            os.close(descriptor)

    def write(self, path: Path, data: bytes) -> None:
        """Create or overwrite a file and the folders above it."""
        try:
            path.write_bytes(data)
        except FileNotFoundError:
            _make_folder(path.parent)
            path.write_bytes(data)

    def sync(self, paths: Iterable[Path]) -> None:
        """Make files and their names durable, each folder once."""
        folders: set[Path] = set()
        for path in paths:
            _sync(path, os.O_WRONLY)
            folders.add(path.parent)
        for folder in folders:
            _sync(folder, os.O_RDONLY)

    def replace(self, path: Path, data: bytes) -> None:
        """Put new content under a name at once."""
        beside = path.with_name(path.name + ".new")
        self.write(beside, data)
        self.sync([beside])
        beside.replace(path)
        _sync(path.parent, os.O_RDONLY)

    def remove(self, path: Path) -> None:
        """Remove a file or folder."""
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(FileNotFoundError):
                path.unlink()

    def block_file(self, path: Path, size: int) -> BlockFile:
        """Open a file to overwrite, created or filled up durably."""
        if not path.exists():
            self.replace(path, bytes(size))
            path.chmod(0o600)  # it will hold what is not public yet
        elif (missing := size - path.stat().st_size) > 0:
            with path.open("ab") as file:
                file.write(bytes(missing))
            self.sync([path])
        return PosixBlockFile(path)

    def names(self, folder: Path) -> list[str]:
        """Return what is in a folder, sorted."""
        try:
            return sorted(os.listdir(folder))  # noqa: PTH208 - names only
        except FileNotFoundError:
            return []

    def age(self, path: Path) -> float:
        """Return how many seconds ago a file was written."""
        try:
            return time.time() - path.stat().st_mtime
        except FileNotFoundError:
            return 0


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, durably."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent, os.O_RDONLY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _datasync(descriptor: int) -> None:
    getattr(os, "fdatasync", os.fsync)(descriptor)
