"""Several ledgers and one provider: who has a role at one has none at another."""

from pathlib import Path

import pytest

from tallystick.capture.roles import Role
from tallystick.errors import InputError
from tallystick.web.further import trace_further
from tallystick.web.service import Served
from tallystick.web.settings import RoleRule, Settings
from tallystick.web.sources import trace
from tests.impostor import Impostor
from tests.ledgers import ledger_in
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
        asked = at.begin(eve, "/ledgers/hr/login/begin")
        mapped = eve.get(f"/ledgers/hr/login/callback?code=c&state={asked['state']}")
        seen = eve.get("/ledgers/hr/metrics").status, eve.get("/metrics").status

    assert (refused.status, refused.json["reason"]) == (403, "oidc.unmapped")
    assert "Signed in as Ada, no role here." in page
    assert (bearer.status, bearer.json["reason"]) == (403, "oidc.unmapped")
    assert public.status == 200
    assert (unmapped.status, reason(unmapped)) == (403, "oidc.unmapped")
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
