"""Webhooks of the service: what they send, what is counted of them, and how they do.

Metrics belong to the event loop elsewhere; here threads count, so a lock guards them.
"""

from collections.abc import Callable, Iterator
from functools import partial
from threading import Lock
from time import time
from typing import TYPE_CHECKING, Final

from tallystick.ledger import Found, Ledger
from tallystick.ledger.originators import known_originator
from tallystick.tracing import Sink
from tallystick.web.answers import encode_json
from tallystick.web.metrics import SECONDS, Counter, Gauge, Histogram, Metric, Reading
from tallystick.web.settings import Settings
from tallystick.web.views import found_view
from tallystick.webhooks.addresses import Allowed, parse_networks
from tallystick.webhooks.dispatcher import Dispatcher

if TYPE_CHECKING:
    from tallystick.webhooks.follower import Follower
    from tallystick.webhooks.messages import Message
    from tallystick.webhooks.sending import Outcome
    from tallystick.webhooks.store import Webhook

FAILING_SECONDS: Final = 300
"""After so long without success somebody should look at a target."""


class Telling:
    """Delivers to webhooks, and counts; may be used by any thread."""

    def __init__(self, ledger: Ledger, settings: Settings, spans: Sink | None = None) -> None:
        """Deliver nothing until `start`.

        Raises:
            InputError: `webhook_networks` is malformed.
        """
        self._ledger, self._lock = ledger, Lock()
        self._attempts = Counter(
            "tallystick_webhook_attempts_total", "Attempts to deliver.", ["webhook", "result"]
        )
        self._statements = Counter(
            "tallystick_webhook_statements_total", "Statements delivered.", ["webhook"]
        )
        self._delay = Histogram(
            "tallystick_webhook_delivery_seconds",
            "Time until a message was taken, from when its first statement was seen.",
            SECONDS,
        )
        self._dispatcher = Dispatcher(
            ledger,
            allowed_by(settings),
            partial(_encode, ledger),
            self,
            failing_seconds_max=settings.webhook_failing_seconds_max,
            spans=spans,
        )

    def start(self) -> None:
        """Begin to deliver."""
        self._dispatcher.start()

    def close(self) -> None:
        """Break off what is being sent, and end."""
        self._dispatcher.close()

    def attempted(self, webhook: "Webhook", outcome: "Outcome") -> None:
        """Count an attempt."""
        with self._lock:
            self._attempts.add(1, webhook.name, outcome.result)

    def delivered(self, webhook: "Webhook", message: "Message", seconds: float) -> None:
        """Count what a target took."""
        with self._lock:
            self._statements.add(message.statements, webhook.name)
            self._delay.observe(seconds)

    def troubles(self) -> list[str]:
        """Say which webhooks do not deliver, and why; empty if all do."""
        unread = self._dispatcher.trouble
        words = [f"the file of webhooks cannot be read: {unread}"] if unread else []
        size = self._ledger.snapshot.checkpoint.size
        for one in self._dispatcher.followers.values():
            words += [f"webhook {one.webhook.name} {word}" for word in _troubles(one, size)]
        return words

    def metrics(self) -> Iterator[Metric]:
        """Yield what is counted of webhooks."""
        yield from (_Guarded(one, self._lock) for one in self._counted())
        ledger = self._ledger
        table: tuple[tuple[str, str, Callable[[Follower], float]], ...] = (
            ("backlog", "Entries that were not looked at or not delivered yet.",
             lambda one: max(0, ledger.snapshot.checkpoint.size - one.progress.position)),
            ("paused", "Whether nothing is delivered until somebody resumes it.",
             lambda one: one.webhook.paused or one.halted is not None),
            ("failing_seconds", "How long the target took nothing, if it fails.", _failing),
        )  # fmt: skip
        for name, text, read in table:
            yield Gauge(f"tallystick_webhook_{name}", text, self._each(read), ["webhook"])

    def _counted(self) -> tuple[Metric, ...]:
        return self._attempts, self._statements, self._delay

    def _each(self, read: "Callable[[Follower], float]") -> Callable[[], Reading]:
        return lambda: {
            (one.webhook.name,): float(read(one)) for one in self._dispatcher.followers.values()
        }


class _Guarded:
    """A metric that threads count in."""

    def __init__(self, metric: Metric, lock: Lock) -> None:
        self._metric, self._lock = metric, lock

    def lines(self) -> Iterator[str]:
        """Yield its lines."""
        with self._lock:
            lines = list(self._metric.lines())
        yield from lines


def allowed_by(settings: Settings) -> Allowed:
    """Return where webhooks may go.

    Raises:
        InputError: `webhook_networks` is malformed.
    """
    return Allowed(settings.webhook_loopback, parse_networks(settings.webhook_networks))


def _encode(ledger: Ledger, found: Found, entries: bool) -> bytes:  # noqa: FBT001 - a callback's
    known = known_originator(ledger.index, ledger.snapshot, found.statement, found.index)
    return encode_json(found_view(found, known, entry=entries))


def _troubles(one: "Follower", size: int) -> Iterator[str]:
    if one.trouble:
        yield f"cannot go on: {one.trouble}"
    if one.halted is not None:
        yield f"is paused, {one.halted}: {one.progress.error}"
    elif _failing(one) > FAILING_SECONDS:
        yield f"fails since {_failing(one):.0f} s: {one.progress.error}"
    if one.progress.position > size:
        yield f"has delivered up to {one.progress.position}, and the log has {size} entries"


def _failing(one: "Follower") -> float:
    since = one.progress.failing_since
    return 0.0 if since is None else max(0.0, time() - since)
