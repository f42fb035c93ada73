"""What the service counts of itself."""

from typing import TYPE_CHECKING

from tallystick.errors import RefusedError, TallystickError
from tallystick.ledger import Registered
from tallystick.web.intake import Taken
from tallystick.web.metrics import SECONDS, SIZES, Counter, Gauge, Histogram, Metric, render

if TYPE_CHECKING:
    from tallystick.web.service import Service

UNKNOWN = frozenset({"issuer.unknown"})
"""Reasons for which a statement is only counted, never recorded."""


class Telemetry:
    """Metrics of one service; belong to the event loop."""

    def __init__(self, service: "Service") -> None:
        """Count from zero."""
        ledger = service.ledger
        self.vault_ok = True  # whoever asks for the metrics looks first
        self.registered = Counter(
            "tallystick_registered_total", "Statements that became entries over HTTP."
        )
        self.retried = Counter(
            "tallystick_retried_total", "Statements that were registered already."
        )
        self.refused = Counter(
            "tallystick_refused_total", "Statements that were not registered.", ["reason"]
        )
        self.unknown = Counter(
            "tallystick_unknown_total", "Statements of issuers whose key is not registered."
        )
        self.batches = Histogram(
            "tallystick_register_entries", "Statements registered at once.", SIZES
        )
        self.requests = Counter(
            "tallystick_requests_total", "Requests answered.", ["method", "route", "status"]
        )
        self.latency = Histogram(
            "tallystick_request_seconds", "Time until a request was answered.", SECONDS, ["route"]
        )
        self.received = Counter("tallystick_received_bytes_total", "Bytes of bodies received.")
        self.sent = Counter("tallystick_sent_bytes_total", "Bytes of bodies sent.")
        gauges = (
            Gauge("tallystick_size", "Entries, signed.", lambda: ledger.snapshot.checkpoint.size),
            Gauge("tallystick_published_size", "Entries, published.", lambda: ledger.published),
            Gauge(
                "tallystick_index_backlog",
                "Entries that wait to be written to the index.",
                lambda: ledger.index.backlog,
            ),
            Gauge("tallystick_vault_ok", "Whether the vault can be read.", lambda: self.vault_ok),
            Gauge(
                "tallystick_requests_running", "Requests being answered.", lambda: service.requests
            ),
            Gauge(
                "tallystick_buffered_bytes",
                "Bytes of bodies in memory.",
                lambda: service.budget.held,
            ),
        )
        self._metrics: tuple[Metric, ...] = (
            self.registered,
            self.retried,
            self.refused,
            self.unknown,
            self.batches,
            self.requests,
            self.latency,
            self.received,
            self.sent,
            *gauges,
        )

    def render(self) -> bytes:
        """Return all metrics as text."""
        return render(self._metrics)

    def count(self, taken: Taken) -> None:
        """Count what became of submissions."""
        fresh = sum(isinstance(a, Registered) and not a.existed for a in taken.answers)
        known = sum(isinstance(a, Registered) and a.existed for a in taken.answers)
        self.registered.add(fresh)
        self.retried.add(known)
        self.batches.observe(len(taken.answers))
        if fresh + known < len(taken.answers):
            for answer in taken.answers:
                if isinstance(answer, TallystickError):
                    self._count_refused(answer)

    def _count_refused(self, error: TallystickError) -> None:
        reason = error.reason if isinstance(error, RefusedError) else error.code
        self.refused.add(1, reason)
        if reason in UNKNOWN:
            self.unknown.add()
