"""`kill -9` at any moment: what was answered is there, in its place, and the files agree."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tallystick.ledger import Home, create
from tallystick.ledger.maintenance import check, check_statements
from tests.fault.registering_child import issuer
from tests.ledgers import ALLOW_ORGANISATIONS, ORIGIN, PASSPHRASE, Clock, ledger_in

ROOT = Path(__file__).resolve().parents[2]


def killed_run(folder: Path, run: int, seconds: float) -> dict[int, str]:
    """Let a child register until it is killed; return what it had been answered."""
    command = [sys.executable, "-m", "tests.fault.registering_child", str(folder), str(run)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        first = child.stdout.readline()
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read()
    lines = (first + rest).splitlines()
    whole = [line.split() for line in lines if len(line.split()) == 2 and len(line) > 64]
    return {int(index): id_ for index, id_ in whole}


def kill_again_and_again(folder: Path, kills: int, seed: int) -> int:
    chance = random.Random(seed)
    who = issuer()
    create(Home(folder), ORIGIN, PASSPHRASE, clock=Clock(), policy=ALLOW_ORGANISATIONS)
    with ledger_in(folder) as ledger:
        ledger.register_key(who.record())
    answered: dict[int, str] = {}
    for run in range(kills):
        new = killed_run(folder, run, chance.uniform(0, 0.4))
        assert not set(new) & set(answered), "an index was given twice"
        answered |= new
        with ledger_in(folder) as ledger:
            for index, id_ in answered.items():
                assert ledger.at(index).statement.id.hex() == id_, f"seed {seed}, run {run}"
        assert check(Home(folder)).damage == ()
    assert list(check_statements(Home(folder))) == []
    return len(answered)


def test_a_few_kills_lose_nothing(tmp_path: Path) -> None:
    kills = int(os.environ.get("TALLYSTICK_KILLS", "3"))
    assert kill_again_and_again(tmp_path, min(kills, 10), seed=1) > 0


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_many_kills_lose_nothing(tmp_path: Path) -> None:
    kills = int(os.environ.get("TALLYSTICK_KILLS", "200"))
    for seed in range(-(-kills // 20)):
        assert kill_again_and_again(tmp_path / str(seed), min(20, kills), seed) > 0
