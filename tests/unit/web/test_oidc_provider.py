"""A provider that is away, changes its keys, or leads elsewhere; access tokens; settings."""

import re
from pathlib import Path
from typing import Any

import pytest

from tallystick.errors import InputError
from tallystick.web.load import Load
from tallystick.web.settings import Settings
from tests.impostor import AUDIENCE, CLIENT, rsa
from tests.unit.web.signing_in import ADMIN, Make, reason


def test_while_the_provider_is_away_keys_and_sessions_go_on(make: Make) -> None:
    at = make()
    browser = at.browser()
    at.sign_in(browser)
    at.impostor.away = True
    assert at.begin(browser)  # what is known of it is fresh
    sign_in = at.client.server.service.load.sign_in
    assert sign_in
    sign_in.provider._metadata = sign_in.provider._keys = None
    page = browser.get("/login/begin")
    token = at.client.get("/metrics", authorization=f"Bearer {at.impostor.access_token()}")

    assert (page.status, page.headers["retry-after"]) == (503, "10")
    assert reason(page) == "unavailable.provider"
    assert (token.status, token.code) == (503, "unavailable.provider")
    assert token.headers["retry-after"] == "10"
    assert at.client.get("/metrics", **ADMIN).status == 200
    assert browser.get("/metrics").status == 200
    assert browser.get("/login").status == 200
    at.impostor.away = False
    assert browser.get("/login/begin").status == 503  # it is not asked again at once
    sign_in.provider._away = None
    assert browser.get("/login/begin").status == 303


def test_keys_may_change_and_strangers_cannot_make_us_ask_for_them_all_the_time(
    make: Make,
) -> None:
    at = make()
    sign_in = at.client.server.service.load.sign_in
    assert sign_in
    moved, steps = [0.0], sign_in.provider._clock
    sign_in.provider._clock = lambda: steps() + moved[0]

    def ask() -> int:
        token = at.impostor.access_token()
        return at.client.get("/metrics", authorization=f"Bearer {token}").status

    assert ask() == 200
    at.impostor.key = rsa("next")
    at.impostor.header = {"kid": "next"}
    assert ask() == 401
    at.impostor.keys.append({**at.impostor.key.as_dict(private=False), "kid": "next"})
    assert [ask() for _ in range(20)] == [401] * 20  # within ten seconds
    assert at.impostor.asked.count("/jwks") == 1
    moved[0] = 11.0
    assert [ask() for _ in range(20)] == [200] * 20
    assert at.impostor.asked.count("/jwks") == 2
    at.impostor.away, moved[0] = True, 3700.0
    assert ask() == 200  # stale, and it goes on counting for a day
    moved[0] = 100_000.0
    assert ask() == 503


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"issuer": "https://evil.example"}, "it is of the issuer"),
        ({"issuer": None}, "missing required field `issuer`"),
        ({"jwks_uri": None}, "missing required field `jwks_uri`"),
        ({"authorization_endpoint": "http://evil.example/auth"}, "is not https"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "expected a URL"),
        ({"end_session_endpoint": "https://x.example/;script-src *"}, "expected a URL"),
        ({"end_session_endpoint": "https://[x/"}, "not a URL"),
        ({"token_endpoint": 5}, "Expected `str`"),
    ],
)
def test_a_discovery_document_that_is_wrong_is_not_used(
    make: Make, metadata: dict[str, Any], words: str
) -> None:
    at = make()
    at.impostor.metadata = metadata
    got = at.browser().get("/login/begin")

    assert got.status == 503
    assert words in got.body.decode().replace("&#x27;", "'")


def test_addresses_in_it_lead_nowhere_inside(make: Make) -> None:
    at = make()
    at.impostor.metadata = {"token_endpoint": "https://169.254.169.254/latest/meta-data"}
    got = at.sign_in(at.browser())

    assert got.status == 503
    assert "leads to this machine or its networks" in got.body.decode()


@pytest.mark.parametrize(
    ("token", "status", "reason_"),
    [
        ({}, 200, None),
        ({"groups": ["staff"]}, 403, "oidc.unmapped"),
        ({"groups": None}, 403, "oidc.unmapped"),
        ({"aud": CLIENT}, 401, "oidc.audience"),
        ({"exp": 1}, 401, "oidc.expired"),
        ({"iss": "https://evil.example"}, 401, "oidc.issuer"),
        ("0f8fad5b-d9cb-469f-a165-70867728950e", 401, "oidc.opaque"),
        ("a.b.c", 401, "oidc.format"),
        ("ID", 401, "oidc.type"),
        ("tly_unknown", 401, "api-key.unknown"),
    ],
)
def test_what_the_api_takes_as_a_bearer_token(
    make: Make, token: dict[str, Any] | str, status: int, reason_: str | None
) -> None:
    at = make()
    if isinstance(token, dict):
        token = at.impostor.access_token(**token)
    elif token == "ID":  # noqa: S105
        token = at.impostor.token(aud=AUDIENCE)
    got = at.client.get("/metrics", authorization=f"Bearer {token}")

    assert got.status == status, got
    if reason_:
        assert got.json["reason"] == reason_
        assert f'tallystick_denied_total{{reason="{reason_}"}} 1' in at.metrics()
    if status == 401:
        assert got.headers["www-authenticate"] == 'Bearer realm="tallystick"'


def test_without_an_audience_no_access_token_is_taken(make: Make) -> None:
    at = make(oidc_audience=None)
    token = at.impostor.access_token()
    got = at.client.get("/metrics", authorization=f"Bearer {token}")

    assert (got.status, got.json["reason"]) == (401, "oidc.audience")
    assert got.json["advice"].endswith("; people sign in at /login")
    assert "takes no access tokens" in got.json["detail"]
    assert at.impostor.asked == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"oidc_issuer": "http://login.example"}, "is not https"),
        ({"oidc_issuer": "login.example"}, "expected a URL"),
        ({"oidc_issuer": "https://a:b@login.example"}, "expected a URL"),
        ({"oidc_issuer": "https://login.example/?x=1"}, "an issuer has no query"),
        ({"oidc_client_id": None}, "oidc_client_id is not"),
        ({"oidc_scopes": "profile"}, "must have openid"),
        ({"oidc_networks": "10.0.0.0/33"}, "oidc_networks"),
        ({"host": "192.0.2.1"}, "public_url is not set"),
        ({"public_url": "http://log.example"}, "is not https"),
        ({"oidc_client_secret_file": Path("/nowhere/at/all")}, "cannot be read"),
        ({"oidc_client_key_file": Path(__file__)}, "is no private key in PEM"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(
    settings: dict[str, Any], words: str
) -> None:
    good = {"oidc_issuer": "https://login.example", "oidc_client_id": CLIENT}
    with pytest.raises(InputError, match=re.escape(words)):
        Load(Settings(**{**good, **settings}))
