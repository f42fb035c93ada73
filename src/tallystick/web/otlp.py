"""Spans on their way to a collector: OTLP over HTTP, by OpenTelemetry's own exporter.

    exporter = Exporter("http://127.0.0.1:4318/v1/traces", ratio=1.0)
    exporter.take(span); exporter.counts; exporter.close()

Whoever makes a span puts it into a queue, nothing more; one thread makes OpenTelemetry's spans of
them and sends these. Where the queue is full, or the collector takes nothing, spans are lost and
counted: no request waits for any of it. They are made here and not by OpenTelemetry's tracer so
that they have the ids that log lines and `traceresponse` have.

OpenTelemetry's variables hold for what is not a setting: `OTEL_EXPORTER_OTLP_HEADERS`, `_TIMEOUT`,
`_CERTIFICATE`, `_COMPRESSION`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SERVICE_NAME`.
"""

import logging
from collections import deque
from threading import Event, Lock, Thread
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from tallystick import __version__
from tallystick.tracing import Span

QUEUE_MAX: Final = 8192
"""Spans that wait, some 1 KiB each; more are lost."""
BATCH_MAX: Final = 512
"""Spans that are sent at once."""
GATHER_SECONDS: Final = 1.0
"""How long spans are gathered, unless a batch is full before."""
CLOSE_SECONDS_MAX: Final = 2.0
"""How long the end of the service may wait for the collector."""
EXPORTED, FULL, FAILED = "exported", "queue_full", "export_failed"

_KINDS: Final = {
    "internal": SpanKind.INTERNAL, "server": SpanKind.SERVER, "client": SpanKind.CLIENT,
}  # fmt: skip
_SCOPE: Final = InstrumentationScope("tallystick", __version__)
_SERVICE: Final = "service.name"

_log = logging.getLogger(__name__)


class Exporter:
    """Takes spans from any thread.

    Attributes:
        ratio: As in `tallystick.tracing.Sink`.
        counts: Spans by what became of them.
    """

    def __init__(self, url: str, ratio: float) -> None:
        """Begin to send what comes; whether there is a collector shows only then."""
        self.ratio = ratio
        self.counts = {EXPORTED: 0, FULL: 0, FAILED: 0}
        # It would log each failed attempt, with the address: we say once that it fails.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._otlp = OTLPSpanExporter(endpoint=url)
        self._resource = _resource()
        self._queue: deque[Span] = deque()
        self._full, self._ended, self._counting = Event(), Event(), Lock()
        self._failing = False
        self._thread = Thread(target=self._run, name="tallystick-otlp", daemon=True)
        self._thread.start()

    def take(self, span: Span) -> None:
        """Queue a span."""
        if len(self._queue) >= QUEUE_MAX or self._ended.is_set():
            self._count(FULL, 1)
            return
        self._queue.append(span)
        if len(self._queue) >= BATCH_MAX and not self._full.is_set():
            self._full.set()

    def close(self) -> None:
        """Send what waits, as far as the collector takes it in time; the rest is lost."""
        self._ended.set()
        self._full.set()
        self._thread.join(CLOSE_SECONDS_MAX)
        if self._thread.is_alive():
            self._otlp.shutdown()  # type: ignore[no-untyped-call]
            _log.warning("the collector was too slow to take the last spans")

    def _run(self) -> None:
        while not self._ended.is_set():
            self._full.wait(GATHER_SECONDS)
            self._full.clear()
            self._send_all()
        self._send_all()
        self._otlp.shutdown()  # type: ignore[no-untyped-call]

    def _send_all(self) -> None:
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(BATCH_MAX, len(self._queue)))]
            taken = self._send(batch)
            self._count(EXPORTED if taken else FAILED, len(batch))
            self._tell(taken=taken)

    def _send(self, batch: list[Span]) -> bool:
        try:
            result = self._otlp.export([_readable(span, self._resource) for span in batch])
        except Exception:  # noqa: BLE001 - whatever it is, the thread must live
            return False
        return result is SpanExportResult.SUCCESS

    def _tell(self, *, taken: bool) -> None:
        """Log that the collector fails, and that it does again, once each."""
        if taken and self._failing:
            _log.warning("the collector takes spans again; %d were lost", self.counts[FAILED])
        elif not taken and not self._failing:
            _log.warning("the collector at otlp_endpoint takes no spans: they are lost")
        self._failing = not taken

    def _count(self, result: str, spans: int) -> None:
        with self._counting:
            self.counts[result] += spans


def _resource() -> Resource:
    """Return who we are; the environment may say it otherwise."""
    found = Resource.create({"service.version": __version__})
    named = str(found.attributes.get(_SERVICE, ""))
    if not named.startswith("unknown_service"):
        return found
    return found.merge(Resource({_SERVICE: "tallystick"}))


def _readable(span: Span, resource: Resource) -> ReadableSpan:
    trace = span.trace
    attributes = dict(span.attributes)
    if span.error:
        attributes["error.type"] = span.error
    return ReadableSpan(
        span.name,
        _context(trace.trace_id, trace.span_id, trace.flags),
        parent=_parent(span),
        resource=resource,
        attributes=attributes,
        kind=_KINDS[span.kind],
        status=Status(StatusCode.ERROR if span.error else StatusCode.UNSET),
        start_time=span.begun_ns,
        end_time=max(span.begun_ns, span.ended_ns),
        instrumentation_scope=_SCOPE,
    )


def _parent(span: Span) -> SpanContext | None:
    """Return what it is a part of: of a request, the caller's."""
    trace = span.trace
    if trace.parent_id is None:
        return None
    return _context(trace.trace_id, trace.parent_id, trace.flags, remote=span.kind == "server")


def _context(trace_id: str, span_id: str, flags: str, *, remote: bool = False) -> SpanContext:
    sampled = TraceFlags(int(flags, 16))
    return SpanContext(int(trace_id, 16), int(span_id, 16), remote, sampled)
