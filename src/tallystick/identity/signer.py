"""Who holds a private key signs through this protocol: a file, a keyring, a hardware module."""

from functools import partial
from typing import Final, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tallystick.errors import EncodingError
from tallystick.identity.sodium import fastest_signing
from tallystick.statement.keys import ALGORITHMS, KeyKind, PublicKey

SECRET_BYTES: Final = 32


class HeldKey(Protocol):
    """A private key where it is kept. Whoever keeps keys in another place returns one of these."""

    @property
    def public(self) -> PublicKey:
        """The key that verifies; always the same."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return 64 bytes; may be called from any thread.

        Raises:
            UnavailableError: The key cannot be reached now.
            DeniedError: Whoever keeps it does not let it be used.
        """
        ...


class Signer(HeldKey, Protocol):
    """Signs as one issuer; the private key stays where it is."""

    @property
    def issuer(self) -> str:
        """DID that statements carry: that of the issuer's first key."""
        ...

    @property
    def algorithm(self) -> int:
        """COSE number of the algorithm this key signs with."""
        ...


class KnownKey:
    """What is known of a key that signs, wherever its private part lies."""

    __slots__ = ("_issuer", "_public")

    def __init__(self, public: PublicKey, issuer: str | None = None) -> None:
        """Know a key, and the DID that it signs as where that names an earlier one."""
        self._public, self._issuer = public, issuer or public.did()

    @property
    def public(self) -> PublicKey:
        """The key that verifies."""
        return self._public

    @property
    def issuer(self) -> str:
        """DID that statements carry: that of the issuer's first key."""
        return self._issuer

    @property
    def algorithm(self) -> int:
        """COSE number of the algorithm this key signs with."""
        return int(ALGORITHMS[self._public.kind][0])


class SoftwareSigner(KnownKey):
    """A private key in this process's memory; whoever reads that memory can sign as it."""

    __slots__ = ("_secret", "_sign")

    def __init__(self, kind: KeyKind, secret: bytes, issuer: str | None = None) -> None:
        """Take a 32-byte secret: the Ed25519 seed, or the P-256 scalar, big-endian.

        Args:
            kind: Curve.
            secret: Stays in this process's memory.
            issuer: DID that it signs as, where that names an earlier key of the same issuer.
        """
        if len(secret) != SECRET_BYTES:
            raise EncodingError(f"a private key must have {SECRET_BYTES} bytes, got {len(secret)}")
        self._secret = secret
        if kind is KeyKind.ED25519:
            raw = Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
            self._sign = fastest_signing(secret)
        else:
            private = _p256_key(secret)
            raw = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            self._sign = partial(_sign_es256, private)
        super().__init__(PublicKey(kind, raw), issuer)

    def unsafe_secret(self) -> bytes:
        """Return the private key, to write it into an encrypted key file and nowhere else."""
        return self._secret

    def sign(self, message: bytes) -> bytes:
        """Return 64 bytes."""
        return self._sign(message)


def _sign_es256(private: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    r, s = decode_dss_signature(private.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


def _p256_key(secret: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        return ec.derive_private_key(int.from_bytes(secret), ec.SECP256R1())
    except ValueError as error:
        raise EncodingError("a P-256 private key must be in 1..n-1") from error


def generate(kind: KeyKind = KeyKind.ED25519, issuer: str | None = None) -> SoftwareSigner:
    """Make a new private key from the system's generator.

    Args:
        kind: Curve.
        issuer: Whose next key it is; its own DID without one.
    """
    if kind is KeyKind.ED25519:
        return SoftwareSigner(kind, Ed25519PrivateKey.generate().private_bytes_raw(), issuer)
    number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return SoftwareSigner(kind, number.to_bytes(SECRET_BYTES), issuer)
