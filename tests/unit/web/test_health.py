"""Alive, ready, and what the service counts of itself."""

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import cbor2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tallystick.capture import GatewayStatus
from tallystick.errors import UnavailableError
from tallystick.ledger import Submission
from tallystick.ledger.keeping import Keeping
from tallystick.web.parts import SPOOL_ITEMS
from tests.certificates import certificate
from tests.ledgers import START, Clock, Issuer, ledger_in, many, submissions
from tests.unit.web.served import CBOR, COSE, Client, served, serving


def numbers(client: Client) -> dict[str, float]:
    """Return all samples, by name and labels."""
    reply = client.get("/metrics")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        f"{sample.name}{sorted(sample.labels.items())}" if sample.labels else sample.name: (
            sample.value
        )
        for family in text_string_to_metric_families(reply.body.decode())
        for sample in family.samples
    }


def test_a_service_that_takes_statements_is_alive_and_ready(tmp_path: Path) -> None:
    clinic = Issuer()
    with served(tmp_path, clinic) as client:
        client.ledger.register(submissions(clinic.sign()))
        alive, ready = client.get("/healthz"), client.get("/readyz")

    assert (alive.status, alive.json["status"], alive.json["size"]) == (200, "alive", 4)
    assert (ready.status, ready.json["status"]) == (200, "ready")
    assert ready.headers["cache-control"] == "no-store"


def test_a_poisoned_log_is_alive_and_not_ready_until_it_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic = Issuer()
    with served(tmp_path, clinic) as client:
        with monkeypatch.context() as patch:

            def fail(_: object) -> None:
                raise OSError(5, "input/output error")

            patch.setattr(client.ledger._parts.log, "append", fail)
            failed = client.post("/statements", clinic.sign().entry, COSE)
        ready, alive = client.get("/readyz"), client.get("/healthz")
        again = client.post("/statements", clinic.sign().entry, COSE)
        later = client.get("/readyz")

    assert (failed.status, failed.code) == (503, "unavailable")
    assert failed.headers["retry-after"] == "1"
    assert (ready.status, ready.code, alive.status) == (503, "unavailable", 200)
    assert "the log stopped" in ready.json["detail"]
    assert (again.status, later.status) == (201, 200)


def test_a_service_that_was_told_to_end_is_not_ready_but_still_answers(tmp_path: Path) -> None:
    clinic = Issuer()
    with served(tmp_path, clinic, drain_seconds=2) as client:
        client.server.stop()
        ready = client.get("/readyz")
        late = client.post("/statements", clinic.sign().entry, COSE)

    assert ready.status == 503
    assert "ending" in ready.json["detail"]
    assert late.status == 201


def test_a_vault_that_cannot_be_read_and_a_stuck_publisher_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(tmp_path) as client:
        client.ledger.publish_error = "no space left"

        def broken(_: bytes) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        with monkeypatch.context() as patch:
            patch.setattr(client.ledger.vault, "get", broken)
            patch.setattr(client.ledger._parts.log, "integrate", _full)
            ready = client.get("/readyz")
            counted = numbers(client)

    assert "vault cannot be read: disk I/O error" in ready.json["detail"]
    assert "publishing fails" in ready.json["detail"]
    assert counted["tallystick_vault_ok"] == 0


def test_a_disk_that_is_nearly_full_makes_the_service_not_ready(tmp_path: Path) -> None:
    clinic = Issuer()
    free = shutil.disk_usage(tmp_path).free
    with served(tmp_path, clinic, disk_free_bytes_min=free * 4 // 3) as client:
        ready, counted = client.get("/readyz"), numbers(client)
        stranger = client.get("/readyz", forwarded="for=192.0.2.1")
    with served(tmp_path, clinic, disk_free_bytes_min=free * 3 // 4) as client:
        soon = client.get("/readyz")

    assert (ready.status, ready.code) == (503, "unavailable")
    assert ready.json["parts"]["disk"]["state"] == "problem"
    assert "MiB are free on the ledger's disk" in ready.json["detail"]
    assert counted["tallystick_ready"] == 0
    assert counted["tallystick_part_state[('part', 'disk')]"] == 2
    assert (stranger.json["detail"], stranger.json["parts"]["disk"]) == (
        "disk", {"state": "problem"},
    )  # fmt: skip
    assert (soon.status, soon.json["parts"]["disk"]["state"]) == (200, "warning")


def test_a_clock_that_jumped_back_is_told(tmp_path: Path) -> None:
    clinic, clock = Issuer(), Clock()
    with served(tmp_path, clinic) as client:
        client.ledger.register(submissions(clinic.sign()))
        client.ledger.clock = clock
        clock.now = client.ledger.state.now - 60
        before = client.get("/readyz").json["parts"]["clock"]
        clock.now -= 1
        after, counted = client.get("/readyz").json["parts"]["clock"], numbers(client)

    assert before == {"state": "ok"}
    assert after == {"state": "warning", "detail": "the clock is 61 s behind the newest heartbeat"}
    assert counted["tallystick_clock_behind_seconds"] == 61


def test_api_keys_that_cannot_be_read_and_a_certificate_that_ends_are_told(tmp_path: Path) -> None:
    states = []
    for days in (90.0, 29.0, -1.0):
        tls = certificate(tmp_path / "tls", begins_days=-9, ends_days=days)
        options = {"tls_certificate": tls[0], "tls_key": tls[1]}
        with served(tmp_path / "ledger", **options) as client:
            states.append(client.get("/readyz").json["parts"]["keys"]["state"])
    with served(tmp_path / "ledger") as client:
        client.ledger.home.api_keys.write_bytes(b"{")
        broken = client.get("/readyz")

    assert states == ["ok", "warning", "problem"]
    assert "the file of API keys cannot be read" in broken.json["detail"]


def test_a_gateway_that_cannot_record_makes_the_service_not_ready(tmp_path: Path) -> None:
    well = GatewayStatus(
        epoch=0, last_seq=3, open_intents=1, served=2, under_way=1, waiting=5, turned_away=4,
        unrecorded=0, spool_failure=None, ledger_failure=None,
    )  # fmt: skip
    status = [well]
    with served(tmp_path, gateway_status=lambda: status[0]) as client:
        parts = [client.get("/readyz").json["parts"]["spool"]["state"]]
        counted = numbers(client)
        for change in ({"waiting": SPOOL_ITEMS}, {"waiting": SPOOL_ITEMS + 1},
                       {"spool_failure": "full"}, {"ledger_failure": "policy"}):  # fmt: skip
            status[0] = replace(well, **change)
            parts.append(client.get("/readyz").json["parts"]["spool"]["state"])

    assert parts == ["ok", "ok", "warning", "problem", "problem"]
    assert counted["tallystick_gateway_spool_waiting"] == 5
    assert counted["tallystick_gateway_spool_ok"] == 1


def test_usage_that_cannot_be_counted_is_a_warning(tmp_path: Path) -> None:
    well = GatewayStatus(
        epoch=0, last_seq=3, open_intents=0, served=2, under_way=0, waiting=0, turned_away=0,
        unrecorded=0, spool_failure=None, ledger_failure=None,
    )  # fmt: skip
    status = [well]
    with served(tmp_path, gateway_status=lambda: status[0]) as client:
        before = client.get("/readyz").json["parts"]["usage"]["state"]
        status[0] = replace(well, usage_failure="the file is damaged")
        after = client.get("/readyz")

    assert (before, after.json["parts"]["usage"]["state"]) == ("ok", "warning")
    assert after.status == 200
    assert "the file is damaged" in after.json["parts"]["usage"]["detail"]


def test_nearly_as_many_requests_as_may_be_are_a_warning(tmp_path: Path) -> None:
    with served(tmp_path, requests_max=4) as client:
        client.server.service.load.requests += 2
        below = client.get("/readyz").json["parts"]["queue"]["state"]
        client.server.service.load.requests += 1
        above = client.get("/readyz").json["parts"]["queue"]["state"]
        client.server.service.load.requests -= 3

    assert (below, above) == ("ok", "warning")


def _full() -> int:
    raise UnavailableError("no space left")


def test_everything_is_counted_as_prometheus_reads_it(tmp_path: Path) -> None:
    clinic = Issuer()
    statements = many(clinic, 20)
    with served(tmp_path, clinic) as client:
        batch = cbor2.dumps([s.entry for s in statements])
        client.post("/statements", batch, CBOR)
        client.post("/statements", statements[0].entry, COSE)
        client.post("/statements", clinic.sign(type="model").entry, COSE)
        client.post("/statements", Issuer().sign().entry, COSE)
        client.get("/nowhere")
        client.ask("PROPFIND", "/statements")
        client.ledger.register([Submission(s.entry) for s in many(clinic, 2)])
        client.ledger.publish()
        counted = numbers(client)
        size = client.ledger.snapshot.checkpoint.size

    posts = "tallystick_requests_total[('method', 'POST'), ('route', '/statements')"
    assert counted["tallystick_registered_total"] == 20
    assert counted["tallystick_retried_total"] == 1
    assert counted["tallystick_refused_total[('reason', 'policy')]"] == 1
    assert counted["tallystick_unknown_total"] == 1
    assert counted[f"{posts}, ('status', '200')]"] == 2
    assert counted[f"{posts}, ('status', '403')]"] == 2
    nowhere = "[('method', 'GET'), ('route', 'other'), ('status', '404')]"
    assert counted[f"tallystick_requests_total{nowhere}"] == 1
    brewed = "[('method', 'other'), ('route', '/statements'), ('status', '405')]"
    assert counted[f"tallystick_requests_total{brewed}"] == 1
    assert counted["tallystick_size"] == counted["tallystick_published_size"] == size
    assert counted["tallystick_register_entries_count"] == 4
    assert counted["tallystick_register_entries_sum"] == 23
    assert counted["tallystick_received_bytes_total"] >= len(batch)
    assert counted["tallystick_sent_bytes_total"] > 0
    assert counted["tallystick_requests_running"] == 1
    assert counted["tallystick_buffered_bytes"] == 0
    latency = "tallystick_request_seconds_bucket[('le', '+Inf'), ('route', '/statements')]"
    assert counted[latency] == 5


def test_metrics_are_for_callers_who_may_write(tmp_path: Path) -> None:
    with served(tmp_path) as client:
        reply = client.get("/metrics", forwarded="for=192.0.2.1")

    assert (reply.status, reply.code) == (401, "refused.key")


def test_content_that_should_be_gone_is_a_warning_and_no_reason_to_stop(tmp_path: Path) -> None:
    state = Keeping(
        alive=True, swept_at=START, next_at=START + 600, erased=3, failures=0, overdue=0, held=1,
        trouble=None,
    )  # fmt: skip
    states = [state]
    with (
        ledger_in(tmp_path, clock=Clock(START + 60)) as ledger,
        serving(ledger, keeping=lambda: states[-1]) as client,
    ):
        well, counted = client.get("/readyz"), numbers(client)
        states.append(replace(state, alive=False, overdue=2, trouble="the keeper hangs"))
        ill, after = client.get("/readyz"), numbers(client)
        states.append(replace(state, swept_at=None, held=0))
        first = client.get("/readyz")

    words = "last sweep 60 s ago, next in 540 s; holds keep 1 whose time is over"
    assert well.json["parts"]["keeper"] == {"state": "ok", "detail": words}
    assert ill.status == 200
    assert ill.json["parts"]["keeper"]["state"] == "warning"
    assert ill.json["parts"]["keeper"]["detail"] == "the keeper hangs; 2 are overdue"
    assert first.json["parts"]["keeper"]["detail"] == "the first sweep is not over"
    assert counted["tallystick_keeper_sweep_timestamp_seconds"] == START
    assert counted["tallystick_keeper_next_timestamp_seconds"] == START + 600
    assert (counted["tallystick_keeper_alive"], after["tallystick_keeper_alive"]) == (1, 0)
    assert (counted["tallystick_keeper_overdue"], after["tallystick_keeper_overdue"]) == (0, 2)
    assert counted["tallystick_erasures_pending"] == 0
