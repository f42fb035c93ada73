"""Answers: what a handler returns, and how it is sent."""

import gzip
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import msgspec

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application."""

Headers = tuple[tuple[bytes, bytes], ...]

TEXT: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"
COSE: Final = "application/cose"
CBOR: Final = "application/cbor"
NDJSON: Final = "application/x-ndjson"
OCTETS: Final = "application/octet-stream"
EVENTS: Final = "text/event-stream"

API_VERSION: Final = 1
"""Of the native API: a client that names another one is refused. See docs/adr/0013."""
API: Final = (b"tallystick-api", str(API_VERSION).encode())
"""Says which version answers; in requests, which one the client speaks."""
FOREVER: Final = (b"cache-control", b"public, max-age=31536000, immutable")
"""For what never changes under its name."""
SHORTLY: Final = (b"cache-control", b"public, max-age=1")
"""For what grows."""
NEVER: Final = (b"cache-control", b"no-store")
"""For what is about now, or for this caller."""

PIECE_BYTES: Final = 256 << 10
"""Of a long answer, sent at once."""

_WITHOUT_BODY: Final = frozenset({204, 304})

encode_json: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, whole.

    Attributes:
        body: Its bytes.
        media: Media type.
        status: HTTP status.
        headers: Further header fields, names in lower case.
    """

    body: bytes
    media: str
    status: int = 200
    headers: Headers = ()

    def head(self) -> Message:
        """Return the message that begins it."""
        headers = [API, *self.headers]
        if self.body or self.status not in _WITHOUT_BODY:
            # RFC 9110, 8.6: in a 304, a length would be that of the answer that is not sent.
            headers.append((b"content-type", self.media.encode()))
            headers.append((b"content-length", str(len(self.body)).encode()))
        return {"type": "http.response.start", "status": self.status, "headers": headers}


def json_answer(content: object, status: int = 200, headers: Headers = (NEVER,)) -> Answer:
    """Answer with a schema's instance as JSON."""
    return Answer(encode_json(content), JSON, status, headers)


def cached_answer(answer: Answer, wanted: str | None) -> Answer:
    """Add an entity tag; answer 304 without a body where the client has this one already.

    Args:
        answer: What would be sent.
        wanted: `If-None-Match` of the request.
    """
    tag = f'"{sha256(answer.body).hexdigest()[:32]}"'
    headers = (*answer.headers, (b"etag", tag.encode()))
    if wanted is not None and tag in {
        part.strip().removeprefix("W/") for part in wanted.split(",")
    }:
        return Answer(b"", answer.media, 304, headers)
    return Answer(answer.body, answer.media, answer.status, headers)


def gzipped(answer: Answer) -> Answer:
    """Compress an answer; the same bytes give the same result."""
    headers = (*answer.headers, (b"content-encoding", b"gzip"))
    body = gzip.compress(answer.body, compresslevel=5, mtime=0)
    return Answer(body, answer.media, answer.status, headers)


async def send_answer(send: Send, answer: Answer, *, more: bool = False) -> None:
    """Send an answer in pieces, each of which a slow client gets its time for.

    Args:
        send: ASGI send.
        answer: What to send.
        more: The caller ends the answer itself.
    """
    await send(answer.head())
    last = max(len(answer.body) - PIECE_BYTES, 0)
    for at in range(0, last, PIECE_BYTES):
        piece = answer.body[at : at + PIECE_BYTES]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    rest = answer.body[-(-last // PIECE_BYTES) * PIECE_BYTES :]
    await send({"type": "http.response.body", "body": rest, "more_body": more})
