"""A backup on a small disk that fills up: `python -m tests.fault.full_backup_child DISK LEDGER`."""

import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from tallystick.cli.app import run
from tallystick.errors import UnavailableError
from tallystick.ledger import Home
from tallystick.ledger.backups import read_backup_note
from tallystick.ledger.maintenance import check
from tests.ledgers import Issuer, ledger_in, many, submissions

LEFT_BYTES = 64 << 10
COUNT = 3000
"""Entries that need more than is left."""


def main(disk: Path, root: Path) -> None:
    """Back up, fill the disk, fail, make room, and back up again."""
    saved, clinic = disk / "saved", Issuer()
    with ledger_in(root, clinic) as ledger:
        ledger.register(submissions(*many(clinic, 300)))
    assert backup(root, saved) == (0, "")
    first = read_backup_note(Home(root))
    with ledger_in(root) as ledger:
        ledger.register(submissions(*many(clinic, COUNT)))
    filler = disk / "filler"
    fill(filler)

    code, words = backup(root, saved)

    assert code == UnavailableError.exit_code, (code, words)
    assert read_backup_note(Home(root)) == first, "a backup that failed was remembered"
    assert not check(Home(saved)).damage, "the earlier copy was damaged"
    filler.unlink()
    assert backup(root, saved) == (0, "")
    report = check(Home(saved))
    assert not report.damage
    assert report.checkpoint is not None
    assert report.checkpoint.size > COUNT
    print("ok", words)  # noqa: T201 - what the test reads


def backup(root: Path, saved: Path) -> tuple[int, str]:
    """Run the command; return its exit code and words."""
    with redirect_stderr(StringIO()) as words, redirect_stdout(StringIO()):
        code = run(["--quiet", "--home", str(root), "backup", str(saved), "--without-content"])
    return code, words.getvalue()


def fill(path: Path) -> None:
    """Write until nothing more fits, then give a little back."""
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 16)):
                pass
        except OSError:
            file.truncate(max(0, file.tell() - LEFT_BYTES))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
