"""Rows of a batch: each shown row against the root that the statement commits to."""

from tallystick.errors import CommitmentError, EncodingError, ProofError
from tallystick.merkle import HASH_BYTES, tree_root, verify_inclusion
from tallystick.statement import Batch, parse_batch, row_leaf
from tallystick.verify.bundle import Member, OpenRow


def verify_rows(payload: bytes, member: Member) -> tuple[dict[int, bytes], str]:
    """Return the shown rows of a batch by position, and a sentence about what was checked.

    That the statement with this payload is registered is not checked here. A row proven here is
    part of a registered batch; it is not itself a registered statement.

    Raises:
        EncodingError: The payload is not a batch.
        ProofError: The leaf hashes do not lead to the root.
        CommitmentError: A row is not the one that was committed to; the message says which.
    """
    batch = parse_batch(payload)
    if member.leaves is not None:
        _verify_leaves(batch, member.leaves)
    rows = {row.position: _verify_row(batch, member.leaves, row) for row in member.rows}
    known = "all leaf hashes lead" if member.leaves is not None else "paths lead"
    return rows, f"{known} to the row root; {len(rows)} of {batch.rows} rows shown, all match"


def _verify_leaves(batch: Batch, leaves: bytes) -> None:
    if len(leaves) != batch.rows * HASH_BYTES:
        raise ProofError(f"batch has {batch.rows} rows, got {len(leaves) // HASH_BYTES} leaves")
    if tree_root(leaves) != batch.root:
        raise ProofError("the leaf hashes do not lead to the row root of the statement")


def _verify_row(batch: Batch, leaves: bytes | None, row: OpenRow) -> bytes:
    if not 0 <= row.position < batch.rows:
        raise EncodingError(f"row {row.position} is outside the batch of {batch.rows}")
    leaf = row_leaf(row.salt, row.record)
    if leaves is not None:
        at = row.position * HASH_BYTES
        if leaves[at : at + HASH_BYTES] != leaf:
            raise CommitmentError(f"row {row.position} is not the one that was registered")
    elif row.path is None:
        raise EncodingError(f"row {row.position} has neither a path nor the leaves of its batch")
    else:
        try:
            verify_inclusion(leaf, row.position, batch.rows, row.path, batch.root)
        except ProofError as error:
            raise CommitmentError(
                f"row {row.position} is not the one that was registered: {error}"
            ) from error
    return row.record
