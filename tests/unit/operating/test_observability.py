"""Dashboard and alerts ask for nothing that a real service does not tell."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tallystick.ledger.backups import BackupNote, write_backup_note
from tests.certificates import certificate
from tests.unit.operating.serving import served_with_gateway

FOLDER = Path(__file__).resolve().parents[3] / "packaging" / "observability"
_NAME = re.compile(r"\btallystick_[a-z_]+")


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / "grafana.json").read_text())["panels"]
    return found


def asked() -> set[str]:
    expressions = [rule["expr"] for rule in alerts()]
    expressions += [target["expr"] for panel in panels() for target in panel["targets"]]
    text = (FOLDER / "grafana.json").read_text()
    variables = json.loads(text)["templating"]["list"][1:]
    expressions += [one["query"]["query"] for one in variables]
    return {name for expression in expressions for name in _NAME.findall(expression)}


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[Sample]]:
    """`/readyz` and all samples of a service with everything: gateway, TLS, a backup."""
    folder = tmp_path_factory.mktemp("everything")
    tls = certificate(folder / "tls")
    with served_with_gateway(folder, tls) as client:
        write_backup_note(client.ledger.home, BackupNote(1_790_000_000, "/backup", 3))
        assert client.get("/metrics", x_forwarded_for="192.0.2.1").status == 401  # counted
        ready, metrics = client.get("/readyz"), client.get("/metrics")
    families = text_string_to_metric_families(metrics.body.decode())
    return ready.json, [sample for family in families for sample in family.samples]


def test_every_metric_that_is_asked_for_is_in_a_real_scrape(
    scraped: tuple[dict[str, Any], list[Sample]],
) -> None:
    assert len(asked()) > 30
    assert asked() - {sample.name for sample in scraped[1]} == set()


def test_every_metric_that_is_told_is_on_the_dashboard(
    scraped: tuple[dict[str, Any], list[Sample]],
) -> None:
    told = {sample.name for sample in scraped[1]}

    histograms = ("_bucket", "_sum", "_count")
    assert {name for name in told - asked() if not name.endswith(histograms)} == set()


def test_every_part_is_told_by_readiness_and_counted(
    scraped: tuple[dict[str, Any], list[Sample]],
) -> None:
    ready, samples = scraped

    assert ready["status"] == "ready", ready
    assert ready["parts"].keys() == {
        "service", "log", "publisher", "queue", "vault", "disk", "clock", "keys", "webhooks",
        "keeper", "spool", "usage", "appeals",
    }  # fmt: skip
    counted = {s.labels["part"] for s in samples if s.name == "tallystick_part_state"}
    assert counted == ready["parts"].keys()


def test_rules_say_how_bad_it_is_and_what_to_do() -> None:
    names = [rule["alert"] for rule in alerts()]

    assert len(names) == len(set(names))
    for rule in alerts():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"].keys() == {"summary", "action"}
        assert rule["expr"].count("(") == rule["expr"].count(")")


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_the_scrape_configuration_names_the_default_port() -> None:
    [job] = yaml.safe_load((FOLDER / "scrape.yml").read_text())["scrape_configs"]

    assert job["static_configs"][0]["targets"] == ["127.0.0.1:8471"]
