"""The gateway as an ASGI application, alone or mounted under `/v1`.

    uvicorn.run(gateway_app(gateway), host="127.0.0.1", port=8471, http="httptools", loop="uvloop")
    Starlette(routes=[Mount("/v1", gateway_app(gateway))])   # then the owner starts and stops it

| path | method | |
|---|---|---|
| `/v1/chat/completions` | POST | recorded; whole or as a stream of events |
| `/v1/embeddings` | POST | recorded |
| `/v1/models`, `/v1/models/NAME` | GET | of all upstreams; not recorded, no model is called |
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from tallystick import tracing
from tallystick.capture.exchange import Exchange
from tallystick.capture.gateway import Gateway
from tallystick.capture.model_list import ModelList
from tallystick.capture.problems import Problem, ProblemError, no_route, stopping, wrong_method
from tallystick.capture.relay import Message, Receive, Send
from tallystick.capture.running import Running
from tallystick.errors import TallystickError

Application = Callable[[Message, Receive, Send], Awaitable[None]]

CALLS: Final = {"/chat/completions": "chat", "/embeddings": "embeddings"}
"""Paths that call a model, with OpenTelemetry's name for the operation."""
_MODELS: Final = "/models"


def gateway_app(gateway: Gateway) -> Application:
    """Return the application; its lifespan starts and stops the gateway where it is run alone."""

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            with _traced(scope):
                await _serve(gateway.running, scope, receive, send)
        elif scope["type"] == "lifespan":
            await _live(gateway, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    return application


def _traced(scope: Message) -> AbstractContextManager[object]:
    """Follow the caller's trace, unless whoever we are mounted in does so already."""
    if tracing.current() is not None:
        return nullcontext()
    return tracing.following(dict(scope["headers"]).get(b"traceparent"))


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
    if operation is not None or path == _MODELS or _names_a_model(path):
        scope[tracing.ROUTE] = f"/v1{path}" if operation or path == _MODELS else "/v1/models/{name}"
    if running is None:
        raise ProblemError(stopping())
    if operation is not None:
        _check_method(method, "POST")
        await Exchange(running, operation, path, scope, receive, send).run()
    elif path == _MODELS or _names_a_model(path):
        _check_method(method, "GET")
        await ModelList(running, path, scope, send).run()
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
