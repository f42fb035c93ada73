"""Models that were trained on rows which are erased since."""

from tallystick.errors import NotFoundError
from tallystick.ledger import Found, Reads, batch_of, erased_rows
from tallystick.statement import Relation, SignedStatement
from tallystick.verify.bundle import split_hashes


def retrain_due(ledger: Reads, model: Found) -> int:
    """Count the rows that a model used and that are erased; with any, it is to be trained anew.

    Derived from links: from the model to the batches it used, and to those they are taken from.
    """
    return sum(
        _erased_among(ledger, batch)
        for target in model.statement.header.links.get(Relation.USED, ())
        if (batch := _batch(ledger, target)) is not None
    )


def _erased_among(ledger: Reads, batch: SignedStatement) -> int:
    gone = _gone(ledger, batch)
    for source in batch.header.links.get(Relation.DERIVED_FROM, ()):
        taken_from = _batch(ledger, source)
        gone |= set() if taken_from is None else _gone(ledger, taken_from)
    if not gone:
        return 0
    return sum(leaf in gone for leaf in split_hashes(ledger.leaves(batch)))


def _gone(ledger: Reads, batch: SignedStatement) -> set[bytes]:
    claimed = batch_of(batch)
    positions = erased_rows(ledger, batch.id, claimed.rows if claimed else 0)
    if not positions:
        return set()
    leaves = split_hashes(ledger.leaves(batch))
    return {leaves[at] for at in positions if at < len(leaves)}


def _batch(ledger: Reads, statement_id: bytes) -> SignedStatement | None:
    try:
        statement = ledger.get(statement_id).statement
    except NotFoundError:
        return None  # of another ledger
    return statement if batch_of(statement) is not None else None
