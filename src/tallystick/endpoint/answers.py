"""Answers in the OpenAI protocol: whole, and as a stream of events.

Source:
    OpenAI API reference, "Chat", "Chat streaming", "Embeddings", "Models".
"""

import struct
import time
import uuid
from base64 import b64encode
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tallystick.endpoint.work import Answering, Finish, ServedModel

OWNER: Final = "tallystick"
DONE: Final = b"data: [DONE]\n\n"

encode_json = msgspec.json.encode


class Frames:
    """The events of one streamed answer."""

    def __init__(self, model: ServedModel, *, with_usage: bool) -> None:
        """Begin an answer; all its events carry one id."""
        self._head = head("chat.completion.chunk", model)
        self._with_usage = with_usage

    def role(self) -> bytes:
        """Return the first event."""
        return self._event({"role": "assistant", "content": ""}, None)

    def text(self, text: str) -> bytes:
        """Return the event of a token; its text is empty while a character is not whole."""
        return self._event({"content": text}, None)

    def end(self, rest: str, finish: Finish) -> bytes:
        """Return the event that says why the answer ends."""
        return self._event({"content": rest} if rest else {}, finish)

    def usage(self, work: Answering) -> bytes:
        """Return the event with the number of tokens, where it was asked for."""
        if not self._with_usage:
            return b""
        return event(self._head | {"choices": [], "usage": usage(work)})

    def _event(self, delta: dict[str, str], finish: Finish | None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        # Who asks for the usage finds null in all events but the last, so the reference says.
        nothing_yet = {"usage": None} if self._with_usage else {}
        return event(self._head | {"choices": [choice]} | nothing_yet)


def event(content: dict[str, Any]) -> bytes:
    """Return a server-sent event."""
    return b"data: " + encode_json(content) + b"\n\n"


def whole(model: ServedModel, work: Answering, text: str, finish: Finish) -> bytes:
    """Return a whole answer."""
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    answer = head("chat.completion", model) | {"choices": [choice], "usage": usage(work)}
    return encode_json(answer)


def vectors(model: ServedModel, found: Sequence[list[float]], tokens: int, form: str) -> bytes:
    """Return vectors, as numbers or as base64 of little-endian 32-bit floats."""
    data = [
        {"object": "embedding", "index": at, "embedding": _packed(v) if form == "base64" else v}
        for at, v in enumerate(found)
    ]
    counted = {"prompt_tokens": tokens, "total_tokens": tokens}
    return encode_json({"object": "list", "data": data, "model": model.name, "usage": counted})


def listed(models: Sequence[ServedModel]) -> bytes:
    """Return the list of models."""
    return encode_json({"object": "list", "data": [describe(model) for model in models]})


def describe(model: ServedModel) -> dict[str, Any]:
    """Return what a list says of a model; the digest of its artifact is ours."""
    return {
        "id": model.name,
        "object": "model",
        "created": 0,
        "owned_by": OWNER,
        "sha256": model.digest.hex(),
    }


def usage(work: Answering) -> dict[str, int]:
    """Return the number of tokens."""
    return {
        "prompt_tokens": work.prompt_tokens,
        "completion_tokens": work.completion_tokens,
        "total_tokens": work.prompt_tokens + work.completion_tokens,
    }


def head(kind: str, model: ServedModel) -> dict[str, Any]:
    """Return what every answer begins with."""
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": model.name,
        "system_fingerprint": f"sha256:{model.digest.hex()}",
    }


def _packed(vector: list[float]) -> str:
    return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
