"""Who holds a lock can be looked up without taking it."""

import os
from pathlib import Path

import pytest

from tallystick.errors import ConflictError
from tallystick.log import LookingDisk, WriterLock, lock_holder


def test_the_holder_of_a_lock_is_named_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    assert lock_holder(path) is None
    lock = WriterLock(path)
    assert lock_holder(path) == str(os.getpid())
    lock.release()
    assert lock_holder(path) is None


def test_a_holder_that_wrote_nothing_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = WriterLock(path)
    path.write_bytes(b"")

    assert lock_holder(path) == "unknown"
    with pytest.raises(ConflictError, match="process unknown is already writing"):
        WriterLock(path)
    lock.release()


def test_looking_does_not_change_the_file(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    WriterLock(path).release()
    before = path.stat().st_mtime_ns, path.read_bytes()

    lock_holder(path)

    assert (path.stat().st_mtime_ns, path.read_bytes()) == before


def test_a_disk_that_is_looked_at_neither_fills_up_nor_writes(tmp_path: Path) -> None:
    path = tmp_path / "0"
    path.write_bytes(b"cut off")

    file = LookingDisk().block_file(path, 100)
    with pytest.raises(PermissionError, match="only looked at"):
        file.pwrite(b"x", 0)
    file.datasync()

    assert file.pread(100, 0) == path.read_bytes() == b"cut off"
    file.close()
    with pytest.raises(FileNotFoundError):
        LookingDisk().block_file(tmp_path / "1", 100)
