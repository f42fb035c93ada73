"""Rows that verify, and nothing else: what a model may be trained on.

    loaded = load_rows(ledger, [north.id, south.id])
    for row in loaded.rows: ...        # each is what its issuer registered
    for row in loaded.refused: ...     # each with the reason, such as that others took its place

The batch statements are checked as a stranger would check them: by an evidence bundle and the
offline verifier. Then each row from the vault is hashed and compared with its leaf.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from tallystick.errors import (
    CommitmentError,
    DamagedError,
    ErasedError,
    NotFoundError,
    RefusedError,
    TallystickError,
)
from tallystick.evidence.export import build_bundle
from tallystick.evidence.superseded import SUPERSEDED, superseded_by, with_successors
from tallystick.identity import Signer
from tallystick.ledger import Reads, batch_of, erased_rows
from tallystick.ledger.marking import marked_rows
from tallystick.merkle import HASH_BYTES, tree_root
from tallystick.statement import (
    Batch,
    Header,
    SignedStatement,
    dcbor,
    row_leaf,
    sign_statement,
)
from tallystick.statement.erasure import Positions
from tallystick.statement.governance import StatementType
from tallystick.statement.labels import BATCH_MEDIA_TYPE
from tallystick.verify import TrustPolicy, verify_bundle

RESTRICTED: Final = "content.restricted"
"""Reason for which a loader leaves out a row that verifies."""


@dataclass(frozen=True, slots=True)
class VerifiedRow:
    """A row as its issuer registered it.

    Attributes:
        batch: Id of the batch statement.
        position: Place in the batch, zero-based.
        leaf: Its leaf hash.
        values: The decoded row.
    """

    batch: bytes
    position: int
    leaf: bytes
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that must not be used.

    Attributes:
        batch: Id of the batch statement.
        position: Place in the batch, zero-based.
        error: Why.
    """

    batch: bytes
    position: int
    error: TallystickError


@dataclass(frozen=True, slots=True)
class LoadedRows:
    """What a loader found.

    Attributes:
        rows: Those that verify, in the order of batches and positions.
        refused: Those that do not.
    """

    rows: tuple[VerifiedRow, ...]
    refused: tuple[RefusedRow, ...]

    @property
    def restricted(self) -> int:
        """How many were left out only because a restriction stands on them."""
        return self._refused_for(RESTRICTED)

    @property
    def superseded(self) -> int:
        """How many were left out only because others took their place."""
        return self._refused_for(SUPERSEDED)

    def leaves(self) -> bytes:
        """Return the leaf hashes of the verified rows, concatenated."""
        return b"".join(row.leaf for row in self.rows)

    def _refused_for(self, reason: str) -> int:
        return sum(
            isinstance(row.error, RefusedError) and row.error.reason == reason
            for row in self.refused
        )


def encode_row(values: dict[str, Any]) -> bytes:
    """Encode a row; equal rows have equal bytes.

    Raises:
        EncodingError: A value without a deterministic CBOR form.
    """
    return dcbor.encode(values)


def sign_batch(
    signer: Signer,
    leaves: bytes,
    *,
    issued_at: int,
    links: Mapping[str, tuple[bytes, ...]] | None = None,
) -> SignedStatement:
    """Sign a batch statement over leaf hashes, outside of any emitter's numbering.

    Args:
        signer: The issuer's key.
        leaves: Leaf hashes of the rows, concatenated; at least one.
        issued_at: Seconds since 1970.
        links: Statements it points to, such as the batches that the rows are taken from.
    """
    header = Header(
        algorithm=signer.algorithm,
        key_id=signer.public.thumbprint(),
        issuer=signer.issuer,
        subject=uuid.uuid4().urn,
        issued_at=issued_at,
        type=StatementType.DATASET,
        content_type=BATCH_MEDIA_TYPE,
        hashed=False,
        links=links or {},
    )
    batch = Batch(rows=len(leaves) // HASH_BYTES, root=tree_root(leaves))
    return sign_statement(header, batch.encode(), signer.sign)


def schema_digest(schema: dict[str, Any]) -> bytes:
    """Return the digest that a batch statement gives of its rows' schema."""
    return sha256(dcbor.encode(schema)).digest()


def load_rows(
    ledger: Reads, batches: Sequence[bytes], trust: TrustPolicy, *, superseded: bool = False
) -> LoadedRows:
    """Load the rows of registered batches, only those that verify; what was put right since, so.

    Args:
        ledger: Holds the statements, their leaf hashes and the vault.
        batches: Ids of batch statements.
        trust: Whose checkpoints to believe.
        superseded: Load the very rows of these batches, also where others took their place.

    Raises:
        VerificationError: A batch statement itself does not verify.
        IndeterminateError: It cannot be decided whether it does.
        NotFoundError: It is not registered, or its leaf hashes are missing.
    """
    rows: list[VerifiedRow] = []
    refused: list[RefusedRow] = []
    wanted = ((one, None) for one in batches) if superseded else with_successors(ledger, batches)
    for batch, by in wanted:
        report = verify_bundle(build_bundle(ledger, batch).encode(), trust)
        leaves = report.statements[batch].leaves
        stored = _stored(ledger, batch)
        erased = erased_rows(ledger, batch, len(leaves) // HASH_BYTES)
        restricted = marked_rows(ledger, StatementType.RESTRICTION, batch)
        for position in range(len(leaves) // HASH_BYTES):
            leaf = leaves[position * HASH_BYTES : (position + 1) * HASH_BYTES]
            try:
                if position in erased:
                    raise ErasedError(f"row {position} is erased, as a registered statement says")
                if by is not None:
                    raise superseded_by(position, by)
                _check_restricted(position, *restricted)
                record = _check(stored.get(position), position, leaf)
                rows.append(VerifiedRow(batch, position, leaf, dcbor.decode(record, "row")))
            except TallystickError as error:
                refused.append(RefusedRow(batch, position, error))
    return LoadedRows(tuple(rows), tuple(refused))


def _check_restricted(position: int, rows: Positions, whole: bool) -> None:  # noqa: FBT001
    if whole or position in rows:
        raise RefusedError(
            f"row {position} is restricted, as a registered statement says",
            reason=RESTRICTED,
            advice="see `tally restrict --list`",
        )


def _check(
    stored: tuple[bytes, bytes] | TallystickError | None, position: int, leaf: bytes
) -> bytes:
    if stored is None:
        raise NotFoundError(f"row {position} is not in the vault: never stored, or erased")
    if isinstance(stored, TallystickError):
        raise stored
    salt, record = stored
    if row_leaf(salt, record) != leaf:
        raise CommitmentError(f"row {position} is not the one that was registered")
    return record


def _stored(ledger: Reads, batch: bytes) -> dict[int, tuple[bytes, bytes] | TallystickError]:
    """Read the rows of a batch from the vault; one that does not decrypt is its error."""
    found: dict[int, tuple[bytes, bytes] | TallystickError] = {}
    statement = ledger.get(batch).statement
    try:
        for position, salt, record in ledger.vault.rows(batch):
            found[position] = (salt, record)
    except DamagedError:  # some segment does not decrypt: find out which, one by one
        claimed = batch_of(statement)
        for position in range(claimed.rows if claimed else 0):
            try:
                found[position] = ledger.vault.row(batch, position)
            except TallystickError as error:
                found[position] = error
    return found
