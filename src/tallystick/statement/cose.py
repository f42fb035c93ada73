"""COSE_Sign1, the envelope of statements and receipts: its three parts and what is signed.

Nothing here looks into headers or checks a signature.

Source:
    RFC 9052, sections 4.2 and 4.4.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import cbor2

from tallystick.errors import EncodingError
from tallystick.statement import dcbor
from tallystick.statement.dcbor import bstr_head
from tallystick.statement.labels import COSE_SIGN1_TAG

_TAG_BYTE: Final = b"\xd2"
_BEGIN: Final = b"\xd2\x84"
"""Tag 18 and the head of an array of four."""
_EMPTY_MAP: Final = b"\xa0"
_SIGNATURE_HEAD: Final = b"\x58\x40"
_SIGNATURE_BYTES: Final = 64
_SIGNED_HEAD: Final = b"\x84\x6aSignature1"
_NO_EXTERNAL_DATA: Final = b"\x40"


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


def split_registered(data: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Split a COSE_Sign1 that already is in the one form in which entries are registered.

    That form has an empty unprotected header, shortest lengths and a signature of 64 bytes, so it
    is found by its lengths alone; this is the path of nearly every statement. `parse_sign1` reads
    all other forms, and says what is wrong with them.

    Returns:
        Protected header, payload and signature; None if it is in another form.
    """
    if data[:2] != _BEGIN:
        return None
    protected, at = _split_bytes(data, 2)
    if not at or data[at : at + 1] != _EMPTY_MAP:
        return None
    payload, at = _split_bytes(data, at + 1)
    if not at or data[at : at + 2] != _SIGNATURE_HEAD or len(data) != at + 2 + _SIGNATURE_BYTES:
        return None
    return protected, payload, data[at + 2 :]


def _split_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    """Return the byte string that begins at `at`, and where it ends; 0 if there is none."""
    head = data[at : at + 3]
    length = head[0] - 0x40 if head else 0
    if 0 <= length < 24:
        first = at + 1
    elif head[:1] == b"\x58" and len(head) > 1:
        length, first = head[1], at + 2
    elif head[:1] == b"\x59" and len(head) > 2:
        length, first = head[1] << 8 | head[2], at + 3
    else:
        return b"", 0
    end = first + length
    if end > len(data) or first - at != len(bstr_head(length)):
        return b"", 0
    return data[first:end], end


def encode_registered(protected: bytes, payload: bytes, signature: bytes) -> bytes:
    """Encode a COSE_Sign1 in the one form in which entries are registered."""
    return b"".join(
        (
            _BEGIN, bstr_head(len(protected)), protected, _EMPTY_MAP,
            bstr_head(len(payload)), payload, bstr_head(len(signature)), signature,
        )
    )  # fmt: skip


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
    heads = bstr_head(len(protected)), bstr_head(len(payload))
    return b"".join((_SIGNED_HEAD, heads[0], protected, _NO_EXTERNAL_DATA, heads[1], payload))


def statement_id(protected: bytes, payload: bytes) -> bytes:
    """Return the identity of a statement: what was said, not which signature said it."""
    return sha256(signed_bytes(protected, payload)).digest()
