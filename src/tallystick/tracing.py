"""Which request a piece of work belongs to: ids in the form of W3C Trace Context.

    with tracing.following(header) as trace:   # the caller's trace, or a new one
        ...                                     # log lines in here carry its ids
        with tracing.part("log.append") as span:  # a part of it, timed if somebody wants spans
            ...                                 # lines in here carry the part's ids

Ids are random or the caller's, and say nothing about anybody. They stand in logs, in an answer's
`traceresponse` and in spans, never in a statement. Threads do not inherit them: hand work over with
`carried`.

A trace that is sampled knows the sink that its spans go to; without one, `part` does nothing.

Source:
    W3C Trace Context, sections 3.2 (`traceparent`) and, of level 2, 3.5 (`traceresponse`).
"""

import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar, Token, copy_context
from dataclasses import dataclass, field
from typing import Final, Literal, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

ROUTE: Final = "tallystick.route"
"""Member of an ASGI scope that names the route for logs and metrics: paths may speak of people."""
TRACEPARENT_BYTES_MAX: Final = 512
"""Longest field that is looked at; version 00 has 55 bytes, later ones may have more."""
SAMPLED: Final = "01"
NOT_SAMPLED: Final = "00"
PASSED_NS_MIN: Final = 100_000
"""A wait that was shorter is no span: most are, and each would cost as much as it tells."""

_FIELD: Final = re.compile(
    rb"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    rb"(?P<more>-.*)?",
    re.DOTALL,
)
_FORBIDDEN: Final = b"ff"
_FIRST: Final = b"00"
_NO_TRACE, _NO_SPAN = b"0" * 32, b"0" * 16
_SAMPLED_BIT: Final = 1
_RATIO_BITS: Final = 64

Kind = Literal["internal", "server", "client"]
Value = str | int | float | tuple[str, ...]


class Sink(Protocol):
    """Where spans go.

    Attributes:
        ratio: Share of the traces beginning here that are sampled, 0 to 1.
    """

    ratio: float

    def take(self, span: "Span") -> None:
        """Take a span that has ended; from any thread, at once, and without an error."""
        ...


@dataclass(frozen=True, slots=True)
class Trace:
    """Our part in a trace.

    Attributes:
        trace_id: 32 hex digits, the same for all who take part.
        span_id: 16 hex digits, of our part.
        parent_id: Of the caller's part; None where the trace begins here.
        flags: Two hex digits, as the caller sent them.
        sink: Where its spans go; None where nobody wants them, or it is not sampled.
    """

    trace_id: str
    span_id: str
    parent_id: str | None = None
    flags: str = SAMPLED
    sink: Sink | None = field(default=None, compare=False, repr=False)

    def header(self) -> bytes:
        """Return the value of `traceparent` towards others, and of `traceresponse` back."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}".encode()

    def child(self) -> "Trace":
        """Return a part of our part."""
        return Trace(self.trace_id, _random(8), self.span_id, self.flags, self.sink)


@dataclass(slots=True)
class Span:
    """A part of a trace, timed.

    Attributes:
        trace: Its ids.
        name: What was done; of few different ones, and never of somebody.
        kind: On which side of a connection, if of any.
        begun_ns: Since 1970.
        ended_ns: The same; 0 until it ended.
        attributes: By OpenTelemetry's names where it has some. Nothing of content.
        error: A word for how it failed; empty if it did not.
    """

    trace: Trace
    name: str
    kind: Kind = "internal"
    begun_ns: int = 0
    ended_ns: int = 0
    attributes: dict[str, Value] = field(default_factory=dict)
    error: str = ""


_current: ContextVar[Trace | None] = ContextVar("tallystick-trace", default=None)


def current() -> Trace | None:
    """Return the trace that this piece of work belongs to; None if to none."""
    return _current.get()


def continued(header: bytes | None, sink: Sink | None = None) -> Trace:
    """Return our part in the trace that a `traceparent` names, in a new one where it names none.

    A field that breaks its grammar is as good as none: nobody is refused for it.

    Args:
        header: The field; None where there was none.
        sink: Where spans go if the caller, or for a new trace the sink's ratio, has it sampled.
    """
    if header is None or len(header) > TRACEPARENT_BYTES_MAX:
        return _begun(sink)
    match = _FIELD.fullmatch(header.strip())
    if match is None or not _valid(match):
        return _begun(sink)
    version, trace, span, flags, _ = match.groups()
    kept = flags.decode() if version == _FIRST else SAMPLED
    wanted = sink if int(kept, 16) & _SAMPLED_BIT else None
    return Trace(trace.decode(), _random(8), span.decode(), kept, wanted)


@contextmanager
def following(header: bytes | None, sink: Sink | None = None) -> Iterator[Trace]:
    """Do a piece of work as part of the trace that a caller's `traceparent` names."""
    trace = continued(header, sink)
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)


@contextmanager
def using(trace: Trace | None) -> Iterator[None]:
    """Do a piece of work as part of a trace, or of none."""
    token = _current.set(trace)
    try:
        yield
    finally:
        _current.reset(token)


def part(name: str, kind: Kind = "internal") -> AbstractContextManager[Span | None]:
    """Do a part of a piece of work, as a span of its own if somebody wants spans, else as before.

    The span ends with the block, as failed where that raises.
    """
    trace = _current.get()
    return _NOTHING if trace is None or trace.sink is None else _Part(trace.child(), name, kind)


def whole(name: str, sink: Sink | None, kind: Kind) -> AbstractContextManager[Span | None]:
    """Do a piece of work that nobody asked for, as a trace of its own if somebody wants spans."""
    trace = None if sink is None else _begun(sink)
    return _NOTHING if trace is None or trace.sink is None else _Part(trace, name, kind)


def passed(name: str, begun_ns: int, trace: Trace | None = None) -> None:
    """Tell of a part that is over, such as a wait; of one that took no time nothing is told.

    Args:
        name: As in `Span`.
        begun_ns: Since 1970; it ends now.
        trace: What it is a part of; the current one by default.
    """
    trace = trace or _current.get()
    if trace is None or trace.sink is None:
        return
    if (now_ns := time.time_ns()) - begun_ns >= PASSED_NS_MIN:
        trace.sink.take(Span(trace.child(), name, "internal", begun_ns, now_ns))


class _Part:
    """A span that ends with a block."""

    __slots__ = ("_span", "_token")

    def __init__(self, trace: Trace, name: str, kind: Kind) -> None:
        self._span = Span(trace, name, kind)
        self._token: Token[Trace | None] | None = None

    def __enter__(self) -> Span:
        self._token = _current.set(self._span.trace)
        self._span.begun_ns = time.time_ns()
        return self._span

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        span = self._span
        span.ended_ns = time.time_ns()
        if kind is not None and not span.error:
            span.error = kind.__name__
        if self._token is not None:
            _current.reset(self._token)
        if span.trace.sink is not None:
            span.trace.sink.take(span)


_NOTHING: Final[AbstractContextManager[None]] = nullcontext()


def carried(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Callable[[], T]:
    """Return work that another thread can do as part of our trace."""
    context = copy_context()
    return lambda: context.run(work, *args, **kwargs)


def _valid(match: re.Match[bytes]) -> bool:
    """Tell whether a field means something: no forbidden version, no id of zeros only."""
    version, trace, span, _, more = match.groups()
    known = version != _FORBIDDEN and (version != _FIRST or more is None)
    return known and trace != _NO_TRACE and span != _NO_SPAN


def _begun(sink: Sink | None) -> Trace:
    """Return a new trace.

    Source:
        OpenTelemetry, Trace SDK, "TraceIdRatioBased": others with the same ratio decide the same.
    """
    trace_id, span_id = _random(16), _random(8)
    if sink is None:
        return Trace(trace_id, span_id)
    if int(trace_id[16:], 16) >= sink.ratio * (1 << _RATIO_BITS):
        return Trace(trace_id, span_id, flags=NOT_SAMPLED)
    return Trace(trace_id, span_id, sink=sink)


def _random(size: int) -> str:
    """Return so many random bytes in hex, not all of them zero.

    Not from the system's generator: ids are no secret, and each request would wait for two calls
    of it.
    """
    bits = 8 * size
    return f"{random.randrange(1, 1 << bits):0{2 * size}x}"  # noqa: S311 - no secret
