"""The meter while the ledger is slow to say what was used before, and while it is told to end."""

import asyncio
from pathlib import Path
from threading import Event

import pytest

from tallystick.capture import ApiKey, metering
from tallystick.capture.budgets import Budget
from tallystick.capture.metering import Meter
from tallystick.capture.request import CallRequest
from tallystick.capture.usage import Counts, Mark, Place, Recorded
from tallystick.capture.usage_file import OTHER, read_usage
from tallystick.errors import UnavailableError
from tallystick.evidence import Outcome
from tests.ledgers import Clock
from tests.unit.capture.waiting import eventually

DAY = "2026-09-21"
KEY = ApiKey(
    id="k", digest="", issuer="did:key:x", statement="00", label="", created_at=0,
    budget=Budget(calls_max=4),
)  # fmt: skip
FREE = ApiKey(id="f", digest="", issuer="did:key:x", statement="00", label="", created_at=0)
ANSWERED = Outcome(status="ok", response=b"", duration_ms=1.0, model="m")


class SlowLedger:
    """Says that there were two calls, when a test lets it."""

    def __init__(self) -> None:
        self.may_answer, self.broken_off = Event(), False

    def __call__(self, _: Mark | None, given_up: Event) -> Recorded:
        while not self.may_answer.wait(0.01):
            if given_up.is_set():
                self.broken_off = True
                raise UnavailableError("broken off")
        return Recorded({Place("k", "m", DAY): Counts(2)}, (0, 2), 2)


def refused(meter: Meter, key: ApiKey) -> str | None:
    problem = meter.refusal(key, CallRequest(b"{}"))
    return None if problem is None else problem.code


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SlowLedger:
    monkeypatch.setattr(metering, "START_SECONDS", 0.05)
    monkeypatch.setattr(metering, "WRITE_SECONDS", 0.02)
    return SlowLedger()


def test_calls_go_on_while_earlier_ones_are_counted_but_none_under_a_budget(
    tmp_path: Path, slow: SlowLedger
) -> None:
    async def story() -> None:
        meter = Meter(tmp_path / "usage.sqlite", Clock())
        await meter.start(slow)
        assert (refused(meter, KEY), refused(meter, FREE)) == ("usage_not_readable", None)
        meter.count(KEY, ANSWERED, (1, 1))
        slow.may_answer.set()
        await asyncio.to_thread(eventually, lambda: meter.failure is None or None, "the counts")

        assert refused(meter, KEY) is None
        meter.count(KEY, ANSWERED, (1, 2))
        assert refused(meter, KEY) == "budget_exhausted"
        await meter.stop()

    asyncio.run(story())

    [used] = read_usage(tmp_path / "usage.sqlite")
    assert (used.place, used.counts.calls) == (Place("k", "m", DAY), 4)


def test_a_stop_does_not_wait_for_the_ledger(tmp_path: Path, slow: SlowLedger) -> None:
    async def story() -> None:
        meter = Meter(tmp_path / "usage.sqlite", Clock())
        await meter.start(slow)
        await asyncio.wait_for(meter.stop(), 5)

    asyncio.run(story())

    assert slow.broken_off
    assert read_usage(tmp_path / "usage.sqlite") == []


def test_models_between_two_writes_have_a_limit(
    tmp_path: Path, slow: SlowLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metering, "PENDING_MAX", 2)
    slow.may_answer.set()

    async def story() -> None:
        meter = Meter(tmp_path / "usage.sqlite", Clock())
        monkeypatch.setattr(metering, "WRITE_SECONDS", 60)
        await meter.start(slow)
        for number in range(5):
            outcome = Outcome(status="ok", response=b"", duration_ms=1.0, model=f"m{number}")
            meter.count(FREE, outcome, (1, number))
        await meter.stop()

    asyncio.run(story())

    found = {used.place.model: used.counts.calls for used in read_usage(tmp_path / "usage.sqlite")}
    assert found == {"m": 2, "m0": 1, "m1": 1, OTHER: 3}


def test_a_meter_that_never_started_stops(tmp_path: Path) -> None:
    asyncio.run(Meter(tmp_path / "usage.sqlite", Clock()).stop())

    assert not (tmp_path / "usage.sqlite").exists()
