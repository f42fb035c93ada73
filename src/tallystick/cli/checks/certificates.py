"""TLS: is the certificate there, valid now, and the key its own."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tallystick.cli.checks.finding import Finding, ok, problem, warning
from tallystick.cli.checks.rights import secret_file

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

SOON: Final = timedelta(days=30)
"""Before it expires, a certificate is warned of for so long."""
PEM_BYTES_MAX: Final = 1 << 20
_RENEW: Final = "renew it, then `systemctl restart tallystick`"


def certificates(certificate: Path | None, key: Path | None, now: datetime) -> Iterator[Finding]:
    """Check a certificate chain and its key, as of a time with its zone."""
    if certificate is None and key is None:
        return
    if certificate is None or key is None:
        yield problem(
            "tls", "one of tls_certificate and tls_key is set", "both of them, or neither"
        )
        return
    chain = None
    for found in _certificate(certificate, now):
        chain = found if not isinstance(found, Finding) else chain
        if isinstance(found, Finding):
            yield found
    rights = list(secret_file("tls_key", key))
    yield from rights
    if chain is not None and key.exists():
        yield from _key_of(chain, key)


def _certificate(path: Path, now: datetime) -> "Iterator[Finding | Certificate]":
    """Yield what is found of the chain's first certificate, and itself where it can be read."""
    from cryptography.x509 import load_pem_x509_certificates

    try:
        first = load_pem_x509_certificates(_read(path))[0]
    except FileNotFoundError:
        yield problem("tls_certificate", f"{path} does not exist", "a PEM file")
        return
    except (OSError, ValueError) as error:
        yield problem("tls_certificate", f"{path} cannot be read: {error}", "certificates in PEM")
        return
    yield _in_time(path, first.not_valid_before_utc, first.not_valid_after_utc, now)
    yield first


def _in_time(path: Path, begins: datetime, ends: datetime, now: datetime) -> Finding:
    name, day = "tls_certificate", f"{ends.astimezone(UTC):%Y-%m-%d %H:%M}Z"
    if now >= ends:
        return problem(name, f"{path} expired on {day}", "a valid certificate", _RENEW)
    if now < begins:
        return problem(
            name, f"{path} is valid from {begins:%Y-%m-%d %H:%M}Z on, it is {now:%Y-%m-%d}",
            "a valid certificate", "look at this machine's clock, then at the certificate",
        )  # fmt: skip
    if ends - now < SOON:
        left = (ends - now).days
        return warning(name, f"{path} expires on {day}, in {left} days", mend=_RENEW)
    return ok(name, f"{path} is valid until {day}")


def _key_of(certificate: "Certificate", path: Path) -> Iterator[Finding]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_private_key,
    )

    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        key = load_pem_private_key(_read(path), None)
    except TypeError:
        yield problem(
            "tls_key", f"{path} is encrypted, and a service has nobody to ask",
            "a key without passphrase, which its owner alone may read",
        )  # fmt: skip
        return
    except (OSError, ValueError, UnsupportedAlgorithm):  # its words may quote the key
        yield problem("tls_key", f"{path} is no private key in PEM", "a private key in PEM")
        return
    if key.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        yield problem("tls_key", f"{path} is the key of another certificate", "its own key")


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(PEM_BYTES_MAX + 1)
    if len(data) > PEM_BYTES_MAX:
        raise ValueError(f"more than {PEM_BYTES_MAX} bytes")
    return data
