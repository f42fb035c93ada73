"""Many answers at once: they take turns, one step each, in one thread beside the event loop.

Nobody waits longer than for one step of each other answer. What a step gives waits for its reader;
whoever is `PIECES_AHEAD_MAX` ahead of its reader pauses, so that a client that reads slowly costs
no memory, and nobody else any time. Answers are computed one by one rather than together: then no
answer depends on which others happen to be under way, and a seed gives the same one always.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from threading import Condition, Thread
from typing import Any, Final, Self

from tallystick.endpoint.problems import too_many
from tallystick.endpoint.work import Work

STREAMS_MAX: Final = 64
"""Answers under way at the same time, paused ones included; more are refused."""
PIECES_AHEAD_MAX: Final = 32
IDLE_SECONDS: Final = 1.0
"""How long the thread waits for more to do before it ends; the next answer starts another one."""


class Turns:
    """Lets answers take turns; used from one event loop."""

    def __init__(self, streams_max: int = STREAMS_MAX) -> None:
        """Begin with nothing to do, and no thread."""
        self._most = streams_max
        self._ready: deque[Stream] = deque()
        self._streams: set[Stream] = set()
        self._changed = Condition()
        self._running = False

    @property
    def under_way(self) -> int:
        """How many answers have begun and not ended."""
        return len(self._streams)

    def open(self, work: Work) -> "Stream":
        """Let something be made; the caller reads it, and closes the stream in the end.

        Raises:
            ProblemError: Too many answers are under way.
        """
        stream = Stream(self, work)
        with self._changed:
            if len(self._streams) >= self._most:
                raise too_many(self._most)
            self._streams.add(stream)
        self.queue(stream)
        return stream

    def queue(self, stream: "Stream") -> None:
        """Give a stream its next turn, behind all others."""
        with self._changed:
            self._ready.append(stream)
            if self._running:
                self._changed.notify()
            else:
                self._running = True
                Thread(target=self._work, name="endpoint-turns", daemon=True).start()

    def forget(self, stream: "Stream") -> None:
        """Take a stream out; a step of it that is under way is the last one."""
        with self._changed:
            self._streams.discard(stream)

    def _work(self) -> None:
        """Give turns until there has been nothing to do for a while."""
        while (stream := self._next()) is not None:
            if stream.turn():
                with self._changed:
                    self._ready.append(stream)

    def _next(self) -> "Stream | None":
        with self._changed:
            if not self._ready and not self._changed.wait_for(lambda: self._ready, IDLE_SECONDS):
                self._running = False
                return None
            return self._ready.popleft()


class Stream:
    """What is made of one piece of work; the event loop reads it as it comes."""

    def __init__(self, turns: Turns, work: Work) -> None:
        """Belong to the running event loop."""
        self._turns, self._work = turns, work
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._pieces: deque[Any] = deque()
        self._changed = Condition()
        """Owns the members below and `_pieces`: the thread and the event loop both change them."""
        self._paused = False
        self._ended = False
        self._failure: Exception | None = None
        self.closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aiter__(self) -> AsyncIterator[Any]:
        """Yield what comes; end with the work, or when the stream is closed."""
        while not self.closed:
            self._arrived.clear()
            while self._pieces and not self.closed:
                yield self._take()
            if self._failure is not None:
                raise self._failure
            if self._ended and not self._pieces:
                return
            await self._arrived.wait()

    def close(self) -> None:
        """Want no more of it."""
        self.closed = True
        self._arrived.set()
        self._turns.forget(self)

    def turn(self) -> bool:
        """Do one step, in the thread; tell whether there is another one to do."""
        if self.closed:
            return False
        try:
            piece = self._work.step()
        except Exception as error:  # noqa: BLE001 - a defect ends one answer, not the thread
            self._failure = error
            return self._wake(more=False)
        with self._changed:
            if piece is not None:
                self._pieces.append(piece)
            self._ended = self._work.done
            self._paused = not self._ended and len(self._pieces) >= PIECES_AHEAD_MAX
            more = not self._ended and not self._paused
        return more if piece is None and more else self._wake(more=more)

    def _take(self) -> Any:
        """Take a piece; a pause ends when half of what was ahead is read."""
        with self._changed:
            piece = self._pieces.popleft()
            resumed = self._paused and len(self._pieces) <= PIECES_AHEAD_MAX // 2
            if resumed:
                self._paused = False
        if resumed:
            self._turns.queue(self)
        return piece

    def _wake(self, *, more: bool) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._arrived.set)
        except RuntimeError:  # the event loop has ended, and with it whoever read
            return False
        return more
