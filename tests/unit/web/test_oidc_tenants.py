"""Several ledgers and one provider: who has a role at one has none at another."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tallystick.capture.roles import Role
from tallystick.errors import InputError
from tallystick.ledger import Submission
from tallystick.web.further import trace_further
from tallystick.web.service import Served
from tallystick.web.settings import RoleRule, Settings
from tallystick.web.sources import trace
from tests.impostor import Impostor
from tests.ledgers import ALLOW_ORGANISATIONS, ledger_in
from tests.unit.web.signing_in import CLINIC, Make, authorize, reason

OF_HR = (RoleRule(value="people", role=Role.OPERATOR),)


def test_a_session_opens_what_each_ledger_says_and_no_more(
    make: Make, impostor: Impostor, tmp_path: Path
) -> None:
    settings = Settings(
        port=0, workers=0, require_key=True, oidc_issuer=impostor.issuer, oidc_roles=OF_HR
    )
    with ledger_in(tmp_path / "hr", CLINIC) as hr:
        at = make(further={"hr": Served(hr, settings, None, authorize)})
        ada = at.browser()
        at.sign_in(ada)  # an auditor at the first ledger
        refused = ada.get("/ledgers/hr/metrics")
        page = ada.get("/ledgers/hr/login").body.decode()
        token = impostor.access_token()
        bearer = at.client.get("/ledgers/hr/metrics", authorization=f"Bearer {token}")
        public = ada.get("/ledgers/hr/checkpoint")

        impostor.claims = {"groups": ["people"], "sub": "eve-1", "name": "Eve"}
        eve = at.browser()
        unmapped = at.sign_in(eve)
        seen = eve.get("/ledgers/hr/metrics").status, eve.get("/metrics").status
        asked = at.begin(eve, "/ledgers/hr/login/begin")
        mapped = eve.get(f"/ledgers/hr/login/callback?code=c&state={asked['state']}")
        impostor.claims = {"groups": ["nobody"], "sub": "mal-1", "name": "Mal"}
        nowhere = at.sign_in(at.browser())

    assert (refused.status, refused.json["reason"]) == (403, "oidc.unmapped")
    assert "Signed in as Ada, no role here." in page
    assert (bearer.status, bearer.json["reason"]) == (403, "oidc.unmapped")
    assert public.status == 200
    assert unmapped.status == 303  # there is a ledger at which she has a role
    assert (nowhere.status, reason(nowhere)) == (403, "oidc.unmapped")
    assert asked["redirect_uri"] == f"http://{eve.host}/ledgers/hr/login/callback"
    assert (mapped.status, mapped.headers["location"]) == (303, "/ledgers/hr/login")
    assert seen == (200, 403)


def test_a_further_ledger_takes_no_roles_from_the_service(tmp_path: Path) -> None:
    service, own = tmp_path / "service.toml", tmp_path / "hr.toml"
    table = '[[oidc_roles]]\nvalue = "{}"\nrole = "{}"\n'
    service.write_text('oidc_issuer = "https://login.example"\n' + table.format("all", "admin"))
    found = trace(service)

    silent = trace_further(found, "hr", own).settings()
    own.write_text(table.format("people", "operator"))
    speaking = trace_further(found, "hr", own).settings()

    assert found.settings().oidc_roles == (RoleRule(value="all", role=Role.ADMIN),)
    assert (silent.oidc_roles, silent.oidc_issuer) == ((), "https://login.example")
    assert speaking.oidc_roles == OF_HR


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('oidc_client_secret = "s3cret"', "there is no setting 'oidc_client_secret'"),
        ('[[oidc_roles]]\nvalue = "x"', "role is missing"),
        ('[[oidc_roles]]\nvalue = "x"\nrole = "root"', "role is 'root', expected"),
        ('[[oidc_roles]]\nvalue = ""\nrole = "admin"', "value is ''"),
        ('[[oidc_roles]]\ngroup = "x"\nrole = "admin"', "there is no field 'group'"),
        ('oidc_roles = "admin"', "expected tables in [[oidc_roles]]"),
        ("oidc_skew_seconds = 301", "oidc_skew_seconds is 301"),
    ],
)
def test_settings_that_are_wrong_are_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "tallystick.toml"
    file.write_text(text)

    with pytest.raises(InputError) as caught:
        trace(file).settings()

    assert words in str(caught.value)
    assert "s3cret" not in f"{caught.value} {caught.value.advice}"


def test_the_variable_of_the_secret_is_no_setting() -> None:
    found = trace(None, {"TALLYSTICK_OIDC_CLIENT_SECRET": "s3cret"})

    assert found.faults == []
    assert "s3cret" not in repr(found)


def test_people_sign_in_to_private_ledgers(make: Make, impostor: Impostor, tmp_path: Path) -> None:
    private = replace(ALLOW_ORGANISATIONS, private=True)
    settings = Settings(
        port=0, workers=0, require_key=True, oidc_issuer=impostor.issuer, oidc_roles=OF_HR
    )
    with ledger_in(tmp_path / "hr", CLINIC, policy=private) as hr:
        at = make(further={"hr": Served(hr, settings, None, authorize)})
        at.client.ledger.set_policy(private)
        stranger = at.browser()
        login, refused = stranger.get("/login"), stranger.get("/checkpoint")
        hidden = stranger.get("/ledgers/hr/login")
        ada = at.browser()
        at.sign_in(ada)
        first = (
            ada.get("/checkpoint"),
            ada.get("/tile/0/000.p/3"),
            ada.get("/ledgers/hr/checkpoint"),
        )
        origin = at.client.ledger.card.origin.encode()
        shown = ada.get("/login").body
        ada.ask("POST", "/logout", sec_fetch_site="same-origin")
        gone = ada.get("/checkpoint")

        impostor.claims = {"groups": ["people"], "sub": "eve-1", "name": "Eve"}
        eve = at.browser()
        at.sign_in(eve)
        second = eve.get("/checkpoint"), eve.get("/ledgers/hr/checkpoint")
        page = eve.get("/logout")

    assert (login.status, refused.status, hidden.status) == (200, 401, 401)
    assert "/login" in refused.json["advice"]
    assert origin not in login.body
    assert origin in shown
    assert [one.status for one in first] == [200, 200, 404]
    assert [one.headers["cache-control"] for one in first[:2]] == ["no-store"] * 2
    assert gone.status == 401
    assert [one.status for one in second] == [401, 200]
    assert page.status == 200


def test_a_stream_of_a_private_log_ends_with_the_token(make: Make, impostor: Impostor) -> None:
    at = make(quiet_seconds_max=0.2)
    at.client.ledger.set_policy(replace(ALLOW_ORGANISATIONS, private=True))
    token = impostor.access_token()
    with at.client.open() as connection:
        connection.sendall(
            f"GET /statements/stream HTTP/1.1\r\nhost: localhost\r\n"
            f"authorization: Bearer {token}\r\n\r\n".encode()
        )
        seen = b""
        while b"event:" not in seen and b"\n: " not in seen and b"retry" not in seen:
            seen += connection.recv(4096)
        at.now[0] += 10_000
        at.client.ledger.register_one(Submission(CLINIC.sign().entry))
        while more := connection.recv(4096):
            seen += more
            if b"problem" in seen:
                break

    assert b" 200 " in seen
    assert b"api-key.missing" in seen
    assert b"event: statement" not in seen


def test_a_session_is_not_kept_alive_by_a_stream(make: Make) -> None:
    at = make()
    ada = at.browser()
    at.sign_in(ada)
    sign_in = at.client.server.service.load.sign_in
    assert sign_in is not None
    sessions = sign_in.sessions
    [token] = [value for name, value in ada.cookies.items() if name.endswith("session")]
    session = sessions._known.look(token)
    assert session is not None
    used = session.used

    assert sessions.counts(token)
    assert session.used == used
    at.now[0] += 10_000_000
    assert not sessions.counts(token)


@pytest.mark.parametrize("page", ["/login/callback", "/login/begin?back=/login/begin"])
def test_signing_in_never_leads_back_into_signing_in(make: Make, page: str) -> None:
    at = make()
    ada = at.browser()
    asked = at.begin(ada, f"/login/begin?{urlencode({'back': page})}")

    assert at.come_back(ada, state=asked["state"]).headers["location"] == "/login"
