"""Where a webhook may go: never, unless the operator says so, into this machine or its networks.

A URL comes from somebody who may add webhooks, a name's address from whoever owns the name. So
the name is looked up once for each delivery, every address is checked, and the connection is made
to a checked address: a second look-up, which could give another one, never happens.

Source:
    IANA special-purpose address registries for IPv4 and IPv6.
"""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from tallystick.errors import InputError, LimitError, RefusedError, UnavailableError

URL_LETTERS_MAX: Final = 2000
ADDRESSES_MAX: Final = 4
"""Addresses of one name that are tried."""
NETWORKS_MAX: Final = 64
PORTS: Final = {"https": 443, "http": 80}

Ip = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_INWARD: Final[tuple[Network, ...]] = tuple(
    ip_network(text)
    for text in (
        # Beyond what Python calls not global, which differs from release to release.
        "100.64.0.0/10",  # shared by carriers; holds a metadata service, 100.100.100.200
        "168.63.129.16/32",  # a metadata service with a public address
        "192.0.0.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "64:ff9b::/96",  # these five carry an IPv4 address, which may lead inwards
        "64:ff9b:1::/48",
        "2001::/32",
        "2002::/16",
        "::/96",
        "fec0::/10",  # site-local
    )
)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What an operator allows beyond the public Internet.

    Attributes:
        loopback: This machine, by http, too.
        networks: Other networks, by https only.
    """

    loopback: bool = False
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in parts.

    Attributes:
        url: As it was given.
        tls: Whether it is https.
        host: Name or address, without brackets.
        port: TCP port.
        path: Path and query, as they are asked for.
    """

    url: str
    tls: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """What stands in the `host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == PORTS["https" if self.tls else "http"]
        return host if usual else f"{host}:{self.port}"


def parse_networks(text: str, setting: str = "webhook_networks") -> tuple[Network, ...]:
    """Read networks, such as `10.20.0.0/16, fd00:1::/64`; `setting` is what holds them.

    Raises:
        InputError: One of them is none.
        LimitError: There are too many.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) > NETWORKS_MAX:
        raise LimitError(f"{setting} has {len(parts)} networks, at most {NETWORKS_MAX}")
    try:
        return tuple(ip_network(part) for part in parts)
    except ValueError as error:
        raise InputError(f"{setting} must be such as 10.20.0.0/16: {error}") from error


def parse_target(url: str, allowed: Allowed) -> Target:
    """Read the URL of a webhook; an address that is written out is checked, too.

    Names are not looked up here: `resolve` does that, for each delivery.

    Raises:
        InputError: Not a URL of http or https, or with a password or fragment in it.
        RefusedError: http, or an address inwards, where the operator does not allow it.
    """
    target = _split(url)
    literal = _literal(target.host)
    if not target.tls and not allowed.loopback:
        raise RefusedError(
            f"a webhook goes to https, got {url[:200]}",
            reason="webhook.plain",
            advice="http is for this machine only, with the setting webhook_loopback = true",
        )
    if literal is not None:
        check_address(literal, target, allowed)
    return target


def resolve(target: Target, allowed: Allowed) -> list[str]:
    """Look a target's name up and return addresses to connect to.

    One address that leads inwards refuses them all: who mixes them means no good.

    Raises:
        UnavailableError: The name has no address now.
        RefusedError: An address leads inwards.
    """
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UnavailableError(f"the name {target.host[:200]!r} has no address: {error}") from error
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    for address in addresses:
        check_address(ip_address(address), target, allowed)
    return addresses[:ADDRESSES_MAX]


def check_address(address: Ip, target: Target, allowed: Allowed) -> None:
    """Accept an address that a webhook may be sent to.

    Raises:
        RefusedError: It leads inwards, and the operator does not allow it.
    """
    real = _unwrapped(address)
    if real.is_loopback:
        fine = allowed.loopback or (target.tls and _within(real, allowed.networks))
    elif not target.tls:
        fine = False
    else:
        fine = is_public(real) or _within(real, allowed.networks)
    if fine:
        return
    raise RefusedError(
        f"the target {target.authority[:200]} is at {address}, which is "
        + ("not reached by https" if is_public(real) else "inside: not on the public Internet"),
        reason="webhook.inward",
        advice="the operator can allow it: webhook_networks for https, webhook_loopback for this "
        "machine",
    )


def is_public(address: Ip) -> bool:
    """Tell whether an address is on the public Internet, for one receiver."""
    real = _unwrapped(address)
    special = (
        real.is_loopback
        or real.is_private
        or real.is_link_local
        or real.is_multicast
        or real.is_reserved
        or real.is_unspecified
    )
    return real.is_global and not special and not _within(real, _INWARD)


def _unwrapped(address: Ip) -> Ip:
    """Return the IPv4 address that a mapped IPv6 address stands for."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def _within(address: Ip, networks: Iterable[Network]) -> bool:
    return any(address.version == one.version and address in one for one in networks)


def _split(url: str) -> Target:
    if len(url) > URL_LETTERS_MAX:
        raise LimitError(f"a URL has at most {URL_LETTERS_MAX} letters, got {len(url)}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InputError(f"not a URL: {error}") from error
    plain = url.isascii() and url.isprintable() and " " not in url
    if not plain or parts.scheme not in PORTS or not parts.hostname or "\\" in url:
        raise InputError(f"expected a URL such as https://example.org/hook, got {url[:200]!r}")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InputError("the URL of a webhook has no user, password or fragment")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    tls = parts.scheme == "https"
    return Target(url, tls, parts.hostname, port or PORTS[parts.scheme], path)


def _literal(host: str) -> Ip | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
