"""The outermost application: what holds for every request, the gateway's too."""

import logging
from http import HTTPStatus
from time import perf_counter
from typing import Final

from tallystick import tracing
from tallystick.capture.callers import ACCEPTED
from tallystick.errors import NotFoundError, TallystickError
from tallystick.web import limits
from tallystick.web.answers import App, Message, Receive, Scope, Send
from tallystick.web.lifespan import Lifespan
from tallystick.web.problems import BusyError, native_answer
from tallystick.web.resource import finish, make_call, refuse_large_headers
from tallystick.web.service import Service
from tallystick.web.spans import request_span

OTHER: Final = "other"
"""Route or method of requests that no resource answered, in the metrics."""
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
WEB_SOCKET_CLOSED: Final = 1000

_access = logging.getLogger("tallystick.access")


class Gate:
    """Limits and counts requests, and hands them on."""

    def __init__(self, service: Service, inner: App, lifespan: Lifespan) -> None:
        """Stand before `inner`."""
        self._service, self._inner, self._lifespan = service, inner, lifespan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run as long as the server does."""
        if scope["type"] == "lifespan":
            await self._lifespan.run(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, _Counted(receive, send))
        else:  # a web socket: nothing here speaks that
            await send({"type": "websocket.close", "code": WEB_SOCKET_CLOSED})

    async def _answer(self, scope: Scope, counted: "_Counted") -> None:
        begun = perf_counter()
        self._service.load.requests += 1
        with tracing.following(_traceparent(scope), self._service.load.spans) as trace:
            counted.trace = trace
            try:
                await self._inner_or_refuse(scope, counted)
            finally:
                self._service.load.requests -= 1
                self._count(scope, counted, perf_counter() - begun)

    async def _inner_or_refuse(self, scope: Scope, counted: "_Counted") -> None:
        try:
            refuse_large_headers(scope, limits.HEADER_BYTES_MAX)
            if not scope["path"].isprintable():
                # A router that uses regular expressions takes a line end behind a path for none.
                raise NotFoundError(f"there is nothing at {scope['path'][:200]!r}")
            load = self._service.load
            load.rates.take(scope)
            if load.requests > load.requests_max:
                raise BusyError(f"{load.requests - 1} requests are being answered already")
        except TallystickError as error:
            call = make_call(self._service, scope, counted.receive, counted.send)
            await finish(call, native_answer(error))
        else:
            await self._inner(scope, counted.receive, counted.send)
            if counted.status == HTTPStatus.UNAUTHORIZED:
                load.rates.forget(scope)
            elif scope.get(ACCEPTED):
                load.rates.accept(scope)

    def _count(self, scope: Scope, counted: "_Counted", seconds: float) -> None:
        telemetry, route = self._service.telemetry, scope.get(tracing.ROUTE, OTHER)
        method = scope["method"] if scope["method"] in METHODS else OTHER
        telemetry.requests.add(1, method, route, str(counted.status))
        telemetry.latency.observe(seconds, route)
        telemetry.received.add(counted.received_bytes)
        telemetry.sent.add(counted.sent_bytes)
        if counted.trace is not None and counted.trace.sink is not None:
            counted.trace.sink.take(request_span(counted.trace, scope, counted.status, seconds))
        if _access.isEnabledFor(logging.INFO):
            self._log(method, route, counted, seconds)

    @staticmethod
    def _log(method: str, route: str, counted: "_Counted", seconds: float) -> None:
        """Log a request by its route: neither path nor address, which may speak of people."""
        fields = {
            "method": method, "route": route, "status": counted.status,
            "ms": round(seconds * 1000, 3),
            "received_bytes": counted.received_bytes, "sent_bytes": counted.sent_bytes,
        }  # fmt: skip
        words = "%s %s %d in %.1f ms, %d bytes in, %d out"
        seen = (method, route, counted.status, seconds * 1000)
        sizes = (counted.received_bytes, counted.sent_bytes)
        _access.info(words, *seen, *sizes, extra={"fields": fields})


def _traceparent(scope: Scope) -> bytes | None:
    """Return the field that names the caller's trace; None if there is none, or several."""
    found = [value for name, value in scope["headers"] if name == b"traceparent"]
    return found[0] if len(found) == 1 else None


class _Counted:
    """A request's two ends, with what went through them."""

    __slots__ = ("_receive", "_send", "received_bytes", "sent_bytes", "status", "trace")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self.received_bytes = self.sent_bytes = self.status = 0
        self.trace: tracing.Trace | None = None

    async def receive(self) -> Message:
        message = await self._receive()
        self.received_bytes += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.trace is not None:
                field = (b"traceresponse", self.trace.header())
                others = (h for h in message.get("headers", ()) if h[0] != field[0])
                message = {**message, "headers": [*others, field]}
        else:
            self.sent_bytes += len(message.get("body", b""))
        await self._send(message)
