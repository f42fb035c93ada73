"""What follows the first key of an issuer: its rotation, its end, and a key to recover with.

    match parse_key_statement(statement.payload):
        case KeyRecord(): ...    # version 1: an issuer's first key
        case Rotation(): ...     # version 2: the next key of the same issuer
        case FetchedDocument(): ...  # version 3: which keys a DID of the web names
        case Passkey(): ...      # version 2: a passkey that approves for the issuer

All are payloads of `key` statements, which the operator of the log registers. Except for the
operator's own revocations each carries a signature by a key of the issuer, so that an operator can
withhold what an issuer says of its keys, and cannot say it in the issuer's place.

Parsing believes nothing: `tallystick.statement.keychain` knows which key may say what.

Source:
    docs/reference/formats.md, section "Keys".
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Self

from tallystick.errors import EncodingError, VersionError
from tallystick.statement import dcbor
from tallystick.statement.account import Account, AccountEnd, parse_account, parse_account_end
from tallystick.statement.fetched import VERSION as VERSION_3
from tallystick.statement.fetched import FetchedDocument, parse_fetched
from tallystick.statement.governance import (
    KeyRecord,
    Sign,
    parse_key_record,
    possession_bytes,
)
from tallystick.statement.keys import PublicKey, parse_cose_key
from tallystick.statement.passkey import ACTION, Passkey, read_passkey

VERSION: Final = 2
"""Of the payloads here; `KeyRecord` is and stays version 1."""
ROTATION_TAG: Final = "tallystick/key-rotation/1"
REVOCATION_TAG: Final = "tallystick/key-revocation/1"
RECOVERY_TAG: Final = "tallystick/key-recovery/1"
KEY_ID_BYTES: Final = 32


class Reason(StrEnum):
    """Why a key was revoked."""

    SUPERSEDED = "superseded"
    COMPROMISED = "compromised"
    LOST = "lost"
    CEASED = "ceased"
    UNSPECIFIED = "unspecified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """The next key of an issuer; all earlier ones end with the entry that registers it.

    Attributes:
        record: The new key, under the issuer, kind and name of the first, with its possession.
        previous: Key id of the issuer's newest key before it, ended or not.
        by: Key id of the key that agrees: one of the issuer's that is valid, or its recovery key.
        authorisation: Signature by that key.
    """

    record: KeyRecord
    previous: bytes
    by: bytes
    authorisation: bytes

    @classmethod
    def signed(
        cls, origin: str, record: KeyRecord, previous: bytes, by: PublicKey, sign: Sign
    ) -> Self:
        """Return the rotation to a key that signed its own record already."""
        bare = cls(record=record, previous=previous, by=by.thumbprint(), authorisation=b"")
        return replace(bare, authorisation=sign(bare.claim(origin)))

    @property
    def issuer(self) -> str:
        """Whose key it is."""
        return self.record.issuer

    def claim(self, origin: str) -> bytes:
        """Return what the key that agrees signs."""
        key = self.record.key.encode()
        return dcbor.encode([ROTATION_TAG, origin, self.issuer, self.previous, key])

    def encode(self) -> bytes:
        """Return the inline payload."""
        members = dcbor.decode(self.record.encode(), "key record")
        return dcbor.encode(
            {
                **members,
                "version": VERSION,
                "action": "rotate",
                "previous": self.previous,
                "by": self.by,
                "authorisation": self.authorisation,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """The end of a key.

    Attributes:
        issuer: Whose key it is.
        key_id: Which of its keys, or its recovery key.
        reason: Why.
        until: Last index at which what it signed is to be believed, only for a compromised key;
            None for the index of the revocation itself.
        by: Key id of the key that says so; None if the operator alone does.
        authorisation: Signature by that key; empty if the operator alone says so.
    """

    issuer: str
    key_id: bytes
    reason: Reason
    until: int | None = None
    by: bytes | None = None
    authorisation: bytes = b""

    def signed_by(self, origin: str, by: PublicKey, sign: Sign) -> Self:
        """Return the same revocation, said by a key of the issuer."""
        bare = replace(self, by=by.thumbprint())
        return replace(bare, authorisation=sign(bare.claim(origin)))

    def claim(self, origin: str) -> bytes:
        """Return what the key that says so signs."""
        said = [REVOCATION_TAG, origin, self.issuer, self.key_id, str(self.reason), self.until]
        return dcbor.encode(said)

    def encode(self) -> bytes:
        """Return the inline payload."""
        return dcbor.encode(
            {
                "version": VERSION,
                "action": "revoke",
                "issuer": self.issuer,
                "key_id": self.key_id,
                "reason": str(self.reason),
                "until": self.until,
                "by": self.by,
                "authorisation": self.authorisation,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryKey:
    """A key that signs no statements: it can only rotate to a new key, and revoke.

    Attributes:
        issuer: Whose it is.
        key: The public key; its private part is kept elsewhere.
        by: Key id of the key that agrees: the recovery key before it, or, where there is none, a
            valid key of the issuer.
        possession: Signature by the recovery key itself over the claim.
        authorisation: Signature by the key that agrees over the same claim.
    """

    issuer: str
    key: PublicKey
    by: bytes
    possession: bytes
    authorisation: bytes

    @classmethod
    def signed(
        cls,
        origin: str,
        issuer: str,
        recovery: tuple[PublicKey, Sign],
        by: tuple[PublicKey, Sign],
    ) -> Self:
        """Return what asks to register a recovery key.

        Args:
            origin: The log.
            issuer: Whose it is.
            recovery: The recovery key, and what signs with it.
            by: The key that agrees, and what signs with it.
        """
        (key, prove), (agrees, sign) = recovery, by
        bare = cls(
            issuer=issuer, key=key, by=agrees.thumbprint(), possession=b"", authorisation=b""
        )
        claim = bare.claim(origin)
        return replace(bare, possession=prove(claim), authorisation=sign(claim))

    def claim(self, origin: str) -> bytes:
        """Return what both keys sign."""
        return dcbor.encode([RECOVERY_TAG, origin, self.issuer, self.by, self.key.encode()])

    def verify_possession(self, origin: str) -> None:
        """Accept only if the recovery key itself agreed to be one.

        Raises:
            SignatureError: It did not.
        """
        self.key.verify(self.possession, self.claim(origin))

    def encode(self) -> bytes:
        """Return the inline payload."""
        return dcbor.encode(
            {
                "version": VERSION,
                "action": "recovery",
                "issuer": self.issuer,
                "key": self.key.encode(),
                "by": self.by,
                "possession": self.possession,
                "authorisation": self.authorisation,
            }
        )


KeyStatement = (
    KeyRecord
    | Rotation
    | Revocation
    | RecoveryKey
    | Passkey
    | FetchedDocument
    | Account
    | AccountEnd
)
"""What a `key` statement says."""


def registered_key(said: KeyStatement) -> KeyRecord | None:
    """Return the signing key that a `key` statement registers; None if it registers none."""
    if isinstance(said, KeyRecord):
        return said
    return said.record if isinstance(said, Rotation) else None


def next_record(origin: str, first: KeyRecord, key: PublicKey, sign: Sign) -> KeyRecord:
    """Return the record of an issuer's next key: kind and name stay those of the first."""
    claim = possession_bytes(origin, first.issuer, first.kind, first.name)
    return replace(first, key=key, possession=sign(claim))


def parse_key_statement(payload: bytes) -> KeyStatement:
    """Parse the payload of a `key` statement; no signature is checked here.

    Raises:
        EncodingError: Not one, or one that names a person.
        VersionError: Of a version that this release does not know.
    """
    members = dcbor.decode_deterministic(payload, "key statement")
    if not isinstance(members, dict):
        raise EncodingError("key statement must be a map")
    version = members.get("version")
    if version == VERSION and type(version) is int:
        return _parse_action(members)
    if version == 1 and type(version) is int:
        return parse_key_record(payload)
    if version == VERSION_3 and type(version) is int:
        return _parse_version_3(members)
    raise VersionError(f"key statement has version {version!r:.20}, this release reads 1 to 3")


def _parse_version_3(members: dict[str, Any]) -> KeyStatement:
    action = members.get("action")
    if action == "document":
        return parse_fetched(members)
    if action == "account":
        return parse_account(members)
    if action == "account-end":
        return parse_account_end(members)
    raise EncodingError(f"'action' must be document, account or account-end, got {action!r:.40}")


def _parse_action(members: dict[str, Any]) -> KeyStatement:
    action = members.get("action")
    if action == "rotate":
        return _parse_rotation(members)
    if action == "revoke":
        return _parse_revocation(members)
    if action == "recovery":
        return _parse_recovery(members)
    if action == ACTION:
        return read_passkey(members, _issuer(members))
    raise EncodingError(
        f"'action' must be rotate, revoke, recovery or {ACTION}, got {action!r:.40}"
    )


def _parse_rotation(members: dict[str, Any]) -> Rotation:
    """Read a rotation; the members of the record it holds are read as those of version 1."""
    names = ("issuer", "key", "kind", "possession", "name")
    record = {name: members[name] for name in names if name in members}
    return Rotation(
        record=parse_key_record(dcbor.encode({"version": 1, **record})),
        previous=_key_id(members, "previous"),
        by=_key_id(members, "by"),
        authorisation=_octets(members, "authorisation"),
    )


def _parse_revocation(members: dict[str, Any]) -> Revocation:
    reason, until = members.get("reason"), members.get("until")
    if reason not in set(Reason):
        raise EncodingError(f"'reason' must be one of {', '.join(Reason)}, got {reason!r:.40}")
    if until is not None:
        if type(until) is not int or until < 0:
            raise EncodingError(f"'until' must be an index or null, got {until!r:.40}")
        if reason != Reason.COMPROMISED:
            raise EncodingError(
                f"'until' {until} needs the reason compromised, got {reason}: for any other "
                "reason a key ends where that is registered"
            )
    alone = members.get("by") is None
    authorisation = _octets(members, "authorisation")
    if alone and authorisation:
        raise EncodingError("'authorisation' is a signature, and 'by' does not say whose")
    return Revocation(
        issuer=_issuer(members),
        key_id=_key_id(members, "key_id"),
        reason=Reason(reason),
        until=until,
        by=None if alone else _key_id(members, "by"),
        authorisation=authorisation,
    )


def _parse_recovery(members: dict[str, Any]) -> RecoveryKey:
    return RecoveryKey(
        issuer=_issuer(members),
        key=parse_cose_key(_octets(members, "key")),
        by=_key_id(members, "by"),
        possession=_octets(members, "possession"),
        authorisation=_octets(members, "authorisation"),
    )


def _issuer(members: dict[str, Any]) -> str:
    issuer = members.get("issuer")
    if not isinstance(issuer, str) or not issuer:
        raise EncodingError(f"'issuer' must be text, got {issuer!r:.40}")
    return issuer


def _octets(members: dict[str, Any], name: str) -> bytes:
    value = members.get(name)
    if not isinstance(value, bytes):
        raise EncodingError(f"{name!r} must be bytes, got {value!r:.40}")
    return value


def _key_id(members: dict[str, Any], name: str) -> bytes:
    value = _octets(members, name)
    if len(value) != KEY_ID_BYTES:
        raise EncodingError(f"{name!r} must have {KEY_ID_BYTES} bytes, got {len(value)}")
    return value
