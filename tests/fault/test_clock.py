"""Clocks that run backwards, or ahead: the ledger's time never goes back."""

from pathlib import Path

import pytest

from tallystick.errors import RefusedError
from tallystick.ledger import Ledger, Submission
from tallystick.ledger.rules import FUTURE_SECONDS_MAX
from tallystick.statement.governance import parse_heartbeat
from tests.ledgers import START, Clock, Issuer, ledger_in


def times(ledger: Ledger) -> list[int]:
    size = ledger.snapshot.checkpoint.size
    entries = [ledger.at(index).statement for index in range(size)]
    return [parse_heartbeat(s.payload).time for s in entries if s.header.type == "heartbeat"]


def test_a_clock_set_back_by_a_day_does_not_set_the_ledger_back(tmp_path: Path) -> None:
    clinic, clock = Issuer(), Clock()
    with ledger_in(tmp_path, clinic, clock=clock) as ledger:
        ledger.register_one(Submission(clinic.sign().entry))
        clock.now -= 86_400
        ledger.register_one(Submission(clinic.sign(issued_at=START + 60).entry))
        assert times(ledger) == [START]
    with ledger_in(tmp_path, clock=clock) as ledger:
        ledger.register_one(Submission(clinic.sign(issued_at=START + 60).entry))

        assert times(ledger) == sorted(times(ledger))
        assert ledger.state.now >= START


@pytest.mark.parametrize(("ahead", "admitted"), [(0, True), (1, False)])
@pytest.mark.parametrize("moved", [-3600, 0, 3600])
def test_the_limit_for_issue_times_follows_the_ledger_and_not_the_clock_behind_it(
    tmp_path: Path, moved: int, ahead: int, admitted: bool
) -> None:
    clinic, clock = Issuer(), Clock()
    with ledger_in(tmp_path, clinic, clock=clock) as ledger:
        ledger.register_one(Submission(clinic.sign().entry))
        clock.now += moved
        now = START + max(0, moved)
        statement = clinic.sign(issued_at=now + FUTURE_SECONDS_MAX + ahead)
        [answer] = ledger.register([Submission(statement.entry)])

    assert isinstance(answer, RefusedError) is not admitted
    if isinstance(answer, RefusedError):
        assert answer.reason == "time.future"
        assert f"more than 300 s after the ledger's newest heartbeat at {now}" in str(answer)


def test_being_old_never_refuses(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        assert ledger.register_one(Submission(clinic.sign(issued_at=0).entry)).index == 3
