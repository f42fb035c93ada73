"""An ASGI application that serves models over the OpenAI protocol.

    uvicorn.run(endpoint_app([load_small_lm()]), host="127.0.0.1", port=8472)

| path | method | |
|---|---|---|
| `/v1/chat/completions` | POST | whole, or as a stream with an event per token |
| `/v1/embeddings` | POST | |
| `/v1/models`, `/v1/models/NAME` | GET | |

It asks nobody who he is: it listens on this machine, or stands behind something that asks.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from tallystick.endpoint.answers import DONE, Frames, describe, encode_json, listed, vectors, whole
from tallystick.endpoint.problems import (
    Problem,
    ProblemError,
    no_route,
    too_large,
    too_slow,
    unknown_model,
    wrong_method,
)
from tallystick.endpoint.requests import ChatRequest, parse_chat, parse_embedding
from tallystick.endpoint.turns import Stream, Turns
from tallystick.endpoint.work import Answering, Piece, ServedModel

BODY_BYTES_MAX: Final = 1 << 20
BODY_SECONDS_MAX: Final = 30.0
SEND_SECONDS_MAX: Final = 60.0
"""Longest time in which a client takes nothing of its answer."""

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

_CHAT: Final = "/v1/chat/completions"
_EMBEDDINGS: Final = "/v1/embeddings"
_MODELS: Final = "/v1/models"

_log = logging.getLogger(__name__)


def endpoint_app(models: Sequence[ServedModel], turns: Turns | None = None) -> Application:
    """Return the application; `turns` may set another limit than the usual one."""
    endpoint = _Endpoint(models, turns or Turns())

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await endpoint.serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            for _ in ("startup", "shutdown"):
                await send({"type": (await receive())["type"] + ".complete"})
        else:
            await send({"type": "websocket.close", "code": 1008})

    return application


class _Endpoint:
    """Knows the models, and whose turn it is."""

    def __init__(self, models: Sequence[ServedModel], turns: Turns) -> None:
        self._models = {model.name: model for model in models}
        self._turns = turns

    async def serve(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            await self._route(scope, receive, send)
        except ProblemError as error:
            problem = error.problem
            await _respond(send, problem.body(), problem.status, problem.headers())
        except TimeoutError:
            _log.warning("an answer broke off: its client took nothing for too long")

    async def _route(self, scope: Message, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path in {_CHAT, _EMBEDDINGS}:
            _check_method(scope, "POST")
            body = await _read(receive)
            await (self._chat if path == _CHAT else self._embed)(body, receive, send)
        elif path == _MODELS:
            _check_method(scope, "GET")
            await _respond(send, listed(list(self._models.values())))
        elif path.startswith(_MODELS + "/"):
            _check_method(scope, "GET")
            model = self._model(path.removeprefix(_MODELS + "/"))
            await _respond(send, encode_json(describe(model)))
        else:
            raise no_route(path)

    def _model(self, name: str) -> ServedModel:
        if name not in self._models:
            raise unknown_model(name, list(self._models))
        return self._models[name]

    async def _chat(self, body: bytes, receive: Receive, send: Send) -> None:
        request = parse_chat(body)
        model = self._model(request.model)
        work = model.answer(request)
        with self._turns.open(work) as stream:
            watching = asyncio.ensure_future(_watch(receive, stream))
            try:
                answer = _stream if request.stream else _whole
                await answer(model, request, work, stream, send)
            finally:
                watching.cancel()

    async def _embed(self, body: bytes, receive: Receive, send: Send) -> None:
        request = parse_embedding(body)
        model = self._model(request.model)
        work = model.embed(request.texts)
        with self._turns.open(work) as stream:
            watching = asyncio.ensure_future(_watch(receive, stream))
            try:
                found = [vector async for vector in _guarded(stream)]
            finally:
                watching.cancel()
            if not stream.closed:
                form = request.encoding_format or "float"
                await _respond(send, vectors(model, found, work.prompt_tokens, form))


async def _stream(
    model: ServedModel, request: ChatRequest, work: Answering, stream: Stream, send: Send
) -> None:
    """Send each token when it is there; a client that takes none pauses its answer only."""
    frames = Frames(model, with_usage=request.with_usage)
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await _send_piece(send, frames.role())
    async for piece in stream:
        if piece.finish is None:
            await _send_piece(send, frames.text(piece.text))
        else:
            end = frames.end(piece.text, piece.finish) + frames.usage(work) + DONE
            await _send_piece(send, end, last=True)


async def _whole(
    model: ServedModel, request: ChatRequest, work: Answering, stream: Stream, send: Send
) -> None:
    del request
    pieces: list[Piece] = [piece async for piece in _guarded(stream)]
    if pieces and (finish := pieces[-1].finish) is not None:
        text = "".join(piece.text for piece in pieces)
        await _respond(send, whole(model, work, text, finish))


async def _guarded(stream: Stream) -> Any:
    """Yield what comes; a defect becomes an answer that says so, since none has begun."""
    try:
        async for piece in stream:
            yield piece
    except ProblemError:
        raise
    except Exception as error:
        _log.exception("an answer failed")
        problem = Problem(500, "internal_error", "the model failed; the log says how")
        raise ProblemError(problem) from error


async def _send_piece(send: Send, body: bytes, *, last: bool = False) -> None:
    """Send a part of an answer.

    Raises:
        TimeoutError: Nobody takes it. The answer ends there, and so does its connection.
    """
    async with asyncio.timeout(SEND_SECONDS_MAX):
        await send({"type": "http.response.body", "body": body, "more_body": not last})


async def _watch(receive: Receive, stream: Stream) -> None:
    """Close the stream when the client goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.close()


async def _read(receive: Receive) -> bytes:
    """Read a body.

    Raises:
        ProblemError: It is too large, or does not come.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if len(body) > BODY_BYTES_MAX:
                    raise too_large(BODY_BYTES_MAX)
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError as error:
        raise too_slow(BODY_SECONDS_MAX) from error


def _check_method(scope: Message, right: str) -> None:
    if scope["method"] != right:
        raise wrong_method(scope["method"], right)


async def _respond(
    send: Send,
    body: bytes,
    status: int = 200,
    headers: Sequence[tuple[bytes, bytes]] = ((b"content-type", b"application/json"),),
) -> None:
    sent = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})
