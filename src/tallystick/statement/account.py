"""Accounts of Ethereum and its kin that belong to an issuer: each says so of the other.

    text = account_text(origin, genesis, issuer)      # what the account's wallet signs
    said = Account.signed(origin, account, by, sign)  # what a key of the issuer signs

The wallet shows a person what it signs, so that is text (EIP-191). Both signatures name the log;
neither can be made from the other. Who holds the account is not said, only that the holders agreed.

Source:
    EIP-191 (version 0x45), EIP-2 (low s), EIP-55 (letters of addresses); SEC 2 for the curve.
"""

import re
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from tallystick.errors import EncodingError, SignatureError
from tallystick.statement import dcbor
from tallystick.statement.governance import Sign
from tallystick.statement.keccak import keccak256
from tallystick.statement.keys import PublicKey

VERSION: Final = 3
ACCOUNT_TAG: Final = "tallystick/account/1"
REVOCATION_TAG: Final = "tallystick/account-revocation/1"
ADDRESS_BYTES: Final = 20
PUBLIC_BYTES: Final = 65
SIGNATURE_BYTES: Final = 64
KEY_ID_BYTES: Final = 32
ORDER: Final = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
"""Of the curve secp256k1."""

_ADDRESS: Final = re.compile(r"0x[0-9A-Fa-f]{40}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account and the issuer that it belongs to; both agreed.

    Attributes:
        issuer: DID.
        public: The account's public key, 65 bytes (0x04, x, y).
        signature: By the account, r and s, over `account_text`.
        by: Key id of the key of the issuer that agrees.
        authorisation: Signature by that key over the claim.
    """

    issuer: str
    public: bytes
    signature: bytes
    by: bytes = b""
    authorisation: bytes = b""

    @property
    def address(self) -> bytes:
        """The 20 bytes that others know the account by."""
        return keccak256(self.public[1:])[-ADDRESS_BYTES:]

    def signed_by(self, origin: str, by: PublicKey, sign: Sign) -> Self:
        """Return the same, agreed to by a key of the issuer."""
        return replace(self, by=by.thumbprint(), authorisation=sign(self.claim(origin)))

    def claim(self, origin: str) -> bytes:
        """Return what the key of the issuer signs."""
        return dcbor.encode([ACCOUNT_TAG, origin, self.issuer, self.public, self.signature])

    def verify_account(self, origin: str, genesis: bytes) -> None:
        """Accept only if the account itself said, for this log, that it belongs to the issuer.

        Raises:
            SignatureError: It did not.
        """
        text = account_text(origin, genesis, self.issuer)
        verify_text(self.public, self.signature, text)

    def encode(self) -> bytes:
        """Return the inline payload."""
        return dcbor.encode(
            {
                "version": VERSION,
                "action": "account",
                "issuer": self.issuer,
                "public": self.public,
                "signature": self.signature,
                "by": self.by,
                "authorisation": self.authorisation,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEnd:
    """An account belongs to its issuer no more.

    Attributes:
        issuer: DID.
        address: Of the account.
        by: Key id of the key of the issuer that says so; None if the operator alone does.
        authorisation: Signature by that key; empty if the operator alone says so.
    """

    issuer: str
    address: bytes
    by: bytes | None = None
    authorisation: bytes = b""

    def signed_by(self, origin: str, by: PublicKey, sign: Sign) -> Self:
        """Return the same, said by a key of the issuer."""
        return replace(self, by=by.thumbprint(), authorisation=sign(self.claim(origin)))

    def claim(self, origin: str) -> bytes:
        """Return what the key that says so signs."""
        return dcbor.encode([REVOCATION_TAG, origin, self.issuer, self.address])

    def encode(self) -> bytes:
        """Return the inline payload."""
        return dcbor.encode(
            {
                "version": VERSION,
                "action": "account-end",
                "issuer": self.issuer,
                "address": self.address,
                "by": self.by,
                "authorisation": self.authorisation,
            }
        )


def account_text(origin: str, genesis: bytes, issuer: str) -> str:
    """Return what an account's wallet shows and signs.

    Args:
        origin: The log.
        genesis: Id of its first entry.
        issuer: Whose the account is.
    """
    return (
        "This account belongs to the issuer\n"
        f"{issuer}\n"
        "in the log\n"
        f"{origin}\n"
        "whose first entry is\n"
        f"{genesis.hex()}\n"
        "tallystick account/1"
    )


def text_digest(text: str) -> bytes:
    """Return what a wallet signs of a text: EIP-191, version 0x45."""
    data = text.encode()
    return keccak256(b"\x19Ethereum Signed Message:\n" + str(len(data)).encode() + data)


def verify_text(public: bytes, signature: bytes, text: str) -> None:
    """Accept only a signature that an account made over a text.

    Raises:
        SignatureError: It did not, or s is the larger one of the two that would fit.
    """
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    if len(signature) != SIGNATURE_BYTES or not 0 < r < ORDER or not 0 < s <= ORDER // 2:
        raise SignatureError("an account signs with 64 bytes, r and the smaller s")
    try:
        _curve(public).verify(
            encode_dss_signature(r, s), text_digest(text), ec.ECDSA(Prehashed(hashes.SHA256()))
        )
    except InvalidSignature as error:
        raise SignatureError(f"the account {write_address_of(public)} did not sign that") from error


def _curve(public: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), public)
    except ValueError as error:
        raise EncodingError("not a point of the curve secp256k1") from error


def write_address_of(public: bytes) -> str:
    """Return the address of a public key as people write it."""
    return write_address(keccak256(public[1:])[-ADDRESS_BYTES:])


def write_address(address: bytes) -> str:
    """Return an address in hex, its letters large and small so that errors show (EIP-55)."""
    plain = address.hex()
    marks = keccak256(plain.encode()).hex()
    return "0x" + "".join(
        letter.upper() if mark > "7" else letter for letter, mark in zip(plain, marks, strict=False)
    )


def parse_address(text: str) -> bytes:
    """Read an address: in small letters, or with letters that fit (EIP-55).

    Raises:
        EncodingError: Not one, or with a typing error.
    """
    if not _ADDRESS.fullmatch(text):
        raise EncodingError(f"an address is 0x and 40 hex digits, got {text[:80]!r}")
    address = bytes.fromhex(text[2:])
    if text[2:] not in {address.hex(), address.hex().upper(), write_address(address)[2:]}:
        raise EncodingError(f"the letters of {text} do not fit: there is a typing error in it")
    return address


def parse_account(members: dict[str, Any]) -> Account:
    """Read the decoded members of a payload; nothing is verified but the point.

    Raises:
        EncodingError: Not an account.
    """
    said = Account(
        issuer=_issuer(members),
        public=_octets(members, "public", PUBLIC_BYTES),
        signature=_octets(members, "signature", SIGNATURE_BYTES),
        by=_octets(members, "by", KEY_ID_BYTES),
        authorisation=_octets(members, "authorisation", SIGNATURE_BYTES),
    )
    _curve(said.public)
    return said


def parse_account_end(members: dict[str, Any]) -> AccountEnd:
    """Read the decoded members of a payload.

    Raises:
        EncodingError: Not the end of an account.
    """
    alone = members.get("by") is None
    return AccountEnd(
        issuer=_issuer(members),
        address=_octets(members, "address", ADDRESS_BYTES),
        by=None if alone else _octets(members, "by", KEY_ID_BYTES),
        authorisation=_octets(members, "authorisation", 0 if alone else SIGNATURE_BYTES),
    )


def _issuer(members: dict[str, Any]) -> str:
    issuer = members.get("issuer")
    if not isinstance(issuer, str) or not issuer or "\n" in issuer:
        raise EncodingError(f"'issuer' must be text in one line, got {issuer!r:.40}")
    return issuer


def _octets(members: dict[str, Any], name: str, size: int) -> bytes:
    value = members.get(name)
    if not isinstance(value, bytes) or len(value) != size:
        raise EncodingError(f"{name!r} must be {size} bytes, got {value!r:.40}")
    return value
