"""`GET /statements/stream`: every statement as it is registered, as server-sent events.

Events come in log order. The `id` of an event says that everything up to that index has been sent
or was not asked for; so a client that reconnects with `Last-Event-ID` misses nothing and gets
nothing twice, also where checkpoints are all that it has seen for a while.

    statement    as in a search result
    checkpoint   a signed note that covers everything that was sent before
    end          the limit is reached, or the service is ending: come back later
    problem      why the stream breaks off

Source:
    WHATWG HTML, section 9.2 "Server-sent events".
"""

import asyncio
import logging
import re
from collections.abc import Sequence
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Final

from tallystick.errors import InputError, NotFoundError, TallystickError
from tallystick.ledger import Query
from tallystick.web import limits
from tallystick.web.answers import API, EVENTS, NEVER, Answer, encode_json
from tallystick.web.call import Call
from tallystick.web.feed import FeedEvent
from tallystick.web.lookup import parse_number, read_filters
from tallystick.web.problems import problem_of
from tallystick.web.rates import caller_of
from tallystick.web.reading import check_reader
from tallystick.web.schemas import CheckpointView, EndView

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LAST_EVENT_ID: Final = b"last-event-id"
RETRY_MS: Final = 1000
"""When a client should reconnect, in the words of server-sent events."""

_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
_HEADERS: Final = (NEVER, (b"x-accel-buffering", b"no"))
"""Some proxies keep answers until they are whole; this tells them not to."""
_log = logging.getLogger(__name__)


def _subscriber(call: Call) -> str | None:
    """Return who from elsewhere subscribes: a key, which is valid, else an address."""
    address, key = caller_of(call.scope)
    return None if address is None else key or address


async def subscribe(call: Call) -> Answer | None:
    """Send statements from `since` on, or after `Last-Event-ID`, or those to come.

    Raises:
        InputError: A field, or `Last-Event-ID`, is malformed.
        NotFoundError: The log does not reach that far.
        BusyError: There are too many subscribers already.
    """
    if call.scope["method"] == "HEAD":
        return Answer(b"", EVENTS, headers=_HEADERS)
    entry, most = call.flag("entries"), _limit(call)
    wanted = await call.blocking(read_filters, call)  # keys of a name are looked up
    with call.service.feed.joined(_subscriber(call)) as wake:
        start = _start(call, call.service.ledger.snapshot.checkpoint.size)
        subscriber = _Subscriber(call, wake, start, wanted, entry=entry, most=most)
        async with _uncounted(call), _watched(call, subscriber):
            await subscriber.run()
    return None


def _limit(call: Call) -> int | None:
    most = parse_number(call, "limit", 0)
    if most < 1 and "limit" in call.query:
        raise InputError("limit must be at least 1")
    return most or None


def _start(call: Call, size: int) -> int:
    """Return the first index that is asked for; `size` where it is the next one to come."""
    text = call.header(LAST_EVENT_ID)
    if text is None:
        start, name = parse_number(call, "since", size), "since"
    elif _NUMBER.fullmatch(text):
        start, name = int(text) + 1, "Last-Event-ID"
    else:
        raise InputError(
            f"Last-Event-ID must be the index of a statement, got {text[:40]!r}",
            advice="send the id of the last event that came from this stream",
        )
    if start > size:
        raise NotFoundError(
            f"{name} asks for what follows entry {start - 1}, and the log has {size} entries",
            advice="is it the same log? It may be an older copy, brought back from a backup",
        )
    return start


class _Subscriber:
    """One stream: a position in the log, and nothing that grows."""

    def __init__(
        self,
        call: Call,
        wake: asyncio.Event,
        position: int,
        wanted: Query,
        *,
        entry: bool,
        most: int | None,
    ) -> None:
        self._call, self._feed, self.wake = call, call.service.feed, wake
        self._wanted = None if wanted == Query() else wanted
        self._position, self._entry, self._left = position, entry, most
        self._quiet_seconds = call.service.settings.quiet_seconds_max
        self._covered, self._checkpoint_at = -1, 0.0
        self.gone = False

    async def run(self) -> None:
        """Send until the client leaves, the limit is reached, or the service ends."""
        await self._begin()
        try:
            while not self.gone and not self._feed.closing and self._left != 0:
                self.wake.clear()
                check_reader(self._call)  # a key may be revoked, and the log become private
                await self._step()
        except Exception as error:  # noqa: BLE001 - the edge: everything becomes an answer
            if not isinstance(error, TallystickError):
                _log.exception("a subscription broke off")
            await self._send(_event(b"problem", problem_of(error)), more=False)
            return
        reason = "limit" if self._left == 0 else "closing"
        await self._send(self._checkpoint() + _event(b"end", EndView(reason)), more=False)

    async def _begin(self) -> None:
        headers = [API, (b"content-type", EVENTS.encode()), *_HEADERS]
        await self._call.send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send(b"retry: %d\n\n" % RETRY_MS + self._checkpoint())

    async def _step(self) -> None:
        """Send what there is next, or wait."""
        if self._position < self._feed.size:
            events = await self._feed.read(self._position)
            if piece := self._take(events):
                await self._send(piece)
        elif await self._nothing_new():
            await self._send(self._checkpoint() or b": nothing new\n\n")
            return
        if monotonic() >= self._checkpoint_at + limits.CHECKPOINT_SECONDS and (
            note := self._checkpoint()
        ):
            await self._send(note)

    async def _nothing_new(self) -> bool:
        """Wait until there is something, or until something must be said; return whether it is."""
        seconds = self._quiet_seconds
        if self._covered != self._position:
            due = self._checkpoint_at + limits.CHECKPOINT_SECONDS
            seconds = min(seconds, max(0.0, due - monotonic()))
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.wake.wait()
                return False
        return True

    def _take(self, events: Sequence[FeedEvent]) -> bytes:
        """Move on past some events; return those that are asked for, at most a piece of them."""
        pieces: list[bytes] = []
        size = 0
        for event in events:
            if size > limits.STREAM_BYTES or self._left == 0:
                break
            self._position = event.found.index + 1
            if self._wanted is None or self._wanted.matches(event.found.statement):
                pieces.append(event.encode(entry=self._entry))
                size += len(pieces[-1])
                self._left = None if self._left is None else self._left - 1
        return b"".join(pieces)

    def _checkpoint(self) -> bytes:
        """Return a checkpoint that covers what was sent; nothing if the last one did, too."""
        if self._covered == self._position:
            return b""
        snapshot = self._feed.snapshot
        if snapshot.checkpoint.size < self._position:  # the feed has not read that far
            snapshot = self._call.service.ledger.snapshot
        self._covered, self._checkpoint_at = self._position, monotonic()
        view = CheckpointView(snapshot.checkpoint.size, snapshot.note.decode())
        mark = b"id: %d\n" % (self._position - 1) if self._position else b""
        return mark + _event(b"checkpoint", view)

    async def _send(self, piece: bytes, *, more: bool = True) -> None:
        """Send, and wait while the client takes nothing; the connection limits how long."""
        await self._call.send({"type": "http.response.body", "body": piece, "more_body": more})


def _event(name: bytes, content: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name, encode_json(content))


@asynccontextmanager
async def _uncounted(call: Call) -> "AsyncIterator[None]":
    """Do not count a stream among the requests: it has a limit of its own, and lasts."""
    call.service.load.requests -= 1
    try:
        yield
    finally:
        call.service.load.requests += 1


@asynccontextmanager
async def _watched(call: Call, subscriber: _Subscriber) -> "AsyncIterator[None]":
    """Let a subscriber know that its client has left."""

    async def watch() -> None:
        while (await call.receive())["type"] != "http.disconnect":
            pass
        subscriber.gone = True
        subscriber.wake.set()

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()
