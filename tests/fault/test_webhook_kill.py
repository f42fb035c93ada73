"""`kill -9` of a service that delivers: nothing is left out, and new statements come in order."""

import random
import signal
import time
from pathlib import Path

import pytest

from tallystick.ledger.searches import Filters
from tallystick.webhooks.store import Webhooks
from tests.ledgers import Issuer, ledger_in, many, submissions
from tests.unit.web.child import process
from tests.unit.webhooks.targets import target, until

STATEMENTS = 2000
KILLS = 4


@pytest.mark.timeout(180)
def test_a_service_that_is_killed_between_attempt_and_cursor_leaves_nothing_out(
    tmp_path: Path,
) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)  # noqa: T201 - to repeat it
    moments, clinic = random.Random(seed), Issuer()
    with target() as one:
        with ledger_in(tmp_path, clinic) as ledger:
            ledger.register(submissions(*many(clinic, STATEMENTS)))
            size = ledger.snapshot.checkpoint.size
            Webhooks(ledger.home.webhooks).add(
                "a", one.url, Filters(), ledger.api_secret, start=0, now=int(time.time())
            )
        for _ in range(KILLS):
            before = len(one.got)
            with process(tmp_path, webhook_loopback=True) as (child, url):
                assert url
                # A quick machine may have delivered everything before the last kill.
                until(lambda n=before: len(one.got) > n or size - 1 in one.indices)  # type: ignore[misc]
                time.sleep(moments.uniform(0, 0.02))
                child.send_signal(signal.SIGKILL)
                child.wait(30)
        with process(tmp_path, webhook_loopback=True):
            until(lambda: size - 1 in one.indices)

    assert set(range(size)) <= set(one.indices)
    firsts = list(dict.fromkeys(one.indices))
    assert firsts == sorted(firsts)
    # Whoever takes each id once has every statement once.
    by_id = {got.headers["webhook-id"]: got for got in one.taken}
    assert sorted({i for got in by_id.values() for i in got.indices}) == firsts
    for got in one.taken:
        assert got.indices == by_id[got.headers["webhook-id"]].indices
