"""An authenticator and a browser in software: they sign what they are told to, right or wrong."""

import json
import os
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tallystick.approvals import Made
from tallystick.ledger import Ledger
from tallystick.statement import KeyKind, PublicKey, b64
from tallystick.statement.passkey import Passkey
from tallystick.statement.webauthn import Assertion
from tests.ledgers import ORIGIN

RP_ID = "localhost"
PAGE = "http://localhost:8471"
PRESENT, VERIFIED, HAS_KEY, HAS_EXTENSIONS = 0x01, 0x04, 0x40, 0x80
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def _p256() -> PrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Authenticator:
    """One passkey, and what is said of the person and the page when it signs."""

    key: PrivateKey = field(default_factory=_p256)
    rp_id: str = RP_ID
    page: str = PAGE
    flags: int = PRESENT | VERIFIED
    extensions: bytes = b""
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def public(self) -> PublicKey:
        public = self.key.public_key()
        if isinstance(public, ed25519.Ed25519PublicKey):
            return PublicKey(KeyKind.ED25519, public.public_bytes(Encoding.Raw, PublicFormat.Raw))
        raw = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return PublicKey(KeyKind.P256, raw)

    def but(self, **changes: Any) -> "Authenticator":
        """Return the same passkey, used otherwise."""
        return replace(self, **changes)

    def client_data(self, kind: str, challenge: bytes) -> bytes:
        said = {
            "type": kind,
            "challenge": b64.encode_url(challenge),
            "origin": self.page,
            "crossOrigin": False,
            **self.said,
        }
        return json.dumps({name: value for name, value in said.items() if value != ...}).encode()

    def data(self, attested: bytes = b"") -> bytes:
        flags = self.flags | (HAS_KEY if attested else 0)
        head = sha256(self.rp_id.encode()).digest() + bytes((flags,)) + (7).to_bytes(4)
        return head + attested + self.extensions

    def sign(self, message: bytes) -> bytes:
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(message)
        return self.key.sign(message, ec.ECDSA(hashes.SHA256()))

    def get(self, challenge: bytes) -> Assertion:
        data, said = self.data(), self.client_data("webauthn.get", challenge)
        return Assertion(data, said, self.sign(data + sha256(said).digest()))

    def make(self, challenge: bytes) -> Made:
        said = self.client_data("webauthn.create", challenge)
        return Made(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": self.made()}), said)

    def made(self) -> bytes:
        """Return authenticator data with the new key in it."""
        algorithm = -8 if self.public.kind is KeyKind.ED25519 else -7
        key = cbor2.dumps({**self.public.cose_key(), 3: algorithm})
        return self.data(bytes(16) + (16).to_bytes(2) + os.urandom(16) + key)

    def passkey(self, issuer: str, origin: str = ORIGIN) -> Passkey:
        """Return what registers it for an issuer."""
        bare = Passkey(
            issuer=issuer, key=self.public, rp_id=self.rp_id, origins=(self.page,),
            authenticator_data=b"", client_data=b"", possession=b"",
        )  # fmt: skip
        said = self.get(bare.digest(origin))
        return replace(
            bare, authenticator_data=said.authenticator_data, client_data=said.client_data,
            possession=said.signature,
        )  # fmt: skip


def enrolled(ledger: Ledger, issuer: str, authenticator: Authenticator) -> bytes:
    """Register a passkey; return the id of the statement."""
    return ledger.register_key(authenticator.passkey(issuer, ledger.card.origin)).id
