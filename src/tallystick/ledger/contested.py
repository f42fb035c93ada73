"""What was asked of decisions, and what that was answered with: erasing it with them.

The words of a person, and of whoever answered, are about the person whom the decision is about.
Where the vault was never told who that is, nothing but the decision leads to them, so whoever
erases all of a decision erases them, too.
"""

from tallystick.ledger.erasures import Targets
from tallystick.ledger.reading import Reads
from tallystick.statement.appeal import REQUESTS
from tallystick.statement.erasure import Positions


def with_requests(ledger: Reads, targets: Targets) -> dict[bytes, Positions | None]:
    """Return targets together with what was said of decisions that go as a whole, if it is here."""
    found: dict[bytes, Positions | None] = dict(targets)
    for decision, positions in targets.items():
        if positions is None:
            said = [one for one in _said_of(ledger, decision) if ledger.vault.keeps(one)]
            found |= dict.fromkeys(said)
    return found


def _said_of(ledger: Reads, decision: bytes) -> list[bytes]:
    """Return the requests about a decision, and what answered or withdrew them."""
    said = []
    for type_ in sorted(REQUESTS):
        for one in ledger.appeals.naming(decision, type_):
            if one.asked.decision == decision:
                said.append(one.id)
                if one.ended is not None:
                    said.append(ledger.at(one.ended).statement.id)
    return said
