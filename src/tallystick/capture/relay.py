"""An answer on its way through the gateway: kept for the record, and watched for its end."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from hashlib import sha256
from typing import Any, Final

from tallystick.capture.problems import ProblemError, request_too_large, request_too_slow

BODY_SECONDS: Final = 60.0
"""Longest time for a request body to come."""
WATCH_SECONDS: Final = 0.05
"""How long a call goes on before anybody looks whether its caller is still there."""
DRAINED_TIMES: Final = 4
"""A body that is too large is read up to so many times the limit before it is refused."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_DONE: Final = (b"data: [DONE]", b"data:[DONE]")


class Kept:
    """The bytes of an answer; of too many the beginning, their number and their digest."""

    __slots__ = ("_digest", "_max", "_parts", "kept_bytes", "total_bytes")

    def __init__(self, bytes_max: int) -> None:
        """Keep at most so many bytes."""
        self._max = bytes_max
        self._parts: list[bytes] = []
        self._digest: Any = None
        self.kept_bytes = self.total_bytes = 0

    @property
    def whole(self) -> bool:
        """Whether all bytes are kept."""
        return self._digest is None

    def add(self, chunk: bytes) -> None:
        """Take in what came next."""
        self.total_bytes += len(chunk)
        if self._digest is not None:
            self._digest.update(chunk)
            return
        if self.total_bytes > self._max:
            self._digest = sha256(self.data())
            self._digest.update(chunk)
            chunk = chunk[: self._max - self.kept_bytes]
        self.kept_bytes += len(chunk)
        self._parts.append(chunk)

    def data(self) -> bytes:
        """Return what is kept."""
        if len(self._parts) > 1:
            self._parts = [b"".join(self._parts)]
        return self._parts[0] if self._parts else b""

    def fields(self) -> dict[str, Any]:
        """Return the members of `tallystick.evidence.Outcome` that hold it."""
        if self.whole:
            return {"response": self.data()}
        return {
            "response": self.data(),
            "response_bytes": self.total_bytes,
            "response_sha256": self._digest.digest(),
        }


class StreamEnd:
    """Finds where a stream of events says that it is done, and holds back from there on.

    A caller takes a stream for complete once it has seen the `[DONE]` line. So that line is passed
    on only when the outcome is durable.
    """

    __slots__ = ("_tail", "held")

    def __init__(self) -> None:
        """Begin before the first byte."""
        self._tail = b"\n"
        self.held: bytes | None = None

    def cut(self, chunk: bytes) -> bytes:
        """Return the part of the next chunk that may be passed on now."""
        if self.held is not None:
            self.held += chunk
            return b""
        seen = self._tail + chunk
        at = min((at for at in map(seen.find, _LINES) if at >= 0), default=-1)
        if at < 0:
            self._tail = seen[-_LINE_BYTES:]
            return chunk
        passing = max(0, at + 1 - len(self._tail))
        self.held = chunk[passing:]
        return chunk[:passing]


_LINES: Final = tuple(end + line for line in _DONE for end in (b"\n", b"\r"))
_LINE_BYTES: Final = max(map(len, _LINES)) - 1


class Watch:
    """Notices that a caller goes away, and cancels the task that serves it.

    It begins to look after a moment: most answers are there by then, and a task for each of them
    would cost more than it saves.
    """

    __slots__ = ("_receive", "_serving", "_timer", "_watching", "gone")

    def __init__(self, receive: Receive) -> None:
        """Begin to watch; the request's body must have been read."""
        self.gone = False
        self._receive, self._serving = receive, asyncio.current_task()
        self._watching: asyncio.Future[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(WATCH_SECONDS, self._begin)

    def end(self) -> None:
        """Watch no longer: from here on the caller's going away changes nothing."""
        self._timer.cancel()
        if self._watching is not None:
            self._watching.remove_done_callback(self._cancel)
            self._watching.cancel()
        if self.gone and self._serving is not None:
            self._serving.uncancel()

    def _begin(self) -> None:
        self._watching = asyncio.ensure_future(self._wait())
        self._watching.add_done_callback(self._cancel)

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def _cancel(self, watching: "asyncio.Future[None]") -> None:
        if not watching.cancelled() and watching.exception() is None and self._serving:
            self.gone = True
            self._serving.cancel()


async def read_body(receive: Receive, bytes_max: int) -> bytes | None:
    """Read a request body; None where the caller went away.

    Raises:
        ProblemError: It is too large, or too slow.
    """
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        if len(body) > bytes_max:
            raise ProblemError(request_too_large(len(body), bytes_max))
        return body
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read_parts(receive, message, bytes_max)
    except TimeoutError as error:
        raise ProblemError(request_too_slow(BODY_SECONDS)) from error


async def _read_parts(receive: Receive, message: Message, bytes_max: int) -> bytes | None:
    """Read on; of a body that is too large a little more, so that its sender sees the answer."""
    parts: list[bytes] = []
    size = 0
    while message["type"] != "http.disconnect":
        part: bytes = message.get("body", b"")
        size += len(part)
        if size <= bytes_max:
            parts.append(part)
        more = message.get("more_body", False)
        if size > bytes_max and (not more or size > DRAINED_TIMES * bytes_max):
            raise ProblemError(request_too_large(size, bytes_max))
        if not more:
            return b"".join(parts)
        message = await receive()
    return None
