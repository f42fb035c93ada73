"""The address: can the service listen there, and may it."""

import errno
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tallystick.cli.checks.finding import Finding, ok, problem

if TYPE_CHECKING:
    from tallystick.ledger import Home
    from tallystick.web import Settings


def exposure(settings: "Settings", *, keys: int) -> Iterator[Finding]:
    """Check that what can be reached from elsewhere is encrypted, and asks for keys.

    Args:
        settings: Of the service.
        keys: How many API keys are valid now.
    """
    if settings.loopback:
        yield ok("exposure", f"{settings.host} is reached from this machine alone")
        return
    reach = f"{settings.host} can be reached from other machines, "
    if settings.tls_certificate is None or settings.tls_key is None:
        yield problem(
            "exposure", reach + "without encryption", "tls_certificate and tls_key",
            'set both, or host = "127.0.0.1" behind a proxy that encrypts',
        )  # fmt: skip
    people = settings.oidc_issuer is not None and bool(settings.oidc_roles)
    if not keys and not people:
        yield problem(
            "exposure", reach + "and there is no API key", "at least one valid key",
            "tally keys api create NAME",
        )  # fmt: skip
    if (keys or people) and settings.tls_certificate is not None and settings.tls_key is not None:
        words = " and people who sign in" if people else ""
        yield ok("exposure", reach + f"encrypted, for {keys} API keys{words}")


def port(home: "Home", settings: "Settings") -> Iterator[Finding]:
    """Check that the port is free, or that the service which has it is this ledger's."""
    host, number = settings.host, settings.port
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, number), family=family):
            pass
    except OSError as error:
        yield _taken(home, host, number, error)
    else:
        yield ok("port", f"{host} port {number} is free")


def _taken(home: "Home", host: str, number: int, error: OSError) -> Finding:
    if error.errno == errno.EADDRINUSE:
        holder = _ours(home, number)
        if holder is not None:
            return ok("port", f"port {number} is this ledger's own service, process {holder}")
        return problem(
            "port", f"another program listens on {host} port {number}", "a free port",
            "end it, or choose another `port`; if it is systemd's socket for us, all is well",
        )  # fmt: skip
    words = f"cannot listen on {host} port {number}: {error.strerror or error}"
    if error.errno == errno.EACCES:
        return problem("port", words, "a port from 1024 on", "port = 8471, or socket activation")
    return problem("port", words, "an address of this machine", "set `host` to one")


def _ours(home: "Home", number: int) -> str | None:
    """Return the process of this ledger's service, if it is the one at that port."""
    from tallystick.cli.remote import find_service
    from tallystick.log import lock_holder

    url = find_service(home)
    if url is None or urlsplit(url).port != number:
        return None
    return lock_holder(home.lock)
