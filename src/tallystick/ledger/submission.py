"""What is handed to a ledger, and what it hands back."""

from collections.abc import Sequence
from dataclasses import dataclass

from tallystick.log import Snapshot
from tallystick.statement import Preimage
from tallystick.vault import About, Beside, SealedContent


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a batch, to be kept in the vault.

    Attributes:
        salts: 32 bytes per row, concatenated.
        records: Encoded rows.
        subjects: Whom each row is about, if rows of one subject are to be erased together.
        purpose: What the rows are for.
    """

    salts: bytes
    records: Sequence[bytes]
    subjects: Sequence[object] | None = None
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class Submission:
    """A signed statement, with what comes beside it.

    Attributes:
        entry: COSE_Sign1.
        content: What it commits to, to be kept in the vault.
        sealed: The same, encrypted already by this ledger's vault, from a spool of ours.
        leaves: Leaf hashes of a batch statement, concatenated; required for those.
        rows: Rows of a batch statement, to be kept in the vault.
        about: Whom the content is about, so that it can be erased with all that is; this stays in
            the vault and is in no statement.
    """

    entry: bytes
    content: Preimage | None = None
    sealed: SealedContent | None = None
    leaves: bytes | None = None
    rows: Rows | None = None
    about: About | Beside | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    """A statement that is in the log for ever.

    Attributes:
        id: Its identity.
        index: Its place.
        existed: It had been registered before; this was a retry.
        snapshot: A signed state of the log that contains it.
    """

    id: bytes
    index: int
    existed: bool
    snapshot: Snapshot
