"""Whatever a target answers and whatever is asked for: all of it comes, in log order."""

import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.ledger import Found, Ledger
from tallystick.ledger.searches import Filters
from tallystick.webhooks import follower, patience
from tallystick.webhooks.addresses import Allowed
from tallystick.webhooks.dispatcher import Dispatcher
from tallystick.webhooks.store import Webhooks
from tests.ledgers import Issuer, ledger_in, submissions
from tests.unit.webhooks.targets import target, until

SUBJECTS = ["urn:example:a", "urn:example:b", "urn:example:c"]


class Nobody:
    """Is told, and does not mind."""

    def attempted(self, *_: object) -> None:
        pass

    def delivered(self, *_: object) -> None:
        pass


def encode(found: Found, entries: bool) -> bytes:
    return b'{"index":%d}' % found.index


def dispatcher(ledger: Ledger) -> Dispatcher:
    return Dispatcher(ledger, Allowed(loopback=True), encode, Nobody(), failing_seconds_max=60.0)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(st.lists(st.sampled_from(SUBJECTS), min_size=1, max_size=6), max_size=5),
    replies=st.lists(st.sampled_from([200, 204, 301, 404, 429, 500, 503]), max_size=6),
    filters=st.sampled_from([{}, {"subject": SUBJECTS[0]}, {"type": "inference"}]),
    restarts=st.sets(st.integers(0, 4)),
)
def test_every_statement_that_matches_is_delivered_in_order(
    monkeypatch: pytest.MonkeyPatch,
    batches: list[list[str]],
    replies: list[int],
    filters: dict[str, str],
    restarts: set[int],
) -> None:
    monkeypatch.setattr(patience, "FIRST_SECONDS", 0.002)
    monkeypatch.setattr(follower, "GATHER_SECONDS", 0.002)
    clinic, asked = Issuer(), Filters(**filters)
    with (
        tempfile.TemporaryDirectory() as folder,
        ledger_in(Path(folder), clinic) as ledger,
        target() as one,
    ):
        one.replies = [(status, {}) for status in replies]
        known = Webhooks(ledger.home.webhooks)
        known.add("a", one.url, asked, ledger.api_secret, start=0, now=int(time.time()))
        running = dispatcher(ledger)
        running.start()
        for number, batch in enumerate(batches):
            ledger.register(submissions(*(clinic.sign(subject=s) for s in batch)))
            if number in restarts:
                running.close()
                running = dispatcher(ledger)
                running.start()
        expected = _matching(ledger, asked)
        until(lambda: set(one.indices) >= set(expected))
        running.close()

    assert set(one.indices) == set(expected)
    firsts: list[Any] = list(dict.fromkeys(one.indices))
    assert firsts == expected


def _matching(ledger: Ledger, asked: Filters) -> list[int]:
    query = asked.query(ledger)
    size = ledger.snapshot.checkpoint.size
    return [at for at in range(size) if query.matches(ledger.at(at).statement)]
