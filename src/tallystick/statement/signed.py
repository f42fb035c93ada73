"""Signed statements: parse one, sign one.

    statement = sign_statement(header, payload, sign)
    statement.entry     # the bytes that go on the ledger
    statement.id        # what names it, whatever the signature looks like
    parse_statement(statement.entry) == statement

Source:
    RFC 9943, section 6; RFC 9052, section 4.4.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tallystick.errors import EncodingError, LimitError
from tallystick.statement.cose import (
    encode_registered,
    parse_sign1,
    signed_bytes,
    split_registered,
    statement_id,
)
from tallystick.statement.header import HASH_BYTES, Header, parse_header
from tallystick.statement.header_encoding import encode_and_read
from tallystick.statement.keys import SIGNATURE_BYTES, PublicKey
from tallystick.statement.labels import ENTRY_BYTES_MAX

Sign = Callable[[bytes], bytes]
"""Signs a message and returns 64 bytes."""
ReadHeader = Callable[[bytes], Header]
"""Reads a protected header."""

_STATEMENT: Final = "signed statement"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedStatement:
    """A statement as it stands on the ledger; well-formed, its signature not yet checked.

    Attributes:
        id: SHA-256 of the signed bytes.
        header: The parsed protected header.
        protected: The same header, verbatim.
        payload: 32-byte commitment for a hash envelope, otherwise the inline content.
        signature: 64 bytes.
        entry: The whole, tagged, with empty unprotected header: what the leaf hash covers.
    """

    id: bytes
    header: Header
    protected: bytes
    payload: bytes
    signature: bytes
    entry: bytes

    def signed_bytes(self) -> bytes:
        """Return what the signature covers."""
        return signed_bytes(self.protected, self.payload)

    def verify_signature(self, key: PublicKey) -> None:
        """Accept only if `key` is the one the header names and made the signature.

        Whose key it is, is not checked here.

        Raises:
            SignatureError: Another key, another algorithm, or a wrong signature.
        """
        key.verify(self.signature, self.signed_bytes(), self.header.algorithm)


def parse_statement(data: bytes, read_header: ReadHeader = parse_header) -> SignedStatement:
    """Parse a COSE_Sign1 and bring it into the form that is registered.

    The unprotected header is emptied, as RFC 9943 demands, and the outer array encoded anew; the
    signed parts stay verbatim. The signature is not checked here.

    Args:
        data: The bytes.
        read_header: Reads the protected header; accepts what `parse_header` does.

    Raises:
        EncodingError: Not a statement.
        LimitError: Longer than an entry may be.
    """
    if len(data) > ENTRY_BYTES_MAX:
        raise LimitError(
            f"{_STATEMENT} has {len(data)} bytes, at most {ENTRY_BYTES_MAX} allowed",
            advice="register a commitment to large content, not the content itself",
        )
    parts = split_registered(data)
    if parts is None:
        protected, payload, signature = _parse_parts(data)
    else:
        protected, payload, signature = parts
    header = read_header(protected)
    if header.hashed and len(payload) != HASH_BYTES:
        raise EncodingError(
            f"hash envelope must have a payload of {HASH_BYTES} bytes, got {len(payload)}"
        )
    entry = data if parts else encode_registered(protected, payload, signature)
    return _assemble(header, protected, payload, signature, entry)


def _parse_parts(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Read what is not in the form that is registered; return header, payload and signature."""
    sign1 = parse_sign1(data, _STATEMENT)
    if sign1.payload is None:
        raise EncodingError(f"{_STATEMENT} has a detached payload, expected it inside")
    if len(sign1.signature) != SIGNATURE_BYTES:
        raise EncodingError(
            f"signature must have {SIGNATURE_BYTES} bytes, got {len(sign1.signature)}"
        )
    return sign1.protected, sign1.payload, sign1.signature


def sign_statement(header: Header, payload: bytes, sign: Sign) -> SignedStatement:
    """Build and sign a statement.

    Args:
        header: Its `key_id` and `algorithm` must belong to the signer.
        payload: Commitment or inline content, as the header says.
        sign: Returns the 64-byte signature.

    Raises:
        EncodingError: No reader would accept the header.
        LimitError: The entry would be too long for an entry bundle.
    """
    protected, header = encode_and_read(header)
    signature = sign(signed_bytes(protected, payload))
    entry = encode_registered(protected, payload, signature)
    statement = _assemble(header, protected, payload, signature, entry)
    if len(statement.entry) > ENTRY_BYTES_MAX:
        raise LimitError(
            f"{_STATEMENT} has {len(statement.entry)} bytes, at most {ENTRY_BYTES_MAX} allowed"
        )
    return statement


def _assemble(
    header: Header, protected: bytes, payload: bytes, signature: bytes, entry: bytes
) -> SignedStatement:
    return SignedStatement(
        id=statement_id(protected, payload),
        header=header,
        protected=protected,
        payload=payload,
        signature=signature,
        entry=entry,
    )
