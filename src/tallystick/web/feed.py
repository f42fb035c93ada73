"""New entries of the log, read once and encoded once for all who follow them.

A thread waits for the log to grow, gathers what comes within a moment, decodes it, and hands it to
the event loop, which keeps the newest events in a window and wakes the subscribers. A subscriber
has no queue: it has a position. Whoever is too slow for the window reads from the log again, so
nobody's pace costs memory, and nobody loses anything.
"""

import asyncio
import logging
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Event as Flag
from threading import Thread
from typing import Final

from tallystick.errors import UnavailableError
from tallystick.ledger import Found, Ledger
from tallystick.ledger.originators import Originators
from tallystick.log import Snapshot
from tallystick.statement.assurance import Known
from tallystick.web import limits
from tallystick.web.answers import encode_json
from tallystick.web.problems import BusyError
from tallystick.web.views import found_view

PIECE: Final = 64
"""Entries that are read at once, about as many as are sent at once; divides a bundle."""
GATHER_SECONDS: Final = 0.04
"""How long new entries are gathered, so that many of them wake the subscribers once."""
POLL_SECONDS: Final = 0.25
"""How often the thread looks whether the service is ending."""
PIECES_KEPT: Final = 64
"""Pieces of the past that are kept: those who begin at the same place share them. In bytes of
entries, no more than the window may have."""

_log = logging.getLogger(__name__)


class FeedEvent:
    """One entry, decoded, and its two encodings once somebody asked for them."""

    __slots__ = ("_alone", "_known", "_with_entry", "found")

    def __init__(self, found: Found, known: Known) -> None:
        """Encode nothing yet."""
        self.found, self._known = found, known
        self._alone: bytes | None = None
        self._with_entry: bytes | None = None

    def encode(self, *, entry: bool) -> bytes:
        """Return the event as server-sent events have it, with or without the entry itself."""
        kept = self._with_entry if entry else self._alone
        if kept is None:
            data = encode_json(found_view(self.found, self._known, entry=entry))
            kept = b"id: %d\nevent: statement\ndata: %b\n\n" % (self.found.index, data)
            if entry:
                self._with_entry = kept
            else:
                self._alone = kept
        return kept


class Feed:
    """Follows one log for all subscribers; attributes belong to the event loop.

    Attributes:
        size: Entries that were read; the window ends there.
        snapshot: A signed state of the log that covers them.
    """

    def __init__(
        self, ledger: Ledger, subscribers_max: int, per_caller: int, ending: Callable[[], bool]
    ) -> None:
        """Follow nothing until somebody subscribes; `ending` tells when all have to leave."""
        self._ledger, self._most, self._ending = ledger, subscribers_max, ending
        self._callers, self._per_caller = Counter[str](), per_caller
        self.size, self.snapshot = 0, ledger.snapshot
        self._window: deque[FeedEvent] = deque()
        self._window_bytes = 0
        self._wakes: set[asyncio.Event] = set()
        self._past = _Past(ledger)
        self._wanted, self._ended = Flag(), Flag()
        self._follower: Thread | None = None

    @property
    def subscribers(self) -> int:
        """How many there are."""
        return len(self._wakes)

    @property
    def closing(self) -> bool:
        """Whether the service is ending."""
        return self._ending() or self._ended.is_set()

    @contextmanager
    def joined(self, caller: str | None = None) -> Iterator[asyncio.Event]:
        """Count one subscriber more; yield what is set whenever there is something new.

        Args:
            caller: Who from elsewhere subscribes, None on this machine.

        Raises:
            BusyError: There are too many already, in all or of this caller.
            UnavailableError: The service is ending.
        """
        if self.closing:
            raise UnavailableError("the service is ending")
        if self.subscribers >= self._most:
            raise BusyError(
                f"there are {self.subscribers} subscribers already, at most {self._most} allowed",
                advice="come back later, or read the log page by page",
            )
        if caller is not None and self._callers[caller] >= self._per_caller:
            raise BusyError(
                f"{self._per_caller} streams go to this caller already, which is the most allowed",
                advice="end one of them, or read the log page by page",
            )
        if not self._wakes:
            self._begin()
        wake = asyncio.Event()
        self._wakes.add(wake)
        if caller is not None:
            self._callers[caller] += 1
        try:
            yield wake
        finally:
            self._wakes.discard(wake)
            if caller is not None:
                self._callers -= Counter((caller,))  # and forget whoever has none left
            if not self._wakes:
                self._wanted.clear()

    async def read(self, position: int) -> Sequence[FeedEvent]:
        """Return some events from `position` on, which lies before `size`.

        From the window if they are there, else from the log.

        Raises:
            DamagedError: The log is, there.
        """
        before = self.size - len(self._window)
        if position >= before:
            # By index, because a deque is quick at its end, where most subscribers are.
            end = min(position - before + PIECE, len(self._window))
            return [self._window[at] for at in range(position - before, end)]
        return await self._past.read(position, before)

    def close(self) -> None:
        """Let all threads end."""
        self._ended.set()
        self._wanted.set()
        if self._follower is not None:
            self._follower.join()
        self._past.close()

    # --- in the event loop

    def _begin(self) -> None:
        """Start to follow, from here on: what came before is read from the log."""
        self._window.clear()
        self._window_bytes = 0
        self.snapshot = self._ledger.snapshot
        self.size = self.snapshot.checkpoint.size
        self._wanted.set()
        if self._follower is None:
            loop = asyncio.get_running_loop()
            self._follower = Thread(
                target=self._follow, args=(loop,), name="tallystick-feed", daemon=True
            )
            self._follower.start()

    def _grow(self, events: list[FeedEvent], start: int, snapshot: Snapshot) -> None:
        """Take what the thread has read, unless the window has begun anew meanwhile."""
        if start != self.size:
            return
        self._window.extend(events)
        self._window_bytes += _entry_bytes(events)
        self.size, self.snapshot = start + len(events), snapshot
        while (
            len(self._window) > limits.FEED_EVENTS_MAX or self._window_bytes > limits.FEED_BYTES_MAX
        ):
            self._window_bytes -= _entry_bytes([self._window.popleft()])
        self._wake()

    def _skip(self, snapshot: Snapshot) -> None:
        """Leave what cannot be read to the subscribers: each finds out, and ends with a word."""
        self._window.clear()
        self._window_bytes = 0
        self.size, self.snapshot = snapshot.checkpoint.size, snapshot
        self._wake()

    def _wake(self) -> None:
        for wake in self._wakes:
            wake.set()

    # --- in the thread

    def _follow(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._ended.is_set():
            self._wanted.wait()
            if self.closing:
                self._tell(loop, self._wake)
                self._ended.wait(POLL_SECONDS)
            elif self._ledger.wait_beyond(self.size, POLL_SECONDS):
                self._ended.wait(GATHER_SECONDS)
                self._read_new(loop)

    def _read_new(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand on what is new, piece by piece."""
        snapshot, start = self._ledger.snapshot, self.size
        try:
            while start < snapshot.checkpoint.size and not self.closing:
                end = min(start + PIECE, snapshot.checkpoint.size)
                events = _events(self._ledger, start, end)
                self._tell(loop, partial(self._grow, events, start, snapshot))
                start = end
        except Exception:  # noqa: BLE001 - whatever it is, the follower must live
            _log.exception("new entries cannot be read; subscribers are told")
            self._tell(loop, partial(self._skip, snapshot))

    def _tell(self, loop: asyncio.AbstractEventLoop, step: Callable[[], None]) -> None:
        """Run a step in the event loop, and wait for it: steps never pile up."""
        done = Flag()

        def run() -> None:
            step()
            done.set()

        try:
            loop.call_soon_threadsafe(run)
        except RuntimeError:  # the loop is closed
            self._ended.set()
        while not done.wait(POLL_SECONDS) and not self._ended.is_set():
            continue


class _Past:
    """Reads what lies before the window, in one thread of its own: other reads go first."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tallystick-replay")
        self._kept: OrderedDict[int, list[FeedEvent]] = OrderedDict()
        self._kept_bytes = 0

    async def read(self, position: int, end: int) -> list[FeedEvent]:
        """Return some events from `position` on and before `end`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._read, position, end)

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown()

    def _read(self, position: int, end: int) -> list[FeedEvent]:
        number, skipped = divmod(position, PIECE)
        piece = self._kept.get(number)
        if piece is None:
            first, behind = number * PIECE, (number + 1) * PIECE
            if behind > end:  # not whole yet: read what is asked for, and keep nothing
                return _events(self._ledger, position, end)
            piece = _events(self._ledger, first, behind)
            self._keep(number, piece)
        else:
            self._kept.move_to_end(number)
        return piece[skipped:]

    def _keep(self, number: int, piece: list[FeedEvent]) -> None:
        self._kept[number] = piece
        self._kept_bytes += _entry_bytes(piece)
        while len(self._kept) > PIECES_KEPT or self._kept_bytes > limits.FEED_BYTES_MAX:
            self._kept_bytes -= _entry_bytes(self._kept.popitem(last=False)[1])


def _events(ledger: Ledger, start: int, end: int) -> list[FeedEvent]:
    """Read entries, and compute for whom each was made, as of now."""
    found = [ledger.at(index) for index in range(start, end)]
    known = Originators(ledger.index, ledger.snapshot).all_of(found)
    return [FeedEvent(one, who) for one, who in zip(found, known, strict=True)]


def _entry_bytes(events: Iterable[FeedEvent]) -> int:
    return sum(len(event.found.statement.entry) for event in events)
