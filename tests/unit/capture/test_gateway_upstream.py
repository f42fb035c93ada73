"""Whatever an upstream does, it is passed on faithfully and recorded for what it was."""

import asyncio
import json
import socket
import time
from hashlib import sha256
from typing import Any

import openai
import pytest

from tests.unit.capture.gateways import House, Kept, calls, gateway_on
from tests.unit.capture.model_api import (
    MODEL,
    ModelApi,
    Seen,
    Send,
    completion,
    event,
    events,
    piece,
    raw_server,
    start,
)
from tests.unit.capture.served import Answered
from tests.unit.capture.waiting import eventually

ASKED: Any = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}
PLAIN = json.dumps(ASKED).encode()
STREAM = json.dumps({**ASKED, "stream": True}).encode()
FIRST, SECOND, *_ = events({**ASKED, "stream": True})


def problem(answered: Answered) -> tuple[int, str]:
    return answered.status, json.loads(answered.body)["error"]["code"]


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_a_refusal_passes_byte_for_byte_and_is_recorded(
    kept: Kept, api: ModelApi, status: int, raised: type[openai.APIStatusError]
) -> None:
    refusal = b'{"error" : {"message":"no, not so", "type":"x", "code":"y"}}'
    api.answers(refusal, status, (b"retry-after", b"7"), (b"x-request-id", b"r-1"))

    with pytest.raises(raised) as caught:
        kept.client().chat.completions.create(**ASKED)

    [(_, outcome_id)] = calls(kept, 1)
    outcome = kept.outcome(outcome_id)
    assert caught.value.response.content == outcome.response == refusal
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.request_id == "r-1"
    assert caught.value.response.headers["x-tallystick-outcome"] == outcome_id.hex()
    assert (outcome.status, outcome.http_status) == ("error", status)
    assert outcome.error == "no, not so"


@pytest.mark.parametrize("body", [b"", b"garbage", b"[1]", b'{"choices":', b'"x"', b"\xff\xfe"])
def test_garbage_instead_of_json_passes_and_is_called_malformed(
    kept: Kept, api: ModelApi, body: bytes
) -> None:
    api.answers(body)

    answered = kept.ask(PLAIN)

    outcome = kept.outcome(answered.outcome)
    assert (answered.status, answered.body) == (200, body)
    assert (outcome.status, outcome.http_status, outcome.response) == ("malformed", 200, body)
    assert outcome.error == "not what chat is answered with"


def test_a_refused_connection_is_an_outcome(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with gateway_on(house, f"http://127.0.0.1:{port}") as kept:
        answered = kept.ask(PLAIN)

        outcome = kept.outcome(answered.outcome)
        assert problem(answered) == (502, "upstream_unreachable")
        assert b"the upstream 'default' cannot be reached" in answered.body
        assert (outcome.status, outcome.http_status) == ("unreachable", 502)
        assert (outcome.response, outcome.first_byte_ms) == (b"", None)
        assert kept.outcome_of(answered.intent) == outcome


def test_an_upstream_that_never_answers_times_out(house: House, api: ModelApi) -> None:
    async def hang(seen: Seen, send: Send) -> None:
        await start(send)
        while seen not in api.hung_up:
            await _moment()

    api.answer = _never
    with gateway_on(house, api.url, idle_s=0.2) as kept:
        before = kept.ask(PLAIN)
        api.answer = hang
        during = kept.ask(STREAM)

        outcome = kept.outcome(before.outcome)
        assert problem(before) == (504, "upstream_timeout")
        assert (outcome.status, outcome.http_status) == ("timeout", 504)
        outcome = kept.outcome_of(during.intent)
        assert (outcome.status, outcome.http_status, outcome.response) == ("timeout", 200, b"")
        assert not during.whole


def test_a_call_may_not_last_for_ever(house: House, api: ModelApi) -> None:
    async def drip(seen: Seen, send: Send) -> None:
        await start(send)
        while seen not in api.hung_up:
            await piece(send, event(b"{}"))
            await _moment()

    api.answer = drip
    with gateway_on(house, api.url, total_s=0.3) as kept:
        answered = kept.ask(STREAM)

        outcome = kept.outcome_of(answered.intent)
        assert outcome.status == "timeout"
        assert answered.body.startswith(outcome.response[:12])
        eventually(lambda: api.hung_up or None, "the upstream sees that nobody listens")


def test_a_stream_that_breaks_is_cut_off_for_the_caller_too(house: House) -> None:
    def break_off(connection: socket.socket) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
        connection.sendall(head + b"transfer-encoding: chunked\r\n\r\n")
        connection.sendall(b"%x\r\n%b\r\n" % (len(FIRST), FIRST))

    with raw_server(break_off) as url, gateway_on(house, url) as kept:
        answered = kept.ask(STREAM)

        outcome = kept.outcome_of(answered.intent)
        assert not answered.whole
        assert answered.body.startswith(FIRST)
        assert b"[DONE]" not in answered.body
        assert (outcome.status, outcome.response) == ("broken", FIRST)


def test_a_stream_that_ends_without_saying_so_is_called_broken(kept: Kept, api: ModelApi) -> None:
    async def stop_early(seen: Seen, send: Send) -> None:
        await start(send)
        await piece(send, FIRST + SECOND, last=True)

    api.answer = stop_early
    answered = kept.ask(STREAM)

    outcome = kept.outcome_of(answered.intent)
    assert answered.body.startswith(FIRST + SECOND)
    assert outcome.status == "broken"
    assert outcome.error == "the stream ended without saying that it is done"


def test_an_error_inside_a_stream_is_an_error(kept: Kept, api: ModelApi) -> None:
    said = event(b'{"error":{"message":"overloaded"}}')

    async def fail(seen: Seen, send: Send) -> None:
        await start(send)
        await piece(send, FIRST)
        await piece(send, said, last=True)

    api.answer = fail
    with pytest.raises(openai.APIError, match="overloaded"):
        list(kept.client().chat.completions.create(**ASKED, stream=True))

    [(_, outcome_id)] = calls(kept, 1)
    outcome = kept.outcome(outcome_id)
    assert (outcome.status, outcome.error) == ("error", "overloaded")
    assert outcome.response == FIRST + said


def test_a_body_that_breaks_off_is_no_answer(house: House) -> None:
    def break_off(connection: socket.socket) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n"
        connection.sendall(head + b'{"choices"')

    with raw_server(break_off) as url, gateway_on(house, url) as kept:
        answered = kept.ask(PLAIN)

        outcome = kept.outcome(answered.outcome)
        assert problem(answered) == (502, "upstream_broken")
        assert (outcome.status, outcome.http_status) == ("broken", 502)
        assert outcome.response == b'{"choices"'


def test_an_upstream_that_speaks_no_http_is_malformed(house: House) -> None:
    def speak(connection: socket.socket) -> None:
        connection.sendall(b"SSH-2.0-x\r\n\r\n")

    with raw_server(speak) as url, gateway_on(house, url) as kept:
        answered = kept.ask(PLAIN)

        outcome = kept.outcome(answered.outcome)
        assert problem(answered) == (502, "upstream_malformed")
        assert outcome.status == "malformed"


def test_an_answer_beyond_the_limit_passes_and_is_recorded_by_digest(
    house: House, api: ModelApi
) -> None:
    body = completion(ASKED) + b" " * 100_000
    api.answers(body)
    with gateway_on(house, api.url, answer_bytes_max=1000) as kept:
        answered = kept.ask(PLAIN)

        outcome = kept.outcome_of(answered.intent)
        assert answered.body == body
        assert outcome.response == body[:1000]
        assert outcome.response_bytes == len(body)
        assert outcome.response_sha256 == sha256(body).digest()
        assert (outcome.status, outcome.answer) == ("ok", None)


def test_an_answer_of_exactly_the_limit_is_recorded_whole(house: House, api: ModelApi) -> None:
    body = completion(ASKED)
    api.answers(body)
    with gateway_on(house, api.url, answer_bytes_max=len(body)) as kept:
        outcome = kept.outcome(kept.ask(PLAIN).outcome)

        assert (outcome.response, outcome.response_sha256) == (body, None)


def test_a_large_stream_keeps_only_its_beginning(house: House, api: ModelApi) -> None:
    sent = events({**ASKED, "stream": True})
    long = sent[:2] + [event(b'{"choices":[]}')] * 500 + sent[2:]

    async def stream(seen: Seen, send: Send) -> None:
        await start(send)
        for one in long:
            await piece(send, one)
        await piece(send, b"", last=True)

    api.answer = stream
    with gateway_on(house, api.url, answer_bytes_max=1000) as kept:
        answered = kept.ask(STREAM)

        outcome = kept.outcome_of(answered.intent)
        whole = b"".join(long)
        assert answered.body.startswith(whole)
        assert outcome.response == whole[:1000]
        assert outcome.response_sha256 == sha256(whole).digest()
        assert outcome.status == "ok"


def test_a_slow_stream_passes_as_it_comes(kept: Kept, api: ModelApi) -> None:
    sent = events({**ASKED, "stream": True})
    seen_by_caller: list[Any] = []

    async def slow(seen: Seen, send: Send) -> None:
        await start(send)
        await piece(send, sent[0] + sent[1])
        while len(seen_by_caller) < 2:
            await _moment()
        await piece(send, b"".join(sent[2:]), last=True)

    api.answer = slow
    stream = kept.client().chat.completions.create(**ASKED, stream=True)
    seen_by_caller += [next(stream), next(stream)]
    rest = list(stream)

    [(_, outcome_id)] = calls(kept, 1)
    assert kept.outcome(outcome_id).response == b"".join(sent)
    assert rest[-1].choices[0].finish_reason == "stop"


def test_done_waits_for_the_outcome_but_not_for_the_upstream(kept: Kept, api: ModelApi) -> None:
    sent = events({**ASKED, "stream": True})

    async def linger(seen: Seen, send: Send) -> None:
        await start(send)
        await piece(send, b"".join(sent))
        while seen not in api.hung_up:
            await _moment()

    api.answer = linger
    began = time.monotonic()
    answered = kept.ask(STREAM)

    assert time.monotonic() - began < 10
    assert kept.outcome_of(answered.intent).status == "ok"
    assert answered.body.startswith(b"".join(sent))


def test_a_stream_request_that_is_answered_whole_passes_whole(kept: Kept, api: ModelApi) -> None:
    api.answers(completion(ASKED))

    answered = kept.ask(STREAM)

    outcome = kept.outcome(answered.outcome)
    assert answered.body == outcome.response == completion(ASKED)
    assert outcome.status == "ok"


def test_a_caller_that_goes_away_is_recorded_and_the_model_is_told(
    kept: Kept, api: ModelApi
) -> None:
    async def endless(seen: Seen, send: Send) -> None:
        await start(send)
        await piece(send, FIRST + SECOND)
        while seen not in api.hung_up:
            await _moment()

    api.answer = endless
    stream = kept.client().chat.completions.create(**ASKED, stream=True)
    next(stream)
    stream.close()

    eventually(lambda: api.hung_up or None, "the upstream sees that the caller is gone")
    [(_, outcome_id)] = calls(kept, 1)
    outcome = kept.outcome(outcome_id)
    assert (outcome.status, outcome.error) == ("cancelled", "the caller went away")
    assert (outcome.http_status, outcome.response) == (200, FIRST + SECOND)


def test_a_caller_that_goes_away_before_any_answer_is_recorded(kept: Kept, api: ModelApi) -> None:
    api.answer = _never
    with pytest.raises(openai.APITimeoutError):
        kept.client().with_options(timeout=0.3).chat.completions.create(**ASKED)

    [(_, outcome_id)] = calls(kept, 1)
    outcome = kept.outcome(outcome_id)
    assert (outcome.status, outcome.http_status, outcome.response) == ("cancelled", None, b"")


def test_headers_pass_but_for_those_of_a_connection_or_of_ours(kept: Kept, api: ModelApi) -> None:
    api.answers(
        completion(ASKED), 200, (b"x-ratelimit-remaining", b"3"), (b"set-cookie", b"a=b"),
        (b"x-tallystick-intent", b"00"), (b"keep-alive", b"timeout=5"),
    )  # fmt: skip

    answered = kept.ask(
        PLAIN, {"x-stainless-lang": "python", "cookie": "c=d", "x-tallystick-x": "y"}
    )

    sent = dict(api.last.headers)
    assert answered.headers["x-ratelimit-remaining"] == "3"
    assert len(answered.intent) == 32
    assert {"set-cookie", "keep-alive"}.isdisjoint(answered.headers)
    assert sent["x-stainless-lang"] == "python"
    assert sent["accept-encoding"] == "identity"
    assert {"cookie", "x-tallystick-x"}.isdisjoint(sent)
    assert sent["host"] in api.url


def test_a_redirect_is_passed_on_and_not_followed(kept: Kept, api: ModelApi) -> None:
    api.answers(b"", 307, (b"location", b"http://example.invalid/"))

    answered = kept.ask(PLAIN)

    assert answered.status == 307
    assert len(api.seen) == 1
    assert kept.outcome(answered.outcome).status == "error"


def test_a_query_reaches_the_upstream(kept: Kept, api: ModelApi) -> None:
    kept.client(default_query={"api-version": "2026-01 x"}).chat.completions.create(**ASKED)

    assert api.last.query in {b"api-version=2026-01+x", b"api-version=2026-01%20x"}


async def _moment() -> None:
    await asyncio.sleep(0.01)


async def _never(seen: Seen, send: Send) -> None:
    """Answer nothing; the server ends this when the caller is gone."""
    await asyncio.sleep(5)
