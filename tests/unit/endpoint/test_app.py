"""The endpoint, asked by the official client as its users do, and by others as they should not."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import BadRequestError, NotFoundError, OpenAI, RateLimitError

from tallystick.endpoint import SMALL_LM, endpoint_app, small_lm_card
from tallystick.endpoint.app import BODY_BYTES_MAX
from tallystick.endpoint.requests import INPUTS_MAX, MESSAGES_MAX, STOPS_MAX
from tallystick.endpoint.turns import Turns
from tests.unit.capture.served import Answered, ask, serving
from tests.unit.capture.waiting import eventually
from tests.unit.endpoint.models import small_lm

ASKED: Any = [{"role": "user", "content": "What does os.path.join do?"}]
CHAT = "/v1/chat/completions"
TURNS = Turns(streams_max=20)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(endpoint_app([small_lm()], TURNS), lifespan=True) as address:
        yield address


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=30) as made:
        yield made


def chat(url: str, **members: Any) -> Answered:
    body = {"model": SMALL_LM, "messages": ASKED, "max_tokens": 5, **members}
    return ask(url + CHAT, json.dumps(body).encode())


def problem(answered: Answered) -> dict[str, Any]:
    """Return the error in OpenAI's form."""
    error: dict[str, Any] = json.loads(answered.body)["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    return error


def test_a_whole_answer(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=SMALL_LM, messages=ASKED, seed=1)

    [choice] = answer.choices
    assert choice.message.role == "assistant"
    assert choice.message.content
    assert choice.finish_reason in {"stop", "length"}
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.system_fingerprint == f"sha256:{small_lm_card().weights_sha256}"


def test_a_stream_has_an_event_per_token_and_says_the_same(client: OpenAI) -> None:
    whole = client.chat.completions.create(model=SMALL_LM, messages=ASKED, seed=1)
    stream = client.chat.completions.create(
        model=SMALL_LM, messages=ASKED, seed=1, stream=True, stream_options={"include_usage": True}
    )

    first, *chunks, last, usage = list(stream)

    assert first.choices[0].delta.role == "assistant"
    texts = [chunk.choices[0].delta.content for chunk in (*chunks, last)]
    assert "".join(text or "" for text in texts) == whole.choices[0].message.content
    assert last.choices[0].finish_reason == whole.choices[0].finish_reason
    assert (usage.choices, usage.usage) == ([], whole.usage)
    assert usage.usage is not None
    assert len(chunks) == usage.usage.completion_tokens
    assert {chunk.id for chunk in (first, *chunks, last, usage)} == {first.id}


def test_a_stream_ends_with_done_and_tells_usage_only_to_who_asks(url: str) -> None:
    answered = chat(url, stream=True)

    assert answered.headers["content-type"].startswith("text/event-stream")
    assert answered.body.endswith(b"\n\ndata: [DONE]\n\n")
    assert b"usage" not in answered.body


def test_tokens_come_when_they_are_there(client: OpenAI) -> None:
    """The first token does not wait for the last, of an answer that is long enough to tell."""

    def arrivals(seed: int) -> list[float]:
        begun = time.perf_counter()
        stream = client.chat.completions.create(
            model=SMALL_LM, messages=ASKED, seed=seed, temperature=1.5, stream=True
        )
        return [time.perf_counter() - begun for _ in stream]

    times = next(found for seed in range(50) if len(found := arrivals(seed)) > 100)

    assert times[2] < times[-1] / 3


def test_a_seed_gives_one_answer_beside_others(url: str, client: OpenAI) -> None:
    del url
    streams = [
        client.chat.completions.create(
            model=SMALL_LM, messages=ASKED, seed=seed, max_tokens=40, stream=True, temperature=1
        )
        for seed in (1, 2, 1)
    ]

    said = ["".join(c.choices[0].delta.content or "" for c in stream) for stream in streams]

    assert said[0] == said[2] != said[1]


def test_vectors_come_in_both_forms(client: OpenAI) -> None:
    texts = ["a file", "a socket"]

    floats = client.embeddings.create(model=SMALL_LM, input=texts, encoding_format="float")
    packed = client.embeddings.create(model=SMALL_LM, input=texts)

    assert [one.index for one in floats.data] == [0, 1]
    for one, other in zip(floats.data, packed.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding)
        assert len(one.embedding) == 96
    assert floats.usage.prompt_tokens == floats.usage.total_tokens > 2


def test_models_are_listed_with_their_digest(client: OpenAI) -> None:
    [listed] = client.models.list().data
    found = client.models.retrieve(SMALL_LM)

    assert listed.id == found.id == SMALL_LM
    assert found.model_extra is not None
    assert found.model_extra["sha256"] == small_lm_card().weights_sha256
    with pytest.raises(NotFoundError, match="there are: small-lm"):
        client.models.retrieve("gpt-4")


def test_an_unknown_model_is_not_found(client: OpenAI) -> None:
    with pytest.raises(NotFoundError, match="there are: small-lm") as caught:
        client.chat.completions.create(model="gpt-4", messages=ASKED)

    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_a_question_longer_than_the_context_is_refused(client: OpenAI) -> None:
    long: Any = [{"role": "user", "content": "word " * 600}]

    with pytest.raises(BadRequestError, match="512 tokens") as caught:
        client.chat.completions.create(model=SMALL_LM, messages=long)

    assert caught.value.code == "context_length_exceeded"


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"messages": "hello"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": ASKED * (MESSAGES_MAX + 1)}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
         "messages[0].content[0].type"),
        ({"model": 7}, "model"),
        ({"model": None}, "model"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"seed": 2**63}, "seed"),
        ({"stop": ["x"] * (STOPS_MAX + 1)}, "stop"),
        ({"stop": ""}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"n": 2}, "n"),
        ({"n": 0}, "n"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"logprobs": True}, "logprobs"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"modalities": ["audio"]}, "modalities"),
    ],
)  # fmt: skip
def test_a_member_that_is_wrong_is_named(url: str, members: dict[str, Any], param: str) -> None:
    answered = chat(url, **members)

    assert answered.status == 400
    assert problem(answered)["param"] == param


def test_limits_are_reached_and_not_passed(url: str) -> None:
    assert chat(url, stop=["x"] * STOPS_MAX, temperature=2, top_p=1, n=1).status == 200
    inputs = {"model": SMALL_LM, "input": ["a"] * INPUTS_MAX}
    assert ask(f"{url}/v1/embeddings", json.dumps(inputs).encode()).status == 200
    inputs["input"] = ["a"] * (INPUTS_MAX + 1)
    assert problem(ask(f"{url}/v1/embeddings", json.dumps(inputs).encode()))["param"] == "input"
    body = json.dumps({"model": SMALL_LM, "messages": ASKED, "max_tokens": 1}).encode()
    assert ask(url + CHAT, body.ljust(BODY_BYTES_MAX)).status == 200
    too_large = ask(url + CHAT, body.ljust(BODY_BYTES_MAX + 1))
    assert too_large.status == 413
    assert problem(too_large)["code"] == "request_too_large"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"7", b'"x"', b"\xff", b"{" * 50_000, b'{"model":' + b"[" * 50_000,
     b'{"tools":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b'{"seed": 1e999}'],
    ids=lambda body: body[:12],
)  # fmt: skip
def test_what_is_no_request_is_refused_in_words(url: str, body: bytes) -> None:
    for path in (CHAT, "/v1/embeddings"):
        answered = ask(url + path, body)

        assert answered.status == 400
        assert problem(answered)["message"]


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = ("model", "messages", "stream", "temperature", "top_p", "max_tokens", "stop", "n", "input",
         "stream_options", "encoding_format", "response_format", "tools", "seed")  # fmt: skip


@given(st.binary(max_size=200) | st.dictionaries(st.sampled_from(NAMES), JSON).map(
    lambda members: json.dumps(members).encode()
))  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_hostile_bodies_are_refused_in_openais_form(url: str, body: bytes) -> None:
    for path in (CHAT, "/v1/embeddings"):
        answered = ask(url + path, body)

        assert 400 <= answered.status < 500
        problem(answered)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", CHAT, 405), ("POST", "/v1/models", 405), ("GET", "/v1/files", 404),
     ("GET", "/", 404), ("GET", "/v1/models/", 404)],
)  # fmt: skip
def test_other_paths_and_methods_are_refused(url: str, method: str, path: str, status: int) -> None:
    answered = ask(url + path, method=method)

    assert answered.status == status
    problem(answered)


def test_too_many_answers_are_refused_until_there_is_room() -> None:
    with (
        serving(endpoint_app([small_lm()], Turns(streams_max=0))) as full,
        OpenAI(base_url=f"{full}/v1", api_key="none", max_retries=0) as client,
        pytest.raises(RateLimitError, match="0 answers are under way") as caught,
    ):
        client.chat.completions.create(model=SMALL_LM, messages=ASKED)

    assert caught.value.response.headers["retry-after"] == "1"


def request_bytes(**members: Any) -> bytes:
    body = json.dumps({"model": SMALL_LM, "messages": ASKED, "stream": True, **members}).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def connect(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def test_an_answer_ends_when_its_client_goes_away(url: str) -> None:
    with closing(connect(url)) as line:
        line.sendall(request_bytes(temperature=2))
        line.recv(1)
        assert TURNS.under_way == 1

    eventually(lambda: TURNS.under_way == 0 or None, "the end of the answer")


def test_a_client_that_does_not_read_holds_up_nobody(url: str, client: OpenAI) -> None:
    with closing(connect(url)) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        line.sendall(request_bytes(temperature=2))

        answer = client.chat.completions.create(model=SMALL_LM, messages=ASKED, max_tokens=60)

        assert answer.choices[0].message.content
    eventually(lambda: TURNS.under_way == 0 or None, "the end of both")


class Line:
    """One request without a server, so that a test decides what is slow."""

    def __init__(self, body: bytes, path: str = CHAT) -> None:
        self.scope = {"type": "http", "method": "POST", "path": path}
        self.body, self.sent = body, list[dict[str, Any]]()
        self.slow_body = self.slow_send = 0.0

    async def receive(self) -> dict[str, Any]:
        if self.body:
            await asyncio.sleep(self.slow_body)
            part, self.body = self.body[:60], self.body[60:]
            return {"type": "http.request", "body": part, "more_body": bool(self.body)}
        return await asyncio.Future()

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        if message["type"] == "http.response.body":
            await asyncio.sleep(self.slow_send)

    def run(self) -> list[dict[str, Any]]:
        app = endpoint_app([small_lm()])
        asyncio.run(asyncio.wait_for(app(self.scope, self.receive, self.send), 20))
        return self.sent


def body_of(**members: Any) -> bytes:
    asked = {"model": SMALL_LM, "messages": ASKED, "max_tokens": 3, **members}
    return json.dumps(asked).encode()


def test_a_body_may_take_so_long_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallystick.endpoint.app.BODY_SECONDS_MAX", 0.5)
    in_time, late = Line(body_of()), Line(body_of())
    late.slow_body = 0.4

    assert in_time.run()[0]["status"] == 200
    assert late.run()[0]["status"] == 408


def test_a_client_may_take_nothing_for_so_long_and_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tallystick.endpoint.app.SEND_SECONDS_MAX", 0.5)
    in_time, late = Line(body_of(stream=True)), Line(body_of(stream=True))
    in_time.slow_send, late.slow_send = 0.05, 5.0

    assert in_time.run()[-1]["body"].endswith(b"data: [DONE]\n\n")
    assert [message["type"] for message in late.run()] == [
        "http.response.start", "http.response.body",
    ]  # fmt: skip
