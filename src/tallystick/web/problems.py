"""Errors as answers: RFC 9457 in JSON for the native API, RFC 9290 in CBOR for SCRAPI.

The type of a problem is `urn:tallystick:error:` and the stable code of the error, as
`tallystick.errors` and the classes below have it.

Source:
    RFC 9457; RFC 9290, section 2; SCRAPI draft-11, section 2.
"""

from collections.abc import Mapping
from math import ceil
from typing import ClassVar, Final

import msgspec

from tallystick.capture.roles import RoleError
from tallystick.errors import (
    EncodingError,
    InputError,
    LimitError,
    NotFoundError,
    RefusedError,
    TallystickError,
    UnavailableError,
)
from tallystick.statement import dcbor
from tallystick.web.answers import Answer, Headers

JSON: Final = "application/problem+json"
CBOR: Final = "application/concise-problem-details+cbor"
TYPE: Final = "urn:tallystick:error:"
INTERNAL: Final = "internal"

_TITLE, _DETAIL = -1, -2
"""Keys of RFC 9290."""


class MethodError(InputError):
    """The resource does not know this method."""

    code = "http.method"
    http_status = 405


class ProtocolError(InputError):
    """Not HTTP."""

    code = "http.protocol"


class MediaTypeError(InputError):
    """A body of a media type that is not taken here."""

    code = "http.media-type"
    http_status = 415


class SlowError(InputError):
    """The request came too slowly."""

    code = "http.slow"
    http_status = 408


class HeaderLimitError(LimitError):
    """Headers larger than what is accepted."""

    code = "http.header-limit"
    http_status = 431


class BusyError(UnavailableError):
    """More requests, or more bytes, than the service holds at the same time."""

    code = "unavailable.busy"


class RateError(UnavailableError):
    """One caller asks too often."""

    code = "unavailable.rate"
    http_status = 429

    def __init__(self, words: str, *, seconds: float, quota: int, window: float) -> None:
        """Say when to ask again.

        Args:
            words: What is allowed.
            seconds: Until one more request is.
            quota: Requests in a window.
            window: Its seconds.
        """
        super().__init__(words, advice=f"ask again in {ceil(seconds)} s, or register in batches")
        self.seconds, self.quota, self.window = seconds, quota, window


class KeyRequiredError(RefusedError):
    """An API key is needed, or the one that was given is not valid."""

    code = "refused.key"
    http_status = 401


class WrongTenantError(KeyRequiredError):
    """The API key is for another ledger of this service."""

    code = "refused.wrong-tenant"


class SignInError(RefusedError):
    """Nobody was signed in: what came back from the provider is not believed, or gives no role.

    Args:
        message: What was seen and what was expected; never a token or a name.
        reason: Stable name of the rule, such as `oidc.nonce`; see `tallystick.web.oidc`.
        advice: What the person, or the operator, can do.
    """

    code = "refused.sign-in"


class CrossSiteError(RefusedError):
    """A page of another site, or none that says so, asks in the name of who is signed in."""

    code = "refused.cross-site"


class ProviderAwayError(UnavailableError):
    """The provider with which people sign in does not answer, or not as one does."""

    code = "unavailable.provider"


class ScrapiError(InputError):
    """An error that SCRAPI has a title of its own for."""

    code = "scrapi"
    title: ClassVar[str] = "Malformed request"


class LocatorError(ScrapiError):
    """The locator of an entry is not in a valid form."""

    code = "scrapi.locator"
    title = "Invalid locator"


class AlgorithmError(ScrapiError):
    """The statement is signed with an algorithm that is not accepted."""

    code = "scrapi.algorithm"
    title = "Bad Signature Algorithm"


class PayloadMissingError(ScrapiError):
    """The statement has a detached payload."""

    code = "scrapi.payload"
    title = "Payload Missing"


class NoSuchKeyError(NotFoundError):
    """The service has no key with this id."""

    code = "scrapi.key"


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Problem details (RFC 9457).

    Attributes:
        type: `urn:tallystick:error:` and a stable code.
        title: What kind of problem it is, the same every time.
        status: HTTP status; in a batch, the one the entry alone would have got.
        detail: What was seen and what was expected.
        reason: Rule of the registration policy that refused, see docs of admission.
        advice: What to do next.
    """

    type: str
    title: str
    status: int
    detail: str
    reason: str | None = None
    advice: str | None = None


def problem_of(error: Exception) -> Problem:
    """Describe an error; of one that nobody expected, nothing is shown."""
    if not isinstance(error, TallystickError):
        return Problem(
            type=TYPE + INTERNAL,
            title="An error of the service itself",
            status=500,
            detail="the service failed; its log says how",
        )
    return Problem(
        type=TYPE + error.code,
        title=title_of(type(error)),
        status=error.http_status,
        detail=str(error),
        reason=getattr(error, "reason", None),
        advice=error.advice,
    )


def title_of(kind: type[TallystickError]) -> str:
    """Return what the class says of itself in one line."""
    return (kind.__doc__ or kind.__name__).partition("\n")[0].rstrip(".")


def native_answer(error: Exception) -> Answer:
    """Return the answer of the native API."""
    problem = problem_of(error)
    return Answer(msgspec.json.encode(problem), JSON, problem.status, headers_of(error))


def scrapi_answer(error: Exception) -> Answer:
    """Return the answer of SCRAPI, whose refusals are all of status 400."""
    problem = problem_of(error)
    detail = problem.detail if problem.reason is None else f"{problem.detail} ({problem.reason})"
    body = dcbor.encode({_TITLE: _scrapi_title(error, problem), _DETAIL: detail})
    status = 400 if problem.status in {403, 422} else problem.status
    return Answer(body, CBOR, status, headers_of(error))


def _scrapi_title(error: Exception, problem: Problem) -> str:
    match error:
        case ScrapiError():
            return error.title
        case NoSuchKeyError():
            return "No such key"
        case NotFoundError():
            return "Not Found"
        case EncodingError():
            return ScrapiError.title
    return "Rejected" if problem.status in {403, 422} else problem.title


def headers_of(error: Exception) -> Headers:
    """Return the header fields that HTTP wants beside a status."""
    match error:
        case RateError():
            again, window = ceil(error.seconds), ceil(error.window)
            return (
                (b"retry-after", b"%d" % again),
                (b"ratelimit-policy", b'"requests";q=%d;w=%d' % (error.quota, window)),
                (b"ratelimit", b'"requests";r=0;t=%d' % again),
            )
        case ProviderAwayError():
            return ((b"retry-after", b"10"),)
        case UnavailableError():
            return ((b"retry-after", b"1"),)
        case KeyRequiredError():
            return ((b"www-authenticate", b'Bearer realm="tallystick"'),)
        case LimitError() | SlowError():
            return ((b"connection", b"close"),)  # the rest of the body was not read
    return ()


ERRORS: Final[Mapping[str, type[TallystickError]]] = {
    kind.code: kind
    for kind in (
        MethodError,
        ProtocolError,
        MediaTypeError,
        SlowError,
        HeaderLimitError,
        BusyError,
        RateError,
        KeyRequiredError,
        WrongTenantError,
        SignInError,
        CrossSiteError,
        ProviderAwayError,
        RoleError,
        LocatorError,
        AlgorithmError,
        PayloadMissingError,
        NoSuchKeyError,
    )
}
"""Errors that only HTTP has, by code."""
