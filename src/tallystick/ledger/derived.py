"""Rows that were taken into other batches: erasing them there, too.

A selection of rows, such as those that a model is trained on, names its source by `derived_from`
and holds rows with the very same leaf hashes. Its own copies in the vault would outlive the source,
so whoever erases a row erases it wherever it was taken. Rows that were salted anew have other leaf
hashes: nobody can tell where they came from.
"""

from collections.abc import Iterator
from contextlib import suppress

from tallystick.errors import NotFoundError
from tallystick.ledger.erasures import Targets
from tallystick.ledger.reading import Query, Reads
from tallystick.ledger.rules import batch_of
from tallystick.merkle import HASH_BYTES
from tallystick.statement import Relation, SignedStatement
from tallystick.statement.erasure import Positions


def with_derived(ledger: Reads, targets: Targets) -> dict[bytes, Positions | None]:
    """Return targets together with the same rows in batches that are taken from them, and so on."""
    found: dict[bytes, Positions | None] = dict(targets)
    waiting = list(targets)
    while waiting:
        source = waiting.pop()
        for derived, positions in _taken(ledger, source, found[source]):
            before = found.get(derived, frozenset())
            if before is not None and not positions <= before:
                found[derived] = before | positions
                waiting.append(derived)
    return found


def _taken(
    ledger: Reads, source: bytes, going: Positions | None
) -> Iterator[tuple[bytes, Positions]]:
    """Yield batches that are taken from a batch, and where they hold rows that go there."""
    with suppress(NotFoundError):  # of another ledger, or without the hashes of its rows
        statement = ledger.get(source).statement
        leaves = _leaves(ledger, statement)
        if not leaves:
            return
        at = range(len(leaves)) if going is None else going
        gone = {leaves[position] for position in at if position < len(leaves)}
        for one in ledger.find_all(Query(link=source)):
            if source in one.statement.header.links.get(Relation.DERIVED_FROM, ()):
                theirs = _leaves(ledger, one.statement)
                positions = frozenset(p for p, leaf in enumerate(theirs) if leaf in gone)
                if positions:
                    yield one.statement.id, positions


def _leaves(ledger: Reads, statement: SignedStatement) -> list[bytes]:
    if batch_of(statement) is None:
        return []
    data = ledger.leaves(statement)
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]
