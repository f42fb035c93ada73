"""One HTTP/1.1 connection to the upstream: a request goes out whole, an answer comes in pieces.

A general HTTP client does far more than a gateway with one upstream needs: measured, aiohttp 3.14
took a quarter of a millisecond more of every call. What is parsed, `httptools` parses, as for the
server's side.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import httptools

from tallystick.capture.problems import Headers
from tallystick.errors import EncodingError

HEAD_BYTES_MAX: Final = 1 << 16
"""Longest head of an answer."""
BUFFER_BYTES_MAX: Final = 1 << 17
"""What is read ahead of a slow caller, and one more piece; then the upstream has to wait."""

_PARSE_ERRORS: Final = (httptools.HttpParserError, httptools.HttpParserUpgrade)


class Response:
    """An answer whose head is there.

    Attributes:
        status: HTTP status.
        raw_headers: As they came, in their order.
    """

    def __init__(self, connection: "Connection", status: int, headers: Headers) -> None:
        """Belongs to a connection until it was read to its end, or closed."""
        self._connection, self.status, self.raw_headers = connection, status, headers
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self._complete = False

    def header(self, name: bytes) -> bytes:
        """Return a header's value, empty where there is none."""
        return next((value for key, value in self.raw_headers if key.lower() == name), b"")

    @property
    def content_type(self) -> bytes:
        """Media type without parameters, in lower case."""
        return self.header(b"content-type").partition(b";")[0].strip().lower()

    @property
    def ends_with_connection(self) -> bool:
        """Whether only the end of the connection ends the body."""
        return not (self.header(b"content-length") or self.header(b"transfer-encoding"))

    async def readany(self) -> bytes:
        """Return what has come, at least a byte; nothing only at the end.

        Raises:
            OSError: The answer was cut off.
            TimeoutError: Nothing came for too long.
            EncodingError: What came is no HTTP.
        """
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self._complete:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        data = self._pieces.popleft() if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        self._connection.resume()
        return data

    def close(self) -> None:
        """Give up what was not read; nothing happens if all was."""
        if not self._complete and self._error is None:
            self._connection.abort()

    # --- for the connection

    def take(self, piece: bytes) -> bool:
        """Take in what came; tell whether there is enough for now."""
        self._pieces.append(piece)
        self._size += len(piece)
        self._wake()
        return self._size > BUFFER_BYTES_MAX

    def end(self, error: Exception | None) -> None:
        """Learn that nothing more will come."""
        self._complete, self._error = error is None, error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Connection(asyncio.Protocol):
    """Carries one request after the other. Belongs to the event loop's thread."""

    def __init__(self, idle_s: float, release: Callable[["Connection"], None]) -> None:
        """Break off when the upstream is silent for `idle_s`; `release` when an answer ended."""
        self._loop = asyncio.get_running_loop()
        self._idle_s, self._release = idle_s, release
        self._transport: Any = None
        self._parser = httptools.HttpResponseParser(self)
        self._head: asyncio.Future[Response] | None = None
        self._headers: Headers = []
        self._head_bytes = 0
        self._response: Response | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heard_at = 0.0
        self._paused = False

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        return not (self._head or self._response or self._transport.is_closing())

    async def ask(self, head: bytes, body: bytes) -> Response:
        """Send a request; return the answer when its head is there.

        Raises:
            OSError: The connection was lost.
            TimeoutError: The upstream said nothing for too long.
            EncodingError: What it said is no HTTP.
        """
        self._head = self._loop.create_future()
        self._headers, self._head_bytes = [], 0
        self._heard_at = self._loop.time()
        self._timer = self._loop.call_later(self._idle_s, self._check_silence)
        self._transport.writelines([head, body] if body else [head])
        try:
            return await self._head
        except asyncio.CancelledError:
            self.abort()
            raise

    def abort(self) -> None:
        """Break the connection off."""
        self._stop_timer()
        self._transport.abort()

    def resume(self) -> None:
        """Read on, after there was enough for a while."""
        if self._paused:
            self._paused = False
            self._heard_at = self._loop.time()
            self._transport.resume_reading()

    # --- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        self._heard_at = self._loop.time()
        if self._head is None and self._response is None:
            self.abort()  # nobody asked
            return
        try:
            self._parser.feed_data(data)
        except _PARSE_ERRORS as error:
            self._fail(EncodingError(f"{type(error).__name__}: {error}"))
            return
        self._head_bytes += len(data)
        if self._head is not None and self._head_bytes > HEAD_BYTES_MAX:
            self._fail(EncodingError(f"the head has more than {HEAD_BYTES_MAX} bytes"))

    def connection_lost(self, exc: Exception | None) -> None:
        """End what is under way: rightly, where only this ends it."""
        response = self._response
        if response is not None and response.ends_with_connection and exc is None:
            self._end(None)
        else:
            self._end(exc or ConnectionResetError("the upstream closed the connection"))

    # --- httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take in one header."""
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Hand the answer out; an interim one (1xx) is followed by another."""
        status, headers = self._parser.get_status_code(), self._headers
        self._headers = []
        if self._head is None or status < 200:
            return
        self._response = Response(self, status, headers)
        if not self._head.done():
            self._head.set_result(self._response)
        self._head = None

    def on_body(self, body: bytes) -> None:
        """Hand on what came; stop reading where that is not fetched."""
        if self._response is not None and self._response.take(body) and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """End the answer; the connection is free, if the upstream keeps it."""
        if self._response is None:
            return
        keep = self._parser.should_keep_alive()
        self._end(None)
        self.resume()
        if keep and not self._transport.is_closing():
            self._release(self)
        else:
            self._transport.close()

    def _end(self, error: Exception | None) -> None:
        self._stop_timer()
        head, self._head = self._head, None
        response, self._response = self._response, None
        if response is not None:
            response.end(error)
        if head is not None and not head.done():
            head.set_exception(error or ConnectionResetError("the upstream said nothing"))

    def _fail(self, error: Exception) -> None:
        self._end(error)
        self.abort()

    def _check_silence(self) -> None:
        """Give up after too much silence; while the caller is slow, the upstream is not silent."""
        left_s = self._heard_at + self._idle_s - self._loop.time()
        if left_s > 0 or self._paused:
            left_s = max(left_s, self._idle_s / 10)
            self._timer = self._loop.call_later(left_s, self._check_silence)
        else:
            self._fail(TimeoutError(f"it was silent for {self._idle_s:g} s"))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
