"""Models that were trained on rows which are erased since."""

from collections.abc import Iterator

from tallystick.errors import NotFoundError
from tallystick.ledger import Found, Query, Reads, batch_of, erased_rows
from tallystick.statement import Relation, SignedStatement
from tallystick.statement.governance import StatementType
from tallystick.verify.bundle import split_hashes


def retrain_due(ledger: Reads, model: Found) -> int:
    """Count the rows that a model used and that are erased; with any, it is to be trained anew.

    Derived from links: from the model to the batches it used, and to those they are taken from.
    It was, as soon as a later version is registered that used none of them, see `retrained_by`.
    """
    count = _erased_rows(ledger, model)
    return 0 if count and retrained_by(ledger, model) is not None else count


def retrained_by(ledger: Reads, model: Found) -> Found | None:
    """Return the newest version of a model that used no rows which are erased; None without one.

    A later model statement names the one whose place it takes by `supersedes`, and counts if
    whoever registered that one registered it, or the operator.
    """
    versions = [one for one in _later(ledger, model) if not _erased_rows(ledger, one)]
    return max(versions, key=lambda one: one.index, default=None)


def models_due(ledger: Reads) -> Iterator[tuple[Found, int]]:
    """Yield models that are to be trained anew, the newest first, with how many rows are erased."""
    for model in ledger.find_all(Query(type=StatementType.MODEL)):
        if count := retrain_due(ledger, model):
            yield model, count


def _erased_rows(ledger: Reads, model: Found) -> int:
    return sum(
        _erased_among(ledger, batch)
        for target in model.statement.header.links.get(Relation.USED, ())
        if (batch := _batch(ledger, target)) is not None
    )


def _later(ledger: Reads, model: Found) -> Iterator[Found]:
    """Yield all versions after a model: what supersedes it, and what supersedes that."""
    operator = ledger.at(0).statement.header.issuer
    seen, waiting = {model.statement.id}, [model]
    while waiting:
        old = waiting.pop()
        by = {old.statement.header.issuer, operator}
        for one in ledger.find_all(Query(link=old.statement.id, type=StatementType.MODEL)):
            named = one.statement.header.links.get(Relation.SUPERSEDES, ())
            may = one.statement.header.issuer in by and one.index > old.index
            if old.statement.id in named and may and one.statement.id not in seen:
                seen.add(one.statement.id)
                waiting.append(one)
                yield one


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
