"""Write and sync the spool: one order, one sync for many, nothing dropped.

An item is written into the spool's file at once, so that a killed process loses nothing that was
said; it is durable, also against a power cut, once a sync has passed. Whoever must not go on
before that waits for it; everything else is synced with what comes next, or soon.

After an error nothing is dropped, because a number that was given cannot be given again: the very
same bytes are written again, in order, until the disk takes them. Until then `failure` says why
nothing new should be begun.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Final

from tallystick.capture.spool import Spool, Spooled
from tallystick.errors import TallystickError, UnavailableError

LAZY_SYNC_SECONDS: Final = 0.05
"""How long what nobody waits for may stay unsynced."""
RETRY_SECONDS: Final = 0.5
"""Between two attempts to write what could not be written."""
SYNC_SECONDS_MAX: Final = 5.0
"""A sync that takes longer has failed, for those who wait."""

_log = logging.getLogger(__name__)


Report = Callable[[Exception | None], None]


class SyncThread:
    """Syncs when it is asked, and reports to the event loop.

    A pool of threads does the same with three objects, two locks and two more calls for each
    sync: this is on the path of every call.
    """

    def __init__(self, sync: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        """Begin to wait."""
        self._sync, self._loop = sync, loop
        self._asked: SimpleQueue[Report | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="tallystick-sync", daemon=True)
        self._thread.start()

    def ask(self, report: Report) -> None:
        """Sync, then call `report` in the event loop with what went wrong."""
        self._asked.put(report)

    def close(self, timeout_s: float) -> None:
        """End after what was asked; a sync that is stuck is left behind."""
        self._asked.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (report := self._asked.get()) is not None:
            error: Exception | None = None
            try:
                self._sync()
            except Exception as caught:  # noqa: BLE001 - reported, whatever it is
                error = caught
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(report, error)


class SpoolWriter:
    """Belongs to the event loop's thread; only the syncing itself runs in a thread of its own.

    Attributes:
        failure: Why the spool takes nothing at the moment; None while it does.
    """

    def __init__(
        self,
        spool: Spool,
        on_durable: Callable[[list[Spooled]], None],
        on_recovery: Callable[[], None],
    ) -> None:
        """Hand what is durable to `on_durable`, in order; call `on_recovery` after a failure."""
        self._spool, self._on_durable, self._on_recovery = spool, on_durable, on_recovery
        self._loop = asyncio.get_running_loop()
        self._thread = SyncThread(spool.sync, self._loop)
        self._queue: deque[Spooled] = deque()  # not known to be durable yet
        self._written = 0  # how many of them are in the file
        self._futures: dict[int, asyncio.Future[None]] = {}
        self._syncing = False
        self._errors = 0
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._guard: asyncio.TimerHandle | None = None
        self.failure: str | None = None

    def add(self, item: Spooled) -> None:
        """Write an item; it is synced soon."""
        self._queue.append(item)
        if self.failure is None:
            self._write()
            if self._timer is None:
                self._timer = self._loop.call_later(LAZY_SYNC_SECONDS, self._sync)

    def durable(self, item: Spooled) -> asyncio.Future[None]:
        """Sync now; the future is done when the item is durable.

        It raises UnavailableError where that fails: the item is not dropped, and may still become
        durable later.
        """
        future: asyncio.Future[None] = self._loop.create_future()
        if not self._queue or item.number < self._queue[0].number:
            future.set_result(None)
            return future
        self._futures[item.number] = future
        self._sync()
        return future

    async def close(self, timeout_s: float) -> None:
        """Make everything durable, and end the thread.

        Raises:
            UnavailableError: Something could not be made durable in time; it is lost.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while self._queue:
                    await self._settled()
        except TimeoutError as error:
            raise UnavailableError(
                f"{len(self._queue)} statements could not be made durable: {self.failure}"
            ) from error
        finally:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
            self._thread.close(SYNC_SECONDS_MAX)

    async def _settled(self) -> None:
        try:
            await self.durable(self._queue[-1])
        except UnavailableError:
            await asyncio.sleep(RETRY_SECONDS)

    def _write(self) -> None:
        """Write what is in the queue and not in the file."""
        try:
            while self._written < len(self._queue):
                self._spool.write(self._queue[self._written])
                self._written += 1
        except (OSError, TallystickError) as error:
            self._fail(error)

    def _sync(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._syncing and self._written and self.failure is None:
            self._start_sync()

    def _start_sync(self) -> None:
        self._syncing = True
        self._guard = self._loop.call_later(SYNC_SECONDS_MAX, self._stuck)
        self._thread.ask(partial(self._synced, self._written, self._errors))

    def _synced(self, covered: int, errors: int, error: Exception | None) -> None:
        """Release what a sync covered; what was written meanwhile may be waited for, too."""
        self._syncing = False
        if self._guard is not None:
            self._guard.cancel()
        if error is not None:
            self._fail(error)
            return
        self._release(covered)
        if errors != self._errors:
            return  # writing failed while the sync ran: a retry is on its way
        self._written -= covered
        if self.failure is not None:
            self._recover()
        if self._futures:
            self._sync()
        elif self._queue and self._timer is None:
            self._timer = self._loop.call_later(LAZY_SYNC_SECONDS, self._sync)

    def _stuck(self) -> None:
        self._fail(TimeoutError(f"the disk has not synced for {SYNC_SECONDS_MAX:g} s"))

    def _release(self, count: int) -> None:
        items = [self._queue.popleft() for _ in range(count)]
        for item in items:
            future = self._futures.pop(item.number, None)
            if future is not None and not future.done():
                future.set_result(None)
        self._on_durable(items)

    def _fail(self, error: BaseException) -> None:
        """Tell all who wait, and try again later with the same bytes."""
        if self.failure is None:
            _log.error("the spool cannot be written, trying again: %s", error)
        self.failure = f"{type(error).__name__}: {error}"
        self._errors += 1
        self._written = 0
        self._spool.abandon()
        futures, self._futures = self._futures, {}
        for future in futures.values():
            if not future.done():
                future.set_exception(UnavailableError(f"the spool cannot be written: {error}"))
        self._loop.call_later(RETRY_SECONDS, self._retry)

    def _retry(self) -> None:
        if self._closed:
            return
        if self._syncing:  # of before the error
            self._loop.call_later(RETRY_SECONDS, self._retry)
            return
        errors = self._errors
        self._write()
        if errors == self._errors:
            self._start_sync()

    def _recover(self) -> None:
        """Write what was added during the failure, and say that it is over."""
        _log.warning("the spool is written again")
        self.failure = None
        self._write()
        self._on_recovery()
