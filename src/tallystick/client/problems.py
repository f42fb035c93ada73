"""From problem details back to the error that the service raised, as if it were raised here."""

from typing import Any, Final

import msgspec

from tallystick.client.http1 import Response
from tallystick.errors import (
    EncodingError,
    InputError,
    NotFoundError,
    RefusedError,
    TallystickError,
    UnavailableError,
)

TYPE: Final = "urn:tallystick:error:"
TEXT_MAX: Final = 2000
"""Letters of a problem's texts that are kept."""


class Problem(msgspec.Struct):
    """Problem details (RFC 9457), as far as they are read."""

    type: str = ""
    title: str = ""
    detail: str = ""
    reason: str | None = None
    advice: str | None = None


_decode: Final = msgspec.json.Decoder(Problem).decode


def error_of(response: Response) -> TallystickError:
    """Return the error that a response of status 400 or more tells of."""
    try:
        problem = _decode(response.body)
    except (msgspec.DecodeError, RecursionError):
        problem = Problem(title=f"the service answered with status {response.status}")
    return raised(problem, response.status)


def raised(problem: Problem, status: int = 0) -> TallystickError:
    """Return the error that a problem tells of.

    The code decides; of one that this release does not know, the part that it knows, else the
    status.
    """
    kind = _kind(problem.type.removeprefix(TYPE), status)
    detail = (problem.detail or problem.title or "the service gives no reason")[:TEXT_MAX]
    advice = None if problem.advice is None else problem.advice[:TEXT_MAX]
    if issubclass(kind, RefusedError):
        return kind(detail, reason=(problem.reason or "")[:TEXT_MAX], advice=advice)
    return kind(detail, advice=advice)


def _kind(code: str, status: int) -> type[TallystickError]:
    kinds = {kind.code: kind for kind in _all(TallystickError)}
    while code and code not in kinds:
        code = code.rpartition(".")[0]
    if code:
        return kinds[code]
    named: dict[int, type[TallystickError]] = {
        401: RefusedError,
        403: RefusedError,
        404: NotFoundError,
        408: UnavailableError,
        429: UnavailableError,
    }
    known = named.get(status)
    return known or (InputError if 400 <= status < 500 else UnavailableError)


def _all(kind: type[TallystickError]) -> list[type[TallystickError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _all(child))]


def decode(decoder: "msgspec.json.Decoder[Any]", data: bytes | str, what: str) -> Any:
    """Decode JSON of a known form.

    Raises:
        EncodingError: Something else.
    """
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise EncodingError(f"{what} is not what this client knows: {error}") from error
