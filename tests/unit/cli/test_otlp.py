"""`tally up --otlp-endpoint`: from an answer to its span and log line; and what checks say."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick.cli import logs
from tests.collector import Collector, collector
from tests.unit.cli.running import Command, keep_passphrase, serving
from tests.unit.cli.test_extras import tally

UP = ("up", "--port", "0", "--workers", "0", "--no-small-lm")
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def taking() -> Iterator[Collector]:
    with collector() as one:
        yield one


def test_an_answer_its_log_line_and_its_span_have_the_same_ids(
    made: Command, taking: Collector
) -> None:
    keep_passphrase(made)
    options = ("--log-format", "json", "--access-log", "--otlp-endpoint", taking.url)
    with serving(made.home, *UP, *options) as where:
        answer = urllib.request.urlopen(f"{where['url']}/healthz", timeout=10)  # noqa: S310
        _, trace_id, span_id, _ = answer.headers["traceresponse"].split("-")
        answer.close()

    lines = [json.loads(line) for line in where["words"].splitlines()]
    [line] = [one for one in lines if one["logger"] == logs.ACCESS]
    [span] = taking.named("GET /healthz")
    assert (line["trace_id"], line["span_id"]) == (trace_id, span_id)
    assert (span.trace_id, span.span_id) == (trace_id, span_id)


def test_without_the_libraries_it_says_what_to_install_and_makes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    command = [*UP, "--generate-passphrase", "--otlp-endpoint", NOWHERE]
    done = tally({"opentelemetry"}, "--home", home, *command)

    assert done.returncode == 2, done.stderr
    assert "this needs opentelemetry, which is not installed" in done.stderr
    assert "pip install 'tallystick[otel]'" in done.stderr
    assert not home.exists()


def test_without_an_endpoint_the_libraries_are_not_needed(made: Command) -> None:
    keep_passphrase(made)
    done = tally({"opentelemetry"}, "--home", made.home, "config", "check", "--port", 0)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "otlp" not in done.stdout


def test_the_standard_variable_alone_turns_nothing_on(
    made: Command, taking: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", taking.url)
    keep_passphrase(made)
    with serving(made.home, *UP) as where:
        urllib.request.urlopen(f"{where['url']}/healthz", timeout=10).close()  # noqa: S310

    assert taking.requests == 0


def test_standard_variables_say_who_we_are_and_compress(
    made: Command, taking: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "ledger-north")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    keep_passphrase(made)
    with serving(made.home, *UP, "--otlp-endpoint", taking.url) as where:
        urllib.request.urlopen(f"{where['url']}/healthz", timeout=10).close()  # noqa: S310

    assert {one["service.name"] for one in taking.resources} == {"ledger-north"}


def test_an_endpoint_that_is_none_is_said_before_the_service_starts(bare: Command) -> None:
    bare("up", "--otlp-endpoint", "127.0.0.1:4318", code=2)
    assert "otlp_endpoint must be a base URL" in bare.words
    assert not (bare.home / "keys").exists()
    assert "otlp_endpoint" in bare("config", "check", "--otlp-endpoint", "grpc://a", code=1)
    checks = bare.json("config", "check", "--port", 0, "--otlp-endpoint", NOWHERE)["checks"]
    assert {"otlp": f"spans go to {NOWHERE}/v1/traces"}.items() <= {
        one["name"]: one["seen"] for one in checks
    }.items()


def test_the_doctor_asks_whether_the_collector_takes_spans(
    made: Command, taking: Collector
) -> None:
    keep_passphrase(made)
    for url, status, state, words in (
        (taking.url, 200, "ok", "takes spans"),
        (taking.url, 401, "warning", "answers 401"),
        (NOWHERE, 200, "warning", "does not answer: "),
    ):
        taking.status = status
        (made.home / "tallystick.toml").write_text(f'otlp_endpoint = "{url}"\n')
        [found] = [c for c in made.json("doctor")["checks"] if c["name"] == "otlp"]
        assert found["state"] == state
        assert words in found["seen"]
    assert taking.spans == []


def test_the_doctor_names_what_is_not_installed(made: Command) -> None:
    keep_passphrase(made)
    (made.home / "tallystick.toml").write_text(f'otlp_endpoint = "{NOWHERE}"\n')
    done = tally({"opentelemetry"}, "--home", made.home, "doctor")

    assert done.returncode == 1
    assert "pip install 'tallystick[otel]'" in done.stdout
