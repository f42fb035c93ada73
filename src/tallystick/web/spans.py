"""Spans of the service: what one says about a request, and whether anybody wants them.

OpenTelemetry's libraries are loaded only where an endpoint is set.

Source:
    OpenTelemetry, semantic conventions for HTTP server spans. Left out on purpose: `url.path`,
    `url.query`, `client.address`, `user_agent.original`, which may speak of people.
"""

from time import time_ns
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from tallystick import tracing
from tallystick.errors import InputError, missing_extra
from tallystick.tracing import Span, Trace
from tallystick.web.answers import Scope
from tallystick.web.settings import Settings

if TYPE_CHECKING:
    from tallystick.web.otlp import Exporter

TRACES: Final = "/v1/traces"
"""Where OTLP over HTTP takes spans, below the endpoint."""
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_EXPECTED: Final = "a base URL such as http://127.0.0.1:4318"
OTHER: Final = "_OTHER"
"""Stands for a method that is none of those."""


def exporter(settings: Settings) -> "Exporter | None":
    """Return what takes the spans to the collector that the settings name; None if they name none.

    Raises:
        InputError: The endpoint is no URL of one.
        MissingExtraError: The libraries are not installed.
    """
    if settings.otlp_endpoint is None:
        return None
    url = traces_url(settings.otlp_endpoint)
    return load_exporter()(url, settings.otlp_ratio)


def load_exporter() -> "type[Exporter]":
    """Load OpenTelemetry's libraries.

    Raises:
        MissingExtraError: They are not installed.
    """
    try:
        from tallystick.web.otlp import Exporter
    except ModuleNotFoundError as error:
        raise missing_extra(error) from error
    return Exporter


def traces_url(endpoint: str) -> str:
    """Return where spans go.

    Raises:
        InputError: It is no base URL, or has a password in it.
    """
    try:
        parts = urlsplit(endpoint)
        known = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError as error:
        raise InputError(f"otlp_endpoint must be {_EXPECTED}, got no URL") from error
    if not known or parts.query or parts.fragment:
        raise InputError(f"otlp_endpoint must be {_EXPECTED}, got {parts.scheme[:20]}://…")
    if "@" in parts.netloc:
        raise InputError(
            "otlp_endpoint has a user or password in it, which would stand in logs",
            advice="set OTEL_EXPORTER_OTLP_HEADERS=authorization=… in the environment",
        )
    return endpoint.rstrip("/").removesuffix(TRACES) + TRACES


def request_span(trace: Trace, scope: Scope, status: int, seconds: float) -> Span:
    """Return the span of a request that was answered just now.

    Args:
        trace: Our part, whose ids `traceresponse` carries.
        scope: ASGI scope, with its route where something knew it.
        status: Of the answer; 0 where there was none.
        seconds: How long it took.
    """
    ended, route = time_ns(), scope.get(tracing.ROUTE)
    method = scope["method"] if scope["method"] in METHODS else OTHER
    span = Span(trace, method, "server", ended - int(seconds * 1e9), ended)
    span.attributes |= {"http.request.method": method, "url.scheme": scope.get("scheme", "http")}
    if route is not None:
        span.name = f"{method} {route}"
        span.attributes["http.route"] = route
    if status:
        span.attributes["http.response.status_code"] = status
    if status >= 500:
        span.error = str(status)
    return span
