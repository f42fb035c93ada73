"""HTTP/1.1 as values: requests in, responses out, bytes in between; h11 does the grammar.

Nothing that a service sends raises anything but our errors: what is no HTTP is an
`EncodingError`, what is too much a `LimitError`, what ends early an `UnavailableError`.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

import h11

from tallystick.client.steps import Read, Step, Steps, Wire, Write
from tallystick.errors import EncodingError, LimitError, UnavailableError

HEAD_BYTES_MAX: Final = 64 << 10
"""Status line and headers of a response."""
BODY_BYTES_MAX: Final = 64 << 20
"""Body of a response that does not say otherwise."""
INTERIM_MAX: Final = 16
"""Interim responses (1xx) before the one that counts."""
_BEGIN: Final = b"HTTP/1."


@dataclass(frozen=True, slots=True)
class Request:
    """One request, whole: sent again, it is the same bytes.

    Attributes:
        method: HTTP method.
        target: Path and query.
        headers: Names in lower case.
        body: Its bytes.
        answer_bytes_max: Largest body of a response.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    answer_bytes_max: int = BODY_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Response:
    """One response.

    Attributes:
        status: HTTP status.
        headers: By lower-case name; of several of one name, the last.
        body: Its bytes; empty where the body is read piece by piece.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(slots=True)
class Line:
    """An open connection and where the conversation on it stands.

    Attributes:
        wire: Carries the bytes.
    """

    wire: Wire
    _http: h11.Connection = field(
        default_factory=lambda: h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES_MAX)
    )
    _lost: UnavailableError | None = None
    _begin: bytes = b""

    def close(self) -> None:
        """Close the connection."""
        self.wire.close()

    def ask(self, request: Request, deadline: float) -> Steps[Response]:
        """Send a request and read the response whole.

        Args:
            request: What to send.
            deadline: Until when, by the monotonic clock.

        Raises:
            UnavailableError: The connection broke, or it took too long.
            EncodingError: What came is no HTTP.
            LimitError: What came is too large.
        """
        head = yield from self.open(request, deadline)
        pieces, size = [], 0
        while piece := (yield from self.piece(deadline)):
            pieces.append(piece)
            size += len(piece)
            if size > request.answer_bytes_max:
                raise LimitError(f"an answer has more than {request.answer_bytes_max} bytes")
        return Response(head.status, head.headers, b"".join(pieces))

    def open(self, request: Request, deadline: float) -> Steps[Response]:
        """Send a request and read the head of the response; `piece` then reads the body."""
        data = self._encode(request)
        try:
            yield Write(self.wire, data, _left(deadline))
        except UnavailableError as error:
            # Whoever refuses a body early says why, and stops reading: look for that first.
            self._lost = error
        for _ in range(INTERIM_MAX):
            event = yield from self._next(deadline)
            if isinstance(event, h11.Response):
                headers = {n.decode("latin-1"): v.decode("latin-1") for n, v in event.headers}
                return Response(event.status_code, headers)
        raise EncodingError(f"more than {INTERIM_MAX} interim responses came")

    def piece(self, deadline: float) -> Steps[bytes]:
        """Read the next piece of the body; empty at its end."""
        while True:
            event = yield from self._next(deadline)
            if isinstance(event, h11.EndOfMessage):
                return b""
            if isinstance(event, h11.Data) and event.data:
                return bytes(event.data)

    def ready(self) -> bool:
        """Make ready for the next request; return whether the connection can carry one."""
        if self._lost or self._http.our_state is not h11.DONE:
            return False
        if self._http.their_state is not h11.DONE or self._http.trailing_data[0]:
            return False
        self._http.start_next_cycle()
        return True

    def _check_begin(self, data: bytes) -> None:
        """Refuse at once what does not begin as an answer does, instead of waiting for more."""
        if len(self._begin) < len(_BEGIN):
            self._begin = (self._begin + data)[: len(_BEGIN)]
            if not _BEGIN.startswith(self._begin):
                raise EncodingError(f"what came is no answer in HTTP/1.1: {self._begin!r}")

    def _encode(self, request: Request) -> bytes:
        headers = [*request.headers, ("content-length", str(len(request.body)))]
        head = h11.Request(method=request.method, target=request.target, headers=headers)
        sent = [self._http.send(head), self._http.send(h11.Data(data=request.body))]
        return b"".join(part for part in (*sent, self._http.send(h11.EndOfMessage())) if part)

    def _next(self, deadline: float) -> Generator[Step, Any, h11.Event]:
        """Return what comes next; reads as much as that takes."""
        ended = False
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                if ended:
                    raise self._lost or UnavailableError(
                        "the service closed the connection before its answer was whole"
                    ) from error
                raise EncodingError(f"what came is no answer in HTTP/1.1: {error}") from error
            if isinstance(event, h11.Event) and not isinstance(event, h11.ConnectionClosed):
                return event
            if ended or event is h11.PAUSED:
                raise self._lost or UnavailableError("the service closed the connection")
            data: bytes = yield Read(self.wire, _left(deadline))
            ended = not data
            self._check_begin(data)
            self._http.receive_data(data)


def _left(deadline: float) -> float:
    """Return the time that is left.

    Raises:
        UnavailableError: None is.
    """
    if (left := deadline - monotonic()) <= 0:
        raise UnavailableError("the service takes too long to answer")
    return left
