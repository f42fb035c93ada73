"""Count calls while they happen, and refuse those beyond a key's scope or budget.

    problem = meter.refusal(caller.key, request)     # before the model is called
    meter.count(caller.key, outcome, sequence, at)   # when it is known what became of the call

Nothing here waits for a disk: counts are written once in `WRITE_SECONDS`, by another thread. What
a killed gateway had not written yet is counted again from the ledger when it starts. Only calls
without evidence, which a gateway lets pass that fails open, are then lost, those of the last
`WRITE_SECONDS`.

If the file cannot be used, calls go on, but none under a key with a budget: nobody knows what is
left of it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Final

from tallystick.capture.api_keys import ApiKey
from tallystick.capture.budgets import Spending, day_of
from tallystick.capture.problems import KEY_CODES, Headers, Problem, usage_not_readable
from tallystick.capture.request import CallRequest
from tallystick.capture.scope import out_of_scope
from tallystick.capture.usage import Counts, Mark, Recorded, Table, counts_of, place_of
from tallystick.capture.usage_file import OTHER, UsageFile
from tallystick.errors import TallystickError
from tallystick.evidence import Outcome

WRITE_SECONDS: Final = 1.0
"""Between two writes: no kill loses counts of more than this, and of the write under way."""
START_SECONDS: Final = 2.0
"""How long a start waits for what was used before; then calls under budgets wait, and no others."""
PENDING_MAX: Final = 100_000
"""Places that are counted between two writes; models beyond are counted together."""
BUDGET_HEADER: Final = b"x-tallystick-budget-left"

CatchUp = Callable[[Mark | None, Event], Recorded]
"""Counts from the ledger what came after a mark, until the event is set."""

_log = logging.getLogger(__name__)


class Meter:
    """Counts for one gateway. Belongs to the event loop's thread."""

    def __init__(self, path: Path, clock: Callable[[], int]) -> None:
        """Prepare to count in the file at `path`, by a clock in seconds since 1970."""
        self._path, self._clock = path, clock
        self._spending = Spending()
        self._pending: Table = {}
        self._mark: Mark | None = None
        self._file: UsageFile | None = None
        self._task: asyncio.Task[None] | None = None
        self._stop, self._given_up = asyncio.Event(), Event()
        self.failure: str | None = "what was used before is still being counted"
        # From zero on, so that whoever watches sees the first one.
        self.refused: Counter[str] = Counter(dict.fromkeys(KEY_CODES, 0))

    # --- a call

    def refusal(self, key: ApiKey | None, request: CallRequest) -> Problem | None:
        """Return what the caller is told if its key is not good for a call, None if it is."""
        if key is None:
            return None
        problem = out_of_scope(key.models, key.grant, request) or self._exhausted(key)
        if problem is not None:
            self.refused[problem.code] += 1
        return problem

    def count(
        self, key: ApiKey | None, outcome: Outcome, mark: Mark | None, at: int | None = None
    ) -> None:
        """Count what became of a call.

        Args:
            key: Under which it came.
            outcome: What became of it.
            mark: Epoch and number of the outcome; None where nothing is recorded.
            at: When the outcome was signed; None is now.
        """
        counts = counts_of(outcome)
        at = self._clock() if at is None else at
        place = place_of(None if key is None else key.id, outcome, at)
        if key is not None:
            self._spending.add(key.id, place.day, counts.calls, counts.tokens)
        if place not in self._pending and len(self._pending) >= PENDING_MAX:
            place = place._replace(model=OTHER)
        self._pending.setdefault(place, Counts()).add(counts)
        self._mark = mark or self._mark

    def headers(self, key: ApiKey | None) -> Headers:
        """Return the header that says how many tokens are left of a budget."""
        if key is None or key.budget is None or self.failure is not None:
            return []
        spent = self._spending.of(key.id, key.budget.per, day_of(self._clock()))
        left = key.budget.tokens_left(spent)
        return [] if left is None else [(BUDGET_HEADER, str(left).encode())]

    def _exhausted(self, key: ApiKey) -> Problem | None:
        if key.budget is None:
            return None
        if self.failure is not None:
            return usage_not_readable(self.failure)
        now = self._clock()
        return key.budget.refusal(self._spending.of(key.id, key.budget.per, day_of(now)), now)

    # --- the file

    async def start(self, catch_up: CatchUp) -> None:
        """Open the file, and count what it lacks; waits for that only so long."""
        ready = asyncio.Event()
        self._task = asyncio.create_task(self._keep(catch_up, ready))
        with suppress(TimeoutError):
            await asyncio.wait_for(ready.wait(), START_SECONDS)

    async def stop(self) -> None:
        """Write what is left, and close the file."""
        self._stop.set()
        self._given_up.set()
        if self._task is not None:
            await self._task

    async def _keep(self, catch_up: CatchUp, ready: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._file = await loop.run_in_executor(None, self._open, catch_up)
            self._spending = await loop.run_in_executor(
                None, self._file.spending, day_of(self._clock())
            )
        except (TallystickError, OSError) as error:
            self._fail(error)
        else:
            self._begin()
        ready.set()
        ended = False
        while not ended:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), WRITE_SECONDS)
            ended = self._stop.is_set()  # looked at first: what is counted before is written
            await self._write()
        if self._file is not None:
            self._file.close()

    def _open(self, catch_up: CatchUp) -> UsageFile:
        """Open the file and add what the ledger has beyond it; in another thread."""
        file = UsageFile(self._path)
        try:
            missed = catch_up(file.mark(), self._given_up)
            if missed.outcomes:
                _log.info("%d calls were counted from the ledger", missed.outcomes)
            file.add(missed.table, missed.mark)
        except BaseException:
            file.close()
            raise
        return file

    def _begin(self) -> None:
        """Go on from what the file says, and from what came since it was opened."""
        self.failure = None
        for place, counts in self._pending.items():
            self._spending.add(place.key, place.day, counts.calls, counts.tokens)

    async def _write(self) -> None:
        """Write what was counted since the last time; what cannot be written is kept."""
        if self._file is None:
            self._pending.clear()  # the ledger has it: the next start counts it
            return
        table, self._pending = self._pending, {}
        if not table and self.failure is None:
            return
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(None, self._file.add, table, self._mark)
        except (TallystickError, OSError) as error:
            self._fail(error)
            for place, counts in self._pending.items():
                table.setdefault(place, Counts()).add(counts)
            self._pending = table
        else:
            self.failure = None

    def _fail(self, error: Exception) -> None:
        words = f"{error}"
        advice = getattr(error, "advice", None)
        if words != self.failure:
            _log.error("keys with a budget are refused: %s%s", words, f"; {advice}" * bool(advice))
        self.failure = words
