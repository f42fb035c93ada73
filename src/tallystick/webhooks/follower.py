"""One webhook's way through the log: read, gather, deliver, remember; again where that fails.

The cursor moves on after the target took a message, and is durable before the next one is sent:
whatever dies in between, the message is sent again, and none is left out. Each webhook has a
thread, so that one whose target hangs delays nobody else's.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from time import monotonic, time
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from tallystick import tracing
from tallystick.errors import TallystickError
from tallystick.ledger import Found, Ledger, Query
from tallystick.tracing import Sink
from tallystick.webhooks.messages import BODY_BYTES_MAX, STATEMENTS_MAX, Message, registered
from tallystick.webhooks.patience import pause_seconds
from tallystick.webhooks.progress import Halt, Progress, Why, read_progress, write_progress
from tallystick.webhooks.store import Webhook

if TYPE_CHECKING:
    from tallystick.webhooks.sending import Outcome, Sender

POLL_SECONDS: Final = 0.25
"""How often a thread that waits for the log looks whether it should end."""
GATHER_SECONDS: Final = 0.05
"""How long new statements are gathered, so that many of them go in one message."""
SCANNED_MAX: Final = 4096
"""Entries that are passed over before the cursor is made durable, though nothing was sent."""
DISK_SECONDS: Final = 5.0
"""Until something is tried again that failed here, such as writing the cursor."""

_log = logging.getLogger(__name__)

Encode = Callable[[Found, bool], bytes]
"""Statement as JSON, with or without its signed bytes."""


class Watcher(Protocol):
    """Is told what happens, from any thread."""

    def attempted(self, webhook: Webhook, outcome: "Outcome") -> None:
        """One attempt was made."""
        ...

    def delivered(self, webhook: Webhook, message: Message, seconds: float) -> None:
        """A message was taken, so long after its first statement was seen."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all followers share.

    Attributes:
        ledger: Open for as long as they run.
        folder: Where cursors lie.
        read: Reads one entry; may keep what several webhooks want.
        encode: Makes JSON of it.
        watcher: Is told what happens.
        failing_seconds_max: After so long without success, a webhook is paused.
        spans: Where a span of each attempt goes; None where nobody wants any.
    """

    ledger: Ledger
    folder: Path
    read: Callable[[int], Found]
    encode: Encode
    watcher: Watcher
    failing_seconds_max: float
    spans: Sink | None = None


class Follower:
    """Delivers for one webhook; `run` is a thread's, the rest is for any.

    Attributes:
        webhook: As it is stored; replaced when it changes.
        progress: How far it has come.
        trouble: What keeps it from delivering that is not the target's fault.
    """

    def __init__(self, webhook: Webhook, around: Surroundings, sender: "Sender") -> None:
        """Go on where it was.

        Raises:
            TallystickError: Where that was cannot be read.
        """
        self.webhook, self._around, self._sender = webhook, around, sender
        self.progress = read_progress(around.folder, webhook.id) or Progress(webhook.start)
        self.trouble = ""
        self._ended = Event()
        self._woken = Event()
        self._failures, self._forgiven = 0, False
        self._seen_at = 0.0
        self._query: Query | None = None
        self._durable = self.progress.position

    @property
    def halted(self) -> Why | None:
        """Why the service paused it; None if it did not, or somebody resumed it since."""
        halt = self.progress.halt
        return halt.why if halt is not None and halt.resumed == self.webhook.resumed else None

    def change(self, webhook: Webhook) -> None:
        """Take what was changed; a webhook that was resumed tries at once."""
        resumed = webhook.resumed != self.webhook.resumed
        self.webhook = webhook
        if resumed:
            self._failures, self._forgiven = 0, True
            self._woken.set()

    def end(self) -> None:
        """Let the thread end soon."""
        self._ended.set()
        self._woken.set()
        self._sender.abort()

    def run(self) -> None:
        """Deliver until told to end."""
        while not self._ended.is_set():
            try:
                self._step()
                self.trouble = ""
            except (TallystickError, OSError) as error:
                self.trouble = str(error)
                _log.warning("webhook %s: %s; trying again", self.webhook.name, error)
                self._ended.wait(DISK_SECONDS)
            except Exception as error:  # noqa: BLE001 - whatever it is, the thread must live
                self.trouble = f"{type(error).__name__}: see the log"
                _log.exception("webhook %s: trying again", self.webhook.name)
                self._ended.wait(DISK_SECONDS)
        with suppress(OSError):  # what was passed over is read once more, that is all
            self._leave()

    def _leave(self) -> None:
        """Keep how far it came over what nobody asked for."""
        if self._durable != self.progress.position:
            write_progress(self._around.folder, self.webhook.id, self.progress)

    def _step(self) -> None:
        """Deliver the next message, or wait."""
        if self.webhook.paused or self.halted:
            self._ended.wait(POLL_SECONDS)
            return
        ledger, position = self._around.ledger, self.progress.position
        if not ledger.wait_beyond(position, POLL_SECONDS):
            return
        self._seen_at = monotonic()
        if ledger.snapshot.checkpoint.size < position + STATEMENTS_MAX:
            self._ended.wait(GATHER_SECONDS)
        message = self._gather()
        if message is not None:
            self._deliver(message)

    def _gather(self) -> Message | None:
        """Read on until a message is full or the log ends; None if nothing matches."""
        snapshot = self._around.ledger.snapshot
        checkpoint = snapshot.checkpoint.size, snapshot.note.decode()
        taken, size, position = list[tuple[int, bytes]](), 0, self.progress.position
        for found in self._matching(position, checkpoint[0]):
            text = self._around.encode(found, self.webhook.entries)
            if taken and size + len(text) > BODY_BYTES_MAX:
                break
            taken.append((found.index, text))
            size, position = size + len(text), found.index + 1
            if len(taken) == STATEMENTS_MAX:
                break
        if taken:
            return registered(self.webhook, taken, position, checkpoint, int(time()))
        return None

    def _matching(self, start: int, end: int) -> Iterator[Found]:
        """Yield what is asked for; where there is nothing, the cursor moves all the same."""
        query, nothing_yet = self._wanted(), True
        for index in range(start, end):
            if self._ended.is_set():
                return
            found = self._around.read(index)
            if query.matches(found.statement):
                nothing_yet = False
                yield found
            elif nothing_yet:
                self._pass(index + 1)

    def _wanted(self) -> Query:
        if self._query is None:
            self._query = self.webhook.filters.query(self._around.ledger)
        return self._query

    def _pass(self, position: int) -> None:
        """Move on over what nobody asked for; durably only now and then."""
        self.progress = msgspec.structs.replace(self.progress, position=position)
        if position - self._durable >= SCANNED_MAX:
            self._keep(self.progress)

    def _deliver(self, message: Message) -> None:
        """Send a message until it is taken, or nothing may be sent any more."""
        while not (self._ended.is_set() or self.webhook.paused or self.halted):
            outcome = self._attempt(message)
            if self._ended.is_set() and outcome.result == "away":
                return  # broken off by us: no failure of the target's
            self._around.watcher.attempted(self.webhook, outcome)
            if outcome.result == "delivered":
                self._took(message)
                return
            self._failed(outcome)

    def _attempt(self, message: Message) -> "Outcome":
        webhook, now = self.webhook, int(time())
        secrets = webhook.secrets(self._around.ledger.api_secret, now)
        with tracing.whole("webhook", self._around.spans, "client") as span:
            outcome = self._sender.send(webhook.url, message.headers(secrets, now), message.body)
            if span is not None:
                span.attributes |= {
                    "http.request.method": "POST",
                    "tallystick.webhook.id": webhook.id,
                    "tallystick.statements": message.statements,
                }
                span.error = "" if outcome.result == "delivered" else outcome.result
        return outcome

    def _took(self, message: Message) -> None:
        before, self._failures = self.progress, 0
        self._keep(
            Progress(
                position=message.position,
                delivered=before.delivered + message.statements,
                delivered_at=int(time()),
            )
        )
        self._around.watcher.delivered(self.webhook, message, monotonic() - self._seen_at)

    def _failed(self, outcome: "Outcome") -> None:
        """Remember a failure, then wait, or give up until somebody resumes."""
        self._failures += 1
        now = datetime.now(UTC)
        seconds = int(now.timestamp())
        # Whoever was resumed, now or while no service ran, gets its whole time again.
        again = self._forgiven or self.progress.halt is not None
        since = seconds if again else self.progress.failing_since or seconds
        self._forgiven = False
        why = self._give_up(outcome, seconds - since)
        halt = Halt(why, seconds, self.webhook.resumed) if why else None
        changed = msgspec.structs.replace(
            self.progress, failing_since=since, error=outcome.words, halt=halt
        )
        if changed != self.progress:
            self._keep(changed)
        if why:
            _log.error("webhook %s is paused: %s", self.webhook.name, outcome.words)
            return
        pause = pause_seconds(self._failures, outcome.retry_after, now)
        _log.warning(
            "webhook %s: %s; trying again in %.1f s", self.webhook.name, outcome.words, pause
        )
        self._woken.wait(pause)
        if not self._ended.is_set():
            self._woken.clear()

    def _give_up(self, outcome: "Outcome", seconds: int) -> Why | None:
        if outcome.result == "gone":
            return "gone"
        return "failing" if seconds >= self._around.failing_seconds_max else None

    def _keep(self, progress: Progress) -> None:
        """Make the cursor durable.

        Until that works nothing goes on; then what was taken already is sent once more.
        """
        write_progress(self._around.folder, self.webhook.id, progress)
        self.progress, self._durable = progress, progress.position
