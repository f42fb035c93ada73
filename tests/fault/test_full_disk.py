"""A disk that is full: said as such, nothing acknowledged is lost, and it goes on afterwards.

The disk is a real, small one in memory, mounted where only the child process sees it.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fault.test_kill import ROOT

DISK = "size=64m"
MOUNT = f'mount -t tmpfs -o {DISK} tmpfs "$1" && exec "$0" -m "$2" "$1" "$3"'


def on_a_small_disk(folder: Path, module: str, argument: str) -> str:
    """Run a module in a child that sees a small disk in the place of a folder."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("no `unshare` to mount a small disk with")
    folder.mkdir()
    probe = [unshare, "-Urm", "sh", "-c", f'mount -t tmpfs -o {DISK} tmpfs "$0"', str(folder)]
    if subprocess.run(probe, check=False, capture_output=True).returncode:
        pytest.skip("this system mounts no disk for a user")
    command = [unshare, "-Urm", "sh", "-c", MOUNT, sys.executable, str(folder), module, argument]
    done = subprocess.run(
        command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(("where", "words"), [("vault", "is full"), ("log", "No space left")])
def test_a_full_disk_is_said_nothing_is_lost_and_it_goes_on_after_space_was_made(
    tmp_path: Path, where: str, words: str
) -> None:
    said = on_a_small_disk(tmp_path / "disk", "tests.fault.full_disk_child", where)

    assert said.startswith("ok ")
    assert int(said.split()[1]) > 1, "the disk was full before anything was registered"
    assert words in said


def test_a_disk_that_fills_during_a_backup_leaves_the_earlier_copy_whole(tmp_path: Path) -> None:
    said = on_a_small_disk(
        tmp_path / "disk", "tests.fault.full_backup_child", str(tmp_path / "ledger")
    )

    assert said.startswith("ok ")
    assert "No space left on device, while copying to " in said
    assert "what the backup held before is whole" in said
