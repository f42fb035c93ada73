"""Golden vectors of approvals: a passkey of each kind, and what it approved."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tallystick.evidence.records import Approval as ApprovalRecord
from tallystick.evidence.records import Decision
from tallystick.identity import SoftwareSigner
from tallystick.statement import (
    Header,
    KeyKind,
    Preimage,
    PublicKey,
    Relation,
    SignedStatement,
    b64,
    commit,
    sign_statement,
)
from tallystick.statement.approval import Approval
from tallystick.statement.commitment import Entropy
from tallystick.statement.governance import StatementType
from tallystick.statement.labels import INLINE_MEDIA_TYPE
from tallystick.statement.passkey import Passkey
from tallystick.statement.webauthn import Assertion

RP_ID: Final = "vectors.example"
PAGE: Final = "https://vectors.example"
_PRESENT_AND_VERIFIED: Final = 0x05
Sign = Callable[[bytes], bytes]


def passkeys() -> Iterator[tuple[str, PublicKey, Sign]]:
    """Yield a passkey of each kind, whose signatures are the same each time."""
    number = int.from_bytes(sha256(b"passkey es256").digest()[1:])
    p256 = ec.derive_private_key(number, ec.SECP256R1())
    point = p256.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    rule = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    yield "es256", PublicKey(KeyKind.P256, point), lambda message: p256.sign(message, rule)
    key = ed25519.Ed25519PrivateKey.from_private_bytes(sha256(b"passkey ed25519").digest())
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    yield "ed25519", PublicKey(KeyKind.ED25519, raw), key.sign


def approvals(
    origin: str, person: str, operator: SoftwareSigner, target: bytes, now: int, entropy: Entropy
) -> Iterator[tuple[str, SignedStatement, Preimage | None]]:
    """Yield statements that register passkeys of a person, and approvals by them.

    Args:
        origin: The log.
        person: DID of whom the passkeys are.
        operator: Signs.
        target: Id of the statement that is approved.
        now: Seconds since 1970.
        entropy: Source of salts.
    """
    for name, key, sign in passkeys():
        passkey = _passkey(origin, person, key, sign)
        header = _header(operator, StatementType.KEY, now, person)
        inline = replace(header, hashed=False, content_type=INLINE_MEDIA_TYPE)
        registered = sign_statement(inline, passkey.encode(), operator.sign)
        yield f"{name}-passkey", registered, None
        content = commit(
            Decision(outcome="accept", reason="plausible", shown="B").values(), entropy
        )
        approval = Approval(
            origin=origin, action="decision", targets=(target,), content=content.commitment(),
            nonce=sha256(f"nonce {name}".encode()).digest(), expiry=now + 900,
        )  # fmt: skip
        said = _assertion(approval.challenge(), sign)
        record = ApprovalRecord(
            approval=approval.encode(), authenticator_data=said.authenticator_data,
            client_data=said.client_data, signature=said.signature,
            credential=passkey.digest(origin), content=content.encode(),
        )  # fmt: skip
        fields = commit(record.values(), entropy)
        links = {Relation.ACTED_FOR: (registered.id,), Relation.DECIDED_ON: (target,)}
        header = _header(operator, StatementType.APPROVAL, now, approval.subject(), links=links)
        approved = sign_statement(header, fields.commitment(), operator.sign)
        yield f"{name}-approval", approved, fields


def _passkey(origin: str, person: str, key: PublicKey, sign: Sign) -> Passkey:
    bare = Passkey(
        issuer=person, key=key, rp_id=RP_ID, origins=(PAGE,), authenticator_data=b"",
        client_data=b"", possession=b"",
    )  # fmt: skip
    said = _assertion(bare.digest(origin), sign)
    return replace(
        bare, authenticator_data=said.authenticator_data, client_data=said.client_data,
        possession=said.signature,
    )  # fmt: skip


def _assertion(challenge: bytes, sign: Sign) -> Assertion:
    said = {
        "type": "webauthn.get", "challenge": b64.encode_url(challenge), "origin": PAGE,
        "crossOrigin": False,
    }  # fmt: skip
    client = json.dumps(said, separators=(",", ":")).encode()
    data = sha256(RP_ID.encode()).digest() + bytes((_PRESENT_AND_VERIFIED, 0, 0, 0, 0))
    return Assertion(data, client, sign(data + sha256(client).digest()))


def _header(
    operator: SoftwareSigner, type_: StatementType, now: int, subject: str, **members: Any
) -> Header:
    return Header(
        algorithm=operator.algorithm,
        key_id=operator.public.thumbprint(),
        issuer=operator.public.did(),
        subject=subject,
        issued_at=now,
        type=type_,
        **members,
    )
