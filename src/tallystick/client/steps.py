"""What a conversation asks of whoever does its I/O: connect, write, read, pause, give.

A conversation is a generator. It yields steps and is sent what came of them; it never touches a
socket. `tallystick.client.blocking` performs steps with sockets, `tallystick.client.asynchronous`
with asyncio, and there is no third place that knows of either.
"""

import ssl
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, cast

from tallystick.client.address import Address
from tallystick.errors import TallystickError, UnavailableError, VerificationError

T = TypeVar("T")


class Wire(Protocol):
    """An open connection. Only its owner, the performer of steps, looks into it."""

    def close(self) -> None:
        """Close it without waiting; closing again does nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a connection; the answer is a `Wire`.

    Attributes:
        address: Where to.
        seconds: How long that may take.
    """

    address: Address
    seconds: float


@dataclass(frozen=True, slots=True)
class Write:
    """Send all of these bytes."""

    wire: Wire
    data: bytes
    seconds: float


@dataclass(frozen=True, slots=True)
class Read:
    """Wait for bytes; the answer is what came, empty at the end."""

    wire: Wire
    seconds: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Give:
    """Hand a result to the caller, who may stop there."""

    value: Any


Step = Connect | Write | Read | Pause | Give
Steps: TypeAlias = Generator[Step, Any, T]
"""Performed to its end, it returns a `T`. A step that fails raises `UnavailableError` in it."""


def lost(error: OSError) -> TallystickError:
    """Return the error that a broken or refused connection becomes."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return VerificationError(
            f"the certificate of the service is not believed: {error.verify_message}",
            advice="hand in tls=, an ssl.SSLContext that knows who signed it",
        )
    if isinstance(error, TimeoutError):
        return UnavailableError("the service takes too long to answer")
    return UnavailableError(f"the service cannot be reached: {error.strerror or error}")


class Progress(Generic[T]):
    """How far the steps of a conversation are; for whoever performs them."""

    def __init__(self, steps: Steps[T]) -> None:
        """Take steps of which none was made."""
        self._steps = steps
        self._result: T | None = None

    @property
    def result(self) -> T:
        """What the steps came to; asked for after the last one."""
        return cast("T", self._result)

    def go_on(self, answer: Any = None) -> Step | None:
        """Hand in what came of the last step; return the next one, None after the last."""
        try:
            return self._steps.send(answer)
        except StopIteration as done:
            self._result = done.value
            return None

    def fail(self, error: BaseException) -> Step | None:
        """Say that the last step failed; return the next one, None after the last."""
        try:
            return self._steps.throw(error)
        except StopIteration as done:
            self._result = done.value
            return None

    def close(self) -> None:
        """Give up: what is open is closed."""
        self._steps.close()
