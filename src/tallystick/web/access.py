"""Who is calling, and what that allows.

Reading the log is open to everybody: a ledger that not everybody can verify is none. All else needs
either a caller on this machine, an API key, or somebody who signed in (`tallystick.web.oidc`). What
a role allows stands in `tallystick.capture.roles`. A key that was sent, and a sign-in, count on
this machine, too: they may allow less.

"On this machine" means all of: the connection comes from a loopback address; the request names a
loopback host, so that a page in a browser cannot reach us under a name of its own (DNS rebinding);
no proxy says that it passes the request on for somebody else.

Trust: whoever can open connections from this machine counts as its user. Run a proxy that adds
no `Forwarded` or `X-Forwarded-For`, and everybody it lets in counts as such, too.
"""

import ipaddress
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from tallystick.capture.callers import FORWARDED
from tallystick.capture.roles import Grant, Right
from tallystick.errors import RefusedError
from tallystick.web.answers import Scope
from tallystick.web.problems import KeyRequiredError, SignInError, WrongTenantError
from tallystick.web.settings import is_loopback

_BEARER: Final = "bearer "

UNKNOWN: Final = "api-key.unknown"
"""Reason for which a key is refused that this ledger did not make; another one may have."""


class Authorize(Protocol):
    """Knows API keys; handed in by whoever puts the service together."""

    def __call__(self, key: str) -> Grant:
        """Return what a key allows. Called for each request: be quick.

        Raises:
            RefusedError: The key is not known, expired or revoked.
        """
        ...


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom a provider knows.

    Attributes:
        subject: What it calls them; shown to nobody else, and registered nowhere.
        values: What they are to the organisation.
        name: What they are called on pages; None for a program with their access token.
        until: When that token ends, seconds since 1970; None for a session.
    """

    subject: str
    values: frozenset[str]
    name: str | None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling.

    Attributes:
        local: On this machine, and that counts.
        grant: What the API key allows that was sent, or the sign-in; None if there is none.
        person: Who signed in; without a grant, nothing of theirs has a role at this ledger.
    """

    local: bool
    grant: Grant | None = None
    person: Person | None = None

    @property
    def originator(self) -> str | None:
        """DID of whom the API key stands for; None without one."""
        return None if self.grant is None else self.grant.originator

    def may(self, right: Right) -> bool:
        """Tell whether this caller is allowed something."""
        if right is Right.READ:
            return True
        return self.local if self.grant is None else self.grant.may(right)

    def check(self, right: Right) -> None:
        """Refuse a caller who is not allowed something.

        Raises:
            KeyRequiredError: An API key is needed.
            RoleError: The key that was sent, or the sign-in, does not allow it.
            SignInError: Who signed in has no role at this ledger.
        """
        if self.may(right):
            return
        if self.grant is not None:
            self.grant.check(right)
        elif self.person is not None:
            raise SignInError(
                "nothing that you are to the organisation has a role at this ledger",
                reason="oidc.unmapped",
                advice="ask its operator: oidc_roles says which group has which role",
            )
        else:
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
    others: Iterable[Authorize] = (),
    require_key: bool = False,
) -> Caller:
    """Tell who is calling.

    Args:
        scope: ASGI scope.
        headers: Header fields by lower-case name.
        authorize: Knows API keys.
        others: Know the API keys of the other ledgers of this service.
        require_key: Being on this machine counts for nothing.

    Raises:
        KeyRequiredError: A key was given, and it is not valid.
        WrongTenantError: It is valid at another ledger of this service.
    """
    local = not require_key and _is_local(scope, headers)
    key = headers.get(b"authorization", b"").decode("latin-1")
    if authorize is None or not key.lower().startswith(_BEARER):
        return Caller(local=local)
    token = key[len(_BEARER) :].strip()
    try:
        return Caller(local=local, grant=authorize(token))
    except RefusedError as error:
        if error.reason == UNKNOWN and _opens_another(token, others):
            raise WrongTenantError(
                "this API key is for another ledger of this service",
                reason="api-key.wrong-tenant",
                advice="a ledger's keys are made with `tally --ledger NAME keys api create`",
            ) from error
        raise KeyRequiredError(str(error), reason=error.reason, advice=error.advice) from error


def _opens_another(token: str, others: Iterable[Authorize]) -> bool:
    for authorize in others:
        with suppress(RefusedError):
            authorize(token)
            return True
    return False


def _is_local(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    client = scope.get("client")
    if not client or not FORWARDED.isdisjoint(headers):
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
