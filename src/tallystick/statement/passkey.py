"""A registered passkey: this public key approves for that issuer, says the operator.

Payload of a `key` statement, version 2 like all that follows an issuer's first key. A passkey
signs no statements; it approves (`tallystick.statement.approval`). It is public for ever, so it
names a pseudonymous DID, and neither a credential id nor a kind of device, by which somebody who
holds an authenticator could try whose it is.

Source:
    docs/reference/formats.md, section "Passkeys".
"""

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final, Self
from urllib.parse import urlsplit

from tallystick.errors import EncodingError
from tallystick.statement import dcbor
from tallystick.statement.governance import Sign
from tallystick.statement.keys import PublicKey, parse_cose_key
from tallystick.statement.webauthn import Asked, Assertion, verify_assertion

PASSKEY_TAG: Final = "tallystick/passkey/1"
ACTION: Final = "passkey"
ORIGINS_MAX: Final = 8
ORIGIN_LETTERS_MAX: Final = 300
_VERSION: Final = 2
_LOCAL: Final = "localhost"
"""The only host that a browser lets use passkeys without TLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """A passkey of an issuer, who is a person.

    Attributes:
        issuer: DID for whom it approves.
        key: Its public key.
        rp_id: Relying party that it was made for.
        origins: Pages on which it may approve.
        authenticator_data: What the authenticator said when the key agreed.
        client_data: What the browser said then.
        possession: Signature by the passkey over these two; its challenge is the digest of all
            members above and the log, so that nobody registers another one's passkey.
        by: Key id of the issuer's key that agrees; None if the operator alone says so.
        authorisation: Signature by that key over the same; empty if the operator alone says so.
    """

    issuer: str
    key: PublicKey
    rp_id: str
    origins: tuple[str, ...]
    authenticator_data: bytes
    client_data: bytes
    possession: bytes
    by: bytes | None = None
    authorisation: bytes = b""

    def signed_by(self, origin: str, by: PublicKey, sign: Sign) -> Self:
        """Return the same passkey, with the agreement of a key of the issuer."""
        return replace(self, by=by.thumbprint(), authorisation=sign(self.claim(origin)))

    def claim(self, origin: str) -> bytes:
        """Return what is agreed to."""
        return passkey_claim(origin, self.issuer, self.rp_id, self.origins, self.key)

    def digest(self, origin: str) -> bytes:
        """Return what names this passkey of this person in a log."""
        return sha256(self.claim(origin)).digest()

    def asked(self, challenge: bytes) -> Asked:
        """Return what this passkey must answer to a challenge."""
        return Asked(challenge, self.rp_id, self.origins)

    def verify_possession(self, origin: str) -> None:
        """Accept only if the passkey itself agreed to approve for this issuer at this log.

        Raises:
            EncodingError: A part is malformed.
            ApprovalError: It did not.
        """
        said = Assertion(self.authenticator_data, self.client_data, self.possession)
        verify_assertion(said, self.key, self.asked(self.digest(origin)))

    def encode(self) -> bytes:
        """Return the inline payload."""
        return dcbor.encode(
            {
                "version": _VERSION,
                "action": ACTION,
                "issuer": self.issuer,
                "key": self.key.encode(),
                "rp_id": self.rp_id,
                "origins": list(self.origins),
                "authenticator_data": self.authenticator_data,
                "client_data": self.client_data,
                "possession": self.possession,
                "by": self.by,
                "authorisation": self.authorisation,
            }
        )


def passkey_claim(
    origin: str, issuer: str, rp_id: str, origins: tuple[str, ...], key: PublicKey
) -> bytes:
    """Return what a passkey, and a key of the issuer, agree to."""
    return dcbor.encode([PASSKEY_TAG, origin, issuer, rp_id, list(origins), key.encode()])


def check_origins(rp_id: str, origins: tuple[str, ...]) -> None:
    """Refuse pages that a browser would not let use passkeys of that relying party.

    Raises:
        EncodingError: None, too many, not an origin, without TLS, or of another host.
    """
    if not 0 < len(origins) <= ORIGINS_MAX or len(set(origins)) != len(origins):
        raise EncodingError(f"a passkey has 1 to {ORIGINS_MAX} different origins, got {origins!r}")
    for origin in origins:
        _check_origin(rp_id, origin)


def read_passkey(members: dict[str, Any], issuer: str) -> Passkey:
    """Read the members of a `key` statement that registers a passkey; nothing is verified.

    Raises:
        EncodingError: One is missing or of another type.
    """
    origins, by = members.get("origins"), members.get("by")
    rp_id = members.get("rp_id")
    if not isinstance(rp_id, str):
        raise EncodingError(f"'rp_id' must be text, got {rp_id!r:.40}")
    if not isinstance(origins, list) or not all(isinstance(one, str) for one in origins):
        raise EncodingError(f"'origins' must be texts, got {origins!r:.80}")
    check_origins(rp_id, tuple(origins))
    if by is None and members.get("authorisation"):
        raise EncodingError("'authorisation' is a signature, and 'by' does not say whose")
    if by is not None and (not isinstance(by, bytes) or len(by) != sha256().digest_size):
        raise EncodingError(f"'by' must be a key id, got {by!r:.40}")
    return Passkey(
        issuer=issuer,
        key=parse_cose_key(_octets(members, "key")),
        rp_id=rp_id,
        origins=tuple(origins),
        authenticator_data=_octets(members, "authenticator_data"),
        client_data=_octets(members, "client_data"),
        possession=_octets(members, "possession"),
        by=by,
        authorisation=_octets(members, "authorisation"),
    )


def _check_origin(rp_id: str, origin: str) -> None:
    try:
        parts = urlsplit(origin)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise EncodingError(f"{origin!r:.80} is no origin: {error}") from error
    shown = f"{parts.scheme}://{host}" + ("" if port is None else f":{port}")
    if shown != origin or not host or len(origin) > ORIGIN_LETTERS_MAX or not origin.isascii():
        raise EncodingError(f"an origin is such as https://log.example:8471, got {origin!r:.80}")
    if parts.scheme != "https" and (parts.scheme, host) != ("http", _LOCAL):
        raise EncodingError(f"passkeys need https, or http://{_LOCAL}, got {origin!r:.80}")
    if host != rp_id and not host.endswith(f".{rp_id}"):
        raise EncodingError(f"{origin!r:.80} is no page of the relying party {rp_id!r:.80}")


def _octets(members: dict[str, Any], name: str) -> bytes:
    value = members.get(name)
    if not isinstance(value, bytes):
        raise EncodingError(f"{name!r} must be bytes, got {value!r:.40}")
    return value
