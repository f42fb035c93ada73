"""`kill -9` of a gateway between calls: no more is lost than the page says, and nobody waits."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tallystick.capture import ApiKeys, originator_of
from tallystick.capture.budgets import Budget
from tallystick.capture.metering import START_SECONDS, WRITE_SECONDS
from tallystick.capture.usage_file import read_usage
from tallystick.ledger import Home
from tests.fault.gateway_child import house_in
from tests.fault.test_gateway_kill import child
from tests.unit.capture.gateways import House, gateway_on
from tests.unit.capture.model_api import MODEL, model_api
from tests.unit.capture.served import ask
from tests.unit.capture.test_gateway_budgets import from_ledger

ASKED: Any = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}
BODY = json.dumps(ASKED).encode()


def key_for(house: House, **options: Any) -> str:
    """Make a ledger and a key in it, before any gateway runs."""
    with house.ledger() as ledger:
        keys = ApiKeys(ledger.home.api_keys, ledger.api_secret)
        originator = originator_of(ledger, house.gateway.did)
        return keys.create(originator, now=house.clock(), **options)[0]


def call(url: str, token: str) -> int:
    headers = {"authorization": f"Bearer {token}"}
    return ask(f"{url}/chat/completions", BODY, headers, timeout_s=20).status


def calls_in(folder: Path) -> int:
    return sum(used.counts.calls for used in read_usage(Home(folder).usage))


@pytest.mark.parametrize("pause_s", [0.0, 2.5 * WRITE_SECONDS])
def test_a_kill_loses_no_count_that_is_older_than_a_write_and_the_next_start_none(
    tmp_path: Path, pause_s: float
) -> None:
    house = house_in(tmp_path / "ledger")
    token = key_for(house, budget=Budget(calls_max=5))
    with model_api() as api:
        with child(house.folder, api.url) as url:
            before = [call(url, token) for _ in range(3)]
            time.sleep(pause_s)
        written = calls_in(house.folder)
        begun = time.monotonic()
        with child(house.folder, api.url) as url:
            after = [call(url, token) for _ in range(3)]
        assert time.monotonic() - begun < 20 + START_SECONDS

    assert before == [200] * 3
    assert written == 3 if pause_s else written <= 3
    assert after == [200, 200, 429]


def test_after_many_kills_the_file_says_what_the_ledger_says(tmp_path: Path) -> None:
    house = house_in(tmp_path / "ledger")
    token = key_for(house, budget=Budget(tokens_max=1000))
    with model_api() as api:
        for pause_s in (0.0, 1.2, 0.3):
            with child(house.folder, api.url) as url:
                assert call(url, token) == 200
                time.sleep(pause_s)
        with gateway_on(house, api.url) as kept:
            assert kept.ask(BODY).status == 200
    with house.ledger() as ledger:
        found = read_usage(ledger.home.usage)
        assert found == from_ledger(ledger, house)
    assert sum(used.counts.calls for used in found) == 4
