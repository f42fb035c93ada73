"""Who is calling, and what that allows.

Reading the log is open to everybody: a ledger that not everybody can verify is none. Writing and
content need either a caller on this machine or an API key. "On this machine" means all of: the
connection comes from a loopback address; the request names a loopback host, so that a page in a
browser cannot reach us under a name of its own (DNS rebinding); no proxy says that it passes the
request on for somebody else.

Trust: whoever can open connections from this machine counts as its user. Run a proxy that adds
no `Forwarded` or `X-Forwarded-For`, and everybody it lets in counts as such, too.
"""

import ipaddress
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Protocol

from tallystick.errors import RefusedError
from tallystick.web.answers import Scope
from tallystick.web.problems import KeyRequiredError
from tallystick.web.settings import is_loopback

_FORWARDED: Final = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip"})
_BEARER: Final = "bearer "

NOT_FOR_THIS: Final = "api-key.not-for-this"
"""Reason for which a valid key is refused: another one would do, the same one never will."""


class Authorize(Protocol):
    """Knows API keys; handed in by whoever puts the service together."""

    def __call__(self, key: str) -> str | None:
        """Accept a key, and return the DID of whom it stands for. Called for each request.

        Raises:
            RefusedError: The key is not known, expired or revoked, or (`NOT_FOR_THIS`) it is
                good for something else only.
        """
        ...


class Access(Enum):
    """Who may use an operation."""

    EVERYBODY = auto()
    TRUSTED = auto()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling.

    Attributes:
        local: On this machine, and that counts.
        authorised: With a valid API key.
        originator: DID of whom that key stands for; None without one.
    """

    local: bool
    authorised: bool
    originator: str | None = None

    @property
    def trusted(self) -> bool:
        """May write, and see content where the settings allow it."""
        return self.local or self.authorised

    def check(self, access: Access) -> None:
        """Refuse a caller who may not use an operation.

        Raises:
            KeyRequiredError: An API key is needed.
        """
        if access is Access.TRUSTED and not self.trusted:
            raise KeyRequiredError(
                "this needs an API key",
                reason="api-key.missing",
                advice="send `Authorization: Bearer tly_…`; the operator makes keys",
            )


def identify(
    scope: Scope,
    headers: dict[bytes, bytes],
    authorize: Authorize | None,
    *,
    require_key: bool = False,
) -> Caller:
    """Tell who is calling.

    Args:
        scope: ASGI scope.
        headers: Header fields by lower-case name.
        authorize: Knows API keys.
        require_key: Being on this machine counts for nothing.

    Raises:
        KeyRequiredError: A key was given, and it is not valid.
        RefusedError: It is valid, and not good for this.
    """
    local = not require_key and _is_local(scope, headers)
    key = headers.get(b"authorization", b"").decode("latin-1")
    if authorize is None or not key.lower().startswith(_BEARER):
        return Caller(local=local, authorised=False)
    try:
        originator = authorize(key[len(_BEARER) :].strip())
    except RefusedError as error:
        if error.reason == NOT_FOR_THIS:
            raise
        raise KeyRequiredError(str(error), reason=error.reason, advice=error.advice) from error
    return Caller(local=local, authorised=True, originator=originator)


def _is_local(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    client = scope.get("client")
    if not client or not _FORWARDED.isdisjoint(headers):
        return False
    try:
        if not ipaddress.ip_address(client[0]).is_loopback:
            return False
    except ValueError:
        return False
    return is_loopback(_host_name(headers.get(b"host", b"").decode("latin-1")))


def _host_name(host: str) -> str:
    """Return the name in a `Host` field, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
