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
from dataclasses import dataclass
from itertools import islice
from threading import Event, Thread
from typing import Final

from tallystick.errors import RefusedError, TallystickError
from tallystick.ledger.erasures import Targets
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

_STAYS: Final = frozenset({"erasure.held", "erasure.retained", "erasure.appealed"})
"""Refusals that are about what is to be erased, and not about who erases."""
STUCK_SECONDS: Final = 300.0
"""A keeper that has looked at nothing for so long hangs; one look erases a thousand statements."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How a keeper does; times are the ledger's clock, counts since it began.

    Attributes:
        alive: Its thread runs, and looked whether there is something to do not long ago.
        swept_at: When the last whole sweep ended; None if there was none yet.
        next_at: When the next begins; the past while one is under way.
        erased: Statements whose content it erased.
        failures: Looks that failed.
        overdue: Content whose time is over and that is still there though nothing holds it: while
            a sweep is under way, and where erasing fails.
        held: Content whose time is over and that stays, as of the last whole sweep: a hold or an
            appeal keeps it, or a batch with the same rows that may not lose them yet.
        trouble: What keeps it from its work, in words.
    """

    alive: bool
    swept_at: int | None
    next_at: int
    erased: int
    failures: int
    overdue: int
    held: int
    trouble: str | None


def erase_overdue(
    ledger: Ledger, overdue: Iterator[Overdue | None], seen: "Seen | None" = None
) -> tuple[int, int]:
    """Erase a little of what is overdue; return how much was looked at, and how much erased.

    Args:
        ledger: Open for writing.
        overdue: What `find_overdue` finds.
        seen: Counts what is overdue, before it is erased, and what stays.

    Raises:
        TallystickError: It could not be registered or carried out.
    """
    targets: dict[bytes, Positions | None] = {}
    looked_at, seen = 0, seen or Seen()
    for one in islice(overdue, LOOKED_AT_MAX):
        looked_at += 1
        if one is not None:
            seen.held += one.held
        if one is not None and (not one.held or one.positions):
            targets[one.found.statement.id] = one.positions
        if len(targets) == LINKS_MAX:
            break
    seen.overdue = len(targets)
    stay = _erase(ledger, targets) if targets else []
    seen.overdue = 0
    seen.held += sum(targets[one] is None for one in stay)  # who has rows named is counted already
    return looked_at, len(targets) - len(stay)


def _erase(ledger: Ledger, targets: Targets) -> list[bytes]:
    """Erase all of it that may go; return what has to stay.

    The same rows go from the batches that took them, and nobody asked those whether they are held:
    where one is, the others are erased one by one, or it would keep all of them.

    Raises:
        TallystickError: As `erase_overdue`.
    """
    try:
        ledger.erase(targets, ErasureReason.RETENTION)
    except RefusedError as error:
        if error.reason not in _STAYS:
            raise
        if len(targets) == 1:
            return [*targets]
    else:
        return []
    alone = [{one: at} for one, at in targets.items()]
    left = (some for some in alone if not _gone(ledger, some))
    return [one for some in left for one in _erase(ledger, some)]


def _gone(ledger: Ledger, targets: Targets) -> bool:
    """Tell whether all of it went meanwhile, with another one that it took rows from."""
    return all(ledger.vault.is_erased(one, at) for one, at in targets.items())


@dataclass(slots=True)
class Seen:
    """What a sweep has seen so far.

    Attributes:
        overdue: Content that is about to be erased, or could not be.
        held: Content that has to stay.
    """

    overdue: int = 0
    held: int = 0


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
        self._failed: str | None = None
        self._unread: str | None = None
        self._swept_at: int | None = None
        self._looked = passed()
        self._erased, self._failures, self._held = 0, 0, 0
        self._seen = Seen()
        self._closing = Event()
        self._thread = Thread(target=self._run, name="tallystick-keeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish what is being erased, and end."""
        self._closing.set()
        self._thread.join()

    def status(self) -> Keeping:
        """Say how it does; any thread may ask."""
        quiet = self._passed() - self._looked
        alive = self._thread.is_alive() and quiet < max(STUCK_SECONDS, 2 * self._tick_seconds)
        words = None
        if not alive:
            words = f"the keeper has done nothing for {int(quiet)} s: start the service again"
        clock = self._ledger.clock()
        return Keeping(
            alive=alive,
            swept_at=self._swept_at,
            next_at=clock + int(self._next - self._passed()),
            erased=self._erased,
            failures=self._failures,
            overdue=self._seen.overdue,
            held=self._held,
            trouble=words or self.trouble or self._failed or self._unread,
        )

    def tick(self) -> None:
        """Do a little, if it is time.

        Raises:
            TallystickError: It could not be done; the next tick tries again.
        """
        self._looked = self._passed()
        if self._passed() >= self._next_reads:
            self._next_reads = self._passed() + READS_SECONDS
            self._register_reads()
        if self._jumped() or (self._sweep is None and self._passed() < self._next):
            return
        if self._sweep is None:
            self._sweep = find_overdue(
                self._ledger, time_to_judge_by(self._ledger, self._ledger.clock())
            )
            self._seen.held = 0
        looked_at, erased = erase_overdue(self._ledger, self._sweep, self._seen)
        self._failed = None
        self._erased += erased
        if erased:
            _log.info("erased %d statements' content whose time is over", erased)
        if looked_at == 0:
            self._sweep, self._next = None, self._passed() + self._sweep_seconds
            self._swept_at, self._held = self._ledger.clock(), self._seen.held

    def _register_reads(self) -> None:
        """Register who read content; where that fails, what is over is erased all the same."""
        try:
            self._ledger.register_reads()
            self._unread = None
        except (OSError, TallystickError) as error:
            self._failures += 1
            self._unread = f"who read content cannot be registered: {error}"
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

    def attempt(self) -> None:
        """Do a little, if it is time; what fails is said, and tried again."""
        try:
            self.tick()
        except Exception as error:  # noqa: BLE001 - a ledger that is opened again raises anything
            self._sweep = None
            self._failures += 1
            self._failed = f"retention cannot go on: {error}"
            _log.warning("retention cannot go on, trying again: %s", error)
            self._next = self._passed() + min(60.0, self._sweep_seconds)

    def _run(self) -> None:
        while not self._closing.wait(self._tick_seconds):
            self.attempt()
