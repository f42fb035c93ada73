"""Batch statements: one signature over the Merkle root of many salted rows.

The inner tree follows RFC 9162 as the log does, over leaf data that cannot be mistaken for an
entry: rows begin with byte 0x83, entries with 0xd2. A row is proven by two separate proofs, row
to root and statement to checkpoint, and is itself never a registered statement.

Source:
    docs/reference/formats.md, section "Batch statements".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from tallystick.errors import EncodingError
from tallystick.merkle import HASH_BYTES
from tallystick.statement import dcbor
from tallystick.statement.commitment import SALT_BYTES, Entropy
from tallystick.statement.dcbor import bstr_head

BATCH_TAG: Final = "tallystick/batch/1"
ROW_RULE: Final = "tallystick/row/1"
ROWS_MAX: Final = 2**32
NO_SCHEMA: Final = bytes(HASH_BYTES)

_ROW_HEAD: Final = b"\x83\x70" + ROW_RULE.encode() + b"\x58\x20"
_LEAF_HEAD: Final = b"\x00" + _ROW_HEAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a batch statement commits to.

    Attributes:
        rows: Number of rows, N.
        root: Root over the N row leaves.
        schema: SHA-256 of the schema that the rows follow, `NO_SCHEMA` if there is none.
        first_seq: Number of the first row in its stream, so that batches can be proven to follow
            on one another.
    """

    rows: int
    root: bytes
    schema: bytes = NO_SCHEMA
    first_seq: int = 0

    def encode(self) -> bytes:
        """Return the inline payload."""
        return dcbor.encode(
            [BATCH_TAG, ROW_RULE, self.rows, self.root, self.schema, self.first_seq]
        )


def parse_batch(payload: bytes) -> Batch:
    """Parse the payload of a batch statement.

    Raises:
        EncodingError: Not a batch, not deterministic, or of an unknown version or leaf rule.
    """
    match dcbor.decode_deterministic(payload, "batch payload"):
        case [
            str() as tag,
            str() as rule,
            int() as rows,
            bytes() as root,
            bytes() as schema,
            int() as first_seq,
        ] if type(rows) is type(first_seq) is int:  # true and false are no numbers
            if (tag, rule) != (BATCH_TAG, ROW_RULE):
                raise EncodingError(
                    f"batch must be {BATCH_TAG} with leaf rule {ROW_RULE}, "
                    f"got {tag!r:.40} with {rule!r:.40}"
                )
            if not 0 < rows <= ROWS_MAX or first_seq < 0:
                raise EncodingError(f"batch must have 1..2**32 rows, got {rows}")
            if len(root) != HASH_BYTES or len(schema) != HASH_BYTES:
                raise EncodingError(f"root and schema must have {HASH_BYTES} bytes")
            return Batch(rows=rows, root=root, schema=schema, first_seq=first_seq)
    raise EncodingError("batch payload must be [tag, rule, rows, root, schema, first seq]")


def row_data(salt: bytes, record: bytes) -> bytes:
    """Return the leaf data of a row: dCBOR[rule, salt, record], record a byte string.

    Args:
        salt: 32 bytes, of this row only.
        record: The row as the schema encodes it.

    Raises:
        EncodingError: The salt has another length.
    """
    _check_salt(salt)
    return _ROW_HEAD + salt + bstr_head(len(record)) + record


def row_leaf(salt: bytes, record: bytes) -> bytes:
    """Return the leaf hash of a row.

    Raises:
        EncodingError: The salt has another length than 32 bytes.
    """
    _check_salt(salt)
    return sha256(_LEAF_HEAD + salt + bstr_head(len(record)) + record).digest()


def _check_salt(salt: bytes) -> None:
    """Keep salt and record apart: a longer salt could swallow the beginning of the record."""
    if len(salt) != SALT_BYTES:
        raise EncodingError(f"the salt of a row must have {SALT_BYTES} bytes, got {len(salt)}")


def row_leaves(records: Sequence[bytes], entropy: Entropy) -> tuple[bytes, bytes]:
    """Salt and hash many rows.

    Args:
        records: Encoded rows.
        entropy: Source of the salts.

    Returns:
        All salts and all leaf hashes, each concatenated, 32 bytes per row.
    """
    salts = entropy(SALT_BYTES * len(records))
    head, digest = _LEAF_HEAD, sha256
    heads = {length: bstr_head(length) for length in set(map(len, records))}
    places = range(0, len(salts), SALT_BYTES)
    if len(heads) == 1:  # rows of one length, as most tables have: no look-up for each
        [middle] = heads.values()
        leaves = [
            digest(head + salts[at : at + SALT_BYTES] + middle + record).digest()
            for at, record in zip(places, records, strict=True)
        ]
    else:
        leaves = [
            digest(head + salts[at : at + SALT_BYTES] + heads[len(record)] + record).digest()
            for at, record in zip(places, records, strict=True)
        ]
    return salts, b"".join(leaves)
