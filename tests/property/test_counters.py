"""Counters equal the sum over recorded outcomes, however writes, restarts and midnights fall."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.capture.api_keys import ApiKey
from tallystick.capture.budgets import Budget, day_of
from tallystick.capture.metering import Meter
from tallystick.capture.request import CallRequest
from tallystick.capture.usage import Counts, Mark, Recorded, Table, counts_of, place_of
from tallystick.capture.usage_file import read_usage
from tallystick.evidence import Outcome
from tests.ledgers import Clock

CALLS_MAX = 5
TOKENS_MAX = 40
KEYS = [
    ApiKey(
        id=name, digest=name, issuer="did:key:x", statement="00", label="", created_at=0,
        budget=Budget(per="day", calls_max=CALLS_MAX, tokens_max=TOKENS_MAX),
    )
    for name in "ab"
]  # fmt: skip

COUNTS = st.one_of(st.integers(-1, 20), st.none(), st.floats(0, 1), st.booleans())
USAGE = st.none() | st.fixed_dictionaries({"prompt_tokens": COUNTS, "completion_tokens": COUNTS})
OUTCOMES = st.builds(
    Outcome,
    status=st.sampled_from(["ok", "ok", "error", "refused", "cancelled", "broken"]),
    response=st.just(b""),
    duration_ms=st.just(1.0),
    model=st.sampled_from([None, "small", "large"]),
    usage=USAGE,
)
CALLS = st.tuples(st.sampled_from([None, *KEYS]), OUTCOMES, st.integers(0, 30_000))
STEPS = st.lists(st.one_of(CALLS, st.sampled_from(["write", "kill"])), max_size=40)


class Log:
    """What a ledger would hold: outcomes in their order, each with its number and time."""

    def __init__(self) -> None:
        self.epoch = 0
        self.said: list[tuple[Mark, ApiKey | None, Outcome, int]] = []

    def say(self, key: ApiKey | None, outcome: Outcome, at: int) -> Mark:
        mark = self.epoch, len(self.said)
        self.said.append((mark, key, outcome, at))
        return mark

    def after(self, mark: Mark | None, _: Event) -> Recorded:
        counted = Recorded({})
        for seen, key, outcome, at in self.said:
            if mark is None or seen > mark:
                counted.take(key.id if key else None, outcome, at)
                counted.mark = seen
        return counted

    def table(self) -> Table:
        table: Table = {}
        for _, key, outcome, at in self.said:
            place = place_of(key.id if key else None, outcome, at)
            table.setdefault(place, Counts()).add(counts_of(outcome))
        return table


def left_for(log: Log, key: ApiKey, day: str) -> bool:
    """Tell from the outcomes alone whether a key has anything left today."""
    today = [counts_of(o) for _, k, o, at in log.said if k is key and day_of(at) == day]
    calls, tokens = sum(c.calls for c in today), sum(c.tokens for c in today)
    return calls < CALLS_MAX and tokens < TOKENS_MAX


async def live(path: Path, steps: Sequence[Any]) -> Log:
    """Count through writes and kills; a kill leaves the file as the last write did."""
    log, clock = Log(), Clock()
    meter = Meter(path, clock)
    await meter.start(log.after)
    for step in steps:
        if step == "write":
            await meter._write()
        elif step == "kill":
            meter._pending.clear()  # what was in memory is gone; the lock and the file are not
            await meter.stop()
            log.epoch += 1
            meter = Meter(path, clock)
            await meter.start(log.after)
        else:
            key, outcome, seconds = step
            clock.now += seconds
            meter.count(key, outcome, log.say(key, outcome, clock.now), clock.now)
        for one in KEYS:
            refused = meter.refusal(one, CallRequest(b"{}")) is not None
            assert refused != left_for(log, one, day_of(clock.now))
    await meter.stop()
    return log


@settings(max_examples=40)
@given(STEPS)
def test_counters_equal_the_sum_over_recorded_outcomes(steps: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "usage.sqlite"
        log = asyncio.run(live(path, steps))

        found = {used.place: used.counts for used in read_usage(path)}

    assert found == log.table()
