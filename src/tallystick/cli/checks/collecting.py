"""Checks of the OpenTelemetry collector: its address, the libraries, and whether it answers."""

import http.client
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from tallystick.cli.checks.finding import Finding, ok, warning

if TYPE_CHECKING:
    from tallystick.web import Settings

ASK_SECONDS: Final = 3.0
"""How long the collector may take to answer."""
_PROTOBUF: Final = {"content-type": "application/x-protobuf"}


def collector(settings: "Settings", *, ask: bool = False) -> Iterator[Finding]:
    """Check where spans go; nothing is found where none are made.

    Args:
        settings: Name the endpoint.
        ask: Send the collector a request without spans, which OTLP allows.

    Raises:
        InputError: The endpoint is no URL.
        MissingExtraError: The libraries are not installed.
    """
    from tallystick.web.spans import load_exporter, traces_url

    if settings.otlp_endpoint is None:
        return
    url = traces_url(settings.otlp_endpoint)
    load_exporter()
    yield _answered(url) if ask else ok("otlp", f"spans go to {url}")


def _answered(url: str) -> Finding:
    """Ask the collector; the service works without it, so that is a warning."""
    parts = urlsplit(url)
    try:
        status = _post(parts)
    except (OSError, http.client.HTTPException) as error:
        seen = f"{url} does not answer: {f'{error}' or type(error).__name__}"
        return warning("otlp", seen, "a collector that takes spans", "start it, or correct the URL")
    if 200 <= status < 300:
        return ok("otlp", f"{url} takes spans")
    mend = "OTEL_EXPORTER_OTLP_HEADERS, which is not sent here" if status in {401, 403} else ""
    return warning("otlp", f"{url} answers {status}", "200", mend)


def _post(parts: SplitResult) -> int:
    """Send a request without spans, and return the status of the answer."""
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    with closing(kind(parts.netloc, timeout=ASK_SECONDS)) as connection:
        connection.request("POST", parts.path, b"", _PROTOBUF)
        return connection.getresponse().status
