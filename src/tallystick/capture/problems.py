"""What the gateway answers by itself: errors as OpenAI's clients read them.

    {"error": {"message": "…", "type": "server_error", "param": null, "code": "upstream_timeout"}}

Codes are stable. Clients of OpenAI map the status to their exception, and try again by themselves
after 408, 409, 429 and 5xx.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from tallystick.errors import TallystickError

Headers = list[tuple[bytes, bytes]]

KEY_CODES: Final = (
    "key_not_for_this", "model_not_allowed", "budget_exhausted", "usage_not_readable",
    "delegation_revoked", "delegation_expired", "delegation_refused",
)  # fmt: skip
"""Codes of calls that a key is not good for."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One refusal or failure, as the caller sees it.

    Attributes:
        status: HTTP status.
        code: Stable name.
        message: What was seen and what was expected.
        retry_after_s: When trying again makes sense, if that is known.
        final: Trying again by itself makes no sense for a client, whatever the status.
    """

    status: int
    code: str
    message: str
    retry_after_s: int | None = None
    final: bool = False

    def body(self) -> bytes:
        """Return the JSON."""
        error: dict[str, Any] = {
            "message": self.message,
            "type": "server_error" if self.status >= 500 else "invalid_request_error",
            "param": None,
            "code": self.code,
        }
        return msgspec.json.encode({"error": error})

    def headers(self) -> Headers:
        """Return the headers that belong to `body`."""
        headers = [(b"content-type", b"application/json")]
        if self.retry_after_s is not None:
            headers.append((b"retry-after", str(self.retry_after_s).encode()))
        if self.final:  # OpenAI's clients read it
            headers.append((b"x-should-retry", b"false"))
        if self.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if self.status in {408, 413}:  # the rest of the request will not be read
            headers.append((b"connection", b"close"))
        return headers


class ProblemError(TallystickError):
    """A call cannot be served; the caller gets `problem`."""

    code = "gateway.problem"

    def __init__(self, problem: Problem) -> None:
        """Keep what the caller is told."""
        super().__init__(problem.message)
        self.problem = problem


def content_must_stay(model: str) -> Problem:
    """Say that no model API may have the content of a call, by where it is declared to lie."""
    return Problem(
        403,
        "location_refused",
        f"content of this ledger must stay in its place, and nobody who answers for the model "
        f"{model!r:.200} is declared to lie there",
        final=True,
    )


def key_demanded(why: str) -> Problem:
    """Say that only callers with a key of ours are served."""
    return Problem(401, "invalid_api_key", f"{why}; send `Authorization: Bearer tly_…`")


def key_not_for_this(why: str) -> Problem:
    """Say that a key is good for something else."""
    return Problem(403, "key_not_for_this", f"{why}, and not the gateway")


def model_not_allowed(why: str, allowed: Sequence[str]) -> Problem:
    """Say for which models a key is."""
    return Problem(403, "model_not_allowed", f"{why}; it is for {', '.join(allowed)}"[:1000])


def budget_exhausted(unit: str, used: int, most: int, resets_at: int | None, now: int) -> Problem:
    """Say that a key has nothing left, and when it has again."""
    message = f"this key's budget is used up: {used} of {most} {unit}"
    if resets_at is None:
        return Problem(429, "budget_exhausted", f"{message}; it does not reset", final=True)
    when = datetime.fromtimestamp(resets_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return Problem(
        429, "budget_exhausted", f"{message}; it resets at {when}", resets_at - now, final=True
    )


def usage_not_readable(why: str) -> Problem:
    """Say that nobody knows what is left of a budget."""
    return Problem(503, "usage_not_readable", f"this key's budget cannot be checked: {why}", 1)


def delegation_refused(reason: str, why: str) -> Problem:
    """Say that an agent may not act for its principal, or not any more."""
    ended = reason in {"revoked", "expired"}
    code = f"delegation_{reason}" if ended else "delegation_refused"
    message = f"this key acts for somebody under a delegation that does not allow the call: {why}"
    return Problem(403, code, message, final=True)


def bad_subject(why: str) -> Problem:
    """Say that it cannot be read whom a call is about."""
    return Problem(400, "invalid_subject", why)


def not_json(why: str) -> Problem:
    """Say that the request cannot be read."""
    return Problem(400, "invalid_json", f"the request body must be a JSON object: {why}")


def request_too_large(seen: int, most: int) -> Problem:
    """Say how large a request may be."""
    return Problem(
        413, "request_too_large", f"the request has {seen} bytes or more, at most {most} are taken"
    )


def request_too_slow(seconds: float) -> Problem:
    """Say how long a request may take to come."""
    return Problem(408, "request_too_slow", f"the request body did not come within {seconds:g} s")


def too_many_calls(most: int) -> Problem:
    """Say how many calls may be under way."""
    return Problem(429, "too_many_calls", f"{most} calls are under way, the most there may be", 1)


def not_durable(why: str) -> Problem:
    """Say that nothing was asked of the model, because nothing could be recorded."""
    return Problem(
        503,
        "intent_not_durable",
        f"the call cannot be recorded, so the model was not called: {why}",
        1,
    )


def outcome_lost(intent: str, why: str) -> Problem:
    """Say that there is an answer that could not be recorded."""
    return Problem(
        503,
        "outcome_not_durable",
        f"the model answered, but that cannot be recorded: {why}; intent {intent} stays open",
        1,
    )


def stopping() -> Problem:
    """Say that the gateway takes no calls any more, or not yet."""
    return Problem(503, "gateway_stopped", "the gateway is not running", 1)


def no_route(path: str) -> Problem:
    """Say what there is."""
    return Problem(
        404,
        "unknown_url",
        f"no such path: {path!r:.200}; there are /v1/chat/completions, /v1/embeddings and "
        "/v1/models",
    )


def wrong_method(method: str, right: str) -> Problem:
    """Say with which method to ask."""
    return Problem(405, "method_not_allowed", f"ask with {right}, not with {method:.20}")
