"""A person signs in with a real provider, over the wire, and what may go wrong on the way."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwk

from tallystick.capture.roles import Grant, Role
from tallystick.errors import RefusedError
from tallystick.web.settings import RoleRule
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
    **options: Any,
) -> Iterator[Town]:
    if options.pop("in_environment", True):
        monkeypatch.setenv("TALLYSTICK_OIDC_CLIENT_SECRET", SECRET)
    port, service, clinic = provider.free_port(), provider.free_port(), Issuer()
    more = options.pop("provider", {})
    wanted = asked_of(port, service, key or signing_key(), client, **more)
    with ExitStack() as opened:
        issuer = opened.enter_context(provider.running(wanted, folder / "provider.log"))
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
        ledger = opened.enter_context(ledger_in(folder / "ledger", clinic))
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
