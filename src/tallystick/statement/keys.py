"""Public keys: how they are named, written and used to check signatures.

A key is named in three ways: by its RFC 9679 thumbprint (the `kid` of a statement), by its
did:key (the issuer), and by the COSE_Key bytes that a service publishes.

Source:
    RFC 9052 section 7, RFC 9053 section 7, RFC 9679, W3C did:key v0.9.
"""

from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tallystick.errors import EncodingError, SignatureError
from tallystick.statement import base58, dcbor
from tallystick.statement.ed25519 import verify_ed25519
from tallystick.statement.labels import Alg

ED25519_BYTES: Final = 32
P256_BYTES: Final = 65
SIGNATURE_BYTES: Final = 64


class KeyKind(Enum):
    """Curves that issuers may use."""

    ED25519 = "ed25519"
    P256 = "p256"


ALGORITHMS: Final = {
    KeyKind.ED25519: (Alg.EDDSA, Alg.ED25519),
    KeyKind.P256: (Alg.ES256, Alg.ESP256),
}
"""Algorithms each kind may sign with; the first is the one we emit."""

_MULTICODEC: Final = {KeyKind.ED25519: b"\xed\x01", KeyKind.P256: b"\x80\x24"}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key that is well-formed; whose it is, is somebody else's statement.

    Attributes:
        kind: Curve.
        raw: 32 bytes for Ed25519, 65 bytes (0x04, x, y) for P-256.
    """

    kind: KeyKind
    raw: bytes

    def __post_init__(self) -> None:
        """Refuse bytes that are no point of the curve (Ed25519 is checked when it is used)."""
        expected = ED25519_BYTES if self.kind is KeyKind.ED25519 else P256_BYTES
        if len(self.raw) != expected:
            raise EncodingError(
                f"{self.kind.value} key must have {expected} bytes, got {len(self.raw)}"
            )
        if self.kind is KeyKind.P256:
            _p256(self.raw)

    def cose_key(self) -> dict[int, Any]:
        """Return the COSE_Key map with its required members."""
        if self.kind is KeyKind.ED25519:
            return {1: 1, -1: 6, -2: self.raw}
        return {1: 2, -1: 1, -2: self.raw[1:33], -3: self.raw[33:]}

    def encode(self) -> bytes:
        """Return the COSE_Key bytes."""
        return dcbor.encode(self.cose_key())

    def thumbprint(self) -> bytes:
        """Return the 32-byte key id of RFC 9679."""
        return sha256(self.encode()).digest()

    def did(self) -> str:
        """Return the did:key that names this key."""
        raw = self.raw
        if self.kind is KeyKind.P256:
            raw = _p256(raw).public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        return "did:key:z" + base58.encode(_MULTICODEC[self.kind] + raw)

    def verify(self, signature: bytes, message: bytes, algorithm: int | None = None) -> None:
        """Accept only a signature that this key made over `message`.

        Args:
            signature: 64 bytes; for P-256 the two numbers r and s, not DER.
            message: What was signed.
            algorithm: The COSE algorithm that was claimed, if one was.

        Raises:
            SignatureError: It did not, or the algorithm is not one of this kind of key.
        """
        if algorithm is not None and algorithm not in ALGORITHMS[self.kind]:
            raise SignatureError(f"algorithm {algorithm} does not fit a {self.kind.value} key")
        if self.kind is KeyKind.ED25519:
            verify_ed25519(self.raw, signature, message)
        else:
            _verify_p256(self.raw, signature, message)


def parse_cose_key(data: bytes) -> PublicKey:
    """Parse COSE_Key bytes; members beyond the required ones are left out.

    Raises:
        EncodingError: Not a COSE_Key of a curve that is accepted.
    """
    return public_key_from_cose(dcbor.decode(data, "COSE_Key"))


def public_key_from_cose(value: Any) -> PublicKey:
    """Read a decoded COSE_Key map.

    Raises:
        EncodingError: Not a COSE_Key of a curve that is accepted.
    """
    if not isinstance(value, dict):
        raise EncodingError("COSE_Key must be a map")
    curve = (value.get(1), value.get(-1))
    x, y = value.get(-2), value.get(-3)
    if curve == (1, 6) and isinstance(x, bytes):
        return PublicKey(KeyKind.ED25519, x)
    if curve == (2, 1) and isinstance(x, bytes) and isinstance(y, bytes):
        return PublicKey(KeyKind.P256, b"\x04" + x + y)
    raise EncodingError(
        "COSE_Key must be Ed25519 (kty 1, crv 6) or P-256 (kty 2, crv 1), "
        f"got kty {curve[0]}, crv {curve[1]}"
    )


def parse_did_key(did: str) -> PublicKey:
    """Read the key out of a did:key.

    Raises:
        EncodingError: Not a did:key of an accepted curve.
    """
    if not did.startswith("did:key:z"):
        raise EncodingError(f"expected did:key:z…, got {did[:40]!r}")
    data = base58.decode(did.removeprefix("did:key:z"))
    for kind, prefix in _MULTICODEC.items():
        if data.startswith(prefix):
            return _from_multicodec(kind, data[len(prefix) :])
    raise EncodingError(f"did:key of an unknown kind, multicodec {data[:2].hex()}")


def _from_multicodec(kind: KeyKind, raw: bytes) -> PublicKey:
    if kind is KeyKind.P256:
        raw = _p256(raw).public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return PublicKey(kind, raw)


def _p256(point: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError as error:
        raise EncodingError("not a point of the curve P-256") from error


def _verify_p256(point: bytes, signature: bytes, message: bytes) -> None:
    if len(signature) != SIGNATURE_BYTES:
        raise SignatureError(f"signature must have {SIGNATURE_BYTES} bytes, got {len(signature)}")
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    try:
        _p256(point).verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise SignatureError("the ES256 signature does not match the key") from error
