"""One attempt to deliver one message: looked up, checked, connected, sent, answered.

Success is an answer of 2xx whose head comes in time. Redirects are not followed: a target that
moved says so to whoever runs it, not to us. Nothing of a body is needed or kept.
"""

import socket
import ssl
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Final, Literal

from tallystick import __version__
from tallystick.client.http1 import Line, Request, Response
from tallystick.client.steps import Read, Step, Write, lost
from tallystick.errors import (
    EncodingError,
    LimitError,
    RefusedError,
    TallystickError,
    UnavailableError,
    VerificationError,
)
from tallystick.webhooks.addresses import Allowed, Target, parse_target, resolve
from tallystick.webhooks.patience import ATTEMPT_SECONDS_MAX

CONNECT_SECONDS_MAX: Final = 5.0
"""For each address."""
ANSWER_BYTES_MAX: Final = 16 << 10
"""Of a body, read and thrown away so that the target sees its answer taken."""
ANSWER_SECONDS_MAX: Final = 0.2
"""The same in time."""
READ_BYTES: Final = 16 << 10

Result = Literal[
    "delivered", "gone", "redirect", "status", "inward", "certificate", "garbage", "away"
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt.

    Attributes:
        result: One word, for counting.
        words: What was seen, for people.
        retry_after: What the target asked for.
    """

    result: Result
    words: str = ""
    retry_after: str | None = None


class SocketWire:
    """A connection by sockets."""

    def __init__(self, line: socket.socket) -> None:
        """Take an open socket."""
        self.socket = line

    def close(self) -> None:
        """Close it."""
        self.socket.close()


class Sender:
    """Makes attempts, one at a time; `abort` may be called from any thread."""

    def __init__(
        self,
        allowed: Allowed,
        tls: ssl.SSLContext | None = None,
        seconds_max: float = ATTEMPT_SECONDS_MAX,
    ) -> None:
        """Trust the certificates that the system does, unless told otherwise."""
        self._allowed, self._tls, self._seconds = allowed, tls, seconds_max
        self._socket: socket.socket | None = None
        self._aborted = False

    def send(self, url: str, headers: dict[str, str], body: bytes) -> Outcome:
        """Send a message once; says what became of it, and raises nothing."""
        deadline = monotonic() + self._seconds
        try:
            target = parse_target(url, self._allowed)
            answer = self._exchange(target, headers, body, deadline)
        except RefusedError as error:
            return Outcome("inward", str(error))
        except VerificationError as error:
            return Outcome("certificate", str(error).replace("service", "target"))
        except (EncodingError, LimitError) as error:
            return Outcome("garbage", f"the answer cannot be read: {error}")
        except UnavailableError as error:
            return Outcome("away", str(error).replace("service", "target"))
        except TallystickError as error:  # the URL, which was checked when it was added
            return Outcome("inward", str(error))
        return judge(answer)

    def ask(self, url: str, request: Request) -> Response:
        """Send one request and read the answer whole; whatever its status, it is followed nowhere.

        Args:
            url: Where to; its path is what is asked for.
            request: Method, further headers, body, and how large the answer may be.

        Raises:
            InputError: Not a URL of http or https.
            RefusedError: It leads inwards, where the operator does not allow that.
            VerificationError: The certificate is not believed.
            UnavailableError: The host does not answer, or not in time.
            EncodingError: What came is no answer in HTTP.
            LimitError: The answer is too large.
        """
        deadline = monotonic() + self._seconds
        target = parse_target(url, self._allowed)
        wire = self._connect(target, resolve(target, self._allowed), deadline)
        try:
            headers = (("host", target.authority), *request.headers)
            whole = replace(request, target=target.path, headers=headers)
            answer: Response = performed(Line(wire).ask(whole, deadline))
            return answer
        finally:
            self._socket = None
            wire.close()

    def abort(self) -> None:
        """Break off the attempt that is being made, and make no more: targets seem to be away."""
        self._aborted = True
        line = self._socket
        if line is not None:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def _exchange(
        self, target: Target, headers: dict[str, str], body: bytes, deadline: float
    ) -> Response:
        wire = self._connect(target, resolve(target, self._allowed), deadline)
        try:
            line = Line(wire)
            request = Request("POST", target.path, _headers(target, headers), body)
            answer: Response = performed(line.open(request, deadline))
            _drain(line)
            return answer
        finally:
            self._socket = None
            wire.close()

    def _connect(self, target: Target, addresses: list[str], deadline: float) -> SocketWire:
        """Connect to the first address that answers; the name is not looked up again."""
        failure: OSError | None = None
        for address in addresses:
            try:
                return self._connect_to(target, address, deadline)
            except OSError as error:
                failure = error
        if failure is None:
            raise UnavailableError(f"the name {target.host} has no address")
        raise lost(failure) from failure

    def _connect_to(self, target: Target, address: str, deadline: float) -> SocketWire:
        left = deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        seconds = min(CONNECT_SECONDS_MAX, left)
        line = socket.create_connection((address, target.port), timeout=seconds)
        self._socket = line
        if self._aborted:
            self.abort()
        try:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if target.tls:
                # Read once: the system's certificates are many.
                self._tls = self._tls or ssl.create_default_context()
                # The certificate must be for the name, though the connection is to an address.
                line = self._tls.wrap_socket(line, server_hostname=target.host)
                self._socket = line
        except BaseException:
            line.close()
            raise
        return SocketWire(line)


def judge(answer: Response) -> Outcome:
    """Say what an answer means."""
    status = answer.status
    if 200 <= status < 300:
        return Outcome("delivered")
    if status == 410:
        return Outcome("gone", "the target answered 410: it wants no more")
    if 300 <= status < 400:
        where = answer.headers.get("location", "elsewhere")
        return Outcome("redirect", f"the target redirects to {where[:200]!r}: not followed")
    return Outcome("status", f"the target answered {status}", answer.headers.get("retry-after"))


def _headers(target: Target, headers: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return (
        ("host", target.authority),
        ("user-agent", f"tallystick/{__version__}"),
        ("content-type", "application/json"),
        ("accept-encoding", "identity"),
        ("connection", "close"),
        *headers.items(),
    )


def _drain(line: Line) -> None:
    """Read a little of the body, for the target's sake: what comes of it matters to nobody."""
    deadline, size = monotonic() + ANSWER_SECONDS_MAX, 0
    with suppress(TallystickError):
        while size < ANSWER_BYTES_MAX and (piece := performed(line.piece(deadline))):
            size += len(piece)


def performed(steps: Generator[Step, Any, Any]) -> Any:
    """Perform steps with sockets and return what they come to."""
    answer: Any = None
    go_on: Callable[[Any], Step] = steps.send
    while True:
        try:
            step = go_on(answer)
        except StopIteration as done:
            return done.value
        try:
            answer, go_on = _perform_one(step), steps.send
        except OSError as error:
            answer, go_on = lost(error), steps.throw


def _perform_one(step: Step) -> bytes | None:
    match step:
        case Write(SocketWire() as wire, data, seconds):
            wire.socket.settimeout(seconds)
            wire.socket.sendall(data)
            return None
        case Read(SocketWire() as wire, seconds):
            wire.socket.settimeout(seconds)
            return wire.socket.recv(READ_BYTES)
    raise AssertionError(step)
