"""The demonstration's model behind an OpenAI-compatible endpoint, streaming included."""

import json
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from tallystick.cli.demo.classifier import CaseClassifier

MODEL: Final = "case-classifier"
BODY_BYTES_MAX: Final = 1 << 20

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class ClassifierEndpoint:
    """An ASGI application: `/v1/models` and `/v1/chat/completions`."""

    def __init__(self, model: CaseClassifier) -> None:
        """Serve one model."""
        self._model = model

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        body = await _read(receive)
        if scope["path"].endswith("/models"):
            listed = [{"id": MODEL, "object": "model", "created": 0, "owned_by": "tallystick"}]
            await _respond(send, 200, {"object": "list", "data": listed})
        elif scope["path"].endswith("/chat/completions") and scope["method"] == "POST":
            await self._complete(body, send)
        else:
            await _respond(send, 404, _error(f"no such path: {scope['path']}"))

    async def _complete(self, body: bytes | None, send: Send) -> None:
        try:
            request = json.loads(body or b"")
            question = next(
                m["content"] for m in reversed(request["messages"]) if m["role"] == "user"
            )
        except (ValueError, LookupError, TypeError, StopIteration):
            await _respond(send, 400, _error("the request must be JSON with a user message"))
            return
        answer = self._model.answer(question)
        usage = {"prompt_tokens": len(question.split()), "completion_tokens": len(answer.split())}
        usage["total_tokens"] = sum(usage.values())
        frame = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": MODEL}
        if request.get("stream"):
            await _stream(send, frame, answer, usage)
        else:
            message = {"role": "assistant", "content": answer}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            await _respond(
                send,
                200,
                frame | {"object": "chat.completion", "choices": [choice], "usage": usage},
            )


async def _stream(send: Send, frame: dict[str, Any], answer: str, usage: dict[str, int]) -> None:
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for chunk in _chunks(frame | {"object": "chat.completion.chunk"}, answer, usage):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


def _chunks(frame: dict[str, Any], answer: str, usage: dict[str, int]) -> Iterator[bytes]:
    """Yield the answer word by word, as a generating model would."""
    words = answer.split(" ")
    for at, word in enumerate(words):
        delta = {"content": word + (" " if at < len(words) - 1 else "")}
        yield _event(frame | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    yield _event(frame | {"choices": [last], "usage": usage})


def _event(content: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(content).encode() + b"\n\n"


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error"}}


async def _read(receive: Receive) -> bytes | None:
    body = b""
    while True:
        message = await receive()
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > BODY_BYTES_MAX or message["type"] == "http.disconnect":
            return None
        if not message.get("more_body"):
            return body


async def _respond(send: Send, status: int, content: dict[str, Any]) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(content).encode()})
