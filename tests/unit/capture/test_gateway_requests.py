"""What the gateway itself turns away: what it says, what it records, and that no model is asked."""

import asyncio
import json
import socket
from collections.abc import Iterator
from threading import Event, Thread
from typing import Any

import openai
import pytest

from tallystick.capture import relay
from tallystick.capture.settings import REQUEST_BYTES_MAX
from tests.unit.capture.gateways import House, Kept, calls, gateway_on, said
from tests.unit.capture.model_api import MODEL, ModelApi, Seen, Send, whole
from tests.unit.capture.served import Answered, ask
from tests.unit.capture.waiting import eventually

ASKED: Any = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}
PLAIN = json.dumps(ASKED).encode()


def problem(answered: Answered) -> tuple[int, str]:
    return answered.status, json.loads(answered.body)["error"]["code"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\x00", b"{'a':1}", b"\xff{}"])
def test_a_request_that_is_no_json_object_is_refused_and_recorded(
    kept: Kept, api: ModelApi, body: bytes
) -> None:
    answered = kept.ask(body)

    intent, outcome = kept.intent(answered.intent), kept.outcome(answered.outcome)
    assert problem(answered) == (400, "invalid_json")
    assert (intent.request, intent.model, intent.parameters) == (body, "", {})
    assert (outcome.status, outcome.http_status, outcome.response) == ("refused", 400, b"")
    assert api.seen == []
    kept.report(answered.outcome)


def test_a_body_over_the_limit_is_refused_and_one_at_the_limit_is_not(
    house: House, api: ModelApi
) -> None:
    with gateway_on(house, api.url, request_bytes_max=len(PLAIN)) as kept:
        at_limit, over = kept.ask(PLAIN), kept.ask(PLAIN + b" ")

        intent, outcome = kept.intent(over.intent), kept.outcome(over.outcome)
        assert at_limit.status == 200
        assert problem(over) == (413, "request_too_large")
        assert str(len(PLAIN)) in json.loads(over.body)["error"]["message"]
        assert (intent.request, outcome.status) == (b"", "refused")
        assert len(api.seen) == 1


def test_a_body_far_over_the_limit_is_not_read_to_its_end(house: House, api: ModelApi) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(1 << 20):
            yield b" " * 65_536
            taken.append(65_536)

    taken: list[int] = []
    with gateway_on(house, api.url, request_bytes_max=1 << 20) as kept:
        with pytest.raises((openai.APIConnectionError, openai.APIStatusError)) as caught:
            kept.client().post("/chat/completions", cast_to=object, content=chunks())

        assert sum(taken) < 64 << 20
        if isinstance(caught.value, openai.APIStatusError):
            assert caught.value.status_code == 413
        [(intent, _)] = calls(kept, 1)
        assert kept.outcome_of(intent).status == "refused"
        assert api.seen == []


def test_a_body_that_does_not_come_is_given_up(
    kept: Kept, api: ModelApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "BODY_SECONDS", 0.2)
    host, port = kept.url.removeprefix("http://").removesuffix("/v1").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100\r\n\r\n"
        connection.sendall(head.encode() + b'{"mo')

        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    [(_, outcome)] = calls(kept, 1)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"request_too_slow" in answer
    assert kept.outcome(outcome).status == "refused"
    assert api.seen == []


def test_a_caller_that_leaves_before_it_asked_leaves_no_trace(kept: Kept) -> None:
    host, port = kept.url.removeprefix("http://").removesuffix("/v1").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100\r\n\r\n"
        connection.sendall(head.encode())

    answered = kept.ask(PLAIN)
    kept.found(answered.outcome)
    assert len(calls(kept, 1)) == 1


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/chat/completions", 405, "method_not_allowed"),
        ("POST", "/models", 405, "method_not_allowed"),
        ("POST", "/completions", 404, "unknown_url"),
        ("POST", "/chat/completions/x", 404, "unknown_url"),
        ("GET", "/modelsx", 404, "unknown_url"),
    ],
)
def test_another_path_or_method_is_no_call(
    kept: Kept, api: ModelApi, method: str, path: str, status: int, code: str
) -> None:
    answered = ask(kept.url + path, PLAIN, method=method)

    assert problem(answered) == (status, code)
    assert "x-tallystick-intent" not in answered.headers
    assert api.seen == []
    assert len(said(kept.ledger, kept.house)) == 1


def test_more_calls_than_may_be_under_way_are_refused_and_recorded(
    house: House, api: ModelApi
) -> None:
    may_answer = Event()

    async def wait(seen: Seen, send: Send) -> None:
        await asyncio.to_thread(may_answer.wait, 10)
        await whole(send, b'{"choices":[]}')

    api.answer = wait
    with gateway_on(house, api.url, calls_max=1) as kept:
        first = Thread(target=kept.ask, args=(PLAIN,))
        first.start()
        eventually(lambda: api.seen or None, "the first call")

        second = kept.ask(PLAIN)

        may_answer.set()
        first.join()
        assert problem(second) == (429, "too_many_calls")
        assert second.headers["retry-after"] == "1"
        assert kept.outcome(second.outcome).status == "refused"
        assert len(api.seen) == 1


def test_parameters_without_a_plain_cbor_form_are_kept_as_their_json(kept: Kept) -> None:
    deep = "[" * 9 + "]" * 9
    odd = f'"seed":123456789012345678901234567890,"x":{deep},"top_p":1.0,"stop":null'
    body = f'{{"model":"m","messages":[],{odd}}}'.encode()

    answered = kept.ask(body.replace(b"[],", b'[{"content":"x"}],'))

    parameters = kept.intent(answered.intent).parameters
    assert parameters["seed"] == "123456789012345678901234567890"
    assert parameters["x"] == deep
    assert (parameters["top_p"], parameters["stop"]) == (1.0, None)


def test_the_longest_request_of_the_most_unfavourable_kind_is_recorded(kept: Kept) -> None:
    head, end = b'{"model":"m","messages":[{"content":"x"}],"x":[', b"0.1]}"
    body = head + b"0.1," * ((REQUEST_BYTES_MAX - len(head) - len(end)) // 4) + end

    answered = kept.ask(body)

    assert answered.status == 200
    assert kept.intent(answered.intent).request == body
    assert kept.ask(PLAIN).status == 200


def test_the_gateway_answers_nothing_before_it_started_and_after_it_stopped(
    house: House, api: ModelApi
) -> None:
    with gateway_on(house, api.url) as kept:
        assert kept.gateway.status() is not None
        loop_stopped = kept.gateway
    assert loop_stopped.status() is None
