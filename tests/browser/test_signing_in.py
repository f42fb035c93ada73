"""A person signs in in a browser, through the pages of a real provider, and signs out again."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tallystick.capture.roles import Role
from tallystick.web.settings import RoleRule
from tests.browser.test_approving import CONTRAST
from tests.browser.visitor import Visitor
from tests.conformance.test_sign_in_with_a_provider import SECRET, asked_of, authorize, signing_key
from tests.ledgers import ledger_in
from tests.oracles import provider
from tests.unit.web.served import serving

RULES = (RoleRule(value="audit", role=Role.AUDITOR),)


@dataclass
class Town:
    base: str
    issuer: str


@pytest.fixture
def town(tmp_path: Path, browser: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    monkeypatch.setenv("TALLYSTICK_OIDC_CLIENT_SECRET", SECRET)
    port, service = provider.free_port(), provider.free_port()
    with ExitStack() as opened:
        asked = asked_of(port, service, signing_key())
        issuer = opened.enter_context(provider.running(asked, tmp_path / "provider.log"))
        ledger = opened.enter_context(ledger_in(tmp_path / "ledger"))
        opened.enter_context(
            serving(
                ledger, port=service, oidc_issuer=issuer, oidc_client_id="tally",
                oidc_scopes="openid profile groups", oidc_loopback=True, oidc_roles=RULES,
                require_key=True, authorize=authorize,
            )
        )  # fmt: skip
        browser.clear_cookies()
        yield Town(f"http://localhost:{service}", issuer)
        browser.clear_cookies()


@pytest.fixture
def visitor(browser: Any) -> Iterator[Visitor]:
    with Visitor(browser) as visitor:
        yield visitor


def sign_in(visitor: Visitor, login: str) -> None:
    """Fill in what the provider's own pages ask, by keyboard."""
    visitor.page.wait_for_selector("input[name=login]")
    visitor.page.fill("input[name=login]", login)
    visitor.page.fill("input[name=password]", "any")
    visitor.press("Enter")
    visitor.page.click("text=Continue")


def main(visitor: Visitor) -> str:
    return str(visitor.page.text_content("main"))


def test_a_person_signs_in_sees_their_role_and_signs_out_by_keyboard(
    town: Town, visitor: Visitor
) -> None:
    assert visitor.open(f"{town.base}/passkeys") == 200
    visitor.page.click("footer >> text=Sign in")
    assert "Neither your name nor that you signed in is registered" in main(visitor)
    visitor.press("Tab")
    assert visitor.focused() == f"Sign in at {town.issuer.removeprefix('http://')}"
    visitor.press("Enter")
    sign_in(visitor, "ada")

    visitor.page.wait_for_url(f"{town.base}/passkeys")  # where they wanted to go
    assert "Signed in as Ada <b>Bold</b>, role auditor." in main(visitor)
    assert visitor.page.query_selector("footer b") is None
    assert visitor.open(f"{town.base}/metrics") == 200
    visitor.open(f"{town.base}/login")
    assert "read the log, see content, see metrics and ledgers" in main(visitor)
    ours = [one for one in visitor.page.context.cookies() if "tallystick" in one["name"]]
    assert {one["name"] for one in ours} == {"tallystick-session", "tallystick-browser"}
    assert all(one["httpOnly"] and one["sameSite"] == "Lax" for one in ours)
    assert visitor.page.evaluate("document.cookie") == ""

    visitor.page.click("text=Sign out")
    visitor.press("Tab")
    assert visitor.focused() == "Sign out"
    visitor.press("Enter")
    visitor.page.wait_for_url(f"{town.issuer}/session/end*")
    visitor.page.click("button[name=logout]")
    visitor.page.wait_for_url(f"{town.base}/logout*")
    assert "You are not signed in." in main(visitor)
    assert visitor.open(f"{town.base}/metrics") == 401


def test_a_person_without_a_mapped_group_is_told_so(town: Town, visitor: Visitor) -> None:
    visitor.open(f"{town.base}/login/begin")
    sign_in(visitor, "bob")

    visitor.page.wait_for_selector("[role=alert]")
    assert "oidc.unmapped" in main(visitor)
    assert "ask the operator" in main(visitor)
    assert visitor.open(f"{town.base}/metrics") == 401


def test_a_person_who_turns_back_is_not_signed_in(town: Town, visitor: Visitor) -> None:
    visitor.open(f"{town.base}/login/begin")
    visitor.page.click("text=[ Cancel ]")

    visitor.page.wait_for_selector("[role=alert]")
    assert "oidc.denied" in main(visitor)


LURE = '<form method="post" action="{}/logout"><button>Win</button></form>'


def test_a_page_of_another_site_signs_nobody_out(town: Town, visitor: Visitor) -> None:
    visitor.open(f"{town.base}/login/begin")
    sign_in(visitor, "ada")
    visitor.page.wait_for_url(f"{town.base}/login")
    visitor.page.route(
        "http://127.0.0.1:9/*",
        lambda route: route.fulfill(body=LURE.format(town.base), content_type="text/html"),
    )
    visitor.open("http://127.0.0.1:9/lure")
    visitor.page.click("text=Win")
    visitor.page.wait_for_url(f"{town.base}/logout")

    assert visitor.open(f"{town.base}/metrics") == 200


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_readable_by_day_and_by_night_and_break_no_policy(
    town: Town, visitor: Visitor, scheme: str
) -> None:
    visitor.page.emulate_media(color_scheme=scheme)
    ratios = []
    visitor.open(f"{town.base}/login")
    ratios += visitor.page.evaluate(CONTRAST)
    visitor.open(f"{town.base}/login/begin")
    sign_in(visitor, "ada")
    visitor.page.wait_for_url(f"{town.base}/login")
    for path in ("/login", "/logout"):
        visitor.open(town.base + path)
        ratios += visitor.page.evaluate(CONTRAST)

    assert min(ratios) >= 4.5, ratios  # WCAG 2.2, 1.4.3
    assert [one for one in visitor.complaints if "Content Security" in one] == []
