"""What a log answers about one statement: where it is, and the proof. Nothing is believed here.

The ledger makes these, and the client reads them from a service; `tallystick.verify` decides.
"""

from dataclasses import dataclass

from tallystick.statement.signed import SignedStatement


@dataclass(frozen=True, slots=True)
class Found:
    """A statement as it stands in the log; its inclusion can be proven with `prove`.

    Attributes:
        index: Where.
        statement: Parsed.
    """

    index: int
    statement: SignedStatement


@dataclass(frozen=True, slots=True)
class Proof:
    """That the log holds a statement, as of a checkpoint.

    Attributes:
        found: The statement and its index.
        receipt: COSE receipt (RFC 9942).
        path: Inclusion path.
        checkpoint: Signed note that the path leads to.
    """

    found: Found
    receipt: bytes
    path: tuple[bytes, ...]
    checkpoint: bytes
