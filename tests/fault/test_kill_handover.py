"""`kill -9` at each operation on disk of a handover: the ledger opens, by one key or the other."""

import itertools
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tallystick.errors import TallystickError
from tallystick.evidence.export import build_bundle
from tallystick.ledger import Home, LedgerReader
from tallystick.ledger.maintenance import check
from tallystick.verify import Verdict, examine, parse_policy
from tests.fault.test_kill import ROOT
from tests.ledgers import Issuer, ledger_in, many, submissions

OPERATIONS_MAX = 200


def killed(work: str, home: Home, at: int) -> bool:
    """Begin the handover in a child; return whether it was killed before it had ended."""
    command = [sys.executable, "-m", "tests.fault.handover_child", work, str(home.root), str(at)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode != 0


@pytest.mark.timeout(600)
@pytest.mark.parametrize("work", ["log", "operator"])
def test_a_handover_that_was_killed_is_whole_or_never_was(work: str, tmp_path: Path) -> None:
    issuer, original = Issuer(), Home(tmp_path / "original")
    with ledger_in(original.root, issuer) as ledger:
        [first] = ledger.register(submissions(*many(issuer, 1)))
        assert not isinstance(first, TallystickError)
        policy = parse_policy(original.trust.read_bytes())
    outcomes = set()

    for at in itertools.count():
        assert at < OPERATIONS_MAX
        home = Home(tmp_path / str(at))
        shutil.copytree(original.root, home.root)
        was_killed = killed(work, home, at)
        with LedgerReader(home) as reader:  # beside it everybody reads on at once
            assert reader.get(first.id).index == first.index
        with ledger_in(home.root) as ledger:
            [second] = ledger.register(submissions(*many(issuer, 1)))
            assert not isinstance(second, TallystickError)
            names = set(ledger.keys.names())
            changed = (
                len(ledger.state.log_keys.terms),
                len(ledger.state.chains.keys_of(ledger.keys.signer("operator").issuer)),
            )
            for known in (policy, parse_policy(home.trust.read_bytes())):
                for statement in (first.id, second.id):
                    bundle = build_bundle(ledger, statement).encode()
                    assert examine(bundle, known).verdict is Verdict.VERIFIED
        assert check(home).damage == ()
        outcomes.add(changed)
        if changed != (1, 1):
            assert not any("~next" in name for name in names)
        shutil.rmtree(home.root)
        if not was_killed:
            break

    assert outcomes == {(1, 1), (2, 1) if work == "log" else (1, 2)}
    assert at > 10
