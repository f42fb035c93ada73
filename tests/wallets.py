"""A wallet that holds an account of the curve secp256k1, for tests."""

import os
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tallystick.statement.account import ORDER, Account, account_text, text_digest
from tests.ledgers import ORIGIN, Issuer

GENESIS = bytes(range(32))


class Wallet:
    """Signs texts with a key of the curve secp256k1."""

    def __init__(self, secret: int | None = None) -> None:
        secret = secret or int.from_bytes(os.urandom(31)) + 1
        self.key = ec.derive_private_key(secret, ec.SECP256K1())
        self.public = self.key.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )

    def sign(self, text: str, *, large: bool = False) -> bytes:
        made = self.key.sign(text_digest(text), ec.ECDSA(Prehashed(hashes.SHA256())))
        r, s = decode_dss_signature(made)
        if (s > ORDER // 2) != large:
            s = ORDER - s
        return r.to_bytes(32) + s.to_bytes(32)

    def bound(self, issuer: Issuer, **changed: Any) -> Account:
        text = account_text(ORIGIN, GENESIS, issuer.did)
        said = Account(issuer=issuer.did, public=self.public, signature=self.sign(text))
        return replace(said, **changed).signed_by(ORIGIN, issuer.signer.public, issuer.signer.sign)
