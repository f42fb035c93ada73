"""By when a person is to be answered: one month after the ledger took what they ask.

Source:
    Regulation (EU) 2016/679 (GDPR), Article 12(3): one month; a month later where that has no such
    day, and not prolonged here: whoever prolongs it tells the person, and that is an answer.
"""

from calendar import monthrange
from datetime import UTC, datetime
from threading import Lock
from typing import Final

from tallystick.ledger import Reads
from tallystick.ledger.appeals import Requested
from tallystick.ledger.retention import Ages
from tallystick.statement.appeal import REQUESTS

DUE_MONTHS: Final = 1


def due_at(asked_at: int) -> int:
    """Return when an answer is due, seconds since 1970."""
    asked = datetime.fromtimestamp(asked_at, UTC)
    month = asked.month - 1 + DUE_MONTHS
    year, month = asked.year + month // 12, month % 12 + 1
    day = min(asked.day, monthrange(year, month)[1])
    return int(asked.replace(year=year, month=month, day=day).timestamp())


class OpenRequests:
    """Keeps what waits for an answer, and looks only at what was registered since it last did.

    Safe to share between threads.
    """

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self._lock = Lock()
        self._open: dict[bytes, tuple[Requested, int]] = {}
        self._seen = 0

    def look(self, ledger: Reads) -> list[tuple[Requested, int]]:
        """Return what is open, the oldest first, each with the time by which it is due."""
        with self._lock:
            size = ledger.snapshot.checkpoint.size
            if size < self._seen:
                self._open, self._seen = {}, 0  # another log than the one before
            ages = Ages(ledger.index, ledger.snapshot)
            for type_ in sorted(REQUESTS):
                for one in ledger.appeals.all(type_):
                    if one.index < self._seen:
                        break
                    self._open[one.id] = one, due_at(ages.at(one.index))
            for request in [*self._open]:
                found = ledger.appeals.get(request)
                if found is None or found.ended is not None:
                    del self._open[request]
            self._seen = size
            return sorted(self._open.values(), key=lambda one: one[0].index)


def count_overdue(waiting: list[tuple[Requested, int]], now: int) -> int:
    """Return how many of those are past their time."""
    return sum(due < now for _, due in waiting)
