"""A person signs in with a real provider, over the wire, and what may go wrong on the way."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwk

from tallystick.capture.roles import Grant, Role
from tallystick.cli.checks.finding import State
from tallystick.cli.checks.signing_in import signing_in
from tallystick.errors import RefusedError
from tallystick.statement import b64
from tallystick.web.settings import RoleRule, Settings
from tests.ledgers import Issuer, ledger_in
from tests.oracles import provider
from tests.surfer import Surfer
from tests.unit.web.served import COSE, Client, serving

pytestmark = pytest.mark.oracle

SECRET = "between the two of us: /+&% and more"  # noqa: S105
AUDIENCE = "https://ledger.example/api"
ACCOUNTS = {
    "ada": {"name": "Ada <b>Bold</b>", "groups": ["staff", "audit"]},
    "bob": {"name": "Bob", "groups": ["staff"]},
    "cleo": {"name": "Cleo", "groups": ["ops"]},
}
CLINIC = Issuer()
RULES = (
    RoleRule(value="audit", role=Role.AUDITOR),
    RoleRule(value="ops", role=Role.OPERATOR),
    RoleRule(value="robots", role=Role.ORIGINATOR),
)


@dataclass
class Town:
    """A service and its provider."""

    client: Client
    issuer: str

    @property
    def base(self) -> str:
        return f"http://localhost:{self.client.address[1]}"

    def metrics(self) -> str:
        return self.client.get("/metrics", authorization="Bearer tly_admin").body.decode()


def authorize(key: str) -> Grant:
    if key != "tly_admin":
        raise RefusedError("this API key is not known", reason="api-key.unknown")
    return Grant(Role.ADMIN)


def signing_key(kid: str = "first") -> jwk.RSAKey:
    return jwk.RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


def asked_of(
    port: int, service: int, key: jwk.RSAKey, client: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    base = f"http://localhost:{service}"
    ours = {
        "client_id": "tally",
        "client_secret": SECRET,
        "redirect_uris": [f"{base}/login/callback", f"{base}/ledgers/hr/login/callback"],
        "post_logout_redirect_uris": [f"{base}/logout"],
        **(client or {}),
    }
    robot = {
        "client_id": "robot",
        "client_secret": "beep",
        "grant_types": ["client_credentials"],
        "response_types": [],
        "redirect_uris": [],
    }
    return {
        "port": port,
        "clients": [ours, robot],
        "accounts": ACCOUNTS,
        "programs": {"robot": ["robots"]},
        "audience": AUDIENCE,
        "jwks": {"keys": [key.as_dict(private=True)]},
        **more,
    }


@contextmanager
def town(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    client: dict[str, Any] | None = None,
    key: jwk.RSAKey | None = None,
    stays: ExitStack | None = None,
    **options: Any,
) -> Iterator[Town]:
    if options.pop("in_environment", True):
        monkeypatch.setenv("TALLYSTICK_OIDC_CLIENT_SECRET", SECRET)
    port, service = provider.free_port(), provider.free_port()
    more = options.pop("provider", {})
    wanted = asked_of(port, service, key or signing_key(), client, **more)
    with ExitStack() as opened:
        issuer = (stays or opened).enter_context(provider.running(wanted, folder / "provider.log"))
        settings = {
            "port": service,
            "oidc_issuer": issuer,
            "oidc_client_id": "tally",
            "oidc_scopes": "openid profile groups",
            "oidc_loopback": True,
            "oidc_roles": RULES,
            "oidc_audience": AUDIENCE,
            "authorize": authorize,
            **options,
        }
        ledger = opened.enter_context(ledger_in(folder / "ledger", CLINIC))
        served = opened.enter_context(serving(ledger, **settings))
        yield Town(served, issuer)


def test_a_person_signs_in_sees_their_role_and_signs_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with town(tmp_path, monkeypatch, require_key=True) as at:
        ada = Surfer()
        assert ada.ask(f"{at.base}/metrics").status == 401

        page = ada.sign_in(f"{at.base}/login/begin?back=/passkeys", "ada")
        assert (page.status, page.url) == (200, f"{at.base}/passkeys")
        assert "Signed in as Ada &lt;b&gt;Bold&lt;/b&gt;, role auditor." in page.text
        assert ada.ask(f"{at.base}/metrics").status == 200  # an auditor may
        assert "auditor" in ada.ask(f"{at.base}/login").text
        refused = ada.ask(f"{at.base}/statements", {}, sec_fetch_site="same-origin")
        assert refused.status == 415  # the media type: a browser's form cannot even be meant
        asked = ada.ask(
            f"{at.base}/statements", {}, content_type=COSE, sec_fetch_site="same-origin"
        )
        assert (asked.status, "sign-in.role" in asked.text) == (403, True)

        where, fields = ada.ask(f"{at.base}/logout").form
        [session] = [one.value for one in ada.jar if one.name == "tallystick-session"]
        left = ada.open(where, fields)  # the provider asks whether to sign out there, too
        assert left.url.startswith(f"{at.issuer}/session/end")
        assert ada.ask(f"{at.base}/metrics").status == 401
        again = at.client.get("/metrics", cookie=f"tallystick-session={session}")
        assert again.status == 401  # it ended here, not only in the browser


@pytest.mark.parametrize("in_id_token", [True, False])
def test_claims_come_with_the_token_or_from_where_it_sends_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_id_token: bool
) -> None:
    with town(tmp_path, monkeypatch, provider={"inIdToken": in_id_token}) as at:
        page = Surfer().sign_in(f"{at.base}/login/begin", "cleo")

    assert "operator" in page.text


def test_who_has_no_mapped_group_is_refused_counted_and_logged_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with town(tmp_path, monkeypatch) as at:
        bob = Surfer()
        page = bob.sign_in(f"{at.base}/login/begin", "bob")
        counted = at.metrics()

    assert page.status == 403
    assert "has a role at this ledger" in page.text
    assert not [one for one in bob.jar if one.name == "tallystick-session"]
    assert 'tallystick_sign_ins_total{result="oidc.unmapped"} 1' in counted
    assert 'tallystick_denied_total{reason="oidc.unmapped"} 1' in counted
    assert "oidc.unmapped" in caplog.text
    assert "bob" not in caplog.text.lower()


@pytest.mark.parametrize(
    "method", ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]
)
def test_the_service_shows_who_it_is_in_each_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    client: dict[str, Any] = {"token_endpoint_auth_method": method}
    options: dict[str, Any] = {}
    if method == "private_key_jwt":
        own = jwk.ECKey.generate_key("P-256", {"use": "sig"})
        (tmp_path / "client.pem").write_bytes(own.as_pem(private=True))
        public = {**own.as_dict(private=False), "kid": own.thumbprint()}
        client |= {"jwks": {"keys": [public]}, "token_endpoint_auth_signing_alg": "ES256"}
        options["oidc_client_key_file"] = tmp_path / "client.pem"
    options["in_environment"] = False
    if method.startswith("client_secret"):
        (tmp_path / "secret").write_text(SECRET + "\n")
        options["oidc_client_secret_file"] = tmp_path / "secret"
    with town(tmp_path, monkeypatch, client, **options) as at:
        page = Surfer().sign_in(f"{at.base}/login/begin", "ada")

    assert "auditor" in page.text


def test_a_wrong_secret_is_the_operators_to_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with town(tmp_path, monkeypatch, {"client_secret": "another"}) as at:
        page = Surfer().sign_in(f"{at.base}/login/begin", "ada")

    assert page.status == 403
    assert "refuses this service" in page.text
    assert "invalid_client" in page.text
    assert "tally doctor" in page.text


def token_of(at: Town, **form: str) -> str:
    asked = {"grant_type": "client_credentials", **form}
    basic = b64.encode(b"robot:beep")
    page = Surfer().ask(f"{at.issuer}/token", asked, authorization=f"Basic {basic}")
    assert page.status == 200, page
    return str(json.loads(page.text)["access_token"])


def test_a_program_uses_an_access_token_that_is_a_jwt_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with town(tmp_path, monkeypatch, require_key=True) as at:
        good = token_of(at, resource=AUDIENCE)
        other = token_of(at, resource="https://another.example")
        opaque = token_of(at)
        entry, bearer = CLINIC.sign().entry, {"authorization": f"Bearer {good}"}
        taken = at.client.post("/statements", entry, COSE, **bearer)
        answers = [
            at.client.get("/metrics", authorization=f"Bearer {token}")
            for token in (good, other, opaque)
        ]

    assert taken.status == 201, taken
    assert [one.status for one in answers] == [403, 401, 401]
    reasons = [one.json["reason"] for one in answers]
    assert reasons == ["sign-in.role", "oidc.audience", "oidc.opaque"]


def test_the_provider_starts_anew_with_other_keys_and_is_believed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = signing_key(), signing_key("second")
    with ExitStack() as stays, town(tmp_path, monkeypatch, key=first, stays=stays) as at:
        assert "auditor" in Surfer().sign_in(f"{at.base}/login/begin", "ada").text
        stays.close()
        away = Surfer().ask(f"{at.base}/login/begin")
        assert away.status == 303  # what is known of it is fresh: only the browser sees
        keys = at.client.get("/metrics", authorization="Bearer tly_admin")
        assert keys.status == 200
        wanted = asked_of(int(at.issuer.rpartition(":")[2]), at.client.address[1], second)
        stays.enter_context(provider.running(wanted, tmp_path / "second.log"))
        sign_in = at.client.server.service.load.sign_in
        assert sign_in
        late = sign_in.provider._clock
        sign_in.provider._clock = lambda: late() + 11  # keys are asked for again after ten seconds

        assert "operator" in Surfer().sign_in(f"{at.base}/login/begin", "cleo").text


def test_the_doctor_sees_whether_secret_and_redirect_are_the_providers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(**options: Any) -> dict[State, str]:
        settings: dict[str, Any] = {
            "oidc_issuer": at.issuer, "oidc_client_id": "tally", "oidc_loopback": True,
            "oidc_roles": RULES, "port": at.client.address[1], **options,
        }  # fmt: skip
        found = list(signing_in(Settings(**settings)))
        return {s: " | ".join(one.seen for one in found if one.state is s) for s in State}

    with town(tmp_path, monkeypatch) as at:
        well = look()
        elsewhere = look(port=1)
        nobody = look(oidc_client_id="nobody")
        monkeypatch.setenv("TALLYSTICK_OIDC_CLIENT_SECRET", "wrong")
        wrong = look()

    assert well[State.PROBLEM] == well[State.WARNING] == ""
    assert "takes us for tally" in well[State.OK]
    assert f"sends people back to {at.base}/login/callback" in well[State.OK]
    assert "refuses our client id or http://localhost:1/login" in elsewhere[State.PROBLEM]
    assert "refuses our client id" in nobody[State.PROBLEM]
    assert "does not take us for tally" in wrong[State.PROBLEM]


def test_signing_in_names_nobody_on_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = {"u-4711-ada": {"name": "Ada Lovelace", "groups": ["ops"]}}
    with town(tmp_path, monkeypatch, provider={"accounts": accounts}) as at:
        size = at.client.ledger.snapshot.checkpoint.size
        ada = Surfer()
        ada.sign_in(f"{at.base}/login/begin", "u-4711-ada")
        statement = CLINIC.sign()
        headers = {"sec_fetch_site": "same-origin", "host": at.base.removeprefix("http://")}
        [session] = [one.value for one in ada.jar if one.name == "tallystick-session"]
        taken = at.client.post(
            "/statements", statement.entry, COSE, cookie=f"tallystick-session={session}", **headers
        )
        assert taken.status == 201, taken
        view = at.client.get(f"/statements/{statement.id.hex()}").json
        ledger = at.client.ledger
        ledger.publish()
        assert ledger.snapshot.checkpoint.size == size + 1  # signing in registers nothing

    assert view["originator"]["assurance"] == "key"  # whose key it is, and not who sent it
    for file in (tmp_path / "ledger").rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert not any(word in data for word in (b"u-4711-ada", b"Lovelace", b"localhost:"))
