"""One keep-alive HTTP/1.1 connection of the load generator, and the check of what comes back.

Each answer is checked cheaply: status, the whole text of a plain answer, the number of events
and the closing `[DONE]` of a stream. Every `CHECK_EVERY`-th stream is put together again and its
text compared. What the checks cost is part of the load generator's CPU figure.
"""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httptools
from typing_extensions import override

from bench.gateway.answers import AnswerShape, prompt_body

CHECK_EVERY = 50

_DONE = b"data: [DONE]"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request; times are nanoseconds on the monotonic clock.

    Attributes:
        due_ns: When it was to be sent: latency counts from here.
        sent_ns: When it was sent; 0 if it never was.
        first_ns: When the first byte of the body came; 0 if none did.
        done_ns: When the last byte came, or when it was given up.
        events: Server-sent events received, 0 for a plain answer.
        error: Empty, or one word for what was wrong.
    """

    due_ns: int
    sent_ns: int
    first_ns: int
    done_ns: int
    events: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """The request that is sent over and over, and how its answer is judged."""

    request: bytes
    stream: bool
    text: str
    events_min: int

    @classmethod
    def chat(
        cls, host: str, shape: AnswerShape, *, prompt_bytes: int, stream: bool, key: str
    ) -> "Exchange":
        """Return a chat completion request for `host` (name and port)."""
        body = prompt_body(prompt_bytes=prompt_bytes, stream=stream)
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\n"
            f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return cls(
            request=head.encode() + body,
            stream=stream,
            text=shape.text,
            events_min=shape.events_min,
        )

    def judge(self, body: bytes, *, fully: bool) -> tuple[int, str]:
        """Return the number of events and one word for what is wrong, or an empty one."""
        if not self.stream:
            return 0, "" if self.text.encode() in body else "text"
        events = body.count(b"\ndata:") + body.startswith(b"data:")
        if _DONE not in body:
            return events, "cut"
        if events < self.events_min:
            return events, "events"
        return events, "text" if fully and streamed_text(body) != self.text else ""


def streamed_text(body: bytes) -> str:
    """Return the content of all events of a stream, put together."""
    lines = [line[5:].strip() for line in body.splitlines() if line.startswith(b"data:")]
    chunks = [json.loads(line) for line in lines if line != b"[DONE]"]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


class Connection(asyncio.Protocol):
    """Sends one request at a time and reports each outcome; never reconnects by itself."""

    def __init__(
        self,
        exchange: Exchange,
        finished: Callable[["Connection", Outcome], None],
        lost: Callable[["Connection"], None],
    ) -> None:
        self.exchange = exchange
        self.finished = finished
        self.lost = lost
        self.transport: Any = None
        self.parser = httptools.HttpResponseParser(self)
        self.pieces: list[bytes] = []
        self.due_ns = self.sent_ns = self.first_ns = 0
        self.answers = 0
        self.busy = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.fail("protocol")
            self.transport.abort()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.fail("reset")
        self.lost(self)

    def send(self, due_ns: int) -> None:
        """Send the request that was due at `due_ns`; the connection must not be busy."""
        self.busy = True
        self.due_ns, self.first_ns = due_ns, 0
        self.pieces.clear()
        self.sent_ns = time.monotonic_ns()
        self.transport.write(self.exchange.request)

    def on_body(self, body: bytes) -> None:
        if not self.first_ns:
            self.first_ns = time.monotonic_ns()
        self.pieces.append(body)

    def on_message_complete(self) -> None:
        done_ns = time.monotonic_ns()
        self.answers += 1
        status = self.parser.get_status_code()
        events, error = 0, f"status_{status}"
        if status == 200:
            fully = self.answers % CHECK_EVERY == 1
            events, error = self.exchange.judge(b"".join(self.pieces), fully=fully)
        self.finish(done_ns, events, error)

    def fail(self, word: str) -> None:
        """Give up the request that is out, if there is one."""
        if self.busy:
            self.finish(time.monotonic_ns(), 0, word)

    def finish(self, done_ns: int, events: int, error: str) -> None:
        self.busy = False
        outcome = Outcome(self.due_ns, self.sent_ns, self.first_ns, done_ns, events, error)
        self.finished(self, outcome)
