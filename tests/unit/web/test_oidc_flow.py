"""Signing in with a provider that lies, sessions, and what browsers may do with them."""

from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from tests.impostor import CLIENT, Impostor
from tests.unit.web.served import COSE
from tests.unit.web.signing_in import CLINIC, Browser, Make, reason


def test_what_the_provider_is_asked_for_is_what_the_standard_wants(make: Make) -> None:
    at = make(oidc_scopes="openid groups")
    browser = at.browser()
    asked = at.begin(browser)
    done = at.come_back(browser, state=asked["state"])

    assert done.status == 303
    assert done.headers["location"] == "/login"
    assert asked["response_type"] == "code"
    assert asked["redirect_uri"] == f"http://{browser.host}/login/callback"
    assert asked["scope"] == "openid groups"
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["state"]) == len(asked["nonce"]) == len(asked["code_challenge"]) == 43
    [(form, _)] = at.impostor.forms
    assert form["redirect_uri"] == asked["redirect_uri"]
    assert form["grant_type"] == "authorization_code"
    assert 43 <= len(form["code_verifier"]) <= 128
    again = at.begin(browser)
    assert all(again[n] != asked[n] for n in ("state", "nonce", "code_challenge"))


def test_a_state_counts_once_in_one_browser_and_not_for_long(make: Make) -> None:
    at = make()
    browser, thief = at.browser(), at.browser()
    first = at.begin(browser)
    at.begin(thief)

    assert reason(at.come_back(thief, state=first["state"])) == "oidc.browser"
    assert reason(at.come_back(browser, state=first["state"])) == "oidc.state"  # it was spent
    assert reason(at.come_back(browser, state="x")) == "oidc.state"
    assert reason(browser.get("/login/callback?code=c")) == "oidc.state"
    late = at.begin(browser)
    at.now[0] = 601
    assert reason(at.come_back(browser, state=late["state"])) == "oidc.state"
    at.now[0] = 0
    done = at.begin(browser)
    assert at.come_back(browser, state=done["state"]).status == 303
    assert reason(at.come_back(browser, state=done["state"])) == "oidc.state"
    assert 'tallystick_sign_ins_total{result="oidc.state"} 5' in at.metrics()
    assert not at.browser().cookies


def test_an_answer_of_another_issuer_is_refused_before_a_code_is_given_away(make: Make) -> None:
    at = make()
    evil = at.sign_in(at.browser(), iss="https://evil.example")
    error = at.sign_in(at.browser(), iss="https://evil.example", error="access_denied")

    assert (reason(evil), reason(error)) == ("oidc.issuer", "oidc.issuer")
    assert at.impostor.forms == []
    assert at.sign_in(at.browser(), iss=at.impostor.issuer).status == 303


def test_a_provider_that_names_itself_must_do_so(make: Make, impostor: Impostor) -> None:
    impostor.metadata["authorization_response_iss_parameter_supported"] = True
    at = make()

    assert reason(at.sign_in(at.browser())) == "oidc.issuer"
    assert at.impostor.forms == []


def test_what_the_provider_answers_instead_of_a_code(make: Make) -> None:
    at = make()
    denied = at.sign_in(at.browser(), error="access_denied", error_description="<b>no</b>")
    other = at.sign_in(at.browser(), error="%3Cscript%3E")
    neither = at.sign_in(at.browser(), code="")

    assert reason(denied) == "oidc.denied"
    assert reason(other) == "oidc.provider-error"
    assert b"<script>" not in other.body
    assert reason(neither) == "oidc.format"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((400, {"error": "invalid_grant"}), (403, "oidc.code")),
        ((401, {"error": "invalid_client"}), (403, "oidc.client")),
        ((400, b"<html>"), (403, "oidc.client")),
        ((200, {}), (403, "oidc.format")),
        ((200, {"id_token": 1, "access_token": "a"}), (403, "oidc.format")),
        ((200, {"id_token": "a.b", "access_token": "a"}), (403, "oidc.format")),
        ((200, b"<html>"), (503, "unavailable.provider")),
        ((200, []), (503, "unavailable.provider")),
        ((500, {}), (503, "unavailable.provider")),
        ((302, {}), (503, "unavailable.provider")),
        ((200, b"{" + b" " * (1 << 20) + b"}"), (503, "unavailable.provider")),
    ],
)
def test_what_comes_instead_of_tokens(
    make: Make, answer: tuple[int, Any], expected: tuple[int, str]
) -> None:
    at = make()
    at.impostor.answer = answer
    got = at.sign_in(browser := at.browser())

    assert (got.status, reason(got)) == expected
    assert ("retry-after" in got.headers) is (got.status == 503)
    assert "tallystick-session" not in browser.cookies


@pytest.mark.parametrize(
    ("claims", "header", "expected"),
    [
        ({"nonce": "replayed"}, {}, "oidc.nonce"),
        ({"aud": "another"}, {}, "oidc.audience"),
        ({"iss": "https://evil.example"}, {}, "oidc.issuer"),
        ({"exp": 1}, {}, "oidc.expired"),
        ({}, {"kid": "unknown"}, "oidc.key"),
        ({}, {"typ": "at+jwt"}, "oidc.type"),
        ({"groups": ["staff"]}, {}, "oidc.unmapped"),
        ({"groups": []}, {}, "oidc.unmapped"),
        ({"groups": "auditor"}, {}, "oidc.unmapped"),
        ({"groups": ["Audit"]}, {}, "oidc.unmapped"),
        ({"groups": [["audit"], {"audit": 1}, 5]}, {}, "oidc.unmapped"),
        ({"groups": None, "_claim_names": {"groups": "src1"}}, {}, "oidc.groups-elsewhere"),
    ],
)
def test_an_id_token_that_is_not_believed_signs_nobody_in(
    make: Make, claims: dict[str, Any], header: dict[str, Any], expected: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    at = make()
    at.impostor.metadata["userinfo_endpoint"] = None
    at.impostor.claims, at.impostor.header = claims, header
    browser = at.browser()
    got = at.sign_in(browser)

    assert (got.status, reason(got)) == (403, expected)
    assert "tallystick-session" not in browser.cookies
    assert f'tallystick_sign_ins_total{{result="{expected}"}} 1' in at.metrics()
    assert expected in caplog.text
    assert "ada" not in caplog.text.lower()


def test_userinfo_of_somebody_else_is_not_believed(make: Make) -> None:
    at = make()
    at.impostor.claims = {"groups": None}
    at.impostor.userinfo = {"sub": "bob-1", "groups": ["audit"]}
    assert reason(at.sign_in(at.browser())) == "oidc.claims"

    at.impostor.userinfo = {"sub": "ada-1", "groups": ["audit"], "name": "not asked"}
    browser = at.browser()
    assert at.sign_in(browser).status == 303
    assert b"Ada" in browser.get("/login").body


@pytest.mark.parametrize(
    ("claim", "claims", "role"),
    [
        ("groups", {"groups": ["x", "ops", "audit"]}, "auditor"),  # the first rule, not group
        ("groups", {"groups": "ops"}, "operator"),
        ("realm_access.roles", {"realm_access": {"roles": ["ops"]}}, "operator"),
        ("https://x.example/roles", {"https://x.example/roles": ["ops"]}, "operator"),
        ("a.b", {"a.b": ["ops"], "a": {"b": ["audit"]}}, "operator"),
    ],
)
def test_the_claim_may_lie_deep_and_the_first_rule_counts(
    make: Make, claim: str, claims: dict[str, Any], role: str
) -> None:
    at = make(oidc_roles_claim=claim)
    at.impostor.claims = {"groups": None, **claims}
    browser = at.browser()

    assert at.sign_in(browser).status == 303
    assert f"role {role}." in browser.get("/login").body.decode()


def test_the_session_ends_by_idling_and_anyway_after_a_day(make: Make) -> None:
    at = make(session_idle_seconds_max=100, session_seconds_max=250)
    browser = at.browser()
    at.sign_in(browser)
    assert "Max-Age=250;" in browser.set[-1] or "Max-Age=249;" in browser.set[-1]
    seen = []
    for now in (0, 90, 180, 240, 251):
        at.now[0] = now
        seen.append(browser.get("/metrics").status)
    assert seen == [200, 200, 200, 200, 401]

    at.sign_in(browser)
    at.now[0] += 101
    assert browser.get("/metrics").status == 401
    assert browser.get("/checkpoint").status == 200  # it counts for nothing, and harms nothing


def test_signing_in_anew_ends_the_session_before_and_takes_no_token_from_outside(
    make: Make,
) -> None:
    at = make()
    browser = at.browser()
    browser.cookies["tallystick-session"] = "chosen-by-somebody-else"
    at.sign_in(browser)
    first = browser.cookies["tallystick-session"]
    at.sign_in(browser)

    assert first != "chosen-by-somebody-else"
    assert at.client.get("/metrics", cookie=f"tallystick-session={first}").status == 401
    assert browser.get("/metrics").status == 200
    assert at.client.server.service.load.sign_in
    assert len(at.client.server.service.load.sign_in.sessions) == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec_fetch_site": "same-origin"}, 201),
        ({"sec_fetch_site": "same-origin", "origin": "HOST"}, 201),
        ({"sec_fetch_site": "same-origin", "origin": "null"}, 201),
        ({"origin": "HOST"}, 201),
        ({}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "http://localhost"}, 403),  # another port
        ({"sec_fetch_site": "same-site"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "none"}, 403),
        ({"sec_fetch_site": "cross-site", "origin": "HOST"}, 403),
        ({"sec_fetch_site": "same-origin", "origin": "https://evil.example"}, 403),
    ],
)
def test_a_session_changes_something_only_from_a_page_of_ours(
    make: Make, headers: dict[str, str], status: int
) -> None:
    at = make()
    at.impostor.claims = {"groups": ["ops"]}
    browser = at.browser()
    at.sign_in(browser)
    sent = {n: v.replace("HOST", f"http://{browser.host}") for n, v in headers.items()}
    cookie = f"tallystick-session={browser.cookies['tallystick-session']}"
    entry = CLINIC.sign().entry
    got = at.client.post("/statements", entry, COSE, host=browser.host, cookie=cookie, **sent)
    out = browser.ask("POST", "/logout", **sent)

    assert got.status == status, got
    assert out.status == (303 if status == 201 else 403)
    if status == 403:
        assert got.code == "refused.cross-site"
        assert 'tallystick_denied_total{reason="session.cross-site"}' in at.metrics()
        assert browser.get("/metrics").status == 200  # still signed in


def test_a_link_alone_signs_nobody_out_and_the_form_may_go_to_the_provider_only(
    make: Make,
) -> None:
    at = make()
    browser = at.browser()
    at.sign_in(browser)
    page = browser.get("/logout")
    policy = page.headers["content-security-policy"]
    assert f"form-action 'self' {at.impostor.issuer};" in policy
    assert "script-src 'self'" in policy
    assert browser.get("/metrics").status == 200

    out = browser.ask("POST", "/logout", sec_fetch_site="same-origin")
    there = urlsplit(out.headers["location"])
    fields = dict(parse_qsl(there.query))
    assert f"{there.scheme}://{there.netloc}{there.path}" == f"{at.impostor.issuer}/end"
    assert fields["post_logout_redirect_uri"] == f"http://{browser.host}/logout"
    assert fields["client_id"] == CLIENT
    assert fields["id_token_hint"].count(".") == 2
    assert "Max-Age=0" in browser.set[-1]
    assert "You are not signed in" in browser.get("/logout").body.decode()
    once_more = browser.ask("POST", "/logout", sec_fetch_site="same-origin")
    assert once_more.headers["location"] == "/logout"


@pytest.mark.parametrize("away", [True, False])
def test_where_the_provider_signs_nobody_out_we_still_do(make: Make, away: bool) -> None:
    at = make()
    at.impostor.metadata["end_session_endpoint"] = None
    browser = at.browser()
    at.sign_in(browser)
    at.impostor.away = away

    out = browser.ask("POST", "/logout", sec_fetch_site="same-origin")

    assert (out.status, out.headers["location"]) == (303, "/logout")
    assert browser.get("/metrics").status == 401


@pytest.mark.parametrize(
    ("back", "goes"),
    [
        ("/passkeys", "/passkeys"),
        ("/approvals/x?y=1", "/approvals/x?y=1"),
        ("//evil.example", "/login"),
        ("https://evil.example/", "/login"),
        ("/%5Cevil.example", "/login"),
        ("/%0d%0aset-cookie:a=b", "/login"),
        ("%09//evil.example", "/login"),
        ("/\u00e9", "/login"),
        ("/" + "x" * 500, "/login"),
        ("", "/login"),
    ],
)
def test_afterwards_one_goes_to_a_page_of_ours_only(make: Make, back: str, goes: str) -> None:
    at = make()
    browser = at.browser()
    asked = at.begin(browser, "/login/begin?back=" + quote(back, safe="%/:"))

    assert at.come_back(browser, state=asked["state"]).headers["location"] == goes


def test_over_https_cookies_are_bound_to_the_host(make: Make) -> None:
    at = make(public_url="https://log.example/tally")
    browser = at.browser()
    asked = at.begin(browser)
    done = at.come_back(browser, state=asked["state"])

    assert asked["redirect_uri"] == "https://log.example/tally/login/callback"
    assert done.headers["location"] == "/tally/login"
    assert [line.partition("=")[0] for line in browser.set] == [
        "__Host-tallystick-browser", "__Host-tallystick-session",
    ]  # fmt: skip
    for line in browser.set:
        assert {"Path=/", "HttpOnly", "SameSite=Lax", "Secure"} <= set(line.split("; "))
        assert "Domain" not in line
    plain = {"tallystick-session": browser.cookies["__Host-tallystick-session"]}
    assert Browser(at.client, browser.host, plain).get("/metrics").status == 401
    assert browser.get("/metrics").status == 200


def test_by_http_on_this_machine_nothing_is_secure_and_no_other_name_is_taken(make: Make) -> None:
    at = make()
    browser = at.browser()
    at.sign_in(browser)
    rebound = Browser(at.client, "evil.example").get("/login/begin")

    assert all("Secure" not in line and "HttpOnly" in line for line in browser.set)
    assert rebound.status == 400
    assert b"public_url" in rebound.body
