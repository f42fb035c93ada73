"""What the service counts of itself."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from tallystick.errors import RefusedError, TallystickError
from tallystick.ledger import Registered
from tallystick.web.gauges import gauges
from tallystick.web.intake import Taken
from tallystick.web.metrics import SECONDS, SIZES, Counted, Counter, Histogram, Metric, render
from tallystick.web.parts import Parts

if TYPE_CHECKING:
    from tallystick.web.service import Service

UNKNOWN = frozenset({"issuer.unknown"})
"""Reasons for which a statement is only counted, never recorded."""

_COUNTERS: Final = (
    ("registered", "Statements that became entries over HTTP.", ()),
    ("retried", "Statements that were registered already.", ()),
    ("refused", "Statements that were not registered.", ("reason",)),
    ("unknown", "Statements of issuers whose key is not registered.", ()),
    ("received_bytes", "Bytes of bodies received.", ()),
    ("sent_bytes", "Bytes of bodies sent.", ()),
)
"""Name, description and labels, in the order of the attributes."""
_BEYOND_KEYS: Final = (
    "tallystick_gateway_refused_total", "AI calls beyond a key's scope or budget.", "code",
)  # fmt: skip

_SPANS: Final = (
    "tallystick_spans_total", "Spans, by what became of them; none where no endpoint is set.",
    "result",
)  # fmt: skip


class Telemetry:
    """Metrics of one service; belong to the event loop."""

    def __init__(self, service: "Service") -> None:
        """Count from zero."""
        self.parts: Parts | None = None  # whoever asks for the metrics looks first
        self.registered, self.retried, self.refused, self.unknown, self.received, self.sent = (
            Counter(f"tallystick_{name}_total", text, labels) for name, text, labels in _COUNTERS
        )
        self.requests = Counter(
            "tallystick_requests_total", "Requests answered.", ["method", "route", "status"]
        )
        self.denied = Counter(
            "tallystick_denied_total", "Requests that key or role did not allow.", ["reason"]
        )
        self.sign_ins = Counter(
            "tallystick_sign_ins_total", "Sign-ins, by what became of them.", ["result"]
        )
        self.batches = Histogram(
            "tallystick_register_entries", "Statements registered at once.", SIZES
        )
        self.latency = Histogram(
            "tallystick_request_seconds", "Time until a request was answered.", SECONDS, ["route"]
        )
        self._metrics: tuple[Metric, ...] = (
            *(self.registered, self.retried, self.refused, self.unknown, self.denied, self.batches),
            *(self.requests, self.latency, self.received, self.sent, self.sign_ins),
            *service.telling.metrics(),
            *gauges(service),
            Counted(*_BEYOND_KEYS, lambda: _beyond_keys(service)),
            Counted(*_SPANS, lambda: spans.counts if (spans := service.load.spans) else {}),
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


def _beyond_keys(service: "Service") -> Mapping[str, int]:
    """Return what the gateway refused, by the code that callers got."""
    status = service.gateway_status()
    return {} if status is None else status.refused
