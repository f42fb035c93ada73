"""A private log answers strangers as if there were nothing, at every route there is."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from threading import Thread
from typing import Any

import pytest

from tallystick.approvals import Wanted, ask
from tallystick.capture.roles import Grant, Role
from tallystick.client import connect
from tallystick.errors import RefusedError
from tallystick.ledger import Ledger
from tallystick.statement.governance import IssuerKind
from tallystick.web.operations import Operation
from tallystick.web.routes import OPERATIONS, PEOPLE
from tallystick.web.service import Served
from tallystick.web.settings import Settings
from tests.ledgers import ALLOW_ORGANISATIONS, Issuer, ledger_in, submissions
from tests.passkeys import Authenticator, enrolled
from tests.unit.web.served import COSE, JSON, Client, Reply, served, serving

CLINIC = Issuer()
ELSEWHERE = {"x_forwarded_for": "192.0.2.1"}
PRIVATE = replace(ALLOW_ORGANISATIONS, private=True)
OPEN = {
    *("healthz", "readyz", "openapi", "asset", "passkeysPage"),
    *("enrol", "begin", "possession", "approvalPage", "answer"),
    *("minePage", "mine", "askAboutMine", "withdrawMine"),
}
"""Operations that answer strangers to a private log. Whoever adds one here has looked at what it
tells them; one that is neither here nor refused fails the sweep."""
UNTOLD = ("date", "traceresponse")
"""Fields that differ between any two answers."""


def keyring(name: str) -> Any:
    """Know a key of each role, behind the name of a ledger."""

    def authorize(key: str) -> Grant:
        of, _, role = key.partition("-")
        if of != name or role not in set(Role):
            raise RefusedError("this API key is not known", reason="api-key.unknown")
        return Grant(Role(role))

    return authorize


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}", **ELSEWHERE}


@dataclass(frozen=True)
class Tenants:
    """A service with a public first ledger, a private one `hr`, and a public one `news`."""

    client: Client
    hr: Ledger
    statement: str

    def ask(self, operation: Operation, at: str, **headers: str) -> Reply:
        path = at + operation.template.format(
            id=self.statement, kid="0", level=0, number="000.p/1", token=0, name="people.css"
        )
        body, media = (b"", next(iter(operation.takes))) if operation.takes else (None, None)
        return self.client.ask(operation.method, path, body, media, **headers)


@contextmanager
def tenants(folder: Path, **options: Any) -> Iterator[Tenants]:
    with (
        ledger_in(folder / "first", CLINIC) as first,
        ledger_in(folder / "hr", CLINIC, policy=PRIVATE) as hr,
        ledger_in(folder / "news", CLINIC) as news,
    ):
        settings = Settings(port=0, workers=0, **options)
        further = {
            "hr": Served(hr, settings, authorize=keyring("hr")),
            "news": Served(news, settings, authorize=keyring("news")),
            "locked-up": None,
        }
        known = hr.register_one(submissions(CLINIC.sign())[0])
        with serving(first, further=further, authorize=keyring("first"), **options) as client:
            yield Tenants(client, hr, known.id.hex())


@contextmanager
def private(folder: Path) -> Iterator[Client]:
    """Serve one ledger, which is private."""
    with (
        ledger_in(folder, CLINIC, policy=PRIVATE) as ledger,
        serving(ledger, authorize=keyring("first")) as client,
    ):
        yield client


def told(reply: Reply, name: str) -> tuple[Any, ...]:
    """Return all that an answer tells, with the name of the ledger that was asked for left out."""
    headers = {k: v for k, v in reply.headers.items() if k not in UNTOLD}
    body = reply.body.replace(f"/ledgers/{name}".encode(), b"/ledgers/NAME")
    headers["content-length"] = str(len(body))
    return reply.status, sorted(headers.items()), body


@pytest.mark.parametrize("operation", [*OPERATIONS, *PEOPLE], ids=lambda one: one.name)
def test_a_private_tenant_is_not_there_for_strangers_at_any_route(
    tmp_path: Path, operation: Operation
) -> None:
    strangers: list[dict[str, str]] = [ELSEWHERE, bearer("first-admin"), bearer("of-nobody")]
    with tenants(tmp_path) as place:
        for headers in strangers:
            there = place.ask(operation, "/ledgers/hr", **headers)
            nothing = place.ask(operation, "/ledgers/no", **headers)
            assert told(there, "hr") == told(nothing, "no")
            assert there.status == 404
        shown = place.ask(operation, "/ledgers/hr", **bearer("hr-admin")) if (
            operation.name != "stream") else None  # fmt: skip

    assert shown is None or b"there is nothing at" not in shown.body


@pytest.mark.parametrize("operation", [*OPERATIONS, *PEOPLE], ids=lambda one: one.name)
def test_every_route_of_a_private_first_ledger_has_a_rule(
    tmp_path: Path, operation: Operation
) -> None:
    with private(tmp_path) as client:
        known = client.ledger.register_one(submissions(CLINIC.sign())[0])
        place = Tenants(client, client.ledger, known.id.hex())
        there = place.ask(operation, "", **ELSEWHERE)
        absent = Tenants(client, client.ledger, "0" * 64).ask(operation, "", **ELSEWHERE)
        secrets = [
            *(known.id.hex().encode(), CLINIC.did.encode(), client.ledger.card.origin.encode()),
            client.ledger.card.checkpoint_key.encode(), b'"size":3', b'"published":3',
        ]  # fmt: skip

    assert operation.open is (operation.name in OPEN)
    assert told(there, "") == told(absent, "")
    assert not [secret for secret in secrets if secret in there.body]
    if not operation.open:
        assert there.status == 401
        assert "www-authenticate" in there.headers


@pytest.mark.parametrize("role", Role)
def test_each_role_from_reader_upward_reads_a_private_log(tmp_path: Path, role: Role) -> None:
    paths = ["/checkpoint", "/tile/0/000.p/3", "/tile/entries/000.p/3", "/policy", "/keys",
             "/statements", "/consistency?from=1", "/.well-known/scitt-keys"]  # fmt: skip
    with tenants(tmp_path) as place:
        by_id = [f"/{kind}/{place.statement}" for kind in
                 ("statements", "proofs", "bundles", "entries")]  # fmt: skip
        answers = [
            place.client.get(f"/ledgers/hr{path}", **bearer(f"hr-{role}"))
            for path in (*paths, *by_id)
        ]

    assert [answer.status for answer in answers] == [200] * 12
    for answer in answers:
        assert "public" not in answer.headers.get("cache-control", "")
        assert "authorization" in answer.headers["vary"]


def test_a_public_log_beside_it_is_read_as_before(tmp_path: Path) -> None:
    with tenants(tmp_path) as place:
        for at in ("", "/ledgers/news"):
            tile = place.client.get(f"{at}/tile/0/000.p/1", **ELSEWHERE)
            assert tile.headers["cache-control"].startswith("public")
            assert (tile.status, tile.headers.get("vary")) == (200, None)


def test_nothing_of_the_first_ledger_names_a_private_one(tmp_path: Path) -> None:
    """What any key of the first ledger opens from elsewhere does not say `hr` or `locked-up`."""
    with tenants(tmp_path) as place:
        admin = bearer("first-admin")
        listed = place.client.get("/ledgers", **admin)
        bodies = [listed.body, *(place.client.get(path, **admin).body
                  for path in ("/metrics", "/readyz", "/healthz", "/openapi.json"))]  # fmt: skip
        local = place.client.get("/ledgers").json["ledgers"]
        ready = place.client.get("/readyz").json["parts"]
        lost = place.client.get("/ledgers/locked-up/checkpoint", **ELSEWHERE)

    assert [one["name"] for one in listed.json["ledgers"]] == ["news"]
    assert not [body for body in bodies if re.search(rb"\bhr\b|locked-up", body)]
    assert not [
        body for body in bodies if b'part="ledgers"' in body or b'"ledgers":{"state"' in body
    ]
    assert [one["name"] for one in local] == ["hr", "locked-up", "news"]
    assert "locked-up" in ready["ledgers"]["detail"]
    assert lost.status == 404


def test_being_there_takes_no_other_time_than_not_being_there(tmp_path: Path) -> None:
    """Both ways do the same work: the medians of many requests differ by less than their spread."""
    with tenants(tmp_path) as place:

        def seconds(name: str) -> float:
            begun = time.perf_counter()
            place.client.get(f"/ledgers/{name}/statements/{place.statement}", **bearer("x-reader"))
            return time.perf_counter() - begun

        pairs = [(seconds("hr"), seconds("no")) for _ in range(150)]

    there, nothing = ([pair[at] for pair in pairs] for at in (0, 1))
    spread = sorted(nothing)[len(nothing) * 9 // 10] - min(nothing)
    assert abs(median(there) - median(nothing)) < max(spread, 0.001)


def test_local_callers_read_unless_keys_are_required(tmp_path: Path) -> None:
    with tenants(tmp_path) as place:
        assert place.client.get("/ledgers/hr/checkpoint").status == 200
        assert place.client.get("/ledgers/hr/checkpoint", authorization="Bearer x").code == (
            "refused.key"
        )
    with tenants(tmp_path, require_key=True) as place:
        assert place.client.get("/ledgers/hr/checkpoint").status == 404
        assert place.client.get("/ledgers/locked-up/checkpoint").status == 404
        asked = place.client.get("/ledgers/hr/checkpoint", authorization="Bearer hr-reader")
        assert asked.status == 200


def test_methods_media_types_and_etags_tell_strangers_nothing(tmp_path: Path) -> None:
    with private(tmp_path) as client:
        known = client.ledger.register_one(submissions(CLINIC.sign())[0]).id.hex()
        etag = client.get(f"/statements/{known}", accept=COSE).headers["etag"]
        hits = [
            client.get(f"/statements/{known}", accept=COSE, if_none_match=etag, **ELSEWHERE),
            client.ask("OPTIONS", f"/statements/{known}", None, None, **ELSEWHERE),
            client.ask("DELETE", f"/statements/{known}", None, None, **ELSEWHERE),
            client.ask("HEAD", f"/statements/{known}", None, None, **ELSEWHERE),
            client.get(f"/statements/{known}?x=1", **ELSEWHERE),
            client.get("/nothing/here", **ELSEWHERE),
            client.get("/ledgers", **ELSEWHERE),
            client.post("/statements", b"", "text/plain", **ELSEWHERE),
        ]
        counted = client.get("/metrics").body.decode()

    assert [hit.status for hit in hits] == [401] * len(hits)
    assert 'tallystick_denied_total{reason="api-key.missing"} 8' in counted


def test_a_log_becomes_private_and_public_again_without_a_restart(tmp_path: Path) -> None:
    with served(tmp_path, CLINIC, authorize=keyring("first")) as client:
        seen = [client.get("/checkpoint", **ELSEWHERE).status]
        for private in (True, False):
            client.ledger.set_policy(replace(client.ledger.state.policy, private=private))
            seen.append(client.get("/checkpoint", **ELSEWHERE).status)
            seen.append(client.get("/policy").json["log"])

    assert seen == [200, 401, "private", 200, "public"]


def test_a_stream_ends_when_the_log_becomes_private(tmp_path: Path) -> None:
    with served(tmp_path, CLINIC, quiet_seconds_max=0.2, authorize=keyring("first")) as client:
        replies: list[Reply] = []
        thread = Thread(
            target=lambda: replies.append(client.get("/statements/stream?since=0", **ELSEWHERE))
        )
        thread.start()
        time.sleep(0.3)
        client.ledger.set_policy(replace(client.ledger.state.policy, private=True))
        secret = client.ledger.register_one(submissions(CLINIC.sign())[0])
        thread.join(20)

    [reply] = replies
    assert b"event: problem" in reply.body
    assert b"refused.key" in reply.body
    assert secret.id.hex().encode() not in reply.body


def test_the_client_works_with_a_key_and_is_refused_without(tmp_path: Path) -> None:
    with tenants(tmp_path, require_key=True) as place:
        url = f"{place.client.url}/ledgers/hr"
        with connect(url, api_key="hr-originator") as remote:
            [registered] = remote.register(submissions(CLINIC.sign()))
            assert not isinstance(registered, Exception)
            proof = remote.prove(registered.id)
            [last] = remote.watch(registered.index, limit=1)
        with connect(url) as stranger, pytest.raises(Exception, match="nothing at"):
            stranger.checkpoint()

    assert proof.found.index == last.index == registered.index


def test_who_was_asked_sees_the_question_and_nothing_else(tmp_path: Path) -> None:
    with tenants(tmp_path) as place:
        service = place.client.server.service.further["hr"]
        assert service is not None
        person = Issuer(kind=IssuerKind.PERSON)
        place.hr.register_key(person.record())
        page_at = f"http://localhost:{place.client.address[1]}"
        enrolled(place.hr, person.did, Authenticator().but(page=page_at))
        token, _ = ask(
            service.asked, place.hr.state,
            Wanted(issuer=person.did, action="release", targets=(), fields={}), place.hr.clock(),
        )  # fmt: skip
        there = {"host": f"localhost:{place.client.address[1]}", **ELSEWHERE}
        page = place.client.get(f"/ledgers/hr/approvals/{token}", **there)
        assets = re.findall(rb'(?:href|src)="([^"]+)"', page.body)
        loaded = [place.client.get(one.decode(), **there).status for one in assets]
        other = place.client.get("/ledgers/hr/approvals/AAAA", **there)
        beside = place.client.get("/ledgers/hr/checkpoint", **there)

    assert (page.status, b"release" in page.body) == (200, True)
    assert assets
    assert loaded == [200] * len(assets)
    assert (other.status, other.headers["content-type"]) == (404, "application/problem+json")
    assert beside.status == 404


def test_making_a_passkey_tells_a_stranger_not_even_the_name_of_the_log(tmp_path: Path) -> None:
    with private(tmp_path) as client:
        host = f"localhost:{client.address[1]}"
        page = client.get("/passkeys", host=host, **ELSEWHERE)
        begun = client.post("/passkeys/begin", b'{"code":"AAAA"}', JSON, host=host, **ELSEWHERE)

    assert b"registered in this log" in page.body
    assert b"for all who may read it and for ever" in page.body
    assert client.ledger.card.origin.encode() not in page.body + begun.body
