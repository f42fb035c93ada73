"""COSE_Sign1, the envelope of statements and receipts: its three parts and what is signed.

Nothing here looks into headers or checks a signature.

Source:
    RFC 9052, sections 4.2 and 4.4.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import cbor2

from tallystick.errors import EncodingError
from tallystick.statement import dcbor
from tallystick.statement.labels import COSE_SIGN1_TAG

_TAG_BYTE = b"\xd2"


@dataclass(frozen=True, slots=True)
class Sign1:
    """A COSE_Sign1 taken apart, byte strings verbatim.

    Attributes:
        protected: Encoded protected header.
        unprotected: Decoded unprotected header; nobody signed it.
        payload: None where it is detached.
        signature: As it stands.
    """

    protected: bytes
    unprotected: dict[Any, Any]
    payload: bytes | None
    signature: bytes


def parse_sign1(data: bytes, what: str) -> Sign1:
    """Take a tagged COSE_Sign1 apart.

    Raises:
        EncodingError: Not tag 18 over an array of the four right types.
    """
    if not data.startswith(_TAG_BYTE):
        raise EncodingError(
            f"{what} must begin with the COSE_Sign1 tag 18 (0xd2), "
            f"got {data[:1].hex() or 'no bytes'}"
        )
    match dcbor.decode(data[1:], what):
        case [
            bytes() as protected,
            dict() as unprotected,
            bytes() | None as payload,
            bytes() as signature,
        ]:
            return Sign1(protected, unprotected, payload, signature)
    raise EncodingError(f"{what} must be [protected, unprotected, payload, signature]")


def encode_sign1(
    protected: bytes, unprotected: dict[Any, Any], payload: bytes | None, signature: bytes
) -> bytes:
    """Encode a tagged COSE_Sign1; protected header and payload go in verbatim.

    Deterministic as long as no map in `unprotected` has more than one member: nothing is sorted.
    """
    body = [protected, unprotected, payload, signature]
    return cbor2.dumps(cbor2.CBORTag(COSE_SIGN1_TAG, body))


def signed_bytes(protected: bytes, payload: bytes) -> bytes:
    """Return the Sig_structure: the bytes that the signature covers."""
    return cbor2.dumps(["Signature1", protected, b"", payload])


def statement_id(protected: bytes, payload: bytes) -> bytes:
    """Return the identity of a statement: what was said, not which signature said it."""
    return sha256(signed_bytes(protected, payload)).digest()
