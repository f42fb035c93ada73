"""An OpenTelemetry collector: a real server that decodes OTLP, and one that misbehaves."""

import gzip
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

WAIT_SECONDS = 20
KINDS = {Span.SPAN_KIND_INTERNAL: "internal", Span.SPAN_KIND_SERVER: "server",
         Span.SPAN_KIND_CLIENT: "client"}  # fmt: skip


@dataclass(frozen=True)
class Got:
    """One span, as it came."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str
    attributes: dict[str, Any]
    failed: bool
    begun_ns: int
    ended_ns: int


@dataclass
class Collector:
    """Keeps what it gets.

    Attributes:
        status: What it answers.
        hanging: While set, it does not answer.
    """

    url: str = ""
    status: int = 200
    hanging: Event = field(default_factory=Event)
    spans: list[Got] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    requests: int = 0
    raw: bytes = b""

    def named(self, name: str) -> list[Got]:
        return [span for span in list(self.spans) if span.name == name]

    def of(self, trace_id: str) -> dict[str, Got]:
        return {span.name: span for span in list(self.spans) if span.trace_id == trace_id}

    def until(self, come: Callable[[], Any]) -> Any:
        """Wait until something has come."""
        end = time.monotonic() + WAIT_SECONDS
        while not (found := come()):
            assert time.monotonic() < end, [span.name for span in self.spans]
            time.sleep(0.02)
        return found

    def take(self, body: bytes) -> None:
        self.raw += body
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append({one.key: _value(one.value) for one in group.resource.attributes})
            self.spans += [_got(one) for scope in group.scope_spans for one in scope.spans]


@contextmanager
def collector() -> Iterator[Collector]:
    """Run one on a free port."""
    kept, ending = Collector(), Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"] or 0))
            assert self.headers["content-type"] == "application/x-protobuf"
            kept.requests += 1
            while kept.hanging.is_set() and not ending.is_set():
                time.sleep(0.02)
            if self.path == "/v1/traces" and kept.status == 200:
                coded = self.headers.get("content-encoding") == "gzip"
                kept.take(gzip.decompress(body) if coded else body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(kept.status if self.path == "/v1/traces" else 404)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Whoever does not wait for the answer may go."""

    with Server(("127.0.0.1", 0), Handler) as server:
        kept.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield kept
        finally:
            ending.set()
            server.shutdown()
            thread.join()


def _got(span: Span) -> Got:
    return Got(
        span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), span.name,
        KINDS[span.kind], {one.key: _value(one.value) for one in span.attributes},
        span.status.code == 2, span.start_time_unix_nano, span.end_time_unix_nano,
    )  # fmt: skip


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, str(kind))
