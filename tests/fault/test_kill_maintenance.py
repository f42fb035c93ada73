"""`kill -9` during backup, restore and rebuild-index: run again, each ends as if never killed."""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tallystick.ledger import Home, LedgerReader, Submission
from tallystick.ledger.maintenance import backup, check, rebuild_index, restore
from tests.fault.test_kill import ROOT
from tests.ledgers import PASSPHRASE, Issuer, ledger_in, many, submissions

KILLS = 6
SECONDS_MAX = 0.08
"""A whole run takes about this long."""


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A ledger with full and partial tiles, content and a batch."""
    home, clinic = Home(tmp_path_factory.mktemp("ledger")), Issuer()
    with ledger_in(home.root, clinic) as ledger:
        for _ in range(4):
            ledger.register(submissions(*many(clinic, 300)))
        statement, content = clinic.content({"answer": "yes"})
        ledger.register_one(Submission(statement.entry, content))
        batch, _, leaves = clinic.batch([b"a", b"b"])
        ledger.register_one(Submission(batch.entry, leaves=leaves))
    return home


def killed(work: str, home: Home, folder: Path, chance: random.Random) -> None:
    """Begin a thing, and kill it at some moment."""
    command = [
        sys.executable,
        "-m",
        "tests.fault.maintaining_child",
        work,
        str(home.root),
        str(folder),
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        try:
            assert child.stdout.read(6) == b"begin\n"
            time.sleep(chance.uniform(0, SECONDS_MAX))
        finally:
            child.send_signal(signal.SIGKILL)


def test_a_backup_that_was_killed_is_repeated_and_whole(ledger: Home, tmp_path: Path) -> None:
    chance, size = random.Random(1), 0
    for kill in range(KILLS):
        saved = tmp_path / str(kill)
        killed("backup", ledger, saved, chance)
        size = backup(ledger, saved).size

        assert check(Home(saved)).damage == ()
        restored = Home(tmp_path / f"restored-{kill}")
        assert restore(saved, restored, [], unsafe_alone=True).size == size
        assert not list(restored.data.rglob("*.new"))
    assert size == check(ledger).checkpoint.size  # type: ignore[union-attr]


def test_a_restore_that_was_killed_is_no_ledger_yet_and_is_repeated(
    ledger: Home, tmp_path: Path
) -> None:
    saved, chance = tmp_path / "saved", random.Random(2)
    backup(ledger, saved)
    for kill in range(KILLS):
        home = Home(tmp_path / str(kill))
        killed("restore", home, saved, chance)
        if (home.data / "ledger.json").exists():  # it had just ended, or begun to be removed
            shutil.rmtree(home.data)
        restore(saved, home, [], unsafe_alone=True)
        shutil.copytree(ledger.root / "keys", home.root / "keys")

        assert check(home).damage == ()
        with ledger_in(home.root) as opened, LedgerReader(ledger, PASSPHRASE) as original:
            assert opened.snapshot.checkpoint == original.snapshot.checkpoint
            for index in range(1200, opened.snapshot.checkpoint.size):
                assert opened.at(index) == original.at(index)


def test_an_index_whose_rebuilding_was_killed_is_rebuilt(ledger: Home) -> None:
    chance = random.Random(3)
    for _ in range(KILLS):
        killed("rebuild-index", ledger, Path(), chance)
        with ledger_in(ledger.root) as opened:  # the writer brings it up to the log by itself
            size = opened.snapshot.checkpoint.size
            for index in range(0, size, 97):
                assert opened.get(opened.at(index).statement.id).index == index
        assert rebuild_index(ledger) == size
