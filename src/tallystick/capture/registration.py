"""Hand what was spooled to the ledger, off the path of any answer.

Statements are registered in their order, some dozens at a time, again and again with the same
bytes until the ledger has them. If it is away, calls go on and the spool fills. If it refuses one,
nothing after it can be registered either: `held` says why, and no new call should be begun until
the operator has mended it.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tallystick import tracing
from tallystick.capture.spool import Spool, Spooled
from tallystick.errors import TallystickError, UnavailableError
from tallystick.ledger import Ledger, Registered

BATCH_MAX: Final = 256
BATCH_BYTES_MAX: Final = 8 << 20
RETRY_SECONDS: Final = 1.0
RETRY_SECONDS_MAX: Final = 60.0

_log = logging.getLogger(__name__)


def register(
    ledger: Ledger, spool: Spool, items: Sequence[Spooled]
) -> tuple[int, TallystickError | None]:
    """Register items, in order, and settle those that the ledger has.

    Returns:
        How many it has, and why it does not have the next one.
    """
    try:
        answers = ledger.register([item.submission() for item in items])
    except UnavailableError as error:
        return 0, error
    taken = next(
        (at for at, answer in enumerate(answers) if not isinstance(answer, Registered)), len(items)
    )
    try:
        spool.settle(items[:taken])
    except OSError as error:  # they are registered; the mark follows later
        _log.warning("the spool's mark cannot be moved: %s", error)
    answer = answers[taken] if taken < len(items) else None
    return taken, answer if isinstance(answer, TallystickError) else None


def _tell(item: Spooled, begun_ns: int) -> None:
    """Say that the ledger has a statement, as part of the request that it comes from."""
    if item.trace is not None:
        tracing.passed("gateway.register", begun_ns, item.trace)
    if _log.isEnabledFor(logging.INFO):
        with tracing.using(item.trace):
            statement = item.statement
            _log.info("registered %s %s", statement.header.type, statement.id.hex())


class Registration:
    """Belongs to the event loop's thread; the ledger is called in a thread of its own.

    Attributes:
        failure: Why the ledger could not be reached the last time; None if it could.
        held: Why it refuses this gateway's statements; None while it does not.
    """

    def __init__(
        self, ledger: Ledger, spool: Spool, on_progress: Callable[[], None], gather_s: float
    ) -> None:
        """Gather for so long; call `on_progress` whenever the ledger has taken something."""
        self._gather_s = gather_s
        self._ledger, self._spool, self._on_progress = ledger, spool, on_progress
        self._thread = ThreadPoolExecutor(1, "tallystick-register")
        self._waiting: deque[Spooled] = deque()
        self._arrived = asyncio.Event()
        self._hurry = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.failure: str | None = None
        self.held: str | None = None

    @property
    def waiting(self) -> int:
        """Durable statements that the ledger does not have yet."""
        return len(self._waiting)

    def add(self, items: Sequence[Spooled]) -> None:
        """Register these, too."""
        self._waiting.extend(items)
        self._arrived.set()

    async def catch_up(self) -> None:
        """Register all that waits, before `start`.

        Raises:
            TallystickError: The ledger is away, or refuses a statement; the spool keeps it.
        """
        while self._waiting:
            error = await self._step()
            if error is not None:
                raise error

    def start(self) -> None:
        """Begin to work."""
        self._task = asyncio.create_task(self._run())

    async def close(self, timeout_s: float) -> None:
        """Register what waits, as far as that is possible in time; the spool keeps the rest."""
        self._hurry.set()
        self._arrived.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=timeout_s)
            self._task.cancel()
            await asyncio.wait([self._task])
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)

    async def _run(self) -> None:
        pause_s = RETRY_SECONDS
        while self._waiting or not self._hurry.is_set():
            await self._arrived.wait()
            await self._sleep(self._gather_s)
            while self._waiting:
                if await self._step() is None:
                    pause_s = RETRY_SECONDS
                elif self._hurry.is_set():
                    return
                else:
                    await self._sleep(pause_s)
                    pause_s = min(2 * pause_s, RETRY_SECONDS_MAX)
            if not self._hurry.is_set():
                self._arrived.clear()

    async def _step(self) -> TallystickError | None:
        """Register some; return why the ledger did not take all of them."""
        batch, begun_ns = self._batch(), time.time_ns()
        # What the ledger does for all of them stands in the trace of the oldest.
        with tracing.using(batch[0].trace):
            work = tracing.carried(register, self._ledger, self._spool, batch)
        taken, error = await asyncio.get_running_loop().run_in_executor(self._thread, work)
        for _ in range(taken):
            _tell(self._waiting.popleft(), begun_ns)
        if error is None:
            self.failure = self.held = None
            self._on_progress()
            return None
        with tracing.using(batch[taken].trace):
            _log.warning("the ledger does not take statement %s: %s", batch[taken].number, error)
        self.failure = f"{type(error).__name__}: {error}"
        self.held = None if isinstance(error, UnavailableError) else self.failure
        return error

    def _batch(self) -> list[Spooled]:
        """Take the oldest ones; only one after a refusal, since each try may be recorded."""
        batch: list[Spooled] = []
        size = 0
        for item in self._waiting:
            batch.append(item)
            size += item.size
            if self.held or len(batch) == BATCH_MAX or size >= BATCH_BYTES_MAX:
                break
        return batch

    async def _sleep(self, seconds: float) -> None:
        """Wait, but not while the gateway ends."""
        try:
            await asyncio.wait_for(self._hurry.wait(), seconds)
        except TimeoutError:
            return
