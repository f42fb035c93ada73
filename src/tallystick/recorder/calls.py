"""Record calls: a decorator for functions, a context for everything else.

    @tallystick.record
    def answer(question: str) -> str: ...

    with tallystick.recorder("chat", {"question": question}, model="small-lm") as call:
        call.answer = ask(question)

The call is said before it is made and its end afterwards; if it raises, so is that. What goes
where is the recorder's, a folder that `tally recorder create` makes and `TALLYSTICK_RECORDER`
names. Nothing waits for a network: see `tallystick.recorder.handoff`.
"""

import inspect
import json
import os
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from contextlib import aclosing, contextmanager, suppress
from functools import lru_cache, partial, wraps
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, ParamSpec, Self, TypeVar, overload

import msgspec
from msgspec.structs import replace

from tallystick.errors import InputError
from tallystick.recorder.handoff import Handoff
from tallystick.recorder.place import FOLDER
from tallystick.recorder.said import Asked, Ended
from tallystick.vault import About

P = ParamSpec("P")
R = TypeVar("R")
_INTEGERS = range(-(2**63), 2**64)
VALUE_BYTES_MAX = 1 << 20
"""Longest request or answer that is kept; of a longer one, length and digest are."""
ERROR_LETTERS_MAX = 10_000
_PLAIN = frozenset({str, bool, type(None)})
_encode = msgspec.json.Encoder(order="sorted").encode
Mask = Callable[[Any], Any]
"""Returns what is recorded in place of a value: of a request, and of an answer."""


class Call:
    """A call under way; a context that says when it ends.

    Attributes:
        answer: What it answered; set it before the context ends.
        usage: Tokens and the like, by name.
        model: The model that answered.
    """

    def __init__(self, handoff: Handoff, asked: Asked, mask: Mask | None, *, durable: bool) -> None:
        """Prepare; entering the context says it."""
        self._handoff, self._asked, self._mask, self._durable = handoff, asked, mask, durable
        self._said: Any = None
        self._began = 0.0
        self.answer: Any = None
        self.usage: Mapping[str, Any] | None = None
        self.model: str | None = None

    def __enter__(self) -> Self:
        """Say that it begins.

        Raises:
            UnavailableError: It cannot be recorded, so do not make it.
        """
        self._said = self._handoff.ask(self._asked, durable=self._durable)
        self._began = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say that it ended.

        Raises:
            UnavailableError: It cannot be recorded, so do not act upon it.
        """
        took_ms = 1000 * (time.perf_counter() - self._began)
        if self._said is not None:
            file, number = self._said
            self._handoff.end(file, self._ended(number, error, took_ms), durable=self._durable)

    def _ended(self, number: int, error: BaseException | None, took_ms: float) -> Ended:
        """Say how it ended; nothing that it answered with can prevent that."""
        try:
            answer = self.answer if self._mask is None else self._mask(self.answer)
        except Exception as failed:  # noqa: BLE001 - the call was made: it is not undone by a mask
            answer = {"masked": f"the mask raised {type(failed).__name__}"}
        response = b"" if answer is None else _short(as_json(answer))
        return Ended(
            number=number,
            status=_status(error),
            response=response,
            answer=answer if isinstance(answer, str) and _fits(answer) else None,
            duration_ms=took_ms,
            error=None if error is None else _told(error),
            usage=None if self.usage is None else _kept_all(self.usage),
            model=None if self.model is None else str(self.model),
            subject=self._asked.subject,
            purpose=self._asked.purpose,
        )


def recording(
    operation: str,
    request: Any,
    *,
    model: str = "",
    parameters: Mapping[str, Any] | None = None,
    about: About | None = None,
    durable: bool = False,
    mask: Mask | None = None,
) -> Call:
    """Return a context in which a call is made.

    Args:
        operation: What is asked for, by its OpenTelemetry name: `chat`, `execute_tool`.
        request: What it is asked with; anything that has a JSON form.
        model: The model that is asked.
        parameters: How it is asked: temperature and the like.
        about: Whom it is about, by a reference of yours, so that it can be erased; and what for,
            where records of one subject are to be erased apart.
        durable: Wait for the disk, at the beginning and at the end.
        mask: Says what is recorded in place of the request and of the answer.

    Raises:
        InputError: No recorder is named.
        NotFoundError: There is none.
    """
    asked = _asked(operation, request if mask is None else mask(request), model, about)
    asked = replace(asked, parameters=_kept_all(parameters or {}))
    return Call(_handoff(), asked, mask, durable=durable)


@overload
def record(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def record(
    *, operation: str = ..., model: str = ..., about: Callable[..., About | None] | None = ...,
    durable: bool = ..., mask: Mask | None = ...,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...  # fmt: skip
def record(
    function: Callable[P, R] | None = None,
    /,
    *,
    operation: str = "chat",
    model: str = "",
    about: Callable[..., About | None] | None = None,
    durable: bool = False,
    mask: Mask | None = None,
) -> Any:
    """Record each call of a function: plain, async, or one that yields its answer in pieces.

    Args:
        function: Whose calls are recorded.
        operation: What it does, by its OpenTelemetry name.
        model: The model that it asks.
        about: Called with the function's arguments; says whom the call is about.
        durable: As for `recording`.
        mask: As for `recording`; the request is a map of the arguments.

    Returns:
        A function that is called as the one that it is given.
    """
    if function is None:
        return partial(
            record, operation=operation, model=model, about=about, durable=durable, mask=mask
        )
    named_by, name = _naming(function), f"{function.__module__}.{function.__qualname__}"

    def begin(arguments: tuple[Any, ...], named: dict[str, Any]) -> Call:
        request: Any = named_by(arguments, named)
        whom = None if about is None else about(*arguments, **named)
        asked = _asked(operation, request if mask is None else mask(request), model, whom, name)
        return Call(_handoff(), asked, mask, durable=durable)

    return wraps(function)(_wrapped(function, begin))


def _naming(
    function: Callable[..., Any],
) -> Callable[[tuple[Any, ...], dict[str, Any]], dict[str, Any]]:
    """Return what names the arguments of a function; a call that it refuses is its own affair."""
    signature = inspect.signature(function)
    kinds = {one.kind for one in signature.parameters.values()}
    names = tuple(signature.parameters)
    if kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}:
        return lambda arguments, named: dict(signature.bind(*arguments, **named).arguments)
    # Ten times as quick, and the same: what is missing or too much raises in the call itself.
    return lambda arguments, named: {**dict(zip(names, arguments, strict=False)), **named}


def _asked(
    operation: str, request: Any, model: str, about: About | None, function: str = ""
) -> Asked:
    return Asked(
        started_ms=time.time_ns() // 1_000_000,
        operation=operation,
        request=_short(as_json(request)),
        model=model,
        subject=None if about is None else about.subject,
        purpose="" if about is None else about.purpose,
        function=function,
    )


def _wrapped(function: Any, begin: Callable[..., Call]) -> Any:
    if inspect.isasyncgenfunction(function):

        async def pieces_later(*arguments: Any, **named: Any) -> AsyncGenerator[Any, Any]:
            with begin(arguments, named) as call, _gathering(call) as gathered:
                async with aclosing(function(*arguments, **named)) as inner:
                    sent = None
                    with suppress(StopAsyncIteration):
                        while True:
                            gathered.append(await inner.asend(sent))
                            sent = yield gathered[-1]

        return pieces_later
    if inspect.isgeneratorfunction(function):

        def pieces(*arguments: Any, **named: Any) -> Generator[Any, Any, Any]:
            with begin(arguments, named) as call, _gathering(call) as gathered:
                return (yield from _Gathered(function(*arguments, **named), gathered))

        return pieces
    if inspect.iscoroutinefunction(function):

        async def later(*arguments: Any, **named: Any) -> Any:
            with begin(arguments, named) as call:
                call.answer = await function(*arguments, **named)
                return call.answer

        return later

    def now(*arguments: Any, **named: Any) -> Any:
        with begin(arguments, named) as call:
            call.answer = function(*arguments, **named)
            return call.answer

    return now


class _Gathered(Generator[Any, Any, Any]):
    """A generator as it is, of which all pieces are noted."""

    def __init__(self, inner: Generator[Any, Any, Any], pieces: list[Any]) -> None:
        self._inner, self._pieces = inner, pieces

    def send(self, value: Any) -> Any:
        """Hand something in, and note what comes."""
        self._pieces.append(piece := self._inner.send(value))
        return piece

    def throw(self, *error: Any) -> Any:
        """Raise something in it, and note what comes."""
        self._pieces.append(piece := self._inner.throw(*error))
        return piece

    def close(self) -> None:
        """End it."""
        self._inner.close()


@contextmanager
def _gathering(call: Call) -> Iterator[list[Any]]:
    """Gather an answer that comes in pieces, also one that nobody waits for to its end."""
    gathered: list[Any] = []
    try:
        yield gathered
    finally:
        whole = all(isinstance(piece, str) for piece in gathered)
        call.answer = "".join(gathered) if whole else gathered


def as_json(value: Any) -> bytes:
    """Return a value as JSON, the same bytes for the same value.

    Numbers that JSON lacks stand as `NaN` and `Infinity`; whole numbers keep all their digits;
    bytes stand as their length and SHA-256; anything else that has no JSON form as its `repr`.
    Raises nothing: what cannot even be shown stands as its type.
    """
    with suppress(ValueError, RecursionError):  # half a surrogate pair, or a circle
        if _is_plain(value):  # then twenty times as quick
            return _encode(value)
    try:
        return _dumps(value)
    except (TypeError, ValueError, RecursionError):  # keys that are no text, or a circle
        return _dumps(_shown(value))


def _dumps(value: Any) -> bytes:
    text = json.dumps(
        value, ensure_ascii=False, sort_keys=True, default=_plain, separators=(",", ":")
    )
    return text.encode("utf-8", "surrogatepass")


def _shown(value: Any) -> dict[str, str]:
    try:
        words = repr(value)
    except Exception as error:  # noqa: BLE001 - somebody else's code; the call goes on
        words = f"its repr raised {type(error).__name__}"
    return {"type": type(value).__qualname__, "repr": words}


def _short(data: bytes) -> bytes:
    """Return JSON, or what there was of it where that is too long to be kept."""
    if len(data) <= VALUE_BYTES_MAX:
        return data
    return _encode({"bytes": len(data), "sha256": sha256(data).hexdigest()})


def _fits(text: str) -> bool:
    """Tell whether a text can be kept as one beside its JSON."""
    try:
        return len(text.encode()) <= VALUE_BYTES_MAX
    except UnicodeEncodeError:  # half a surrogate pair
        return False


def _told(error: BaseException) -> str:
    try:
        words = str(error)
    except Exception:  # noqa: BLE001 - somebody else's code
        words = ""
    told = f"{type(error).__name__}: {words}"[:ERROR_LETTERS_MAX]
    return told.encode("utf-8", "backslashreplace").decode()


def _kept_all(values: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): _kept(value) for name, value in values.items()}


def _is_plain(value: Any) -> bool:
    """Tell whether a value is one that every JSON library writes, and none changes."""
    kind = type(value)
    if kind is dict:
        return all(type(name) is str and _is_plain(one) for name, one in value.items())
    if kind is list:
        return all(map(_is_plain, value))
    return kind in _PLAIN or (kind is int and value in _INTEGERS)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return {"bytes": len(value), "sha256": sha256(value).hexdigest()}
    with suppress(Exception):
        dump = getattr(value, "model_dump", None)  # pydantic, as most clients use it
        if dump is not None and not isinstance(value, type):
            return dump(mode="json")
        return msgspec.to_builtins(value)
    return _shown(value)


def _kept(value: Any) -> Any:
    """Return a parameter as it is kept: plain values as they are, others as their JSON."""
    if isinstance(value, int) and value not in _INTEGERS:
        return str(value)
    if isinstance(value, float | int | None) or (isinstance(value, str) and _fits(value)):
        return value
    return _short(as_json(value)).decode("utf-8", "replace")


def _status(error: BaseException | None) -> Literal["ok", "error", "cancelled"]:
    if error is None:
        return "ok"
    return "error" if isinstance(error, Exception) else "cancelled"


def _handoff() -> Handoff:
    folder = os.environ.get(FOLDER)
    if not folder:
        raise InputError(
            f"no recorder is named: {FOLDER} is not set",
            advice=f"make one with `tally recorder create`, and set {FOLDER} to its folder",
        )
    return _open(folder)


@lru_cache
def _open(folder: str) -> Handoff:
    return Handoff(Path(folder))
