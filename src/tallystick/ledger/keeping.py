"""The timers of the service: what has reached its maximum is erased, a little at a time.

Nothing of its progress is stored. Each sweep looks at all that is old enough, and what an earlier
one erased is not in the vault any more: whoever is killed begins again, and erases nothing twice.

A clock that jumps ahead must not erase a year too early, for nothing erased comes back. So where it
runs ahead of the time that passed, the timer stops and says so, until the clock is right again or
the service is started again. A clock that goes back only delays.
"""

import logging
import time
from collections.abc import Callable, Iterator
from itertools import islice
from threading import Event, Thread
from typing import Final

from tallystick.errors import TallystickError
from tallystick.ledger.ledger import Ledger
from tallystick.ledger.retention import Overdue, find_overdue, time_to_judge_by
from tallystick.statement import ErasureReason
from tallystick.statement.erasure import Positions
from tallystick.statement.header import LINKS_MAX

TICK_SECONDS: Final = 1.0
SWEEP_SECONDS: Final = 600
"""How long after one sweep the next begins; nothing is kept longer by mistake than that."""
LOOKED_AT_MAX: Final = 1000
"""Statements that one tick looks at; it erases at most `LINKS_MAX` of them, in one statement."""
READS_SECONDS: Final = 10
"""How often who read content is registered."""
JUMP_SECONDS_MAX: Final = 3600
"""How far the clock may run ahead of the time that passed."""

_log = logging.getLogger(__name__)


def erase_overdue(ledger: Ledger, overdue: Iterator[Overdue | None]) -> tuple[int, int]:
    """Erase a little of what is overdue; return how much was looked at, and how much erased.

    Raises:
        TallystickError: It could not be registered or carried out.
    """
    targets: dict[bytes, Positions | None] = {}
    looked_at = 0
    for one in islice(overdue, LOOKED_AT_MAX):
        looked_at += 1
        if one is not None and (not one.held or one.positions):
            targets[one.found.statement.id] = one.positions
        if len(targets) == LINKS_MAX:
            break
    if targets:
        ledger.erase(targets, ErasureReason.RETENTION)
    return looked_at, len(targets)


class Keeper:
    """Sweeps in a thread of its own while the service runs."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        tick_seconds: float = TICK_SECONDS,
        sweep_seconds: float = SWEEP_SECONDS,
        passed: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin.

        Args:
            ledger: Open for writing until after `close`.
            tick_seconds: How often it looks whether there is something to do.
            sweep_seconds: How long after one sweep the next begins.
            passed: Seconds that passed, whatever the clock says.
        """
        self._ledger, self._passed = ledger, passed
        self._tick_seconds, self._sweep_seconds = tick_seconds, sweep_seconds
        self._sweep: Iterator[Overdue | None] | None = None
        self._next = passed()
        self._next_reads = passed() + READS_SECONDS
        self._began = (passed(), float(ledger.clock()))
        self.trouble: str | None = None
        self._closing = Event()
        self._thread = Thread(target=self._run, name="tallystick-keeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish what is being erased, and end."""
        self._closing.set()
        self._thread.join()

    def tick(self) -> None:
        """Do a little, if it is time.

        Raises:
            TallystickError: It could not be done; the next tick tries again.
        """
        if self._passed() >= self._next_reads:
            self._next_reads = self._passed() + READS_SECONDS
            self._register_reads()
        if self._jumped() or (self._sweep is None and self._passed() < self._next):
            return
        if self._sweep is None:
            self._sweep = find_overdue(
                self._ledger, time_to_judge_by(self._ledger, self._ledger.clock())
            )
        looked_at, erased = erase_overdue(self._ledger, self._sweep)
        if erased:
            _log.info("erased %d statements' content whose time is over", erased)
        if looked_at == 0:
            self._sweep, self._next = None, self._passed() + self._sweep_seconds

    def _register_reads(self) -> None:
        """Register who read content; where that fails, what is over is erased all the same."""
        try:
            self._ledger.register_reads()
        except (OSError, TallystickError) as error:
            _log.warning("who read content cannot be registered, trying again: %s", error)

    def _jumped(self) -> bool:
        """Tell whether the clock ran ahead of the time that passed; say so once."""
        passed, clock = self._began
        ahead = (self._ledger.clock() - clock) - (self._passed() - passed)
        if ahead <= JUMP_SECONDS_MAX:
            self.trouble = None
        elif self.trouble is None:
            self._sweep = None
            self.trouble = f"the clock jumped ahead by {int(ahead)} s: nothing is erased by time"
            _log.warning("%s; if it is right now, start the service again", self.trouble)
        return self.trouble is not None

    def _run(self) -> None:
        while not self._closing.wait(self._tick_seconds):
            try:
                self.tick()
            except Exception as error:  # noqa: BLE001 - a ledger that is opened again raises anything
                self._sweep = None
                _log.warning("retention cannot go on, trying again: %s", error)
                self._next = self._passed() + min(60.0, self._sweep_seconds)
