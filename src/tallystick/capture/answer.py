"""Read an upstream's answer: its text, model, usage; whole JSON, or put together from a stream.

Nothing here changes what the caller gets. An upstream may answer anything: whatever cannot be
read is said to be malformed, and its bytes are recorded all the same.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

TEXT_LETTERS_MAX: Final = 256
"""Longest model name, answer id or finish reason that is copied out of an answer."""
USAGE_BYTES_MAX: Final = 4096
ERROR_LETTERS_MAX: Final = 1000
CHOICES_MAX: Final = 256
DONE: Final = b"[DONE]"


class _Choice(msgspec.Struct):
    index: Any = 0
    message: Any = None
    delta: Any = None
    finish_reason: Any = None


class _Body(msgspec.Struct):
    id: Any = None
    model: Any = None
    choices: list[_Choice] | None = None
    data: list[msgspec.Raw] | None = None
    usage: Any = None
    error: Any = None


_parse = msgspec.json.Decoder(_Body).decode


@dataclass(slots=True)
class Answer:
    """What an answer says, as far as it could be read.

    Attributes:
        response_id: The upstream's name for it.
        model: The model that the upstream says it used.
        usage: Tokens, as the upstream counted them.
        texts: Text by number of the choice.
        reasons: Why the upstream stopped, by number of the choice.
        error: What the upstream says went wrong.
        readable: It is what the operation answers with.
        done: A stream said that it ends.
    """

    response_id: str | None = None
    model: str | None = None
    usage: dict[str, Any] | None = None
    texts: dict[int, list[str]] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    error: str | None = None
    readable: bool = False
    done: bool = False

    @property
    def complete(self) -> bool:
        """Whether a stream came to its end: it said so, or every choice has its reason."""
        return self.done or (bool(self.reasons) and set(self.texts) <= set(self.reasons))

    def fields(self) -> dict[str, Any]:
        """Return the members of `tallystick.evidence.Outcome` that come from the answer."""
        texts = ["".join(self.texts[index]) for index in sorted(self.texts)]
        return {
            "response_id": self.response_id,
            "model": self.model,
            "usage": self.usage,
            "answer": texts[0] if texts else None,
            "alternatives": tuple(texts[1:]) or None,
            "finish_reasons": tuple(self.reasons[at] for at in sorted(self.reasons)) or None,
        }


def read_answer(body: bytes) -> Answer:
    """Read a whole answer of any operation."""
    answer = Answer()
    parsed = _try(body)
    if parsed is not None:
        _take(answer, parsed)
        answer.readable = parsed.choices is not None or parsed.data is not None
    return answer


def read_stream(body: bytes) -> Answer:
    """Put an answer together from the server-sent events of a stream."""
    answer = Answer()
    for data in _events(body.splitlines()):
        if data == DONE:
            answer.done = True
            continue
        parsed = _try(data)
        if parsed is not None:
            _take(answer, parsed)
            answer.readable |= parsed.choices is not None or parsed.error is not None
    return answer


def _events(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the data of each event: its `data` lines, joined."""
    data: list[bytes] = []
    for line in lines:
        if line.startswith(b"data:"):
            data.append(line[6:] if line[5:6] == b" " else line[5:])
        elif not line and data:
            yield b"\n".join(data)
            data = []
    if data:
        yield b"\n".join(data)


def _try(body: bytes) -> _Body | None:
    try:
        return _parse(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def _take(answer: Answer, parsed: _Body) -> None:
    answer.response_id = _short(parsed.id) or answer.response_id
    answer.model = _short(parsed.model) or answer.model
    answer.usage = _usage(parsed.usage) or answer.usage
    if parsed.error is not None:
        answer.error = _words(parsed.error)
    for choice in (parsed.choices or ())[:CHOICES_MAX]:
        index = choice.index if isinstance(choice.index, int) else 0
        text = _text(choice.delta if choice.message is None else choice.message)
        if text is not None:
            answer.texts.setdefault(index, []).append(text)
        if reason := _short(choice.finish_reason):
            answer.reasons[index] = reason


def _text(message: Any) -> str | None:
    """Return the text of a message: a string, or the texts among its parts."""
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else None


def _usage(value: Any) -> dict[str, Any] | None:
    """Return the numbers of a usage report, one level of detail included."""
    if not isinstance(value, dict) or len(msgspec.json.encode(value)) > USAGE_BYTES_MAX:
        return None
    counts = {name: _count(item) for name, item in value.items()}
    return {name: item for name, item in counts.items() if item is not None}


def _count(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: item for name, item in value.items() if _is_count(item)}
    return value if _is_count(value) else None


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) and -(2**63) <= value < 2**64


def _short(value: Any) -> str | None:
    return value[:TEXT_LETTERS_MAX] if isinstance(value, str) and value else None


def _words(error: Any) -> str:
    message = error.get("message") if isinstance(error, dict) else error
    return (message if isinstance(message, str) else str(message))[:ERROR_LETTERS_MAX]
