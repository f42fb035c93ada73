"""Spans over OTLP: their tree, their ids, and that a bad collector costs nobody anything."""

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tallystick import tracing
from tallystick.capture import Gateway, GatewaySettings, gateway_app
from tallystick.errors import InputError
from tallystick.ledger.searches import Filters
from tallystick.web import otlp
from tallystick.web.spans import traces_url
from tallystick.webhooks.store import Webhooks
from tests.collector import Collector, Got, collector
from tests.ledgers import Issuer
from tests.unit.capture.gateways import House
from tests.unit.capture.model_api import MODEL, ModelApi, model_api, whole
from tests.unit.web.served import COSE, JSON, Client, Reply, served, serving
from tests.unit.webhooks.targets import target

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PROMPT = "my neighbour Zebulon is ill"


@pytest.fixture
def taking() -> Iterator[Collector]:
    with collector() as one:
        yield one


def ids(reply: Reply) -> tuple[str, str]:
    """Return the trace and span id that an answer names."""
    _, trace_id, span_id, _ = reply.headers["traceresponse"].split("-")
    return trace_id, span_id


def server_span(taking: Collector, reply: Reply) -> Got:
    """Wait for the span of a request; its ids are those of the answer."""
    found: Got = taking.until(
        lambda: next((s for s in taking.spans if s.span_id == ids(reply)[1]), None)
    )
    assert found.kind == "server"
    assert found.trace_id == ids(reply)[0]
    return found


def test_a_registration_is_a_tree_of_spans_under_the_callers(
    tmp_path: Path, taking: Collector
) -> None:
    clinic = Issuer()
    with served(tmp_path, clinic, otlp_endpoint=taking.url) as client:
        field = f"00-{TRACE}-{PARENT}-01"
        reply = client.post("/statements", clinic.sign().entry, COSE, traceparent=field)
        server = server_span(taking, reply)
        spans = taking.of(TRACE)

    assert server.parent_id == PARENT
    assert server.name == "POST /statements"
    assert server.attributes == {
        "http.request.method": "POST", "http.route": "/statements", "url.scheme": "http",
        "http.response.status_code": reply.status,
    }  # fmt: skip
    parents = {name: spans[name].parent_id for name in spans}
    register = spans["register"]
    assert register.parent_id == server.span_id
    assert register.attributes == {"tallystick.statements": 1}
    steps = ("ledger.check", "ledger.keep_beside", "log.append")
    assert {parents[step] for step in steps} == {register.span_id}
    assert spans["log.append"].attributes["tallystick.entries"] >= 1
    for span in spans.values():
        assert server.begun_ns - 10**6 <= span.begun_ns <= span.ended_ns
    [resource] = [dict(items) for items in {tuple(sorted(r.items())) for r in taking.resources}]
    assert resource["service.name"] == "tallystick"


def test_proofs_bundles_and_errors_have_spans_named_by_route_never_by_path(
    tmp_path: Path, taking: Collector
) -> None:
    clinic = Issuer()
    with served(tmp_path, clinic, otlp_endpoint=taking.url) as client:
        signed = clinic.sign()
        client.post("/statements", signed.entry, COSE)
        made = [client.get(f"/{kind}/{signed.id.hex()}") for kind in ("statements", "bundles")]
        nowhere = client.get("/Zebulon")
        spans = [server_span(taking, reply) for reply in (*made, nowhere)]
        of_bundle = taking.of(spans[1].trace_id)

    assert [span.name for span in spans] == [
        "GET /statements/{id}", "GET /bundles/{id}", "GET",
    ]  # fmt: skip
    assert taking.of(spans[0].trace_id)["prove"].parent_id == spans[0].span_id
    assert of_bundle["bundle"].parent_id == spans[1].span_id
    assert (spans[2].attributes["http.response.status_code"], spans[2].failed) == (404, False)
    assert "http.route" not in spans[2].attributes
    for secret in (b"Zebulon", signed.id.hex().encode(), b"127.0.0.1", clinic.did.encode()):
        assert secret not in taking.raw


def test_an_answer_of_5xx_is_an_error(
    tmp_path: Path, taking: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(tmp_path, Issuer(), otlp_endpoint=taking.url) as client:
        client.server.service.closing = True
        reply = client.get("/readyz")
        client.server.service.closing = False
        span = server_span(taking, reply)

    assert (reply.status, span.failed, span.attributes["error.type"]) == (503, True, "503")


def call(client: Client, **headers: str) -> Reply:
    body = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}]}
    return client.post("/v1/chat/completions", json.dumps(body).encode(), JSON, **headers)


class Calls:
    """A service with a gateway before a model API."""

    def __init__(self, client: Client, api: ModelApi) -> None:
        self.client, self.api = client, api


@pytest.fixture
def calls(tmp_path: Path, taking: Collector) -> Iterator[Calls]:
    house = House(tmp_path / "ledger")
    with model_api() as api, house.ledger() as ledger:
        settings = GatewaySettings(upstream=f"{api.url}/v1", register_s=0.05)
        gateway = Gateway(ledger, house.gateway.signer, settings)
        options: dict[str, Any] = {"otlp_endpoint": taking.url, "gateway_app": gateway_app(gateway)}
        with serving(ledger, **options) as client:
            yield Calls(client, api)


def test_a_call_shows_model_and_tokens_leads_to_its_evidence_and_holds_no_content(
    calls: Calls, taking: Collector
) -> None:
    reply = call(calls.client, traceparent=f"00-{TRACE}-{PARENT}-01")
    server = server_span(taking, reply)
    taking.until(lambda: len(taking.named("gateway.register")) == 2)
    spans = taking.of(TRACE)

    chat = spans[f"chat {MODEL}"]
    assert (server.name, server.parent_id) == ("POST /v1/chat/completions", PARENT)
    assert (chat.kind, chat.parent_id, chat.failed) == ("client", server.span_id, False)
    assert chat.attributes == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
        "gen_ai.request.model": MODEL, "gen_ai.response.model": f"{MODEL}-0613",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 7, "gen_ai.usage.output_tokens": 3,
        "http.request.method": "POST", "http.response.status_code": 200,
        "tallystick.upstream": "default",
        "tallystick.intent": reply.headers["x-tallystick-intent"],
    }  # fmt: skip
    assert spans["gateway.intent"].parent_id == server.span_id
    assert {span.trace_id for span in taking.named("gateway.register")} == {TRACE}
    assert "log.append" in spans
    sent = calls.api.seen[-1].header("traceparent")
    assert sent == f"00-{TRACE}-{chat.span_id}-01"
    for secret in (
        b"Zebulon",
        b"127.0.0.1",
        reply.json["choices"][0]["message"]["content"].encode(),
    ):
        assert secret not in taking.raw


def test_an_upstream_that_fails_is_an_error_of_the_attempt(calls: Calls, taking: Collector) -> None:
    async def fail(_: object, send: Any) -> None:
        await whole(send, b'{"error":{"message":"Zebulon"}}', 429)

    calls.api.answer = fail
    reply = call(calls.client)
    server_span(taking, reply)

    [chat] = taking.named(f"chat {MODEL}")
    assert (reply.status, chat.failed, chat.attributes["error.type"]) == (429, True, "error")
    assert chat.attributes["http.response.status_code"] == 429
    assert b"Zebulon" not in taking.raw


def test_a_delivery_to_a_webhook_is_a_trace_of_its_own(tmp_path: Path, taking: Collector) -> None:
    clinic = Issuer()
    with (
        target() as one,
        served(tmp_path, clinic, otlp_endpoint=taking.url, webhook_loopback=True) as client,
    ):
        one.replies.append((503, {}))
        ledger = client.ledger
        Webhooks(ledger.home.webhooks).add(
            "all", one.url, Filters(), ledger.api_secret, start=0, now=ledger.clock()
        )
        spans: list[Got] = taking.until(lambda: s if len(s := taking.named("webhook")) > 1 else [])

    assert {span.kind for span in spans} == {"client"}
    assert (spans[0].failed, spans[0].attributes["error.type"]) == (True, "status")
    assert (spans[1].failed, spans[1].attributes["tallystick.statements"]) == (False, 3)
    assert spans[0].parent_id == ""
    assert spans[0].trace_id != spans[1].trace_id
    assert one.url.encode() not in taking.raw


@pytest.mark.parametrize(("ratio", "flags", "exported"), [
    (1.0, None, True), (0.0, None, False), (1.0, "00", False), (0.0, "01", True), (0.0, "03", True),
])  # fmt: skip
def test_the_caller_decides_for_its_traces_and_the_ratio_for_ours(
    tmp_path: Path, taking: Collector, ratio: float, flags: str | None, exported: bool
) -> None:
    headers = {} if flags is None else {"traceparent": f"00-{TRACE}-{PARENT}-{flags}"}
    with served(tmp_path, Issuer(), otlp_endpoint=taking.url, otlp_ratio=ratio) as client:
        reply = client.get("/healthz", **headers)

    assert [span.span_id for span in taking.spans] == ([ids(reply)[1]] if exported else [])
    assert reply.headers["traceresponse"].endswith(flags or ("01" if exported else "00"))


class Sink:
    def __init__(self, ratio: float) -> None:
        self.ratio = ratio
        self.taken: list[tracing.Span] = []

    def take(self, span: tracing.Span) -> None:
        self.taken.append(span)


def test_about_the_share_that_was_asked_for_is_sampled() -> None:
    sink = Sink(0.25)

    traces = [tracing.continued(None, sink) for _ in range(4000)]

    sampled = [trace for trace in traces if trace.sink is not None]
    assert 800 < len(sampled) < 1200
    assert {trace.flags for trace in sampled} == {"01"}
    assert {trace.flags for trace in traces if trace.sink is None} == {"00"}


def test_a_part_that_raises_has_failed_and_log_lines_in_it_carry_its_ids() -> None:
    sink = Sink(1.0)

    def fail() -> None:
        with tracing.part("outer"):
            inside.append(tracing.current())
            raise KeyError

    inside: list[tracing.Trace | None] = []
    with tracing.following(None, sink) as trace:
        with pytest.raises(KeyError):
            fail()
        assert tracing.current() is trace

    [span] = sink.taken
    assert (span.error, span.trace.parent_id) == ("KeyError", trace.span_id)
    assert inside == [span.trace]


def test_a_wait_is_told_if_it_took_time() -> None:
    sink = Sink(1.0)

    with tracing.following(None, sink) as trace:
        tracing.passed("no.wait", time.time_ns() + tracing.PASSED_NS_MIN)
        tracing.passed("wait", time.time_ns() - tracing.PASSED_NS_MIN)

    assert [(span.name, span.trace.parent_id) for span in sink.taken] == [("wait", trace.span_id)]


def test_who_waits_for_anothers_batch_shows_the_wait(tmp_path: Path, taking: Collector) -> None:
    clinic = Issuer()
    with served(tmp_path, clinic, otlp_endpoint=taking.url) as client:
        with client.ledger._parts.sequencer._turn:
            thread = Thread(target=client.post, args=("/statements", clinic.sign().entry, COSE))
            thread.start()
            time.sleep(0.2)
        thread.join()
        [wait] = taking.until(lambda: taking.named("log.wait"))

    assert wait.ended_ns - wait.begun_ns > 10**8
    assert taking.named("register")[0].span_id == wait.parent_id


def test_nothing_is_made_where_nobody_asked(tmp_path: Path) -> None:
    clinic = Issuer()
    with served(tmp_path, clinic) as client:
        client.post("/statements", clinic.sign().entry, COSE)
        text = client.get("/metrics").body
        assert client.server.service.load.spans is None
    with tracing.following(None) as trace, tracing.part("x") as span:
        assert span is None
        assert tracing.current() is trace
    assert b"\ntallystick_spans_total{" not in text


# --- a collector that does not do


@pytest.mark.parametrize("fault", ["away", "hangs", "500", "400"])
def test_a_bad_collector_costs_a_counted_warning_and_no_time(
    tmp_path: Path, taking: Collector, fault: str, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setattr(otlp, "GATHER_SECONDS", 0.05)
    url = "http://127.0.0.1:9" if fault == "away" else taking.url
    taking.status = int(fault) if fault.isdigit() else 200
    if fault == "hangs":
        taking.hanging.set()
    clinic, slowest = Issuer(), 0.0
    with served(tmp_path, clinic, otlp_endpoint=url) as client, caplog.at_level(logging.WARNING):
        counts = client.server.service.load.spans.counts  # type: ignore[union-attr]
        for _ in range(20):
            begun = time.monotonic()
            assert client.post("/statements", clinic.sign().entry, COSE).status == 201
            slowest = max(slowest, time.monotonic() - begun)
        taking.until(lambda: counts[otlp.FAILED])
        metrics = client.get("/metrics").body.decode()
        ending = time.monotonic()
    ended = time.monotonic() - ending

    assert slowest < 0.9
    assert ended < otlp.CLOSE_SECONDS_MAX + 5
    assert 'tallystick_spans_total{result="export_failed"} ' in metrics
    words = [r.getMessage() for r in caplog.records if r.name == "tallystick.web.otlp"]
    assert words[0] == "the collector at otlp_endpoint takes no spans: they are lost"
    assert sum("takes no spans" in word for word in words) == 1
    assert not any(record.name.startswith("opentelemetry") for record in caplog.records)


def test_a_collector_that_comes_back_gets_spans_again(
    tmp_path: Path, taking: Collector, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(otlp, "GATHER_SECONDS", 0.05)
    taking.status = 400
    with served(tmp_path, Issuer(), otlp_endpoint=taking.url) as client:
        counts = client.server.service.load.spans.counts  # type: ignore[union-attr]
        client.get("/healthz")
        taking.until(lambda: counts[otlp.FAILED])
        taking.status = 200
        server_span(taking, client.get("/healthz"))

    assert "the collector takes spans again; 1 were lost" in caplog.text


def test_a_full_queue_loses_spans_and_counts_them(
    taking: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp, "QUEUE_MAX", 10)
    monkeypatch.setattr(otlp, "BATCH_MAX", 4)
    taking.hanging.set()
    exporter = otlp.Exporter(f"{taking.url}/v1/traces", 1.0)
    trace = tracing.continued(None, exporter)
    for _ in range(4):
        exporter.take(tracing.Span(trace, "x"))
    taking.until(lambda: taking.requests)  # four are on their way, ten may wait
    begun = time.monotonic()
    for _ in range(1000):
        exporter.take(tracing.Span(trace, "x"))
    assert time.monotonic() - begun < 0.5
    assert exporter.counts == {otlp.EXPORTED: 0, otlp.FULL: 990, otlp.FAILED: 0}
    taking.hanging.clear()
    exporter.close()

    assert exporter.counts == {otlp.EXPORTED: 14, otlp.FULL: 990, otlp.FAILED: 0}
    assert len(taking.spans) == 14


@pytest.mark.parametrize("given", [
    "http://a:4318", "http://a:4318/", "http://a:4318/v1/traces", "http://a:4318/v1/traces/",
])  # fmt: skip
def test_an_endpoint_is_a_base_url(given: str) -> None:
    assert traces_url(given) == "http://a:4318/v1/traces"


@pytest.mark.parametrize("given", [
    "", "127.0.0.1:4318", "grpc://a", "http://", "http://a:b", "http://[", "http://a?x=1",
    "http://u:geheim@a",
])  # fmt: skip
def test_what_is_no_endpoint_is_refused_without_its_password(given: str) -> None:
    with pytest.raises(InputError, match="otlp_endpoint") as caught:
        traces_url(given)

    assert "geheim" not in str(caught.value)
