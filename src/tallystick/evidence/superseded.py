"""What took the place of a batch: loaders yield that, and not what was put right since.

A later batch names the one whose place it takes by `supersedes`; where it holds only the rows that
were wrong, by `refutes` as well, and the other rows go on counting. It does so only if whoever
signed the first one signed it, or the operator: else anybody could take rows out of training.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from tallystick.errors import RefusedError
from tallystick.ledger import Found, Query, Reads, batch_of
from tallystick.statement import Relation

SUPERSEDED: Final = "content.superseded"
"""Reason for which a loader leaves out a row that verifies."""


def with_successors(
    ledger: Reads, batches: Sequence[bytes]
) -> Iterator[tuple[bytes, Found | None]]:
    """Yield batches, each followed by what took its place, or that of some of its rows.

    Yields:
        Its id, and the batch that took the place of all of it, whose rows follow; None where its
        own rows count.
    """
    seen: set[bytes] = set()
    waiting = [*reversed(batches)]
    while waiting:
        batch = waiting.pop()
        if batch in seen:
            continue
        seen.add(batch)
        after = successors(ledger, batch)
        whole = next((one for one in reversed(after) if not _is_partial(one, batch)), None)
        yield batch, whole
        follow = after if whole is None else [whole]
        waiting += [one.statement.id for one in reversed(follow)]


def successors(ledger: Reads, batch: bytes) -> list[Found]:
    """Return the batches that supersede one or rows of it, and may, the oldest first."""
    old, operator = ledger.get(batch), ledger.at(0).statement.header.issuer
    may = {old.statement.header.issuer, operator}
    return [
        one
        for one in [*ledger.find_all(Query(link=batch))][::-1]
        if batch in one.statement.header.links.get(Relation.SUPERSEDES, ())
        and one.statement.header.issuer in may
        and one.index > old.index
        and batch_of(one.statement) is not None
    ]


def superseded_by(position: int, by: Found) -> RefusedError:
    """Return why a row is not used."""
    return RefusedError(
        f"row {position} is superseded: entry {by.index} took the place of its batch",
        reason=SUPERSEDED,
        advice="`tally rows --superseded` gives it all the same",
    )


def _is_partial(one: Found, batch: bytes) -> bool:
    return batch in one.statement.header.links.get(Relation.REFUTES, ())
