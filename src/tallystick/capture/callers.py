"""Who calls: an originator by key, or somebody on this machine who only says so.

| request | assurance | acted for | the upstream sees |
|---|---|---|---|
| `Bearer tly_…` | `api-key` | the key's originator, or whoever let it act | the gateway's own key |
| loopback, no key | `asserted` | nobody named | the gateway's own key |
| loopback, another bearer token | `asserted` | nobody named | that token, where `caller_keys` |
| anything else | refused, 401, counted, not recorded: strangers write no statements | | |

A web page that somebody on this machine visits can send requests to loopback too. Without a key
only such requests are served that name a loopback host and come from no other page.
"""

import ipaddress
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from tallystick.capture.api_keys import PREFIX, ApiKey, ApiKeys
from tallystick.capture.problems import Problem, ProblemError, key_demanded
from tallystick.capture.settings import GatewaySettings
from tallystick.errors import RefusedError, TallystickError
from tallystick.statement import Assurance, Relation

_BEARER: Final = "bearer "

ACCEPTED: Final = "tallystick.accepted"
"""Set in the scope of a request whose API key is valid."""
FORWARDED: Final = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip"})
"""Header fields of a proxy: the request is somebody else's, wherever it comes from."""


@dataclass(frozen=True, slots=True)
class Caller:
    """For whom a call is made.

    Attributes:
        assurance: How strongly the originator is known.
        links: Names the originator's registered key, if there is one.
        brought: Credentials for an upstream that the caller sent; never recorded.
        key: The API key under which the call came, if there is one.
    """

    assurance: str
    links: Mapping[str, tuple[bytes, ...]]
    brought: str | None
    key: ApiKey | None = None


class Callers:
    """Decides who may call. Counts whom it refused."""

    def __init__(self, keys: ApiKeys, settings: GatewaySettings, clock: Callable[[], int]) -> None:
        """Look tokens up in `keys`, as of `clock`, in seconds since 1970."""
        self._keys, self._clock = keys, clock
        self._loopback_allowed = not settings.require_key
        self.refused = 0

    def identify(self, scope: MutableMapping[str, Any]) -> Caller:
        """Return who calls.

        Raises:
            ProblemError: Nobody who may.
        """
        try:
            return self._identify(scope, _chosen(scope["headers"]))
        except ProblemError:
            self.refused += 1
            raise

    def _identify(self, scope: MutableMapping[str, Any], headers: Mapping[bytes, str]) -> Caller:
        authorization = headers.get(b"authorization", "")
        is_bearer = authorization[: len(_BEARER)].lower() == _BEARER
        token = authorization[len(_BEARER) :].strip() if is_bearer else ""
        if token.startswith(PREFIX):
            caller = self._resolve(token)
            scope[ACCEPTED] = True
            return caller
        if not self._loopback_allowed or not _is_local(scope, headers):
            raise ProblemError(key_demanded("this gateway serves callers with a key of its own"))
        return Caller(Assurance.ASSERTED, {}, authorization or None)

    def _resolve(self, token: str) -> Caller:
        try:
            key = self._keys.resolve(token, self._clock())
        except RefusedError as error:
            raise ProblemError(key_demanded(str(error))) from error
        except TallystickError as error:
            raise ProblemError(Problem(503, "keys_not_readable", str(error), 1)) from error
        links = {str(Relation.ACTED_FOR): (bytes.fromhex(key.statement),)}
        return Caller(Assurance.API_KEY, links, None, key)


def _chosen(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, str]:
    wanted = (b"authorization", b"host", b"origin", *FORWARDED)
    return {name: value.decode("latin-1") for name, value in headers if name in wanted}


def _is_local(scope: Mapping[str, Any], headers: Mapping[bytes, str]) -> bool:
    """Tell whether a request comes over loopback, and not from a page of another site."""
    host, origin = headers.get(b"host", ""), headers.get(b"origin")
    ends = (scope.get("client"), scope.get("server"))
    if not FORWARDED.isdisjoint(headers):
        return False  # a proxy passes it on for somebody else
    same_page = origin in {None, f"{scope.get('scheme', 'http')}://{host}"}
    return same_page and _is_loopback(host) and all(end and _is_loopback(end[0]) for end in ends)


@lru_cache(maxsize=256)
def _is_loopback(host: str) -> bool:
    """Tell whether a host, perhaps with a port, is this machine by its own word."""
    try:
        bare_v6 = host.count(":") > 1 and not host.startswith("[")  # as sockets name their ends
        name = host if bare_v6 else urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
