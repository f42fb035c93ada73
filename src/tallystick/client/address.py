"""Where a service is: its URL, read once and strictly."""

import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from tallystick.errors import InputError

_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service is.

    Attributes:
        host: Name or address, without brackets.
        port: TCP port.
        tls: Whether to speak TLS.
        path: What stands before the path of every request; empty, or begins with a slash.
    """

    host: str
    port: int
    tls: bool
    path: str

    @property
    def authority(self) -> str:
        """What the `Host` field says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (
            host if self.port == _PORTS["https" if self.tls else "http"] else f"{host}:{self.port}"
        )

    @property
    def private(self) -> bool:
        """Nobody on the way can read what is sent: TLS, or this machine alone."""
        if self.tls or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        """Show it as a URL."""
        return f"http{'s' if self.tls else ''}://{self.authority}{self.path}"


def parse_address(url: str) -> Address:
    """Read the URL of a service.

    Raises:
        InputError: Not an http or https URL, or one with more than host, port and path.
    """
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise InputError(f"{url[:80]!r} is no URL: {error}") from error
    plain = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in _PORTS or not host or not plain:
        raise InputError(f"a service has a URL such as http://127.0.0.1:8471, got {url[:80]!r}")
    if parts.query or parts.fragment or parts.username is not None:
        raise InputError(
            "the URL of a service has no user, query or fragment",
            advice="hand in a key as api_key",
        )
    tls = parts.scheme == "https"
    return Address(host, port or _PORTS[parts.scheme], tls, parts.path.rstrip("/"))
