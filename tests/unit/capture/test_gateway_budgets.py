"""Scopes and budgets at a running gateway: the official client, a real upstream, our clock."""

import json
from pathlib import Path
from typing import Any

import openai
import pytest

from tallystick.capture import ApiKey
from tallystick.capture.budgets import Budget, day_of
from tallystick.capture.metering import BUDGET_HEADER
from tallystick.capture.usage import ASSERTED, Place, Source, recorded
from tallystick.capture.usage_file import Used, read_usage
from tallystick.evidence import emitter_id
from tallystick.ledger import Ledger
from tests.unit.capture.gateways import House, Kept, calls, gateway_on
from tests.unit.capture.model_api import MODEL, ModelApi, embedding, whole
from tests.unit.capture.served import ask
from tests.unit.capture.waiting import eventually

ASKED: Any = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}
PLAIN = json.dumps(ASKED).encode()
NAMED = MODEL + "-0613"
LEFT = BUDGET_HEADER.decode()
DAY = 86_400


def key_of(kept: Kept, **options: Any) -> tuple[str, ApiKey]:
    token = kept.token(**options)
    return token, kept.gateway.keys.resolve(token, kept.house.clock())


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def counted(kept: Kept, count: int) -> list[Used]:
    """Return what is in the file as soon as it holds so many calls and refusals."""

    def look() -> list[Used] | None:
        used = read_usage(kept.ledger.home.usage)
        return used if sum(u.counts.calls + u.counts.refused for u in used) == count else None

    return eventually(look, f"{count} calls in the file")


def from_ledger(ledger: Ledger, house: House) -> list[Used]:
    """Count anew what the gateway of a house recorded."""
    emitter = emitter_id(bytes.fromhex(ledger.card.genesis), house.gateway.did, "gateway")
    table = recorded(Source(ledger, house.gateway.did, emitter)).table
    used = [Used(place, counts) for place, counts in table.items()]
    return sorted(used, key=lambda one: (one.place.day, one.place.key, one.place.model))


# --- scope


def test_a_model_outside_the_scope_is_refused_and_the_attempt_is_evidence(
    kept: Kept, api: ModelApi
) -> None:
    token, key = key_of(kept, models=("small-*",))
    client = kept.client(token)

    with pytest.raises(openai.PermissionDeniedError, match="small-") as refused:
        client.chat.completions.create(**ASKED)
    client.chat.completions.create(**{**ASKED, "model": "small-lm"})

    assert refused.value.code == "model_not_allowed"
    assert len(api.seen) == 1
    [(intent, outcome), _] = calls(kept, 2)
    assert kept.intent(intent).model == MODEL
    assert kept.intent(intent).api_key == key.id
    assert (kept.outcome(outcome).status, kept.outcome(outcome).http_status) == ("refused", 403)
    status = kept.gateway.status()
    assert status is not None
    assert {code: n for code, n in status.refused.items() if n} == {"model_not_allowed": 1}


def test_a_request_that_names_two_models_reaches_none(kept: Kept, api: ModelApi) -> None:
    token, _ = key_of(kept, models=("small",))
    body = b'{"mod\\u0065l":"large","model":"small","messages":[]}'

    answered = kept.ask(body, bearer(token))

    assert answered.status == 403
    assert api.seen == []


def test_a_key_for_writing_calls_no_model_and_lists_none(kept: Kept, api: ModelApi) -> None:
    token, _ = key_of(kept, only="register")
    client = kept.client(token)

    with pytest.raises(openai.PermissionDeniedError) as refused:
        client.chat.completions.create(**ASKED)
    with pytest.raises(openai.PermissionDeniedError):
        client.models.list()

    assert refused.value.code == "key_not_for_this"
    assert api.seen == []
    assert len(calls(kept, 1)) == 1


def test_a_refusal_passes_also_through_a_gateway_that_fails_open(
    house: House, api: ModelApi
) -> None:
    with gateway_on(house, api.url, fail_open=True) as kept:
        token, _ = key_of(kept, models=("small",))

        assert kept.ask(PLAIN, bearer(token)).status == 403
        assert api.seen == []


# --- budget


def test_tokens_are_refused_when_they_are_used_up_and_given_again_at_midnight(
    kept: Kept, api: ModelApi
) -> None:
    clock = kept.house.clock
    token, _ = key_of(kept, budget=Budget(per="day", tokens_max=15))
    client = kept.client(token)

    left = [
        client.chat.completions.with_raw_response.create(**ASKED).headers[LEFT] for _ in range(2)
    ]
    with pytest.raises(openai.RateLimitError) as refused:
        client.chat.completions.create(**ASKED)

    assert left == ["5", "0"]
    assert refused.value.code == "budget_exhausted"
    assert "20 of 15 tokens" in refused.value.message
    to_midnight = DAY - clock.now % DAY
    assert refused.value.response.headers["retry-after"] == str(to_midnight)
    assert len(api.seen) == 2

    clock.now += to_midnight - 1
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(**ASKED)
    clock.now += 1
    client.chat.completions.create(**ASKED)
    assert len(api.seen) == 3
    assert len(calls(kept, 5)) == 5


def test_the_official_client_does_not_try_again_by_itself(kept: Kept) -> None:
    token, _ = key_of(kept, budget=Budget(calls_max=1))
    client = kept.client(token).with_options(max_retries=2)

    client.chat.completions.create(**ASKED)
    with pytest.raises(openai.RateLimitError, match="does not reset"):
        client.chat.completions.create(**ASKED)

    assert len(calls(kept, 2)) == 2


def test_a_month_counts_its_days_and_each_key_for_itself(kept: Kept) -> None:
    one, other = (kept.token(budget=Budget(per="month", calls_max=2)) for _ in range(2))
    clock = kept.house.clock

    seen = []
    for days in (0, 1, 0, 30):
        clock.now += days * DAY
        seen.append(kept.ask(PLAIN, bearer(one)).status)

    assert seen == [200, 200, 429, 200]
    assert kept.ask(PLAIN, bearer(other)).status == 200
    assert kept.ask(PLAIN).status == 200


def test_a_stream_counts_with_its_usage_and_without_it_as_a_call(kept: Kept) -> None:
    token, key = key_of(kept, budget=Budget(tokens_max=15, calls_max=3))
    client = kept.client(token)
    with_and_without: list[Any] = [{"stream_options": {"include_usage": True}}, {}]
    for options in with_and_without:
        stream = client.chat.completions.create(**ASKED, stream=True, **options)
        assert len(list(stream)) > 1

    [used] = counted(kept, 2)

    assert used.place == Place(key.id, NAMED, day_of(kept.house.clock()))
    assert used.counts.values() == (2, 1, 7, 3, 0, 0)


def test_embeddings_failures_and_calls_without_a_key_are_counted_apart(
    kept: Kept, api: ModelApi
) -> None:
    token, key = key_of(kept)

    async def refuse(_: Any, send: Any) -> None:
        await whole(send, b'{"error":{"message":"no"}}', 500)

    kept.ask(PLAIN)
    api.answer = refuse
    kept.ask(PLAIN, bearer(token))
    api.answers(embedding({"input": "x"}))
    ask(kept.url + "/embeddings", b'{"model":"e","input":"x"}', bearer(token))

    found = {used.place[:2]: used.counts.values() for used in counted(kept, 3)}
    assert found == {
        (key.id, ""): (1, 1, 0, 0, 1, 0),
        (key.id, MODEL): (1, 0, 1, 0, 0, 0),
        (ASSERTED, NAMED): (1, 0, 7, 3, 0, 0),
    }


# --- the file


def test_a_restart_keeps_what_was_used_and_the_ledger_says_the_same(
    house: House, api: ModelApi
) -> None:
    with gateway_on(house, api.url) as kept:
        token, _ = key_of(kept, budget=Budget(tokens_max=15))
        kept.ask(PLAIN, bearer(token))
        kept.ask(PLAIN)
    with gateway_on(house, api.url) as kept:
        assert [kept.ask(PLAIN, bearer(token)).status for _ in range(2)] == [200, 429]
        calls(kept, 4)
    with house.ledger() as ledger:
        assert read_usage(ledger.home.usage) == from_ledger(ledger, house)


def test_a_file_that_was_deleted_gives_no_budget_back(house: House, api: ModelApi) -> None:
    with gateway_on(house, api.url) as kept:
        token, _ = key_of(kept, budget=Budget(calls_max=1))
        kept.ask(PLAIN, bearer(token))
    (house.folder / "data" / "usage.sqlite").unlink()
    with gateway_on(house, api.url) as kept:
        assert kept.ask(PLAIN, bearer(token)).status == 429


def test_a_damaged_file_stops_keys_with_a_budget_and_nobody_else(
    house: House, api: ModelApi
) -> None:
    file = house.folder / "data" / "usage.sqlite"
    with gateway_on(house, api.url) as kept:
        token, _ = key_of(kept, budget=Budget(calls_max=5))
        free = kept.token()
        kept.ask(PLAIN, bearer(token))
    file.write_bytes(b"\xff" * 5000)
    with gateway_on(house, api.url) as kept:
        refused = kept.ask(PLAIN, bearer(token))
        assert [kept.ask(PLAIN).status, kept.ask(PLAIN, bearer(free)).status] == [200, 200]
        status = kept.gateway.status()
        calls(kept, 4)

    assert refused.status == 503
    assert json.loads(refused.body)["error"]["code"] == "usage_not_readable"
    assert LEFT not in refused.headers
    assert status is not None
    assert "usage.sqlite is damaged" in str(status.usage_failure)
    assert file.read_bytes() == b"\xff" * 5000

    file.unlink()
    with gateway_on(house, api.url) as kept:
        assert kept.ask(PLAIN, bearer(token)).status == 200
    with house.ledger() as ledger:
        assert read_usage(ledger.home.usage) == from_ledger(ledger, house)


def test_while_counts_cannot_be_written_budgets_are_not_given(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, _ = key_of(kept, budget=Budget(calls_max=100))
    meter = kept.gateway.running.meter if kept.gateway.running else None
    assert meter is not None
    assert meter._file is not None
    database = meter._file._database
    database.execute("PRAGMA query_only = on")  # as a full disk does: reading goes on

    kept.ask(PLAIN, bearer(token))
    eventually(lambda: meter.failure, "a failure")
    assert kept.ask(PLAIN, bearer(token)).status == 503
    assert kept.ask(PLAIN).status == 200

    database.execute("PRAGMA query_only = off")
    eventually(lambda: meter.failure is None or None, "an end of it")
    assert kept.ask(PLAIN, bearer(token)).status == 200
    assert sum(used.counts.calls for used in counted(kept, 4)) == 3


def test_keys_of_the_first_format_wait_for_their_migration(kept: Kept, api: ModelApi) -> None:
    token, _ = key_of(kept)
    file: Path = kept.ledger.home.api_keys
    stored = json.loads(file.read_bytes())
    file.write_text(json.dumps({**stored, "format": 1}))
    kept.house.clock.now += 1

    answer = kept.ask(PLAIN, bearer(token))

    assert answer.status == 503
    assert b"has format 1, this release writes 4" in answer.body
    assert not api.seen
