"""The connection: uvicorn's HTTP protocol with the limits that it lacks.

Headers must be complete within some time and some bytes, and a client must keep taking what it
is sent; whoever does not is cut off. Bodies have limits of their own, see `bodies`.
"""

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tallystick.errors import InputError
from tallystick.web import limits
from tallystick.web.problems import HeaderLimitError, ProtocolError, native_answer

_ANSWER = (
    b"HTTP/1.1 %b\r\ncontent-type: application/problem+json\r\ncontent-length: %d\r\n"
    b"connection: close\r\n\r\n%b"
)
_TOO_LARGE = HeaderLimitError(
    f"request line and headers have more than {limits.HEADER_BYTES_MAX} bytes"
)
_NO_HTTP = ProtocolError("what came is not a request in HTTP/1.1")


class LimitedProtocol(HttpToolsProtocol):
    """One connection.

    Attributes:
        send_seconds_max: Longest time in which a client takes nothing; set by the server.
        header_seconds_max: Longest time until the headers of a request are complete.
    """

    send_seconds_max: ClassVar[float] = limits.SEND_SECONDS_MAX
    header_seconds_max: ClassVar[float] = limits.HEADER_SECONDS_MAX

    def __init__(self, *args: Any, **options: Any) -> None:
        """Begin a connection on which nothing came yet."""
        super().__init__(*args, **options)
        self._header_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        self._header_bytes = 0
        self._in_headers = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop(self._header_timer)
        self._stop(self._send_timer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, unless it makes the headers too large."""
        if self._in_headers:
            self._header_bytes += len(data)
        super().data_received(data)
        if self._in_headers and self._header_bytes > limits.HEADER_BYTES_MAX:
            self._end(b"431 Request Header Fields Too Large", _TOO_LARGE)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - ours says more
        """Answer what is no HTTP."""
        self._end(b"400 Bad Request", _NO_HTTP)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._expect_headers()

    def on_headers_complete(self) -> None:
        """Go on to the body."""
        self._stop(self._header_timer)
        self._in_headers = False
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request; uvicorn itself limits that time."""
        super().on_response_complete()
        self._header_bytes = 0

    def pause_writing(self) -> None:
        """Give the client some time to take what it was sent."""
        super().pause_writing()
        self._send_timer = self.loop.call_later(self.send_seconds_max, self.transport.abort)

    def resume_writing(self) -> None:
        """Note that it took some."""
        super().resume_writing()
        self._stop(self._send_timer)

    def shutdown(self) -> None:
        """End when the request that is running has been answered; wait for no one who is stuck."""
        super().shutdown()
        if self.flow.write_paused:
            self._stop(self._send_timer)
            self._send_timer = self.loop.call_later(limits.STUCK_SECONDS_MAX, self.transport.abort)

    def _expect_headers(self) -> None:
        self._stop(self._header_timer)
        self._in_headers = True
        self._header_timer = self.loop.call_later(self.header_seconds_max, self.transport.abort)

    def _end(self, status: bytes, error: InputError) -> None:
        """Say why, and close: what follows cannot be told apart from a body."""
        body = native_answer(error).body
        self.transport.write(_ANSWER % (status, len(body), body))
        self.transport.close()

    @staticmethod
    def _stop(timer: asyncio.TimerHandle | None) -> None:
        if timer is not None:
            timer.cancel()
