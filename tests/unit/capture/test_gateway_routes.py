"""Several upstreams: calls go where routes say, and each attempt is evidence of its own."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tallystick.capture import RouteSettings, UpstreamSettings
from tallystick.capture.exchange import PAUSE_SECONDS_MAX
from tallystick.capture.request import parse_request
from tallystick.capture.routes import fits
from tallystick.statement import Relation
from tests.unit.capture.gateways import House, calls, check_numbers, gateway_on, said
from tests.unit.capture.model_api import MODEL, ModelApi, Seen, Send, model_api, piece, start
from tests.unit.capture.served import Answered
from tests.unit.capture.waiting import eventually

MESSAGES: Any = [{"role": "user", "content": "x"}]
ASKED: Any = {"model": MODEL, "messages": MESSAGES}
REFUSAL = b'{"error": {"message": "too much", "type": "x", "code": "rate_limit"}}'


@pytest.fixture
def other() -> Iterator[ModelApi]:
    with model_api() as running:
        yield running


def named(name: str, api: ModelApi, **options: Any) -> UpstreamSettings:
    return UpstreamSettings(name=name, url=f"{api.url}/v1", **options)


def route(model: str, *to: str, retries: int = 0) -> RouteSettings:
    return RouteSettings(model=model, to=to, retries=retries)


def body(model: str = MODEL, **more: Any) -> bytes:
    return json.dumps({"model": model, "messages": MESSAGES, **more}).encode()


def attempt_of(answered: Answered) -> str | None:
    return answered.headers.get("x-tallystick-attempt")


def unused_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


def test_a_model_goes_to_the_first_upstream_that_answers_for_its_name(
    house: House, api: ModelApi, other: ModelApi
) -> None:
    upstreams = (named("small", other, models=("small-*", "tiny?")),)
    with gateway_on(house, api.url, upstreams=upstreams) as kept:
        for model in ("small-lm", "tiny1", "tiny12", MODEL):
            assert kept.ask(body(model)).status == 200

        assert [seen.json()["model"] for seen in other.seen] == ["small-lm", "tiny1"]
        assert [seen.json()["model"] for seen in api.seen] == ["tiny12", MODEL]
        [first, *_] = calls(kept, 4)
        assert kept.intent(first[0]).upstream == f"{other.url}/v1/chat/completions"


def test_a_route_sends_another_name_and_the_record_holds_both(
    house: House, api: ModelApi, other: ModelApi
) -> None:
    sent = b'{ "messages": [{"role":"user","content":"x"}], "n": 1.50, "model": "assistant" }'
    settings = {
        "upstreams": (named("lab", other),),
        "routes": (route("assistant", f"lab/{MODEL}"),),
    }
    with gateway_on(house, api.url, models={MODEL: b"m" * 32}, **settings) as kept:
        answered = kept.ask(sent)

        intent = kept.intent(answered.intent)
        assert (intent.model, intent.sent_model, intent.request) == ("assistant", MODEL, sent)
        assert intent.parameters["model"] == "assistant"
        assert kept.found(answered.intent).statement.header.model == b"m" * 32
        assert other.last.body == (
            b'{"messages":[{"role":"user","content":"x"}],"n":1.50,"model":"%b"}' % MODEL.encode()
        )
        assert attempt_of(answered) is None
        assert api.seen == []


def test_the_next_target_is_asked_when_one_cannot_answer(
    house: House, api: ModelApi, other: ModelApi
) -> None:
    api.answers(REFUSAL, 429, (b"retry-after", b"0"))
    dead = UpstreamSettings(name="dead", url=unused_url())
    settings = {
        "upstreams": (dead, named("lab", other)),
        "routes": (route("*", "dead", "default", "lab"),),
    }
    with gateway_on(house, api.url, **settings) as kept:
        token = kept.token()
        answered = kept.ask(body(), {"authorization": f"Bearer {token}"})

        assert answered.status == 200
        assert attempt_of(answered) == "3"
        intents, outcomes = zip(*calls(kept, 3), strict=True)
        assert [kept.outcome(one).status for one in outcomes] == ["unreachable", "error", "ok"]
        assert [kept.intent(one).attempt for one in intents] == [None, 2, 3]
        assert [kept.intent(one).upstream.rpartition("/v1")[0] + "/v1" for one in intents] == [
            dead.url, f"{api.url}/v1", f"{other.url}/v1"
        ]  # fmt: skip
        assert answered.intent == intents[2]
        headers = [kept.found(one).statement.header for one in intents]
        assert [header.links.get(Relation.DERIVED_FROM) for header in headers] == [
            None, (intents[0],), (intents[0],)
        ]  # fmt: skip
        assert len({header.links[Relation.ACTED_FOR] for header in headers}) == 1
        assert kept.outcome(outcomes[1]).response == REFUSAL
        check_numbers(kept.ledger, house)
        assert kept.report(outcomes[2]).verdict == "verified"


def test_the_last_refusal_is_passed_on_as_it_is(house: House, api: ModelApi) -> None:
    api.answers(REFUSAL, 503, (b"retry-after", b"0"), (b"x-request-id", b"r-9"))
    with gateway_on(house, api.url, routes=(route(MODEL, "default", retries=2),)) as kept:
        with pytest.raises(openai.InternalServerError) as caught:
            kept.client().chat.completions.create(**ASKED)

        assert caught.value.response.content == REFUSAL
        assert caught.value.response.headers["x-request-id"] == "r-9"
        assert [kept.outcome(o).http_status for _, o in calls(kept, 3)] == [503, 503, 503]


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_what_another_attempt_would_not_change_is_not_asked_again(
    house: House, api: ModelApi, status: int
) -> None:
    api.answers(REFUSAL, status)
    with gateway_on(house, api.url, routes=(route(MODEL, "default", retries=3),)) as kept:
        assert kept.ask(body()).status == status
        assert len(calls(kept, 1)) == len(api.seen) == 1


def test_a_stream_that_has_begun_is_not_begun_again(house: House, api: ModelApi) -> None:
    async def cut(_: Seen, send: Send) -> None:
        await start(send)
        await piece(send, b"data: {}\n\n")
        raise ConnectionResetError

    api.answer = cut
    with gateway_on(house, api.url, routes=(route(MODEL, "default", retries=3),)) as kept:
        answered = kept.ask(body(stream=True))

        assert not answered.whole
        [(_, outcome)] = calls(kept, 1)
        assert kept.outcome(outcome).status == "broken"
        assert len(api.seen) == 1


def test_a_stream_falls_back_before_its_first_byte(
    house: House, api: ModelApi, other: ModelApi
) -> None:
    api.answers(REFUSAL, 500, (b"retry-after", b"0"))
    settings = {
        "upstreams": (named("lab", other),),
        "routes": (route(MODEL, "default", "lab"),),
    }
    with gateway_on(house, api.url, **settings) as kept:
        stream = kept.client().chat.completions.create(**ASKED, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)

        assert text == "0: x / gehört"
        assert [kept.outcome(o).status for _, o in calls(kept, 2)] == ["error", "ok"]


def test_a_long_pause_that_an_upstream_asks_for_is_cut(house: House, api: ModelApi) -> None:
    api.answers(REFUSAL, 429, (b"retry-after", b"86400"))
    with gateway_on(house, api.url, routes=(route(MODEL, "default", retries=1),)) as kept:
        began = time.monotonic()
        assert kept.ask(body()).status == 429
        assert PAUSE_SECONDS_MAX <= time.monotonic() - began < PAUSE_SECONDS_MAX + 5


def test_for_a_caller_who_went_away_during_the_pause_nobody_else_is_asked(
    house: House, api: ModelApi
) -> None:
    api.answers(REFUSAL, 429, (b"retry-after", b"2"))
    with gateway_on(house, api.url, routes=(route(MODEL, "default", retries=1),)) as kept:
        with pytest.raises(openai.APITimeoutError):
            kept.client().with_options(timeout=0.5).chat.completions.create(**ASKED)

        eventually(lambda: kept.gateway.running.calls == 0 or None, "the end of the call")  # type: ignore[union-attr]
        [(_, outcome)] = calls(kept, 1)
        assert kept.outcome(outcome).http_status == 429
        assert len(api.seen) == 1


def test_a_model_that_nobody_answers_for_is_refused_and_recorded(
    house: House, api: ModelApi
) -> None:
    with gateway_on(house, None, upstreams=(named("a", api, models=("a-*",)),)) as kept:
        assert kept.ask(body("a-1")).status == 200
        answered = kept.ask(body("b-1"))

        assert answered.status == 404
        assert json.loads(answered.body)["error"]["code"] == "model_not_found"
        found = eventually(lambda: kept.outcome_of(answered.intent), "an outcome")
        assert (found.status, found.http_status) == ("refused", 404)
        assert kept.intent(answered.intent).upstream == ""


def test_tokens_of_callers_go_only_where_they_may(
    house: House, api: ModelApi, other: ModelApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LAB_KEY", raising=False)
    settings = {
        "upstreams": (
            named("lab", other, models=("lab-*",), key_variable="LAB_KEY"),
            named("open", other, models=("open-*",), caller_keys=True),
            named("none", other, models=("none-*",)),
        ),
        "environ": {"LAB_KEY": "sk-lab"},
        "upstream_key": "sk-default",
    }
    with gateway_on(house, api.url, **settings) as kept:
        for model, expected in {
            "lab-1": "Bearer sk-lab",
            "open-1": "Bearer sk-of-the-caller",
            "none-1": None,
        }.items():
            kept.ask(body(model), {"authorization": "Bearer sk-of-the-caller"})
            assert other.last.header("authorization") == expected
        kept.ask(body(), {"authorization": "Bearer sk-of-the-caller"})
        assert api.last.header("authorization") == "Bearer sk-of-the-caller"
        kept.ask(body())
        assert api.last.header("authorization") == "Bearer sk-default"
        content = b"".join(
            kept.ledger.vault.get(one.statement.id).values().get("request", b"")
            for one in said(kept.ledger, house)
            if one.statement.header.type == "inference"
        )
        assert b"sk-" not in content


def test_the_list_of_models_shows_where_calls_would_go(
    house: House, api: ModelApi, other: ModelApi
) -> None:
    listed = {"object": "list", "data": [{"id": MODEL}, {"id": "lab-1", "x": 1}, {"no": "id"}]}
    other.answers(json.dumps(listed).encode())
    settings = {
        "upstreams": (
            named("lab", other, models=("lab-*",)),
            UpstreamSettings(name="dead", url=unused_url(), models=("dead-*",)),
        ),
        "routes": (route("assistant", "lab/lab-1"), route("any-*", "lab")),
    }
    with gateway_on(house, api.url, **settings) as kept:
        client = kept.client()

        assert [one.id for one in client.models.list()] == ["assistant", "lab-1", MODEL]
        assert client.models.retrieve("assistant").owned_by == "gateway"
        other.answers(b'{"id": "lab-1", "object": "model"}')
        assert client.models.retrieve("lab-1").id == "lab-1"
        assert other.last.path == "/v1/models/lab-1"


@pytest.mark.parametrize("answer", [b"no list", b"{}", b"[" * 100_000, b'{"data": [1]}'])
def test_an_upstream_that_gives_no_list_shows_none(
    house: House, api: ModelApi, other: ModelApi, answer: bytes
) -> None:
    other.answers(answer)
    with gateway_on(house, api.url, upstreams=(named("lab", other, models=("l*",)),)) as kept:
        assert [one.id for one in kept.client().models.list()] == [MODEL]


def test_where_no_upstream_says_what_it_has_there_is_no_list(house: House) -> None:
    dead = [UpstreamSettings(name=name, url=unused_url()) for name in ("a", "b")]
    with gateway_on(house, None, upstreams=tuple(dead)) as kept:
        with pytest.raises(openai.InternalServerError) as caught:
            kept.client().models.list()
        assert caught.value.code == "upstream_unreachable"


@pytest.mark.parametrize(
    ("model", "pattern", "expected"),
    [
        ("gpt-5", "gpt-*", True),
        ("gpt-5", "GPT-*", False),
        ("a[1]", "a[1]", True),
        ("a1", "a[1]", False),
        ("ab", "a?", True),
        ("", "*", True),
        ("", "?", False),
    ],
)
def test_patterns_know_two_wildcards(model: str, pattern: str, *, expected: bool) -> None:
    assert fits(model, pattern) is expected


def test_a_body_is_sent_as_it_is_unless_the_name_changes() -> None:
    data = b'{"model" : "a", "messages":[], "model" : "b"}'
    request = parse_request(data)

    assert request.sent(None) == request.sent("b") == data
    assert request.sent("c") == b'{"model":"c","messages":[]}'
