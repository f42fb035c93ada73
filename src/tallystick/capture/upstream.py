"""The way to the model: one HTTP client, what it is sent, and what may go wrong.

Requests are passed on byte for byte, with the caller's headers but for those that belong to one
connection, name credentials of ours, or would have the answer compressed: what is recorded is
what a person can read. Redirects are passed on, not followed.
"""

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote

import aiohttp
import yarl

from tallystick.capture.problems import Headers, Problem
from tallystick.capture.settings import GatewaySettings

KEPT_ALIVE_SECONDS: Final = 4.0
"""Below the 5 s after which common servers close an idle connection."""
LARGE_BYTES: Final = 1 << 20
"""Bodies beyond this are sent piece by piece."""
READ_BUFFER_BYTES: Final = 1 << 16
"""What is read ahead of a slow caller, at most about twice this."""

Failure = Literal["timeout", "broken", "malformed", "unreachable"]

_CONNECTION: Final = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization",
        b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip
_NOT_SENT: Final = _CONNECTION | {
    b"host", b"content-length", b"accept-encoding", b"authorization", b"cookie", b"expect",
}  # fmt: skip
_NOT_PASSED: Final = _CONNECTION | {b"content-length", b"set-cookie", b"server", b"date"}
_QUERY_SAFE: Final = "!$%&'()*+,-./:;=?@_~[]"
_OURS: Final = b"x-tallystick-"
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_UNSAFE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Trouble:
    """How an upstream failed.

    Attributes:
        status: Word for it in the outcome.
        problem: What the caller is told, if nothing was passed on yet.
    """

    status: Failure
    problem: Problem


class Upstream:
    """One upstream, with connections that are used again."""

    def __init__(self, settings: GatewaySettings) -> None:
        """Use `open` in the event loop."""
        self._settings = settings
        self.base = settings.upstream.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> None:
        """Begin; needs the running event loop."""
        settings = self._settings
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=settings.calls_max, keepalive_timeout=KEPT_ALIVE_SECONDS
            ),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=settings.connect_s, sock_read=settings.idle_s
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=READ_BUFFER_BYTES,
            skip_auto_headers=("User-Agent", "Accept", "Content-Type"),
        )

    async def close(self) -> None:
        """Give all connections back."""
        if self._session is not None:
            await self._session.close()

    async def ask(
        self, method: str, path: str, query: bytes, headers: Headers, body: bytes
    ) -> aiohttp.ClientResponse:
        """Send a request; return the answer when its head is there.

        Raises:
            aiohttp.ClientError: See `describe`.
            TimeoutError: See `describe`.
        """
        assert self._session is not None  # noqa: S101 - `open` comes first
        url = f"{self.base}{path}?{quote(query, safe=_QUERY_SAFE)}" if query else self.base + path
        return await self._session.request(
            method,
            yarl.URL(url, encoded=True),
            data=(io.BytesIO(body) if len(body) > LARGE_BYTES else body) or None,
            headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers],
            allow_redirects=False,
        )


def sent_headers(headers: Iterable[tuple[bytes, bytes]], authorization: str | None) -> Headers:
    """Return the headers that the upstream gets."""
    sent = [
        (name, value)
        for name, value in headers
        if name not in _NOT_SENT and not name.startswith(_OURS)
    ]
    sent.append((b"accept-encoding", b"identity"))
    if authorization:
        sent.append((b"authorization", authorization.encode("latin-1")))
    return sent


def passed_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return the headers that the caller gets; what no header may be is left out."""
    lowered = ((name.lower(), value) for name, value in headers)
    return [
        (name, value)
        for name, value in lowered
        if name not in _NOT_PASSED
        and not name.startswith(_OURS)
        and _NAME.fullmatch(name)
        and not _UNSAFE.search(value)
    ]


def describe(error: Exception) -> Trouble:
    """Say what went wrong on the way to the upstream or back."""
    words = f"{error}" or type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return Trouble(
            "unreachable",
            Problem(502, "upstream_unreachable", f"the upstream cannot be reached: {words}"),
        )
    if isinstance(error, TimeoutError):
        return Trouble(
            "timeout", Problem(504, "upstream_timeout", f"the upstream did not answer: {words}")
        )
    if isinstance(error, aiohttp.ClientResponseError):
        return Trouble(
            "malformed",
            Problem(502, "upstream_malformed", f"the upstream does not speak HTTP: {words}"),
        )
    return Trouble(
        "broken", Problem(502, "upstream_broken", f"the upstream's answer was cut off: {words}")
    )
