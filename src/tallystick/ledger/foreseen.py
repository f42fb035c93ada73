"""Ask admission's rules ahead, so that nothing is half done when a later step would be refused."""

from collections.abc import Iterable

from tallystick.ledger.assembly import read_state
from tallystick.ledger.reading import Reads
from tallystick.ledger.rules import Candidate, decide
from tallystick.ledger.submission import Submission
from tallystick.statement import parse_statement


def check_admitted(ledger: Reads, submissions: Iterable[Submission], now: int) -> None:
    """Refuse what the ledger, as it is, would refuse now; nothing is registered or recorded.

    Signatures and leaf hashes are not checked here: the ledger does when it is registered. What is
    registered meanwhile, such as a hold, can still stand against it.

    Args:
        ledger: In which it will be registered.
        submissions: Signed here.
        now: Seconds since 1970.

    Raises:
        RefusedError: `reason` names the rule.
    """
    state = read_state(ledger.index, ledger.snapshot)
    state.now = max(state.now, now)
    for one in submissions:
        decide(Candidate(parse_statement(one.entry), signed=True), state, lambda _: None)
