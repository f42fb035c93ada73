"""The gateway while something fails under it: no call without evidence, unless that is recorded."""

import asyncio
import http.client
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tallystick.capture import Gateway, GatewaySettings, writing
from tallystick.capture import gateway as gateway_module
from tallystick.capture.budgets import Budget
from tallystick.errors import ConflictError, RefusedError
from tallystick.ledger import RegistrationPolicy
from tallystick.statement import Relation
from tests.fault.failing_disk import FailingDisk
from tests.unit.capture.gateways import (
    House,
    Kept,
    changes,
    check_numbers,
    gateway_on,
    heartbeats,
    said,
)
from tests.unit.capture.model_api import MODEL, ModelApi, Seen, Send, answer_by_rule, model_api
from tests.unit.capture.served import Answered
from tests.unit.capture.waiting import eventually

ASKED: Any = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}
PLAIN = json.dumps(ASKED).encode()
STREAM = json.dumps({**ASKED, "stream": True}).encode()

FAILURES = [(op, effect) for op in ("pwrite", "datasync") for effect in (False, True)]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "ledger")


@pytest.fixture
def api() -> Iterator[ModelApi]:
    with model_api() as running:
        yield running


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FailingDisk:
    failing = FailingDisk()
    monkeypatch.setattr(gateway_module, "PosixDisk", lambda: failing)
    return failing


def problem(answered: Answered) -> tuple[int, str]:
    return answered.status, json.loads(answered.body)["error"]["code"]


def recovered(kept: Kept) -> None:
    """Wait until the spool is written again."""

    def look() -> bool | None:
        status = kept.gateway.status()
        return (status is not None and status.spool_failure is None) or None

    eventually(look, "the spool is written again")


@pytest.mark.parametrize(("operation", "took_effect"), FAILURES)
def test_no_model_is_called_while_the_spool_cannot_be_written(
    house: House, api: ModelApi, disk: FailingDisk, operation: str, *, took_effect: bool
) -> None:
    with gateway_on(house, api.url) as kept:
        disk.took_effect, disk.operation = took_effect, operation
        refused = [kept.ask(PLAIN) for _ in range(3)]
        disk.operation = None
        recovered(kept)
        served = kept.ask(PLAIN)

        assert [problem(one) for one in refused] == [(503, "intent_not_durable")] * 3
        assert served.status == 200
        assert len(api.seen) == 1
        # The first one had its number when the disk failed: it is kept, and says that it failed.
        assert kept.outcome_of(refused[0].intent).status == "refused"
        assert ["x-tallystick-intent" in one.headers for one in refused] == [True, False, False]
    with house.ledger() as ledger:
        check_numbers(ledger, house)
        [unrecorded] = changes(ledger, house)
        assert unrecorded.what == "gateway.unrecorded"
        assert (unrecorded.after["passed"], unrecorded.after["refused"]) == (0, 2)
        assert "No space left on device" in unrecorded.reason
        assert heartbeats(ledger, house)[-1].open_intents == 0


@pytest.mark.parametrize(("operation", "took_effect"), FAILURES)
def test_an_answer_whose_outcome_is_lost_does_not_look_complete(
    house: House, api: ModelApi, disk: FailingDisk, operation: str, *, took_effect: bool
) -> None:
    async def fail_then_answer(seen: Seen, send: Send) -> None:
        disk.took_effect, disk.operation = took_effect, operation
        await answer_by_rule(seen, send)

    api.answer = fail_then_answer
    with gateway_on(house, api.url) as kept:
        stream = kept.ask(STREAM)
        disk.operation = None
        recovered(kept)

        assert not stream.whole
        assert b"[DONE]" not in stream.body
        assert b"tallystick-outcome" not in stream.body
        assert kept.outcome_of(stream.intent).status == "ok"  # written when the disk was back


def test_an_answer_whose_outcome_cannot_be_written_is_withheld(
    house: House, api: ModelApi, disk: FailingDisk
) -> None:
    async def fail_then_answer(seen: Seen, send: Send) -> None:
        disk.operation = "pwrite"
        await answer_by_rule(seen, send)

    api.answer = fail_then_answer
    with gateway_on(house, api.url) as kept:
        answered = kept.ask(PLAIN)
        disk.operation = None
        recovered(kept)

        assert problem(answered) == (503, "outcome_not_durable")
        assert answered.intent.hex() in json.loads(answered.body)["error"]["message"]
        assert kept.outcome_of(answered.intent).status == "ok"  # written when the disk was back


@pytest.mark.parametrize("fails_in_the_end", [False, True])
def test_a_disk_that_hangs_is_given_up_after_a_while(
    house: House,
    api: ModelApi,
    disk: FailingDisk,
    monkeypatch: pytest.MonkeyPatch,
    *,
    fails_in_the_end: bool,
) -> None:
    monkeypatch.setattr(writing, "SYNC_SECONDS_MAX", 0.3)
    with gateway_on(house, api.url) as kept:
        disk.goes_on.clear()
        first, second = kept.ask(PLAIN), kept.ask(PLAIN)
        disk.operation = "datasync" if fails_in_the_end else None
        disk.goes_on.set()
        assert not fails_in_the_end or disk.failed.wait(10)
        disk.operation = None
        recovered(kept)
        served = [kept.ask(PLAIN) for _ in range(3)]

        assert problem(first) == problem(second) == (503, "intent_not_durable")
        assert "has not synced for 0.3 s" in json.loads(first.body)["error"]["message"]
        assert [one.status for one in served] == [200] * 3
        assert len(api.seen) == 3
        assert kept.outcome_of(first.intent).status == "refused"
    with house.ledger() as ledger:
        check_numbers(ledger, house)
        assert heartbeats(ledger, house)[-1].open_intents == 0


def test_a_gateway_that_fails_open_passes_calls_on_and_records_how_many(
    house: House, api: ModelApi, disk: FailingDisk
) -> None:
    with gateway_on(house, api.url, fail_open=True) as kept:
        disk.operation = "pwrite"
        passed = [kept.ask(PLAIN), kept.ask(STREAM), kept.ask(PLAIN), kept.ask(b"no json")]
        disk.operation = None
        recovered(kept)
        kept.ask(PLAIN)

        assert [one.status for one in passed] == [200, 200, 200, 503]
        assert passed[1].body.endswith(b"data: [DONE]\n\n")
        assert [one.headers.get("x-tallystick-intent") for one in passed[1:]] == [
            "unrecorded", "unrecorded", None,
        ]  # fmt: skip
        assert len(api.seen) == 4
    with house.ledger() as ledger:
        check_numbers(ledger, house)
        switched, unrecorded = changes(ledger, house)
        assert (switched.what, switched.before, switched.after) == (
            "gateway.fail_open", False, True,
        )  # fmt: skip
        # The first one counts too: it went on before its intent was durable.
        assert (unrecorded.after["passed"], unrecorded.after["refused"]) == (3, 1)
        assert unrecorded.after["since_ms"] <= unrecorded.after["until_ms"]


def test_calls_without_evidence_use_up_a_budget(
    house: House, api: ModelApi, disk: FailingDisk
) -> None:
    with gateway_on(house, api.url, fail_open=True) as kept:
        headers = {"authorization": f"Bearer {kept.token(budget=Budget(calls_max=2))}"}
        disk.operation = "pwrite"
        seen = [kept.ask(PLAIN, headers).status for _ in range(3)]
        disk.operation = None
        recovered(kept)

        assert seen == [200, 200, 503]
        assert problem(kept.ask(PLAIN, headers)) == (429, "budget_exhausted")
        assert len(api.seen) == 2


def test_each_turn_of_the_fail_open_switch_is_recorded(house: House, api: ModelApi) -> None:
    for fail_open in (False, True, True, False, False):
        with gateway_on(house, api.url, fail_open=fail_open):
            pass

    with house.ledger() as ledger:
        turns = [(change.before, change.after) for change in changes(ledger, house)]
    assert turns == [(False, True), (True, True), (True, False)]


@contextmanager
def locked(vault: Path) -> Iterator[None]:
    """Keep everybody else from writing the vault."""
    with closing(sqlite3.connect(vault, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


def test_calls_go_on_while_the_ledger_is_away_and_are_registered_when_it_is_back(
    house: House, api: ModelApi
) -> None:
    with gateway_on(house, api.url) as kept:
        kept.ledger.vault._database.execute("PRAGMA busy_timeout=10")
        with locked(kept.ledger.home.vault):
            answered = [kept.ask(PLAIN) for _ in range(5)]
            status = eventually(_failing(kept, waiting=10), "the ledger is away")

            assert [one.status for one in answered] == [200] * 5
            assert "vault" in status.ledger_failure
        for one in answered:
            kept.report(one.outcome)
        assert check_numbers(kept.ledger, house)


def _failing(kept: Kept, waiting: int = 0) -> Any:
    def look() -> Any:
        status = kept.gateway.status()
        failing = status is not None and status.ledger_failure and status.waiting >= waiting
        return status if failing else None

    return look


def test_what_was_spooled_while_the_ledger_was_away_survives_a_restart(
    house: House, api: ModelApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_module, "STOP_SECONDS", 0.5)
    with gateway_on(house, api.url) as kept:
        kept.ledger.vault._database.execute("PRAGMA busy_timeout=10")
        database = sqlite3.connect(kept.ledger.home.vault, isolation_level=None)
        database.execute("BEGIN IMMEDIATE")
        answered = kept.ask(PLAIN)
    database.execute("ROLLBACK")
    database.close()

    with gateway_on(house, api.url) as kept:
        kept.report(answered.outcome)
        numbers = check_numbers(kept.ledger, house)
    assert numbers[-1][0] == 1


def test_a_ledger_that_refuses_the_gateway_stops_new_calls_until_that_is_mended(
    house: House, api: ModelApi
) -> None:
    with gateway_on(house, api.url) as kept:
        kept.ledger.set_policy(RegistrationPolicy(()))
        first = kept.ask(PLAIN)
        eventually(_failing(kept), "the ledger refuses")
        second = kept.ask(PLAIN)

        assert first.status == 200
        assert problem(second) == (503, "intent_not_durable")
        assert "refuses this gateway's statements" in json.loads(second.body)["error"]["message"]
        assert len(api.seen) == 1

        kept.ledger.set_policy(house.policy())
        kept.report(first.outcome)
        assert eventually(lambda: kept.ask(PLAIN).status == 200 or None, "calls are taken")
        eventually(lambda: changes(kept.ledger, house) or None, "what was refused is recorded")
        assert check_numbers(kept.ledger, house)


def test_a_gateway_that_the_ledger_refuses_does_not_start(house: House, api: ModelApi) -> None:
    with house.ledger(policy=RegistrationPolicy(())) as ledger:
        gateway = Gateway(ledger, house.gateway.signer, GatewaySettings(upstream=api.url))

        with pytest.raises(RefusedError):
            asyncio.run(gateway.start())

        assert gateway.status() is None
        ledger.set_policy(house.policy())
        asyncio.run(_start_and_stop(gateway))
        check_numbers(ledger, house)


def test_two_gateways_cannot_use_one_spool(house: House, api: ModelApi) -> None:
    with gateway_on(house, api.url) as kept:
        second = Gateway(kept.ledger, house.gateway.signer, kept.gateway.settings)

        with pytest.raises(ConflictError):
            asyncio.run(second.start())

        assert kept.ask(PLAIN).status == 200


def test_a_call_that_is_under_way_when_the_gateway_stops_is_recorded(
    house: House, api: ModelApi
) -> None:
    async def hang(seen: Seen, send: Send) -> None:
        await asyncio.sleep(5)

    api.answer = hang
    with gateway_on(house, api.url, grace_s=1) as kept:
        asking = Thread(target=_ask_in_vain, args=(kept,))
        asking.start()
        eventually(lambda: api.seen or None, "the call")
    asking.join()

    with house.ledger() as ledger:
        intent, outcome = (one for one in said(ledger, house) if one.statement.header.hashed)
        values = ledger.vault.get(outcome.statement.id).values()
        assert outcome.statement.header.links[Relation.GENERATED_BY] == (intent.statement.id,)
        assert (values["status"], values["error"]) == ("cancelled", "the gateway was stopped")
        assert heartbeats(ledger, house)[-1].open_intents == 0


def _ask_in_vain(kept: Kept) -> None:
    with suppress(OSError, http.client.HTTPException):
        kept.ask(PLAIN)


async def _start_and_stop(gateway: Gateway) -> None:
    await gateway.start()
    await gateway.stop()
