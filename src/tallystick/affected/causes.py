"""What a decision rests on: the answers that it was made on, and the prompts behind them."""

from collections.abc import Iterator
from typing import Final

from tallystick.errors import NotFoundError
from tallystick.ledger import Found, Query, Reads, batch_of
from tallystick.ledger.appeals import CAUSES, STEPS_MAX
from tallystick.statement.appeal import CONTESTABLE
from tallystick.statement.governance import StatementType

CAUSES_MAX: Final = 64
"""Statements that one appeal keeps beside the decision."""


def causes_of(ledger: Reads, decision: Found) -> list[Found]:
    """Return what a decision rests on, the nearest first, as far as it is registered here."""
    found: dict[bytes, Found] = {}
    nearest = [decision]
    for _ in range(STEPS_MAX):
        behind = [one for of in nearest for one in _behind(ledger, of)]
        nearest = [one for one in behind if one.statement.id not in found]
        found |= {one.statement.id: one for one in nearest}
    found.pop(decision.statement.id, None)
    return [*found.values()][:CAUSES_MAX]


def model_of(ledger: Reads, decision: Found) -> tuple[bytes, Found | None] | None:
    """Return the digest of the model that took part, and where it is registered."""
    for one in (decision, *causes_of(ledger, decision)):
        digest = one.statement.header.model
        if digest is not None:
            query = Query(model=digest, type=StatementType.MODEL, limit=1)
            return digest, next(iter(ledger.find(query).found), None)
    return None


def _behind(ledger: Reads, one: Found) -> Iterator[Found]:
    for relation in CAUSES:
        for target in one.statement.header.links.get(relation, ()):
            try:
                found = ledger.get(target)
            except NotFoundError:
                continue  # of another ledger
            if found.statement.header.type in CONTESTABLE and batch_of(found.statement) is None:
                yield found
