"""The checkpoint key was stolen: what the thief can show to whom, and what ends it.

The procedure is the one of the guide "Keep keys", section "When the log's key was stolen".
"""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.errors import ConflictError, DamagedError, SignatureError, TallystickError
from tallystick.evidence import build_bundle
from tallystick.ledger import Home
from tallystick.ledger.maintenance import backup, restore
from tallystick.statement.handover import HandoverReason
from tallystick.verify import Verdict, examine, log_policy, parse_policy
from tests.ledgers import Issuer, ledger_in, many, submissions


@pytest.fixture
def stolen(tmp_path: Path) -> tuple[Home, Home, Issuer, int]:
    """The ledger, the thief's copy of all of it, an issuer, and the size when it was copied."""
    issuer, mine, theirs = Issuer(), Home(tmp_path / "mine"), Home(tmp_path / "theirs")
    with ledger_in(mine.root, issuer) as ledger:
        ledger.register(submissions(*many(issuer, 2)))
    shutil.copytree(mine.root, theirs.root)
    with ledger_in(mine.root) as ledger:
        ledger.register(submissions(*many(issuer, 2)))
        return mine, theirs, issuer, ledger.snapshot.checkpoint.size


def test_the_procedure_ends_what_the_thief_can_show(
    stolen: tuple[Home, Home, Issuer, int],
) -> None:
    mine, theirs, issuer, until = stolen
    before = parse_policy(mine.trust.read_bytes())
    with ledger_in(theirs.root) as fork:  # another history, signed by the stolen key
        [lie] = fork.register(submissions(*many(issuer, 1)))
        assert not isinstance(lie, TallystickError)
        forged = build_bundle(fork, lie.id).encode()
    with ledger_in(mine.root) as ledger:
        truth = ledger.at(3).statement.id
        early = build_bundle(ledger, truth).encode()
        ledger.hand_over(HandoverReason.COMPROMISED, until)
        again = build_bundle(ledger, truth).encode()
    after = parse_policy(mine.trust.read_bytes())

    assert examine(forged, before).verdict is Verdict.VERIFIED  # who is not told goes on believing
    assert examine(forged, after).verdict is Verdict.FAILED
    assert examine(early, after).verdict is Verdict.FAILED  # nobody can tell when it was signed
    for policy in (before, after, replace(before, genesis=None), log_policy(before.logs[0])):
        assert examine(again, policy).verdict is Verdict.VERIFIED


def test_the_thief_cannot_continue_the_log_behind_the_handover(
    stolen: tuple[Home, Home, Issuer, int],
) -> None:
    mine, theirs, issuer, until = stolen
    with ledger_in(mine.root) as ledger:
        ledger.hand_over(HandoverReason.COMPROMISED, until)
        [said] = ledger.register(submissions(*many(issuer, 1)))
        assert not isinstance(said, TallystickError)
    service_keys = mine.service_keys.read_bytes()
    mine.service_keys.write_bytes(theirs.service_keys.read_bytes())

    with pytest.raises(DamagedError), ledger_in(mine.root):
        pass

    mine.service_keys.write_bytes(service_keys)
    with ledger_in(mine.root) as ledger:
        assert ledger.get(said.id).index == said.index


def test_whoever_holds_a_checkpoint_tells_the_two_histories_apart(
    stolen: tuple[Home, Home, Issuer, int], tmp_path: Path
) -> None:
    mine, theirs, issuer, until = stolen
    ours = (mine.places().public / "checkpoint").read_bytes()
    with ledger_in(theirs.root) as fork:
        fork.register(submissions(*many(issuer, 1)))
        forged = fork.snapshot.note
    with ledger_in(mine.root) as ledger:
        ledger.register(submissions(*many(issuer, 9)))
        ledger.hand_over(HandoverReason.COMPROMISED, until)
    saved = tmp_path / "saved"
    backup(mine, saved)

    assert restore(saved, Home(tmp_path / "restored"), [ours]).size
    with pytest.raises(DamagedError, match="another history"):
        restore(saved, Home(tmp_path / "other"), [forged])
    with ledger_in(tmp_path / "third") as stranger:
        note = stranger.snapshot.note
    with pytest.raises((SignatureError, ConflictError)):
        restore(saved, Home(tmp_path / "fourth"), [note])
