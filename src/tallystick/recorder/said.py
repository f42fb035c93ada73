"""What an application says of a call, as it stands in a frame: MessagePack arrays with a tag."""

from collections.abc import Callable
from typing import Any, Literal

import msgspec


class Asked(msgspec.Struct, tag=1, array_like=True, frozen=True):
    """A call begins; its number is that of its frame.

    Attributes:
        started_ms: The application's clock, milliseconds since 1970.
        operation: What is asked for, by its OpenTelemetry name.
        request: What it is called with, as JSON.
        model: The model that is asked, as far as the application says so.
        parameters: How it is asked, beside the request.
        subject: Whom it is about; stays in the vault.
        purpose: What for.
        function: Name of what is called; empty where that is no function.
    """

    started_ms: int
    operation: str
    request: bytes
    model: str = ""
    parameters: dict[str, Any] = {}
    subject: str | None = None
    purpose: str = ""
    function: str = ""


class Ended(msgspec.Struct, tag=2, array_like=True, frozen=True):
    """A call ended.

    Attributes:
        number: Of the frame with which it began.
        status: `ok`, `error` (it raised), `cancelled`.
        response: What it returned, as JSON; empty where it returned nothing.
        answer: The text of it, where it is one.
        duration_ms: Milliseconds that it took.
        error: Name of what was raised, and its words.
        usage: Tokens and the like, where the application says so.
        model: The model that answered, where the application says so.
        subject: Whom the call was about, as at its beginning.
        purpose: What for, as at its beginning.
    """

    number: int
    status: Literal["ok", "error", "cancelled"]
    response: bytes
    answer: str | None
    duration_ms: float
    error: str | None = None
    usage: dict[str, Any] | None = None
    model: str | None = None
    subject: str | None = None
    purpose: str = ""


class Missed(msgspec.Struct, tag=3, array_like=True, frozen=True):
    """Calls went on, or were refused, while nothing could be recorded.

    Attributes:
        passed: Calls that went on without a record.
        since_ms: When the first of them came.
        until_ms: When this could be said.
        reason: Why nothing could be recorded.
    """

    passed: int
    since_ms: int
    until_ms: int
    reason: str


class Closed(msgspec.Struct, tag=4, array_like=True, frozen=True):
    """The process says nothing more in this file."""


Said = Asked | Ended | Missed | Closed
encode = msgspec.msgpack.Encoder().encode
parse: Callable[[bytes], Said] = msgspec.msgpack.Decoder(Said).decode
