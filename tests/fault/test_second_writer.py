"""A second process that wants to write is turned away, told who writes, and does no harm."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tallystick.errors import ConflictError
from tallystick.ledger import Home, Ledger, LedgerReader, Submission
from tallystick.ledger.maintenance import check, rebuild_index
from tests.fault.conftest import Command
from tests.fault.registering_child import issuer
from tests.fault.test_kill import ROOT
from tests.ledgers import PASSPHRASE, Clock, ledger_in


def test_a_second_process_is_told_who_writes_and_may_read(tmp_path: Path, tally: Command) -> None:
    who, home = issuer(), Home(tmp_path / "home")
    with ledger_in(home.root, who):
        pass
    (tmp_path / "one.cose").write_bytes(who.sign().entry)
    command = [sys.executable, "-m", "tests.fault.registering_child", str(home.root), "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline()
            with pytest.raises(ConflictError, match=f"process {child.pid} is already writing"):
                Ledger.open(home, PASSPHRASE, clock=Clock())
            with pytest.raises(ConflictError, match=f"process {child.pid}"):
                rebuild_index(home)
            said = tally(home.root, "register", tmp_path / "one.cose")
            with LedgerReader(home, PASSPHRASE) as reader:
                assert reader.at(0).statement.header.type == "genesis"
        finally:
            child.send_signal(signal.SIGKILL)

    assert (said.code, said.error) == (4, "conflict")
    assert f"process {child.pid} is already writing to" in said.detail
    assert "one process writes at a time" in said.advice
    with ledger_in(home.root) as ledger:  # the lock died with its process
        assert ledger.register_one(Submission(who.sign().entry)).index > 2
    assert check(home).damage == ()


def test_the_lock_names_its_holder_and_outlives_a_stale_name(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with ledger_in(tmp_path):
        assert home.lock.read_text() == f"{os.getpid()}\n"
    home.lock.write_text("99999999\n")  # left by a process that was killed
    with ledger_in(tmp_path):
        assert home.lock.read_text() == f"{os.getpid()}\n"
