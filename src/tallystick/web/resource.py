"""A resource: finds the operation for a method, checks who asks, runs it, and answers errors."""

import inspect
import logging
from collections.abc import Iterable
from typing import Final, cast

from tallystick import tracing
from tallystick.capture.callers import ACCEPTED
from tallystick.errors import DamagedError, InputError, RefusedError, TallystickError, VersionError
from tallystick.web.access import Caller
from tallystick.web.answers import API, API_VERSION, TEXT, Answer, Receive, Scope, Send, send_answer
from tallystick.web.bodies import Body, DisconnectedError
from tallystick.web.call import Call
from tallystick.web.operations import (
    AsyncHandler,
    BlockingHandler,
    Dialect,
    Handler,
    Operation,
)
from tallystick.web.pages import base_of
from tallystick.web.problems import (
    HeaderLimitError,
    KeyRequiredError,
    MediaTypeError,
    MethodError,
    native_answer,
    scrapi_answer,
)
from tallystick.web.reading import admit_reader, kept_private, who_calls
from tallystick.web.service import Service

_STRANGER: Final = Caller(local=False)

_log = logging.getLogger(__name__)


class Resource:
    """All operations of one path, as an ASGI application."""

    def __init__(self, service: Service, operations: Iterable[Operation]) -> None:
        """Take operations that share a path."""
        self._service = service
        self._by_method = {operation.method: operation for operation in operations}
        if "GET" in self._by_method:
            self._by_method["HEAD"] = self._by_method["GET"]
        self._default = next(iter(self._by_method.values()))
        self._runners = {o.name: _runner(o.handler) for o in self._by_method.values()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        operation = self._by_method.get(scope["method"], self._default)
        scope[tracing.ROUTE] = operation.template
        call = make_call(self._service, scope, receive, send)
        try:
            answer = await self._run(operation, call)
        except DisconnectedError:
            return
        except Exception as error:  # noqa: BLE001 - the edge: everything becomes an answer
            answer = self._failed(operation, error)
        finally:
            call.body.release()
        if answer is not None:
            await finish(call, kept_private(call, answer))

    async def _run(self, operation: Operation, call: Call) -> Answer | None:
        try:
            if not operation.open:  # before anything that a stranger could learn from
                await admit_reader(call)
            if call.scope["method"] == "OPTIONS":
                return Answer(b"", TEXT, 204, (self._allow(),))
            self._check(operation, call)
            await self._admit(operation, call)
        except RefusedError as error:
            self._refused(call, error)
            raise
        return await self._runners[operation.name](call)

    async def _admit(self, operation: Operation, call: Call) -> None:
        """Tell who asks, and refuse whoever may not."""
        call.caller = await who_calls(call)
        if call.caller.grant is not None:
            call.scope[ACCEPTED] = True
        call.caller.check(operation.access)

    def _refused(self, call: Call, error: RefusedError) -> None:
        """Count who is refused, and say where people sign in."""
        self._service.telemetry.denied.add(1, error.reason)
        if isinstance(error, KeyRequiredError) and self._service.load.sign_in is not None:
            there = f"{base_of(call)}/login"
            error.advice = f"{error.advice or 'send one that is valid'}; people sign in at {there}"

    def _check(self, operation: Operation, call: Call) -> None:
        """Refuse what the operation does not declare."""
        if call.scope["method"] not in self._by_method:
            raise MethodError(
                f"{operation.template} knows {', '.join(self._by_method)}, "
                f"got {call.scope['method'][:20]}"
            )
        if (spoken := call.header(API[0])) not in {None, API[1].decode()}:
            raise VersionError(
                f"this client speaks version {spoken!r:.20} of the API, this service {API_VERSION}",
                advice="install the release of the client that belongs to the service",
            )
        if operation.takes and call.media not in operation.takes:
            raise MediaTypeError(
                f"content type must be one of {', '.join(operation.takes)}, got {call.media!r:.80}"
            )
        if call.header(b"content-encoding") not in {None, "identity"}:
            raise MediaTypeError("a compressed body is not taken")
        if operation.fields and (unknown := set(call.query) - operation.fields):
            raise InputError(
                f"there is no field {min(unknown)!r:.60}",
                advice=f"fields: {', '.join(sorted(operation.fields))}",
            )

    def _failed(self, operation: Operation, error: Exception) -> Answer:
        if not isinstance(error, TallystickError) or isinstance(error, DamagedError):
            _log.error("%s %s failed", operation.method, operation.template, exc_info=error)
        scrapi = operation.dialect is Dialect.SCRAPI
        answer = scrapi_answer(error) if scrapi else native_answer(error)
        if isinstance(error, MethodError):
            headers = (*answer.headers, self._allow())
            answer = Answer(answer.body, answer.media, answer.status, headers)
        return answer

    def _allow(self) -> tuple[bytes, bytes]:
        return b"allow", ", ".join([*self._by_method, "OPTIONS"]).encode()


def _runner(handler: Handler) -> AsyncHandler:
    if inspect.iscoroutinefunction(handler):
        return cast("AsyncHandler", handler)
    blocking = cast("BlockingHandler", handler)
    return lambda call: call.blocking(blocking, call)


def make_call(service: Service, scope: Scope, receive: Receive, send: Send) -> Call:
    """Wrap a request; who asks is not looked at yet."""
    headers: dict[bytes, bytes] = dict(scope["headers"])
    length = headers.get(b"content-length")
    declared = int(length) if length else None
    if length is None and b"transfer-encoding" not in headers:
        declared = 0
    body = Body(receive, declared, service.settings, service.load.budget)
    path = scope.get("path_params", {})
    return Call(service, scope, receive, send, headers, path, _STRANGER, body)


async def finish(call: Call, answer: Answer) -> None:
    """Send an answer; if the body was not read to its end, let the client see why."""
    if call.body.complete:
        await send_answer(call.send, answer)
        return
    headers = (*(h for h in answer.headers if h[0] != b"connection"), (b"connection", b"close"))
    answer = Answer(answer.body, answer.media, answer.status, headers)
    await send_answer(call.send, answer, more=True)
    await call.body.linger()
    await call.send({"type": "http.response.body", "body": b""})


def header_bytes(scope: Scope) -> int:
    """Return the size of a request's line and headers, about."""
    line = len(scope.get("raw_path", b"")) + len(scope.get("query_string", b""))
    return line + sum(len(name) + len(value) + 4 for name, value in scope["headers"])


def refuse_large_headers(scope: Scope, most: int) -> None:
    """Refuse headers that are too large.

    Raises:
        HeaderLimitError: They are.
    """
    if (size := header_bytes(scope)) > most:
        raise HeaderLimitError(
            f"request line and headers have {size} bytes, at most {most} allowed"
        )
