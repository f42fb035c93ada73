"""What issuers say of their keys, for tests: right by default, wrong where a test says so."""

from dataclasses import replace

from tallystick.identity import Signer, generate
from tallystick.statement import KeyKind
from tallystick.statement.governance import KeyRecord
from tallystick.statement.keylife import (
    Reason,
    RecoveryKey,
    Revocation,
    Rotation,
    next_record,
)
from tests.ledgers import ORIGIN, Issuer


def next_key(issuer: Issuer, kind: KeyKind = KeyKind.ED25519) -> Signer:
    return generate(kind, issuer.did)


def rotation(
    issuer: Issuer,
    new: Signer,
    by: Signer | None = None,
    previous: Signer | None = None,
    first: KeyRecord | None = None,
) -> Rotation:
    """Return the rotation from the issuer's key to a new one."""
    begun = replace(first or issuer.record(), issuer=issuer.did)
    record = next_record(ORIGIN, begun, new.public, new.sign)
    agrees, before = by or issuer.signer, previous or issuer.signer
    follows = before.public.thumbprint()
    return Rotation.signed(ORIGIN, record, follows, agrees.public, agrees.sign)


def revocation(
    issuer: Issuer,
    reason: Reason = Reason.CEASED,
    until: int | None = None,
    key: Signer | None = None,
    by: Signer | None = None,
) -> Revocation:
    """Return the end of a key; the operator's own if nobody else says so."""
    key_id = (key or issuer.signer).public.thumbprint()
    said = Revocation(issuer=issuer.did, key_id=key_id, reason=reason, until=until)
    return said if by is None else said.signed_by(ORIGIN, by.public, by.sign)


def recovery(issuer: Issuer, key: Signer, by: Signer | None = None) -> RecoveryKey:
    """Return what registers a recovery key."""
    agrees = by or issuer.signer
    return RecoveryKey.signed(
        ORIGIN, issuer.did, (key.public, key.sign), (agrees.public, agrees.sign)
    )
