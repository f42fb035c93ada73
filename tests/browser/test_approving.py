"""A person makes a passkey and approves with it, in a browser; a stranger verifies it offline."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tallystick.approvals.enrolling import invite
from tallystick.evidence import build_bundle
from tallystick.ledger import Ledger, RegistrationPolicy, Rule
from tallystick.statement import b64
from tallystick.statement.approval import FIELDS, parse_approval
from tallystick.statement.governance import IssuerKind
from tallystick.verify import Report, Verdict, examine, parse_policy
from tests.browser.visitor import Visitor
from tests.ledgers import Clock, Issuer, ledger_in, submissions
from tests.unit.web.served import Client, serving

POLICY = RegistrationPolicy(
    (Rule(frozenset({"inference", "decision"}), kinds=frozenset(IssuerKind)),)
)
SAYS = {"outcome": "override", "reason": "the scan <b>says</b> otherwise", "shown": "benign"}


@dataclass
class Ward:
    """A service with a doctor, and an AI's answer that somebody is to decide on."""

    client: Client
    ledger: Ledger
    doctor: Issuer
    answer: bytes

    @property
    def base(self) -> str:
        return f"http://localhost:{self.client.address[1]}"

    def invitation(self) -> str:
        service = self.client.server.service
        code = invite(service.asked, self.ledger.state, self.doctor.did, self.ledger.clock())
        return f"{self.base}/passkeys#{code}"

    def ask(self, action: str = "decision") -> str:
        body = {
            "issuer": self.doctor.did, "action": action, "targets": [self.answer.hex()],
            "fields": SAYS,
        }  # fmt: skip
        reply = self.client.post("/approvals", json.dumps(body).encode(), "application/json")
        assert reply.status == 201, reply
        return str(reply.json["url"])

    def verify(self, index: int) -> Report:
        self.ledger.publish()
        data = build_bundle(self.ledger, self.ledger.at(index).statement.id).encode()
        return examine(data, parse_policy(self.ledger.home.trust.read_bytes()))

    def last(self) -> int:
        return self.ledger.snapshot.checkpoint.size - 1


@pytest.fixture
def ward(tmp_path: Path, browser: Any) -> Iterator[Ward]:
    ai, doctor = Issuer(kind=IssuerKind.AI), Issuer(kind=IssuerKind.PERSON)
    with ledger_in(tmp_path, ai, doctor, clock=Clock(), policy=POLICY) as ledger:
        answer = ai.sign()
        ledger.register(submissions(answer))
        with serving(ledger) as client:
            yield Ward(client, ledger, doctor, answer.id)


@pytest.fixture
def visitor(browser: Any) -> Iterator[Visitor]:
    with Visitor(browser) as visitor:
        yield visitor


def enrol(ward: Ward, visitor: Visitor) -> None:
    visitor.open(ward.invitation())
    visitor.page.click("text=Make the passkey")
    said = visitor.said()
    assert "The passkey is registered" in said


def test_a_person_enrols_and_decides_by_keyboard_alone(ward: Ward, visitor: Visitor) -> None:
    visitor.open(ward.invitation())
    assert "#" not in visitor.page.url  # the code does not stay in the address
    visitor.press("Tab", "Tab")
    assert visitor.focused() == "Make the passkey"
    visitor.press("Enter")
    assert visitor.said() == f"The passkey is registered, at index {ward.last()} of localhost/test."
    registered = ward.last()

    visitor.open(ward.ask())
    shown = visitor.page.text_content("main")
    for words in (*SAYS.values(), ward.doctor.did, ward.answer.hex(), "localhost/test"):
        assert words in shown
    visitor.press("Tab")
    assert visitor.focused() == "Approve with passkey"
    visitor.press("Enter")
    assert visitor.said() == f"Approved. Registered at index {ward.last() - 1} and {ward.last()}."

    report = ward.verify(ward.last())
    assert report.verdict is Verdict.VERIFIED, report.checks
    known = report.known[report.subject]
    assert (known.assurance, known.principal) == ("passkey", ward.doctor.did)
    assert f"registered at index {registered}" in known.basis
    assert visitor.complaints == []


def test_a_person_declines(ward: Ward, visitor: Visitor) -> None:
    enrol(ward, visitor)
    visitor.open(url := ward.ask())

    visitor.page.click("text=Decline with passkey")

    assert visitor.said() == f"Declined. Registered at index {ward.last()}."
    [line] = [c.detail for c in ward.verify(ward.last()).checks if c.what == "approval"]
    assert "declined 'decision'" in line
    visitor.open(url)
    assert visitor.page.text_content("[role=status]") == (
        f"Declined, and registered at index {ward.last()}."
    )
    assert visitor.page.query_selector("button") is None


def test_another_implementation_accepts_what_the_browser_signed(
    ward: Ward, visitor: Visitor
) -> None:
    webauthn = pytest.importorskip("webauthn")
    enrol(ward, visitor)
    visitor.open(ward.ask("release"))
    visitor.page.click("text=Approve with passkey")
    visitor.said()

    statement = ward.ledger.at(ward.last()).statement
    values = {name: ward.ledger.vault.get(statement.id).values()[name] for name in FIELDS}
    [(_, passkey)] = ward.ledger.state.chains.passkeys.values()
    [held] = visitor.credentials()
    said = {
        "id": b64.encode_url(raw := b64.decode(held["credentialId"], "id")),
        "rawId": b64.encode_url(raw),
        "type": "public-key",
        "response": {
            "authenticatorData": b64.encode_url(values["authenticator_data"]),
            "clientDataJSON": b64.encode_url(values["client_data"]),
            "signature": b64.encode_url(values["signature"]),
        },
    }
    import cbor2

    done = webauthn.verify_authentication_response(
        credential=said,
        expected_challenge=parse_approval(values["approval"]).challenge(),
        expected_rp_id="localhost",
        expected_origin=ward.base,
        credential_public_key=cbor2.dumps({**passkey.key.cose_key(), 3: -7}),
        credential_current_sign_count=0,
        require_user_verification=True,
    )
    assert done.user_verified


def test_a_person_that_the_authenticator_does_not_recognise_approves_nothing(
    ward: Ward, visitor: Visitor
) -> None:
    enrol(ward, visitor)
    visitor.open(ward.ask())
    size = ward.last()
    visitor.verify_person(possible=False)

    visitor.page.click("text=Approve with passkey")

    assert "not allowed" in visitor.said() or "timed out" in visitor.said()
    assert ward.last() == size
    visitor.verify_person(possible=True)
    visitor.page.click("text=Approve with passkey")
    assert "Approved" in visitor.said()


def test_an_invitation_counts_once(ward: Ward, visitor: Visitor) -> None:
    url = ward.invitation()
    visitor.open(url)
    visitor.page.click("text=Make the passkey")
    visitor.said()

    visitor.open("about:blank")
    visitor.open(url)
    visitor.page.click("text=Make the passkey")

    assert "(approval.replayed)" in visitor.said()


ELSEWHERE = """async ([challenge]) => {
  const bytes = Uint8Array.from(atob(challenge), (c) => c.charCodeAt(0));
  const made = await navigator.credentials.get({ publicKey: {
    challenge: bytes, rpId: "localhost", userVerification: "required" } });
  const text = (b) => btoa(String.fromCharCode(...new Uint8Array(b)))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return { authenticator_data: text(made.response.authenticatorData),
    client_data: text(made.response.clientDataJSON), signature: text(made.response.signature) };
}"""


def post(url: str, body: object) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - our own service
        url, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)  # noqa: S310
    problem: dict[str, Any] = json.loads(caught.value.read())
    return problem


def test_a_page_of_another_origin_gets_a_signature_that_counts_for_nothing(
    ward: Ward, visitor: Visitor
) -> None:
    enrol(ward, visitor)
    url = ward.ask()
    visitor.open(url)
    challenge = visitor.page.get_attribute("button.first", "data-challenge")
    visitor.page.route(
        "http://localhost:9/*",
        lambda route: route.fulfill(body="<p>lure</p>", content_type="text/html"),
    )
    visitor.open("http://localhost:9/lure")

    padded = b64.encode(b64.decode_url(str(challenge), "challenge"))
    said = visitor.page.evaluate(ELSEWHERE, [padded])

    assert post(url, said)["reason"] == "approval.origin"


def test_an_answer_that_was_seen_is_of_no_use_again(ward: Ward, visitor: Visitor) -> None:
    enrol(ward, visitor)
    visitor.open(url := ward.ask())
    sent: list[str] = []
    visitor.page.on("request", lambda r: sent.append(r.post_data) if r.method == "POST" else None)
    visitor.page.click("text=Approve with passkey")
    visitor.said()

    [body] = sent

    assert post(url, json.loads(body))["reason"] == "approval.replayed"
    assert post(ward.ask(), json.loads(body))["reason"] == "approval.challenge"


def test_pages_load_nothing_from_elsewhere_and_stand_in_no_frame(
    ward: Ward, visitor: Visitor
) -> None:
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    enrol(ward, visitor)
    visitor.open(url := ward.ask())

    assert all(one.startswith(ward.base) for one in asked)
    frame = f'<iframe src="{url}"></iframe>'
    visitor.page.route(
        "http://localhost:9/*", lambda route: route.fulfill(body=frame, content_type="text/html")
    )
    visitor.open("http://localhost:9/frame")
    visitor.page.wait_for_timeout(1000)
    [_, inside] = visitor.page.frames
    assert inside.query_selector("button") is None
    assert inside.url.startswith("chrome-error:")


def test_at_a_bare_address_the_page_says_where_to_go(ward: Ward, visitor: Visitor) -> None:
    status = visitor.open(f"{ward.client.url}/passkeys")

    assert status == 400
    assert f"http://localhost:{ward.client.address[1]}" in visitor.page.text_content("main")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_readable_by_day_and_by_night(
    ward: Ward, visitor: Visitor, scheme: str, tmp_path: Path
) -> None:
    enrol(ward, visitor)
    visitor.page.emulate_media(color_scheme=scheme)
    for name, url in (("passkeys", f"{ward.base}/passkeys"), ("approval", ward.ask())):
        visitor.open(url)
        visitor.page.screenshot(path=tmp_path / f"{name}-{scheme}.png", full_page=True)
        ratios = visitor.page.evaluate(CONTRAST)
        assert ratios
        assert min(ratios) >= 4.5, ratios  # WCAG 2.2, 1.4.3


CONTRAST = """() => {
  const light = (css) => {
    const [r, g, b] = css.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const css = getComputedStyle(e).backgroundColor;
      if (!css.endsWith(", 0)")) return css;
    }
    return "rgb(255, 255, 255)";
  };
  return [...document.querySelectorAll("main *")].filter((e) => e.textContent.trim())
    .map((e) => [light(getComputedStyle(e).color), light(behind(e))])
    .map(([a, b]) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
}"""
