"""Which request a piece of work belongs to: ids in the form of W3C Trace Context.

    with tracing.following(header) as trace:   # the caller's trace, or a new one
        ...                                     # log lines in here carry its ids

Ids are random or the caller's, and say nothing about anybody. They stand in logs and in an
answer's `traceresponse`, never in a statement. Threads do not inherit them: hand work over with
`carried`.

Source:
    W3C Trace Context, sections 3.2 (`traceparent`) and, of level 2, 3.5 (`traceresponse`).
"""

import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

ROUTE: Final = "tallystick.route"
"""Member of an ASGI scope that names the route for logs and metrics: paths may speak of people."""
TRACEPARENT_BYTES_MAX: Final = 512
"""Longest field that is looked at; version 00 has 55 bytes, later ones may have more."""
SAMPLED: Final = "01"

_FIELD: Final = re.compile(
    rb"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    rb"(?P<more>-.*)?",
    re.DOTALL,
)
_FORBIDDEN: Final = b"ff"
_FIRST: Final = b"00"
_NO_TRACE, _NO_SPAN = b"0" * 32, b"0" * 16


@dataclass(frozen=True, slots=True)
class Trace:
    """Our part in a trace.

    Attributes:
        trace_id: 32 hex digits, the same for all who take part.
        span_id: 16 hex digits, of our part.
        parent_id: Of the caller's part; None where the trace begins here.
        flags: Two hex digits, as the caller sent them.
    """

    trace_id: str
    span_id: str
    parent_id: str | None = None
    flags: str = SAMPLED

    def header(self) -> bytes:
        """Return the value of `traceparent` towards others, and of `traceresponse` back."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}".encode()


_current: ContextVar[Trace | None] = ContextVar("tallystick-trace", default=None)


def current() -> Trace | None:
    """Return the trace that this piece of work belongs to; None if to none."""
    return _current.get()


def continued(header: bytes | None) -> Trace:
    """Return our part in the trace that a `traceparent` names, in a new one where it names none.

    A field that breaks its grammar is as good as none: nobody is refused for it.
    """
    if header is None or len(header) > TRACEPARENT_BYTES_MAX:
        return Trace(_random(16), _random(8))
    match = _FIELD.fullmatch(header.strip())
    if match is None or not _valid(match):
        return Trace(_random(16), _random(8))
    version, trace, span, flags, _ = match.groups()
    kept = flags.decode() if version == _FIRST else SAMPLED
    return Trace(trace.decode(), _random(8), span.decode(), kept)


@contextmanager
def following(header: bytes | None) -> Iterator[Trace]:
    """Do a piece of work as part of the trace that a caller's `traceparent` names."""
    trace = continued(header)
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


def carried(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Callable[[], T]:
    """Return work that another thread can do as part of our trace."""
    context = copy_context()
    return lambda: context.run(work, *args, **kwargs)


def _valid(match: re.Match[bytes]) -> bool:
    """Tell whether a field means something: no forbidden version, no id of zeros only."""
    version, trace, span, _, more = match.groups()
    known = version != _FORBIDDEN and (version != _FIRST or more is None)
    return known and trace != _NO_TRACE and span != _NO_SPAN


def _random(size: int) -> str:
    """Return so many random bytes in hex, not all of them zero.

    Not from the system's generator: ids are no secret, and each request would wait for two calls
    of it.
    """
    bits = 8 * size
    return f"{random.randrange(1, 1 << bits):0{2 * size}x}"  # noqa: S311 - no secret
