"""Fetching an issuer's document or history by HTTPS: from the public Internet, within bounds.

A DID comes from somebody who wants to be an issuer, and leads where they like. So its host is
looked up once, every address is checked, and the connection is made to a checked address, as for
webhooks; redirects are not followed, and neither size nor time is unbounded.
"""

import socket
import ssl
from dataclasses import dataclass
from hashlib import sha256
from time import monotonic
from typing import Final

from tallystick import __version__
from tallystick.client.http1 import Line, Request, Response
from tallystick.client.steps import lost
from tallystick.errors import LimitError, NotFoundError, RefusedError, UnavailableError
from tallystick.webhooks.addresses import Allowed, Target, parse_target, resolve
from tallystick.webhooks.sending import SocketWire, performed

SECONDS_MAX: Final = 20.0
"""For one file, from the look-up of the name to the last byte."""
CONNECT_SECONDS_MAX: Final = 5.0
"""For each address."""
FILE_BYTES_MAX: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file as a host served it.

    Attributes:
        body: Its bytes.
        media_type: What the host says it is, without parameters, in lower case.
        certificate: SHA-256 of the certificate that the host showed.
        address: IP address that it was fetched from.
    """

    body: bytes
    media_type: str
    certificate: bytes
    address: str


class Fetcher:
    """Fetches files over TLS, from where the operator allows."""

    def __init__(self, allowed: Allowed, seconds_max: float = SECONDS_MAX) -> None:
        """Trust the certificates that the system does, and those that SSL_CERT_FILE names."""
        self._allowed, self._seconds = allowed, seconds_max
        self._tls = ssl.create_default_context()

    def fetch(self, url: str) -> Fetched:
        """Fetch one file.

        Raises:
            NotFoundError: The host has no such file.
            RefusedError: It leads inwards, or elsewhere.
            VerificationError: The certificate is not believed.
            UnavailableError: The host does not answer, or not in time.
            EncodingError: What came is no answer in HTTP.
            LimitError: It is larger than `FILE_BYTES_MAX`.
        """
        deadline = monotonic() + self._seconds
        try:
            target = parse_target(url, self._allowed)
            addresses = resolve(target, self._allowed)
        except RefusedError as error:
            raise RefusedError(
                f"{url} is not fetched: it leads to this machine or its networks",
                reason="issuer.inward",
                advice="the operator can allow it: issuer_networks, or issuer_loopback for trials",
            ) from error
        wire, address = self._connect(target, addresses, deadline)
        try:
            answer = _ask(wire, target, deadline)
            shown = wire.socket.getpeercert(binary_form=True) or b""
        finally:
            wire.close()
        _check_status(url, answer)
        media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        return Fetched(answer.body, media_type, sha256(shown).digest(), address)

    def _connect(
        self, target: Target, addresses: list[str], deadline: float
    ) -> tuple["_TlsWire", str]:
        """Connect to the first address that answers; the name is not looked up again."""
        failure = OSError("it has no address")
        for address in addresses:
            seconds = max(0.001, min(CONNECT_SECONDS_MAX, deadline - monotonic()))
            try:
                line = socket.create_connection((address, target.port), timeout=seconds)
            except OSError as error:
                failure = error
                continue
            try:
                return _TlsWire(self._tls.wrap_socket(line, server_hostname=target.host)), address
            except OSError as error:
                line.close()
                failure = error
        raise lost(failure) from failure


class _TlsWire(SocketWire):
    """A connection whose certificate was checked."""

    socket: ssl.SSLSocket


def _ask(wire: SocketWire, target: Target, deadline: float) -> Response:
    headers = (
        ("host", target.authority),
        ("user-agent", f"tallystick/{__version__}"),
        ("accept", "*/*"),
        ("accept-encoding", "identity"),
        ("connection", "close"),
    )
    request = Request("GET", target.path, headers, answer_bytes_max=FILE_BYTES_MAX)
    try:
        answer: Response = performed(Line(wire).ask(request, deadline))
    except LimitError as error:
        raise LimitError(f"{target.url} is larger than {FILE_BYTES_MAX} bytes") from error
    return answer


def _check_status(url: str, answer: Response) -> None:
    if answer.status == 200:
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise UnavailableError(f"{url} came compressed, which nobody asked for")
        return
    if answer.status in {404, 410}:
        raise NotFoundError(f"there is no {url}: the host answers {answer.status}")
    if 300 <= answer.status < 400:
        where = answer.headers.get("location", "elsewhere")
        raise RefusedError(
            f"{url} redirects to {where[:200]!r}, which is not followed",
            reason="issuer.redirect",
            advice="a DID names the place itself: use that of the new place",
        )
    raise UnavailableError(f"{url} answers {answer.status}, expected 200")
