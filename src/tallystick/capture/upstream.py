"""The way to a model: one upstream, what it is sent, and what may go wrong.

Requests are passed on byte for byte, with the caller's headers but for those that belong to one
connection, name credentials of ours, or would have the answer compressed: what is recorded is
what a person can read. Redirects are passed on, not followed.
"""

import asyncio
import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote, urlsplit

from tallystick import tracing
from tallystick.capture.about import HEADERS
from tallystick.capture.connection import Connection, Response
from tallystick.capture.problems import Headers, Problem
from tallystick.capture.settings import GatewaySettings, UpstreamSettings
from tallystick.errors import EncodingError, UnavailableError

KEPT_ALIVE_SECONDS: Final = 4.0
"""Below the 5 s after which common servers close an idle connection."""
KEPT_ALIVE_MAX: Final = 64
"""Connections that are kept for the next call."""
UPSTREAM_ERRORS: Final = (OSError, UnavailableError, EncodingError)
"""What `describe` can describe."""

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
_PATH_SAFE: Final = "!$&'()*+,-./:;=@_~"
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

    def __init__(self, settings: GatewaySettings, one: UpstreamSettings | None = None) -> None:
        """Connect when something is asked.

        Args:
            settings: What holds for all upstreams.
            one: Which of them; the only one by default.
        """
        one = one or settings.all_upstreams()[0]
        self.name, self.models = one.name, one.models
        self.allowed = settings.may_send(one)
        self._connect_s, self._idle_s = settings.connect_s, one.idle_s or settings.idle_s
        key = settings.key_of(one)
        self._own = f"Bearer {key}" if key else None
        self._caller_keys = one.caller_keys
        self.base = one.url.rstrip("/")
        parts = urlsplit(self.base)
        self._host = (parts.hostname or "").encode("idna").decode()
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._path = quote(parts.path, safe=_PATH_SAFE + "%")
        name = f"[{self._host}]" if ":" in self._host else self._host
        named = f"{name}:{parts.port}" if parts.port else name
        self._fixed = f"host: {named}\r\naccept-encoding: identity\r\n".encode()
        self._free: list[tuple[Connection, float]] = []
        self._closed = False

    def authorization(self, brought: str | None) -> str | None:
        """Return what it is sent of credentials.

        Args:
            brought: What the caller sent for an upstream, if anything.
        """
        return (brought if self._caller_keys else None) or self._own

    def close(self) -> None:
        """Give all connections back."""
        self._closed = True
        while self._free:
            self._free.pop()[0].abort()

    async def ask(
        self, method: str, path: str, query: bytes, headers: Headers, body: bytes
    ) -> Response:
        """Send a request; return the answer when its head is there.

        Args:
            method: HTTP method.
            path: Under the base URL, not percent-encoded.
            query: As it came.
            headers: See `sent_headers`.
            body: Sent as it is.

        Raises:
            UnavailableError: There is no connection to be had.
            OSError: The connection was lost.
            TimeoutError: The upstream said nothing for too long.
            EncodingError: What it said is no HTTP.
        """
        head = self._head(method, path, query, headers, len(body))
        connection = self._kept() or await self._connect()
        return await connection.ask(head, body)

    def _head(self, method: str, path: str, query: bytes, headers: Headers, length: int) -> bytes:
        target = self._path + quote(path, safe=_PATH_SAFE)
        if query:
            target += "?" + quote(query, safe=_QUERY_SAFE)
        lines = [f"{method} {target} HTTP/1.1\r\n".encode(), self._fixed]
        lines += [b"%b: %b\r\n" % header for header in headers]
        if length or method == "POST":
            lines.append(b"content-length: %d\r\n" % length)
        return b"".join((*lines, b"\r\n"))

    def _kept(self) -> Connection | None:
        """Return the connection that was used last, unless all are too old."""
        oldest = asyncio.get_running_loop().time() - KEPT_ALIVE_SECONDS
        while self._free:
            connection, since = self._free.pop()
            if since >= oldest and connection.usable:
                return connection
            connection.abort()
        return None

    async def _connect(self) -> Connection:
        loop, idle_s = asyncio.get_running_loop(), self._idle_s
        try:
            async with asyncio.timeout(self._connect_s):
                _, connection = await loop.create_connection(
                    lambda: Connection(idle_s, self._release),
                    self._host,
                    self._port,
                    ssl=self._tls,
                )
        except TimeoutError as error:
            raise UnavailableError(f"no connection within {self._connect_s:g} s") from error
        except OSError as error:
            raise UnavailableError(f"{error}") from error
        return connection

    def _release(self, connection: Connection) -> None:
        if self._closed or len(self._free) >= KEPT_ALIVE_MAX:
            connection.abort()
        else:
            self._free.append((connection, asyncio.get_running_loop().time()))


def sent_headers(headers: Iterable[tuple[bytes, bytes]], authorization: str | None) -> Headers:
    """Return the headers that the upstream gets, beside those of the connection.

    A trace that the caller is in goes on there, with our part in it as its parent.
    """
    trace = tracing.current()
    sent = [
        (name, value if name != b"traceparent" or trace is None else trace.header())
        for name, value in headers
        if name not in _NOT_SENT and not name.startswith(_OURS) and name not in HEADERS
    ]
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


def describe(error: Exception, name: str) -> Trouble:
    """Say what went wrong on the way to an upstream or back.

    Args:
        error: One of `UPSTREAM_ERRORS`.
        name: What the settings call the upstream; its address may not be the caller's business.
    """
    words = f"{error}" or type(error).__name__
    if isinstance(error, UnavailableError):
        return Trouble(
            "unreachable",
            Problem(
                502, "upstream_unreachable", f"the upstream {name!r} cannot be reached: {words}"
            ),
        )
    if isinstance(error, TimeoutError):
        return Trouble(
            "timeout",
            Problem(504, "upstream_timeout", f"the upstream {name!r} did not answer: {words}"),
        )
    if isinstance(error, EncodingError):
        return Trouble(
            "malformed",
            Problem(
                502, "upstream_malformed", f"the upstream {name!r} does not speak HTTP: {words}"
            ),
        )
    return Trouble(
        "broken",
        Problem(
            502, "upstream_broken", f"the answer of the upstream {name!r} was cut off: {words}"
        ),
    )
