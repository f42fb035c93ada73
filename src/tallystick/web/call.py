"""One request, as handlers see it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import parse_qsl

from tallystick import tracing
from tallystick.errors import InputError
from tallystick.web import limits
from tallystick.web.access import Caller
from tallystick.web.answers import Receive, Scope, Send
from tallystick.web.bodies import Body

if TYPE_CHECKING:
    from tallystick.web.service import Service

T = TypeVar("T")
_TRUE: Final = frozenset({"true", "1", ""})
_FALSE: Final = frozenset({"false", "0"})


@dataclass(slots=True)
class Call:
    """One request.

    Attributes:
        service: What answers it.
        scope: ASGI scope.
        receive: ASGI receive.
        send: ASGI send.
        headers: Header fields by lower-case name; of several of one name, the last.
        path: Parameters in the path.
        caller: Who asks.
        body: Its body.
    """

    service: "Service"
    scope: Scope
    receive: Receive
    send: Send
    headers: dict[bytes, bytes]
    path: Mapping[str, str]
    caller: Caller
    body: Body
    _query: dict[str, str] | None = field(default=None)

    def header(self, name: bytes) -> str | None:
        """Return a header field, by its lower-case name."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    @property
    def media(self) -> str:
        """Media type of the body, without parameters, in lower case."""
        return (self.header(b"content-type") or "").partition(";")[0].strip().lower()

    @property
    def query(self) -> dict[str, str]:
        """Fields of the query string.

        Raises:
            InputError: A field stands there twice, or there are too many, or not UTF-8.
        """
        if self._query is None:
            self._query = _parse_query(self.scope.get("query_string", b""))
        return self._query

    def flag(self, name: str) -> bool:
        """Return a field of the query that is true or false; false if it is absent.

        Raises:
            InputError: Something else.
        """
        text = self.query.get(name, "false").lower()
        if text not in _TRUE | _FALSE:
            raise InputError(f"{name} must be true or false, got {text[:40]!r}")
        return text in _TRUE

    def accepts(self, media: str) -> bool:
        """Tell whether the client asks for exactly this media type, and not for none of it."""
        for part in (self.header(b"accept") or "").lower().split(","):
            kind, *parameters = (piece.strip() for piece in part.split(";"))
            if kind == media:
                return "q=0" not in parameters
        return False

    def accepts_encoding(self, encoding: str) -> bool:
        """Tell whether the client takes a content encoding."""
        for part in (self.header(b"accept-encoding") or "").lower().split(","):
            kind, *parameters = (piece.strip() for piece in part.split(";"))
            if kind in {encoding, "*"}:
                return not any(p in {"q=0", "q=0.0", "q=0.00", "q=0.000"} for p in parameters)
        return False

    def url(self, path: str) -> str:
        """Return the address of a path of this service, as the client knows it."""
        base = self.service.settings.public_url
        if base is None:
            host = self.header(b"host") or "localhost"
            base = f"{self.scope.get('scheme', 'http')}://{host}{self.scope.get('root_path', '')}"
        return base.rstrip("/") + path

    async def blocking(self, work: Callable[..., T], *args: object) -> T:
        """Run what reads files in a thread, so that others are answered meanwhile."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.service.readers, tracing.carried(work, *args))


def _parse_query(text: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            text.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=limits.QUERY_FIELDS_MAX,
        )
    except ValueError as error:
        raise InputError(
            f"the query must be ASCII with UTF-8 behind percent signs, and have at most "
            f"{limits.QUERY_FIELDS_MAX} fields"
        ) from error
    query = dict(pairs)
    if len(query) < len(pairs):
        raise InputError("a field stands in the query twice")
    return query
