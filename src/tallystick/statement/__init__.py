"""What is said and proven, as bytes: statements, receipts, checkpoints, keys, commitments.

Encode, sign, parse; pure, without I/O. `parse_` believes nothing: to believe, use
`tallystick.verify`.
"""

from tallystick.statement.batch import Batch, parse_batch, row_data, row_leaf, row_leaves
from tallystick.statement.checkpoint import Checkpoint, check_origin, parse_checkpoint
from tallystick.statement.commitment import (
    Disclosure,
    OpenField,
    Preimage,
    commit,
    verify_disclosure,
)
from tallystick.statement.erasure import Erasure, ErasureReason, parse_erasure
from tallystick.statement.header import Header, Sequence, parse_header
from tallystick.statement.header_encoding import encode_header
from tallystick.statement.keys import KeyKind, PublicKey, parse_cose_key, parse_did_key
from tallystick.statement.labels import ENTRY_BYTES_MAX, Alg, Assurance, Label, Relation
from tallystick.statement.note import (
    Note,
    NoteSignature,
    NoteSigner,
    VerifierKey,
    cosign_note,
    parse_note,
    parse_vkey,
    sign_note,
    verify_note,
)
from tallystick.statement.receipt import Receipt, parse_receipt, receipt_header, sign_receipt
from tallystick.statement.registered import Found, Proof
from tallystick.statement.signed import Sign, SignedStatement, parse_statement, sign_statement
from tallystick.statement.tlog_proof import TlogProof, parse_tlog_proof

__all__ = [
    "ENTRY_BYTES_MAX",
    "Alg",
    "Assurance",
    "Batch",
    "Checkpoint",
    "Disclosure",
    "Erasure",
    "ErasureReason",
    "Found",
    "Header",
    "KeyKind",
    "Label",
    "Note",
    "NoteSignature",
    "NoteSigner",
    "OpenField",
    "Preimage",
    "Proof",
    "PublicKey",
    "Receipt",
    "Relation",
    "Sequence",
    "Sign",
    "SignedStatement",
    "TlogProof",
    "VerifierKey",
    "check_origin",
    "commit",
    "cosign_note",
    "encode_header",
    "parse_batch",
    "parse_checkpoint",
    "parse_cose_key",
    "parse_did_key",
    "parse_erasure",
    "parse_header",
    "parse_note",
    "parse_receipt",
    "parse_statement",
    "parse_tlog_proof",
    "parse_vkey",
    "receipt_header",
    "row_data",
    "row_leaf",
    "row_leaves",
    "sign_note",
    "sign_receipt",
    "sign_statement",
    "verify_disclosure",
    "verify_note",
]
