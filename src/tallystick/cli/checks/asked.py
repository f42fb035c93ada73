"""What people asked of decisions about them: is somebody past the time in which to be answered."""

import time
from collections.abc import Iterator

from tallystick.cli.checks.finding import Finding, ok, warning
from tallystick.cli.checks.stored import Stored
from tallystick.errors import TallystickError


def appeals(stored: Stored) -> Iterator[Finding]:
    """Check by when people are to be answered."""
    from tallystick.affected.deadlines import OpenRequests, count_overdue
    from tallystick.ledger import LedgerReader

    try:
        with LedgerReader(stored.home) as ledger:
            waiting = OpenRequests().look(ledger)
    except TallystickError:
        yield warning("appeals", "not looked at: the log or its index cannot be read")
        return
    late = count_overdue(waiting, int(time.time()))
    if late:
        yield warning(
            "appeals", f"{late} of {len(waiting)} people who wait were not answered within a month",
            "an answer within a month (GDPR Article 12(3))", "tally appeals list",
        )  # fmt: skip
    else:
        yield ok("appeals", f"{len(waiting)} wait for an answer" if waiting else "nobody waits")
