"""What is wrong with a request, as OpenAI's clients read it.

{"error": {"message": "…", "type": "invalid_request_error", "param": "messages", "code": "…"}}
"""

from dataclasses import dataclass

import msgspec

from tallystick.errors import TallystickError


@dataclass(frozen=True, slots=True)
class Problem:
    """One refusal or failure, as the caller sees it.

    Attributes:
        status: HTTP status.
        code: Stable name.
        message: What was seen and what was expected.
        param: Member of the request that it is about, if it is about one.
        retry_after_s: When trying again makes sense, if that is known.
    """

    status: int
    code: str
    message: str
    param: str | None = None
    retry_after_s: int | None = None

    def body(self) -> bytes:
        """Return the JSON."""
        error = {
            "message": self.message,
            "type": "server_error" if self.status >= 500 else "invalid_request_error",
            "param": self.param,
            "code": self.code,
        }
        return msgspec.json.encode({"error": error})

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers that belong to `body`."""
        headers = [(b"content-type", b"application/json")]
        if self.retry_after_s is not None:
            headers.append((b"retry-after", str(self.retry_after_s).encode()))
        if self.status in {408, 413}:  # the rest of the request will not be read
            headers.append((b"connection", b"close"))
        return headers


class ProblemError(TallystickError):
    """A request cannot be answered; the caller gets `problem`."""

    code = "endpoint.problem"

    def __init__(self, problem: Problem) -> None:
        """Keep what the caller is told."""
        super().__init__(problem.message)
        self.problem = problem


def not_json(why: str) -> ProblemError:
    """Say that the request cannot be read."""
    return ProblemError(Problem(400, "invalid_json", f"the body must be a JSON object: {why}"))


def wrong_value(why: str, param: str | None) -> ProblemError:
    """Say which member of the request is wrong."""
    return ProblemError(Problem(400, "invalid_value", why, param))


def unsupported(param: str, why: str) -> ProblemError:
    """Say what this model cannot do."""
    return ProblemError(Problem(400, "unsupported_parameter", why, param))


def unknown_model(name: str, known: list[str]) -> ProblemError:
    """Say which models there are."""
    message = f"there is no model {name!r:.200}; there are: {', '.join(known)}"
    return ProblemError(Problem(404, "model_not_found", message, "model"))


def context_exceeded(most: int, param: str) -> ProblemError:
    """Say how long a question may be."""
    message = (
        f"this model's maximum context length is {most} tokens, question and answer together; "
        f"the {param} alone have that many or more"
    )
    return ProblemError(Problem(400, "context_length_exceeded", message, param))


def too_large(most: int) -> ProblemError:
    """Say how large a request may be."""
    return ProblemError(
        Problem(413, "request_too_large", f"the body is larger than {most} bytes, the most taken")
    )


def too_slow(seconds: float) -> ProblemError:
    """Say how long a request may take to come."""
    return ProblemError(
        Problem(408, "request_too_slow", f"the body did not come within {seconds:g} s")
    )


def too_many(most: int) -> ProblemError:
    """Say how many answers may be under way."""
    message = f"{most} answers are under way, the most there may be"
    return ProblemError(Problem(429, "too_many_calls", message, None, 1))


def no_route(path: str) -> ProblemError:
    """Say what there is."""
    message = (
        f"no such path: {path!r:.200}; there are /v1/chat/completions, /v1/embeddings and "
        "/v1/models"
    )
    return ProblemError(Problem(404, "unknown_url", message))


def wrong_method(seen: str, right: str) -> ProblemError:
    """Say which method a path takes."""
    return ProblemError(Problem(405, "method_not_allowed", f"expected {right}, got {seen:.20}"))
