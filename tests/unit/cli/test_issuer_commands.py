"""`tally issuers`: from a host that serves a document to statements that verify without it."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick.cli.fetching import Fetcher
from tallystick.errors import UnavailableError
from tallystick.identity import generate
from tallystick.webhooks.addresses import Allowed
from tests.histories import Controller, document_of, time_text, witnesses
from tests.unit.cli.running import Command
from tests.website import JSON, JSONL, Site, serving

PATH = "/.well-known/did.json"
HISTORY = "/.well-known/did.jsonl"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A host on this machine that the command may ask."""
    with serving(tmp_path / "site") as one:
        monkeypatch.setenv("SSL_CERT_FILE", str(one.trust))
        monkeypatch.setenv("TALLYSTICK_ISSUER_LOOPBACK", "true")
        yield one


def publish(site: Site, document: dict[str, Any]) -> None:
    site.files[PATH] = json.dumps(document).encode(), JSON


def register(made: Command, name: str, title: str) -> str:
    out = made("register", "--as", name, "--type", "document", "--field", f"title={title}")
    return out.split()[0]


def words(made: Command, *arguments: object, code: int = 0) -> str:
    """Run a command and return what it says to a person."""
    made(*arguments, code=code)
    return made.words


def exported(made: Command, statement: str, file: str) -> str:
    made("export", statement, "-o", file)
    return file


def trust(made: Command) -> str:
    Path("trust.policy").write_text(made("policy", "trust") + "\n")
    return "trust.policy"


def test_a_statement_by_a_key_of_did_web_is_admitted_and_verifies_when_the_host_is_gone(
    made: Command, site: Site
) -> None:
    publish(site, made.json("issuers", "create", "desk", site.did))
    made("issuers", "add", site.did)
    statement = register(made, "desk", "Ours")
    site.files.clear()

    bundle = exported(made, statement, "ours.json")
    report = made.json("verify", bundle, "--policy", trust(made))

    [signed] = [c for c in report["checks"] if site.did in c["detail"] and c["what"] == "signature"]
    assert "as the operator of the log fetched it at" in signed["detail"]
    assert f"https://localhost:{site.port}/.well-known/did.json" in signed["detail"]
    assert report["verdict"] == "verified"


def test_a_key_that_the_document_names_no_more_signs_nothing_any_more(
    made: Command, site: Site
) -> None:
    old = made.json("issuers", "create", "desk", site.did)
    publish(site, old)
    made("issuers", "add", site.did)
    before = register(made, "desk", "Before")
    publish(site, made.json("issuers", "create", "new", site.did))

    said = words(made, "issuers", "refresh")

    assert "is named no more: it ends here" in said
    late = words(made, "register", "--as", "desk", "--type", "document", "--field", "a=b", code=5)
    assert "(removed)" in late
    after = register(made, "new", "After")
    for statement in (before, after):
        made("verify", exported(made, statement, "one.json"), "--policy", trust(made))
    publish(site, old)
    made("issuers", "refresh", site.did)
    again = words(made, "register", "--as", "desk", "--type", "document", "--field", "a=c", code=5)
    assert "(removed)" in again


def test_a_refresh_that_finds_nothing_new_registers_nothing(made: Command, site: Site) -> None:
    publish(site, made.json("issuers", "create", "desk", site.did))
    made("issuers", "add", site.did)

    assert made("issuers", "refresh") == ""
    assert "is as it is registered" in made.words


def serve(site: Site, controller: Controller) -> None:
    site.files[HISTORY] = controller.lines, JSONL


def test_a_history_of_did_webvh_goes_on_and_verifies_offline(made: Command, site: Site) -> None:
    controller = Controller(host=site.host).create()
    serve(site, controller)
    made("issuers", "add", controller.did, "--kind", "machine")
    made("issuers", "add", controller.did, code=4)
    shown = made.json("issuers", "show", controller.did)
    assert shown["versions"] == [controller.entries[0]["versionId"]]
    later = generate(issuer=controller.did)
    controller.append(document_of(controller.did, later))
    serve(site, controller)

    made("issuers", "refresh")

    shown = made.json("issuers", "show", controller.did, "-o", "did.jsonl")
    assert Path("did.jsonl").read_bytes() == controller.lines
    assert shown["keys"] == [later.public.thumbprint().hex()]
    assert "a history of 2 entries, each verified here" in made("issuers", "show", controller.did)


def test_a_history_that_was_rewritten_is_refused(made: Command, site: Site) -> None:
    controller = Controller(host=site.host).create().append()
    serve(site, controller)
    made("issuers", "add", controller.did)
    del controller.entries[1]
    controller.append(document_of(controller.did, generate()))
    serve(site, controller)

    said = words(made, "issuers", "refresh", code=1)

    assert "does not hold entry 2 of the history as it is registered here" in said


def test_a_long_history_takes_several_statements(made: Command, site: Site) -> None:
    controller = Controller(host=site.host).create()
    for _ in range(70):
        controller.append()
    serve(site, controller)

    indexes = [json.loads(line)["index"] for line in
               made("issuers", "add", controller.did, "--json").splitlines()]  # fmt: skip

    assert len(controller.lines) > 60_000
    assert len(indexes) == 2
    assert len(made.json("issuers", "show", controller.did)["versions"]) == 71


def test_witnesses_are_asked_for_their_approval(made: Command, site: Site) -> None:
    witness = generate()
    controller = Controller(host=site.host).create(witness=witnesses(1, witness))
    serve(site, controller)
    assert "approvals is not here" in words(made, "issuers", "resolve", controller.did, code=1)
    site.files["/.well-known/did-witness.json"] = controller.approved(witness), "application/json"

    made("issuers", "add", controller.did)

    assert site.asked.count("/.well-known/did-witness.json") == 2


def test_a_deactivated_did_ends_all_keys(made: Command, site: Site) -> None:
    controller = Controller(host=site.host).create()
    serve(site, controller)
    made("issuers", "add", controller.did)
    serve(site, controller.append(deactivated=True))

    made("issuers", "refresh")

    assert "until" in made("keys", "history", controller.did)
    assert "(deactivated, says entry" in made("keys", "history", controller.did)
    assert "none: deactivated" in made("issuers", "show", controller.did)
    assert "nothing follows" in words(made, "issuers", "refresh")


def test_what_a_host_may_not_serve_is_refused(made: Command, site: Site) -> None:
    document = document_of(site.did, generate())

    assert "there is no https://localhost" in words(made, "issuers", "resolve", site.did, code=2)
    site.files[PATH] = json.dumps(document).encode(), "text/html"
    assert "served as 'text/html'" in words(made, "issuers", "resolve", site.did, code=2)
    publish(site, {**document, "id": "did:web:example.com"})
    assert "the document is of 'did:web:example.com'" in words(made,
        "issuers", "resolve", site.did, code=2)  # fmt: skip
    publish(site, document_of(site.did))
    assert "names no key that signs" in words(made, "issuers", "add", site.did, code=2)
    site.files[PATH] = b"x" * ((1 << 20) + 1), JSON
    assert "is larger than 1048576 bytes" in words(made, "issuers", "resolve", site.did, code=2)
    publish(site, {**document, "much": "x" * 60_000})
    assert "at most 60000 fit" in words(made, "issuers", "add", site.did, code=2)
    site.files[PATH] = b"\xff\x00 {", JSON
    assert "is not JSON" in words(made, "issuers", "resolve", site.did, code=2)
    site.status[PATH], site.headers["Location"] = 302, "https://127.0.0.1/"
    assert "redirects to 'https://127.0.0.1/'" in words(
        made, "issuers", "resolve", site.did, code=5
    )
    site.status[PATH] = 503
    assert "answers 503" in words(made, "issuers", "resolve", site.did, code=4)
    site.status[PATH], site.headers["Content-Encoding"] = 200, "gzip"
    assert "came compressed" in words(made, "issuers", "resolve", site.did, code=4)


def test_a_host_that_drips_is_not_waited_for(site: Site) -> None:
    publish(site, document_of(site.did, generate()))
    site.drip_seconds = 0.05

    fetcher = Fetcher(Allowed(loopback=True), seconds_max=0.5)

    with pytest.raises(UnavailableError, match="too long"):
        fetcher.fetch(f"https://localhost:{site.port}{PATH}")


def test_a_host_that_is_away_is_said_to_be(made: Command, site: Site) -> None:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        away = f"did:web:localhost%3A{line.getsockname()[1]}"

        said = words(made, "issuers", "resolve", away, code=4)

    assert "cannot be reached" in said


def test_a_setting_that_is_no_network_is_named(
    made: Command, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALLYSTICK_ISSUER_NETWORKS", "everything")

    assert "issuer_networks must be such as" in words(
        made, "issuers", "resolve", site.did, code=2)  # fmt: skip


def test_this_machine_is_not_asked_unless_the_operator_allows_it(
    made: Command, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(site, document_of(site.did, generate()))
    monkeypatch.delenv("TALLYSTICK_ISSUER_LOOPBACK")

    said = words(made, "issuers", "resolve", site.did, code=5)

    assert "leads to this machine or its networks" in said
    assert site.asked == []


@pytest.mark.parametrize("days", [(-10, -1), (1, 10)])
def test_a_certificate_out_of_its_time_is_not_believed(
    made: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: tuple[float, float]
) -> None:
    monkeypatch.setenv("TALLYSTICK_ISSUER_LOOPBACK", "true")
    with serving(tmp_path / "old", begins_days=days[0], ends_days=days[1]) as old:
        monkeypatch.setenv("SSL_CERT_FILE", str(old.trust))
        publish(old, document_of(old.did, generate()))

        said = words(made, "issuers", "resolve", old.did, code=1)

    assert "certificate" in said
    assert old.asked == []


def test_keys_of_a_document_are_not_rotated_by_statement(made: Command, site: Site) -> None:
    publish(site, made.json("issuers", "create", "desk", site.did))
    made("issuers", "add", site.did)

    assert "those that its document names" in words(made, "keys", "rotate", "desk", code=5)
    assert "those that its document names" in words(made,
        "keys", "recovery", "create", "desk", "-o", "x.key", code=5)  # fmt: skip
    made("keys", "revoke", "desk", "--reason", "lost")
    assert "(lost" in made("keys", "history", site.did)


def test_a_time_is_written_as_it_was_fetched(made: Command, site: Site) -> None:
    publish(site, document_of(site.did, generate()))
    made("issuers", "add", site.did)

    shown = made("issuers", "show", site.did)
    data = made.json("issuers", "show", site.did)

    assert time_text(data["fetched_at"]) in shown
    assert "what the host served then, as the operator says" in shown
    assert data["sha256"] in shown
