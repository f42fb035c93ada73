"""A person sees the decision about them, appeals, and reads the outcome, by keyboard alone."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tallystick.affected import make_code
from tallystick.evidence import build_bundle, sign_fields
from tallystick.ledger import Ledger, Query, RegistrationPolicy, Rule
from tallystick.statement.governance import IssuerKind
from tallystick.verify import Verdict, examine, parse_policy
from tests.browser.test_approving import CONTRAST
from tests.browser.visitor import Visitor
from tests.ledgers import START, Clock, Issuer, ledger_in
from tests.unit.web.served import Client, serving

POLICY = RegistrationPolicy(
    (Rule(frozenset({"*", "appeal", "review"}), kinds=frozenset(IssuerKind)),)
)
SAYS = {"outcome": "accept", "reason": "the scan <b>shows</b> nothing", "shown": "benign"}


@dataclass
class Desk:
    """A service with a decision of a doctor on an AI's answer."""

    client: Client
    ledger: Ledger
    doctor: Issuer
    decision: bytes

    @property
    def base(self) -> str:
        return f"http://localhost:{self.client.address[1]}"

    @property
    def code(self) -> str:
        return make_code(self.ledger.api_secret, self.ledger.card.origin, self.decision)

    def say(self, type_: str, fields: dict[str, Any], **links: tuple[bytes, ...]) -> bytes:
        said = sign_fields(self.doctor.signer, type_, fields, issued_at=START, links=links)
        return self.ledger.register_one(said).id

    def appeal(self) -> bytes:
        return self.ledger.find(Query(type="appeal")).found[0].statement.id


@pytest.fixture
def desk(tmp_path: Path, browser: Any) -> Iterator[Desk]:
    ai = Issuer("Triage model", kind=IssuerKind.AI)
    doctor = Issuer(kind=IssuerKind.PERSON)
    with ledger_in(tmp_path, ai, doctor, clock=Clock(), policy=POLICY) as ledger:
        said = sign_fields(ai.signer, "document", {"answer": "benign"}, issued_at=START,
                           model=b"\5" * 32)  # fmt: skip
        answer = ledger.register_one(said).id
        with serving(ledger) as client:
            desk = Desk(client, ledger, doctor, b"")
            desk.decision = desk.say("decision", SAYS, decided_on=(answer,))
            yield desk


@pytest.fixture
def visitor(browser: Any) -> Iterator[Visitor]:
    with Visitor(browser) as visitor:
        yield visitor


def told(visitor: Visitor) -> str:
    return str(visitor.page.text_content("main"))


def open_by_keyboard(desk: Desk, visitor: Visitor) -> None:
    """Type id and code into the page, and send it, without a mouse."""
    visitor.open(f"{desk.base}/mine")
    visitor.press("Tab")
    visitor.page.keyboard.type(desk.decision.hex())
    visitor.press("Tab", "Tab")
    visitor.page.keyboard.type(desk.code)
    visitor.press("Tab")
    assert visitor.focused() == "Show the decision"
    with visitor.page.expect_navigation():
        visitor.press("Enter")


def test_a_person_appeals_and_reads_the_outcome_by_keyboard_alone(
    desk: Desk, visitor: Visitor
) -> None:
    open_by_keyboard(desk, visitor)
    shown = told(visitor)
    for words in (SAYS["reason"], "a person, did:key", "by a key of their own", "verifiesyes"):
        assert words in shown
    visitor.press("Tab", "ArrowDown", "ArrowDown")  # the first radio button, then the third
    assert visitor.page.evaluate("document.activeElement.value") == "appeal"
    visitor.press("Tab")
    visitor.page.keyboard.type("I have a <i>second</i> opinion.")
    visitor.press("Tab")
    assert visitor.focused() == "Send"
    with visitor.page.expect_navigation():
        visitor.press("Enter")
    assert "It is registered, and stands below." in told(visitor)
    assert "An answer is due by" in told(visitor)
    assert "I have a <i>second</i> opinion." in told(visitor)

    new = desk.say("decision", {**SAYS, "reason": "14 mm after all"}, supersedes=(desk.decision,))
    desk.say("review", {"outcome": "changed", "reason": "an old scan"},
             decided_on=(desk.appeal(), new))  # fmt: skip
    open_by_keyboard(desk, visitor)
    for words in ("the decision was changed", "an old scan", "14 mm after all"):
        assert words in told(visitor)
    assert visitor.complaints == []

    desk.ledger.publish()
    bundle = visitor.page.request.get(f"{desk.base}/bundles/{desk.decision.hex()}").body()
    report = examine(bundle, parse_policy(desk.ledger.home.trust.read_bytes()))
    assert report.verdict is Verdict.VERIFIED, report.checks
    assert any("answered by review" in check.detail for check in report.checks)


def test_what_is_asked_can_be_withdrawn_on_the_page(desk: Desk, visitor: Visitor) -> None:
    open_by_keyboard(desk, visitor)
    visitor.page.check("input[value=appeal]")
    visitor.page.fill("#words", "no")
    visitor.page.click("text=Send")
    visitor.page.click("text=Withdraw this appeal")

    assert "You withdrew it." in told(visitor)


def test_a_file_is_read_and_an_address_may_bring_both(desk: Desk, visitor: Visitor) -> None:
    visitor.open(f"{desk.base}/mine#{desk.decision.hex()}.{desk.code}")
    assert "#" not in visitor.page.url
    assert visitor.page.input_value("#code") == desk.code
    with tempfile.TemporaryDirectory() as folder:
        receipt, record = Path(folder) / "r.cose", Path(folder) / "r.tally.json"
        receipt.write_bytes(desk.ledger.prove(desk.decision).receipt)
        record.write_bytes(build_bundle(desk.ledger, desk.decision).encode())
        visitor.page.set_input_files("#file", receipt)
        visitor.page.wait_for_function("document.getElementById('receipt').value.length > 64")
        visitor.page.click("text=Show the decision")
        assert "it leads to entry" in told(visitor)
        visitor.open(f"{desk.base}/mine")
        visitor.page.set_input_files("#file", record)
        visitor.page.wait_for_function("document.getElementById('receipt').value.length > 64")
        visitor.page.click("text=Show the decision")
    assert SAYS["reason"] in told(visitor)


def test_without_a_script_the_page_works_too(desk: Desk, browser: Any) -> None:
    with (
        browser.browser.new_context(java_script_enabled=False)
        if browser.browser
        else (pytest.skip("this browser makes no further context")) as context
    ):
        page = context.new_page()
        page.goto(f"{desk.base}/mine")
        page.fill("#receipt", desk.decision.hex())
        page.fill("#code", desk.code)
        page.click("text=Show the decision")

        assert SAYS["reason"] in page.text_content("main")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_readable_by_day_and_by_night(
    desk: Desk, visitor: Visitor, scheme: str, tmp_path: Path
) -> None:
    visitor.page.emulate_media(color_scheme=scheme)
    visitor.open(f"{desk.base}/mine")
    visitor.page.screenshot(path=tmp_path / f"mine-{scheme}.png", full_page=True)
    ratios = visitor.page.evaluate(CONTRAST)
    open_by_keyboard(desk, visitor)
    visitor.page.check("input[value=appeal]")
    visitor.page.fill("#words", "no")
    visitor.page.click("text=Send")
    visitor.page.screenshot(path=tmp_path / f"decision-{scheme}.png", full_page=True)

    assert min([*ratios, *visitor.page.evaluate(CONTRAST)]) >= 4.5  # WCAG 2.2, 1.4.3
