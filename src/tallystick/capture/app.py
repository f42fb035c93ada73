"""The gateway as an ASGI application, alone or mounted under `/v1`.

    uvicorn.run(gateway_app(gateway), host="127.0.0.1", port=8471, http="httptools", loop="uvloop")
    Starlette(routes=[Mount("/v1", gateway_app(gateway))])   # then the owner starts and stops it

| path | method | |
|---|---|---|
| `/v1/chat/completions` | POST | recorded; whole or as a stream of events |
| `/v1/embeddings` | POST | recorded |
| `/v1/models`, `/v1/models/NAME` | GET | passed through; nothing is recorded, no model is called |
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from tallystick.capture.exchange import Exchange
from tallystick.capture.gateway import Gateway
from tallystick.capture.problems import (
    Problem,
    ProblemError,
    key_not_for_this,
    no_route,
    stopping,
    wrong_method,
)
from tallystick.capture.relay import Message, Receive, Send
from tallystick.capture.running import Running
from tallystick.capture.upstream import UPSTREAM_ERRORS, describe, passed_headers, sent_headers
from tallystick.errors import TallystickError

Application = Callable[[Message, Receive, Send], Awaitable[None]]

CALLS: Final = {"/chat/completions": "chat", "/embeddings": "embeddings"}
"""Paths that call a model, with OpenTelemetry's name for the operation."""
_MODELS: Final = "/models"


def gateway_app(gateway: Gateway) -> Application:
    """Return the application; its lifespan starts and stops the gateway where it is run alone."""

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await _serve(gateway.running, scope, receive, send)
        elif scope["type"] == "lifespan":
            await _live(gateway, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    return application


async def _live(gateway: Gateway, receive: Receive, send: Send) -> None:
    """Start and stop with the server."""
    while True:
        phase = (await receive())["type"].removeprefix("lifespan.")
        try:
            await (gateway.start() if phase == "startup" else gateway.stop())
        except (TallystickError, OSError) as error:
            await send({"type": f"lifespan.{phase}.failed", "message": str(error)})
            return
        await send({"type": f"lifespan.{phase}.complete"})
        if phase == "shutdown":
            return


async def _serve(running: Running | None, scope: Message, receive: Receive, send: Send) -> None:
    try:
        await _route(running, scope, receive, send)
    except ProblemError as error:
        await send_problem(send, error.problem)


async def _route(running: Running | None, scope: Message, receive: Receive, send: Send) -> None:
    path, method = _path(scope), scope["method"]
    operation = CALLS.get(path)
    if running is None:
        raise ProblemError(stopping())
    if operation is not None:
        _check_method(method, "POST")
        await Exchange(running, operation, path, scope, receive, send).run()
    elif path == _MODELS or _names_a_model(path):
        _check_method(method, "GET")
        await _pass_models(running, path, scope, send)
    else:
        raise ProblemError(no_route(scope["path"]))


def _path(scope: Message) -> str:
    """Return the path without what the application is mounted under, and without `/v1`."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")).removeprefix("/v1")


def _names_a_model(path: str) -> bool:
    """Tell whether a path is that of one model; none leads elsewhere at the upstream."""
    begins = path.startswith(_MODELS + "/")
    return begins and not {"", ".", ".."} & set(path.split("/")[2:])


def _check_method(method: str, right: str) -> None:
    if method != right:
        raise ProblemError(wrong_method(method, right))


async def send_problem(send: Send, problem: Problem) -> None:
    """Answer with a problem."""
    body = problem.body()
    headers = [*problem.headers(), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _pass_models(running: Running, path: str, scope: Message, send: Send) -> None:
    """Pass the list of models through."""
    caller = running.callers.identify(scope)
    if caller.key is not None and caller.key.only not in {None, "gateway"}:
        raise ProblemError(key_not_for_this(str(caller.key.only)))
    headers = sent_headers(scope["headers"], caller.authorization)
    response = None
    try:
        async with asyncio.timeout(running.settings.total_s):
            query = scope.get("query_string", b"")
            response = await running.upstream.ask("GET", path, query, headers, b"")
            start = {"type": "http.response.start", "status": response.status}
            await send(start | {"headers": passed_headers(response.raw_headers)})
            while chunk := await response.readany():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except UPSTREAM_ERRORS as error:
        if response is None:
            raise ProblemError(describe(error).problem) from error
    finally:
        if response is not None:
            response.close()
