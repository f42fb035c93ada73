"""A model API: speaks OpenAI's, answers by rule, and remembers every byte that it was sent.

For what a real model does not do on demand: break off, lie about lengths, call tools. A real one
stands behind the gateway in `test_small_lm.py`.
"""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

from tests.unit.capture.served import serving

MODEL = "parrot-1"
USAGE = {
    "prompt_tokens": 7,
    "completion_tokens": 3,
    "total_tokens": 10,
    "completion_tokens_details": {"reasoning_tokens": 1},
}
TOOL_CALL = {
    "index": 0,
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city":"Oslo"}'},
}


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: bytes
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def json(self) -> Any:
        return json.loads(self.body)


Send = Callable[[Any], Awaitable[None]]
Answer = Callable[[Seen, Send], Awaitable[None]]


async def whole(
    send: Send, body: bytes, status: int = 200, content_type: str = "application/json",
    *headers: tuple[bytes, bytes],
) -> None:  # fmt: skip
    """Send an answer of one piece."""
    given = [(b"content-type", content_type.encode()), *headers]
    given.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": given})
    await send({"type": "http.response.body", "body": body})


async def start(send: Send, content_type: str = "text/event-stream") -> None:
    """Begin an answer of several pieces."""
    headers = [(b"content-type", content_type.encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def piece(send: Send, body: bytes, *, last: bool = False) -> None:
    """Send a piece of an answer."""
    await send({"type": "http.response.body", "body": body, "more_body": not last})


async def answer_by_rule(seen: Seen, send: Send) -> None:
    """Answer as a model API does."""
    if seen.path == "/v1/models":
        one = {"id": MODEL, "object": "model", "created": 1, "owned_by": "tests"}
        await whole(send, json.dumps({"object": "list", "data": [one]}).encode())
    elif seen.path == "/v1/embeddings":
        await whole(send, embedding(seen.json()))
    elif seen.json().get("stream"):
        await start(send)
        for event in events(seen.json()):
            await piece(send, event)
        await piece(send, b"", last=True)
    else:
        await whole(send, completion(seen.json()))


def embedding(asked: dict[str, Any]) -> bytes:
    texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    data = [
        {"object": "embedding", "index": at, "embedding": [0.5, float(len(text))]}
        for at, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return json.dumps({"object": "list", "data": data, "model": MODEL, "usage": usage}).encode()


def text_of(asked: dict[str, Any], choice: int) -> str:
    return f"{choice}: {asked['messages'][-1]['content']} / gehört"


def completion(asked: dict[str, Any]) -> bytes:
    """Return a whole answer."""
    choices = []
    for at in range(asked.get("n", 1)):
        message: dict[str, Any] = {"role": "assistant", "content": text_of(asked, at)}
        reason = "stop"
        if asked.get("tools"):
            call = {key: value for key, value in TOOL_CALL.items() if key != "index"}
            message, reason = (
                {"role": "assistant", "content": None, "tool_calls": [call]},
                "tool_calls",
            )
        choices.append({"index": at, "message": message, "finish_reason": reason})
    return json.dumps({**_head("chat.completion"), "choices": choices, "usage": USAGE}).encode()


def events(asked: dict[str, Any]) -> list[bytes]:
    """Return the events of a streamed answer, `[DONE]` included."""
    chunks: list[dict[str, Any]] = []
    for at in range(asked.get("n", 1)):
        words = text_of(asked, at).split(" ")
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": word if n == 0 else " " + word} for n, word in enumerate(words)]
        if asked.get("tools"):
            deltas = [{"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]}]
        chunks += [_chunk(at, delta, None) for delta in deltas]
        chunks.append(_chunk(at, {}, "tool_calls" if asked.get("tools") else "stop"))
    if asked.get("stream_options", {}).get("include_usage"):
        chunks.append({**_head("chat.completion.chunk"), "choices": [], "usage": USAGE})
    return [event(json.dumps(chunk).encode()) for chunk in chunks] + [event(b"[DONE]")]


def event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


def _head(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-7", "object": kind, "created": 1, "model": MODEL + "-0613"}


def _chunk(at: int, delta: dict[str, Any], reason: str | None) -> dict[str, Any]:
    choice = {"index": at, "delta": delta, "finish_reason": reason}
    return {**_head("chat.completion.chunk"), "choices": [choice]}


@dataclass
class ModelApi:
    """The API, and what it was asked. A test sets `answer`."""

    url: str = ""
    answer: Answer = answer_by_rule
    seen: list[Seen] = field(default_factory=list)
    hung_up: list[Seen] = field(default_factory=list)

    @property
    def last(self) -> Seen:
        return self.seen[-1]

    def answers(self, body: bytes, status: int = 200, *headers: tuple[bytes, bytes]) -> None:
        """Give this answer from now on."""

        async def answer(seen: Seen, send: Send) -> None:
            await whole(send, body, status, "application/json", *headers)

        self.answer = answer

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive()).get("more_body"):
            body += message["body"]
        headers = [(name.decode(), value.decode()) for name, value in scope["headers"]]
        seen = Seen(
            scope["method"],
            scope["path"],
            scope["query_string"],
            headers,
            body + message.get("body", b""),
        )
        self.seen.append(seen)
        watching = asyncio.ensure_future(self._watch(receive, seen))
        try:
            await self.answer(seen, send)
        finally:
            watching.cancel()

    async def _watch(self, receive: Any, seen: Seen) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.hung_up.append(seen)


@contextmanager
def model_api() -> Iterator[ModelApi]:
    """Serve the API."""
    api = ModelApi()
    with serving(api) as url:
        api.url = url
        yield api


@contextmanager
def raw_server(speak: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve anything at all: `speak` gets each connection after its request was read."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    open_ = [True]

    def serve() -> None:
        while open_:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(10)
                read_request(connection)
                speak(connection)

    thread = Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        open_.clear()
        thread.join(20)
        listener.close()
    assert not thread.is_alive()


def read_request(connection: socket.socket) -> bytes:
    """Read one request with its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.lower().splitlines()
        if line.startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
