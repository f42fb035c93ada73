"""The one answer the load upstream gives, made from its size alone.

Nothing here imitates a model: the text is numbered words, so that a lost, doubled or reordered
part is seen. Upstream and load generator make the same answer from the same `AnswerShape`.
"""

import itertools
import json
from dataclasses import dataclass

MODEL = "bench-model"
EMBEDDING_DIMENSIONS = 256

_ID = "chatcmpl-bench"
_CREATED = 1_700_000_000
_WORD_BYTES = 8
_BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerShape:
    """Size of the canned answer.

    Attributes:
        text_bytes: Length of the answer's text, all of it ASCII.
        parts: How many content events a streamed answer is cut into.
    """

    text_bytes: int = 4096
    parts: int = 32

    @property
    def text(self) -> str:
        """Numbered words, cut to `text_bytes`; needs no escape in JSON."""
        words = -(-self.text_bytes // _WORD_BYTES)
        return "".join(f"w{number:06d} " for number in range(words))[: self.text_bytes]

    @property
    def pieces(self) -> list[str]:
        """The text in `parts` slices of nearly equal length."""
        text, cuts = self.text, [self.text_bytes * n // self.parts for n in range(self.parts + 1)]
        return [text[start:end] for start, end in itertools.pairwise(cuts)]

    @property
    def events_min(self) -> int:
        """Events any honest gateway passes on: the content parts and the closing `[DONE]`."""
        return self.parts + 1


def prompt_body(*, prompt_bytes: int, stream: bool) -> bytes:
    """Return the JSON body of a chat request whose user message is `prompt_bytes` long."""
    text = AnswerShape(text_bytes=prompt_bytes).text
    body = {"model": MODEL, "messages": [{"role": "user", "content": text}], "stream": stream}
    return json.dumps(body, separators=(",", ":")).encode()


def completion(shape: AnswerShape) -> bytes:
    """Return the JSON of a whole answer."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": shape.text, "refusal": None},
        "logprobs": None,
        "finish_reason": "stop",
    }
    return _json("chat.completion", choices=[choice], usage=_usage(shape))


def completion_events(shape: AnswerShape, *, with_usage: bool) -> list[bytes]:
    """Return the server-sent events of a streamed answer, in order, each with its blank line."""
    deltas: list[tuple[dict[str, str], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": piece}, None) for piece in shape.pieces]
    deltas += [({}, "stop")]
    events = [
        _json("chat.completion.chunk", choices=[_delta(delta, reason)]) for delta, reason in deltas
    ]
    if with_usage:
        events.append(_json("chat.completion.chunk", choices=[], usage=_usage(shape)))
    return [b"data: " + event + b"\n\n" for event in [*events, b"[DONE]"]]


def models() -> bytes:
    """Return the JSON list of the one model there is."""
    model = {"id": MODEL, "object": "model", "created": _CREATED, "owned_by": "bench"}
    return json.dumps({"object": "list", "data": [model]}).encode()


def embeddings() -> bytes:
    """Return the JSON of one embedding of `EMBEDDING_DIMENSIONS` numbers."""
    vector = [round(index / EMBEDDING_DIMENSIONS, 6) for index in range(EMBEDDING_DIMENSIONS)]
    data = [{"object": "embedding", "index": 0, "embedding": vector}]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    body = {"object": "list", "data": data, "model": MODEL, "usage": usage}
    return json.dumps(body, separators=(",", ":")).encode()


def _delta(delta: dict[str, str], reason: str | None) -> dict[str, object]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}


def _usage(shape: AnswerShape) -> dict[str, int]:
    tokens = shape.text_bytes // _BYTES_PER_TOKEN
    return {"prompt_tokens": 16, "completion_tokens": tokens, "total_tokens": 16 + tokens}


def _json(kind: str, **rest: object) -> bytes:
    head = {"id": _ID, "object": kind, "created": _CREATED, "model": MODEL}
    return json.dumps({**head, **rest}, separators=(",", ":")).encode()
