"""Passkeys and approvals over HTTP: pages, what they send, and what hostile senders get."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.approvals.enrolling import invite
from tallystick.statement import b64
from tallystick.statement.governance import IssuerKind
from tests.ledgers import Clock, Issuer, ledger_in, submissions
from tests.passkeys import Authenticator, enrolled
from tests.unit.web.served import JSON, Client, Reply, served, serving
from tests.unit.web.test_ledgers import both

HTML = "text/html; charset=utf-8"


@dataclass
class Ward:
    """A service with a person, and a browser that asks it at localhost."""

    client: Client
    person: Issuer

    @property
    def host(self) -> str:
        return f"localhost:{self.client.address[1]}"

    @property
    def passkey(self) -> Authenticator:
        return Authenticator(page=f"http://{self.host}")

    def get(self, path: str) -> Reply:
        return self.client.get(path, host=self.host)

    def post(self, path: str, body: object) -> Reply:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(path, data, JSON, host=self.host)

    def code(self) -> str:
        ledger = self.client.ledger
        asked = self.client.server.service.asked
        return invite(asked, ledger.state, self.person.did, ledger.clock())

    def ask(self, **changes: Any) -> str:
        """Ask, and return the path of the page."""
        body = {"issuer": self.person.did, "action": "release", **changes}
        reply = self.post("/approvals", body)
        assert reply.status == 201, reply
        return str(reply.json["url"]).removeprefix(f"http://{self.host}")

    def challenge(self, path: str) -> bytes:
        page = self.get(path).body.decode()
        return b64.decode_url(page.split('data-challenge="')[1].split('"')[0], "challenge")


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    person = Issuer(kind=IssuerKind.PERSON)
    with served(tmp_path_factory.mktemp("ward"), person) as client:
        yield Ward(client, person)


def agreed(authenticator: Authenticator, challenge: bytes) -> dict[str, str]:
    said = authenticator.get(challenge)
    return {
        "authenticator_data": b64.encode_url(said.authenticator_data),
        "client_data": b64.encode_url(said.client_data),
        "signature": b64.encode_url(said.signature),
    }


def enrol(ward: Ward, authenticator: Authenticator, code: str) -> Reply:
    begun = ward.post("/passkeys/begin", {"code": code})
    if begun.status != 200:
        return begun
    made = authenticator.make(b64.decode_url(begun.json["challenge"], "challenge"))
    body = {
        "code": code,
        "attestation": b64.encode_url(made.attestation),
        "client_data": b64.encode_url(made.client_data),
    }
    challenge = ward.post("/passkeys/possession", body).json["challenge"]
    signed = agreed(authenticator, b64.decode_url(challenge, "challenge"))
    return ward.post("/passkeys", {"made": body, "agreed": signed})


def test_a_passkey_is_made_and_approves(ward: Ward) -> None:
    passkey = ward.passkey
    done = enrol(ward, passkey, ward.code())
    assert done.status == 201, done

    path = ward.ask()
    reply = ward.post(path, agreed(passkey, ward.challenge(path)))

    assert reply.status == 200, reply
    [id_] = reply.json["ids"]
    originator = ward.get(f"/statements/{id_}").json["originator"]
    assert (originator["assurance"], originator["principal"]) == ("passkey", ward.person.did)
    page = ward.get(path)
    assert "Approved, and registered at index" in page.body.decode()
    assert ward.post(path, agreed(passkey, bytes(32))).json["reason"] == "approval.replayed"


def test_an_invitation_that_is_none_is_refused(ward: Ward) -> None:
    for code, status in (("no~code", 400), ("A" * 43, 404)):
        assert ward.post("/passkeys/begin", {"code": code}).status == status


def test_pages_hold_nothing_inline_and_come_with_strict_headers(ward: Ward) -> None:
    enrolled(ward.client.ledger, ward.person.did, ward.passkey)
    for path in ("/passkeys", ward.ask()):
        reply = ward.get(path)
        text = reply.body.decode()

        assert (reply.status, reply.headers["content-type"]) == (200, HTML)
        policy = reply.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert reply.headers["x-frame-options"] == "DENY"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert reply.headers["cache-control"] == "no-store"
        assert "style=" not in text
        assert "onclick" not in text
        assert text.count("<script") == 1
        assert "//" not in text.split("<main>")[0]


def test_what_somebody_asks_is_shown_as_text_alone(ward: Ward) -> None:
    enrolled(ward.client.ledger, ward.person.did, ward.passkey)
    evil = "<script>alert(1)</script>\"'>"
    path = ward.ask(fields={evil: evil, "list": [1, {"a": None}]})

    text = ward.get(path).body.decode()

    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&gt;" in text
    assert "[1,{&quot;a&quot;:null}]" in text


def test_files_of_pages_are_served_and_no_others(ward: Ward) -> None:
    script = ward.get("/static/people.js")
    assert script.headers["content-type"].startswith("text/javascript")
    again = ward.client.get("/static/people.js", if_none_match=script.headers["etag"])
    assert again.status == 304
    for name in ("people.py", "..%2fpages.py", "people.js%0a", ""):
        assert ward.get(f"/static/{name}").status == 404


def test_errors_are_pages_where_people_look(ward: Ward) -> None:
    for path, status in (("/approvals/" + "A" * 43, 404), ("/approvals/no~code", 400)):
        reply = ward.get(path)
        assert (reply.status, reply.headers["content-type"]) == (status, HTML)
        assert 'role="alert"' in reply.body.decode()


def test_at_a_bare_address_no_passkey_is_used(ward: Ward) -> None:
    page = ward.client.get("/passkeys")
    begun = ward.client.post("/passkeys/begin", json.dumps({"code": ward.code()}).encode(), JSON)

    assert page.status == 400
    assert f"http://{ward.host}" in page.body.decode()
    assert begun.status == 400
    assert begun.code == "input"


def test_another_name_for_this_machine_is_none_of_ours(ward: Ward) -> None:
    assert ward.client.get("/passkeys", host="evil.example").status == 400


def test_who_may_not_write_asks_nobody(tmp_path: Path) -> None:
    person = Issuer(kind=IssuerKind.PERSON)
    with served(tmp_path, person) as client:
        body = json.dumps({"issuer": person.did, "action": "release"}).encode()
        for headers in ({"host": "evil.example"}, {"x_forwarded_for": "192.0.2.1"}):
            assert client.post("/approvals", body, JSON, **headers).code == "refused.key"


def test_a_service_with_a_name_uses_that(tmp_path: Path) -> None:
    person = Issuer(kind=IssuerKind.PERSON)
    with served(tmp_path, person, public_url="https://log.example/") as client:
        enrolled(client.ledger, person.did, Authenticator())
        body = json.dumps({"issuer": person.did, "action": "release"}).encode()

        reply = client.post("/approvals", body, JSON)

        assert reply.json["url"].startswith("https://log.example/approvals/")
        assert (
            'data-rp="log.example"'
            in client.get(reply.json["url"].removeprefix("https://log.example")).body.decode()
        )
    with served(tmp_path, public_url="http://log.example") as client:
        assert client.get("/passkeys").status == 400
        assert client.post("/approvals", body, JSON).status == 400


def test_behind_a_proxy_pages_name_files_as_browsers_see_them(tmp_path: Path) -> None:
    with served(tmp_path, public_url="https://log.example/tally/") as client:
        assert 'href="/tally/static/people.css"' in client.get("/passkeys").body.decode()


def test_a_further_ledger_has_pages_of_its_own(tmp_path: Path) -> None:
    person, passkey = Issuer(kind=IssuerKind.PERSON), Authenticator()
    with both(tmp_path) as (client, hr):
        hr.register_key(person.record())
        passkey = passkey.but(page=f"http://localhost:{client.address[1]}")
        enrolled(hr, person.did, passkey)
        body = json.dumps({"issuer": person.did, "action": "release"}).encode()
        reply = client.post("/ledgers/hr/approvals", body, JSON)
        path = reply.json["url"].removeprefix(passkey.page)
        ward = Ward(client, person)

        page = ward.get(path).body.decode()
        done = ward.post(path, agreed(passkey, ward.challenge(path)))

        assert path.startswith("/ledgers/hr/approvals/")
        assert 'src="/ledgers/hr/static/people.js"' in page
        assert done.status == 200, done
        assert ward.get(path.removeprefix("/ledgers/hr")).status == 404


def test_a_question_that_has_ended_is_not_shown_any_more(tmp_path: Path) -> None:
    person, clock = Issuer(kind=IssuerKind.PERSON), Clock()
    with ledger_in(tmp_path, person, clock=clock) as ledger, serving(ledger) as client:
        ward = Ward(client, person)
        enrolled(ledger, person.did, ward.passkey)
        path = ward.ask(seconds=60)
        assert ward.get(path).status == 200
        clock.now += 60

        assert "the approval ended" in ward.get(path).body.decode()


def test_one_originator_leaves_places_to_others(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrolled(ward.client.ledger, ward.person.did, ward.passkey)
    monkeypatch.setattr("tallystick.approvals.waiting.WAITING_EACH_MAX", 0)

    refused = ward.post("/approvals", {"issuer": ward.person.did, "action": "release"})

    assert refused.status == 413, refused
    assert "at most 0 of one asker" in refused.json["detail"]
    ward.code()  # what the operator asks takes no place of theirs


def test_an_approval_names_statements_that_are_there(ward: Ward) -> None:
    statement = ward.person.sign()
    ward.client.ledger.register(submissions(statement))

    for targets, status in ((["00"], 400), ([bytes(32).hex()], 404)):
        body = {"issuer": ward.person.did, "action": "release", "targets": targets}
        assert ward.post("/approvals", body).status == status


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"code": 1}', b"[" * 10_000, b'{"code": "a", "more": 1}', b"\xff"]
)
def test_what_is_no_json_of_ours_is_refused(ward: Ward, body: bytes) -> None:
    for path in ("/passkeys", "/passkeys/begin", "/passkeys/possession", "/approvals",
                 "/approvals/" + "A" * 43):  # fmt: skip
        assert ward.post(path, body).code == "input.encoding"


def test_a_body_is_no_longer_than_that(ward: Ward) -> None:
    body = json.dumps({"code": "A" * (129 << 10)}).encode()

    assert ward.post("/passkeys/begin", body).code == "input.limit"


@pytest.fixture(scope="module")
def waiting(ward: Ward) -> str:
    """The page of a question that nobody answers."""
    enrolled(ward.client.ledger, ward.person.did, ward.passkey)
    return ward.ask()


BYTES = st.binary(max_size=80)


@settings(max_examples=40)
@given(said=st.tuples(BYTES, BYTES, BYTES))
def test_hostile_answers_are_refused_and_the_question_still_waits(
    ward: Ward, waiting: str, said: tuple[bytes, bytes, bytes]
) -> None:
    names = ("authenticator_data", "client_data", "signature")
    body = {name: b64.encode_url(value) for name, value in zip(names, said, strict=True)}

    reply = ward.post(waiting, body)

    assert reply.status in {400, 422}, reply
    assert reply.code in {"input.encoding", "verification.approval"}
    assert ward.get(waiting).status == 200
