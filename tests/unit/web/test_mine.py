"""A person with a receipt: sees the decision, asks, and reads the answer; and what others get."""

import dataclasses
import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tallystick.affected import due_at, make_code
from tallystick.affected.asking import REQUESTS_MAX, WORDS_LETTERS_MAX
from tallystick.affected.holding import HELD_BYTES_MAX
from tallystick.evidence import Shown, build_bundle, sign_fields
from tallystick.ledger import (
    Ledger,
    Query,
    RegistrationPolicy,
    Rule,
    sign_publication,
)
from tallystick.ledger.creation import OPERATOR
from tallystick.ledger.policy import Visibility
from tallystick.statement import ErasureReason, TlogProof, b64, parse_note
from tallystick.statement.governance import IssuerKind
from tallystick.vault import About
from tests.ledgers import START, Clock, Issuer, ledger_in
from tests.unit.web.served import JSON, Client, Reply, serving

POLICY = RegistrationPolicy(
    (Rule(frozenset({"*", "appeal", "review"}), kinds=frozenset(IssuerKind)),)
)
FORM = "application/x-www-form-urlencoded"
CLINIC, DOCTOR = Issuer(), Issuer("D", IssuerKind.PERSON)
AI = Issuer("Triage", IssuerKind.AI)
SAYS = {"outcome": "override", "reason": "<b>14</b> mm", "shown": "benign"}


@dataclass
class Desk:
    """A service with a decision about Jane, made by a doctor on an answer of an AI."""

    client: Client
    clock: Clock
    answer: bytes
    decision: bytes

    @property
    def ledger(self) -> Ledger:
        return self.client.ledger

    @property
    def code(self) -> str:
        return make_code(self.ledger.api_secret, self.ledger.card.origin, self.decision)

    def post(self, path: str, **body: Any) -> Reply:
        return self.client.post(path, json.dumps(body).encode(), JSON)

    def form(self, path: str, **body: Any) -> Reply:
        return self.client.post(path, urlencode(body).encode(), FORM)

    def mine(self, receipt: str | None = None, **body: Any) -> Reply:
        return self.post("/mine", **{"receipt": receipt or self.decision.hex(), **body})

    def ask(self, kind: str, words: str = "It is not so.", **body: Any) -> Reply:
        given = {"receipt": self.decision.hex(), "code": self.code, "kind": kind, "words": words}
        return self.post("/mine/requests", **{**given, **body})

    def say(self, who: Issuer, type_: str, fields: dict[str, Any], **links: Any) -> bytes:
        said = sign_fields(who.signer, type_, fields, issued_at=START, links=links)
        return self.ledger.register_one(said).id

    def record(self, **shown: Any) -> str:
        return build_bundle(self.ledger, self.decision, Shown(**shown)).encode().decode()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with opened(tmp_path) as desk:
        yield desk


@contextmanager
def opened(tmp_path: Path, policy: RegistrationPolicy = POLICY, **settings: Any) -> Iterator[Desk]:
    clock = Clock()
    with ledger_in(tmp_path / "l", CLINIC, DOCTOR, AI, clock=clock, policy=policy) as ledger:
        said = sign_fields(AI.signer, "document", {"answer": "benign"}, issued_at=START,
                           model=b"\4" * 32)  # fmt: skip
        answer = ledger.register_one(said).id
        said = sign_fields(
            DOCTOR.signer, "decision", SAYS, issued_at=START, links={"decided_on": (answer,)}
        )
        about = type(said)(said.entry, said.content, about=About("jane", "care"))
        decision = ledger.register_one(about).id
        with serving(ledger, **settings) as client:
            yield Desk(client, clock, answer, decision)


def reason(reply: Reply) -> str:
    assert reply.status >= 400, reply
    return str(reply.json.get("reason") or reply.json["type"].rpartition(":")[2])


def test_a_receipt_alone_shows_what_everybody_may_know(desk: Desk) -> None:
    seen = desk.mine().json

    assert (seen["type"], seen["verdict"], seen["entitled"]) == ("decision", "verified", None)
    assert seen["by"]["kind"] == "person"
    assert seen["model"] == {"digest": "04" * 32, "index": None}
    assert seen["content"] is None
    assert seen["withheld"].startswith("shown to whom it is about")
    assert (seen["requests"], seen["may"]) == ([], [])
    assert "mm" not in json.dumps({**seen, "id": ""}).replace(seen["by"]["did"], "")


def test_the_code_shows_all_of_it_and_the_read_is_noted(desk: Desk) -> None:
    typed = desk.code.upper().replace("-", " ")
    seen = desk.mine(code=typed).json

    assert seen["entitled"] == "code"
    assert seen["content"] == SAYS
    assert seen["may"] == ["appeal", "explanation-request", "review-request"]
    assert desk.ledger.register_reads() == 1
    [note] = desk.ledger.find(Query(type="access")).found
    values = desk.ledger.vault.get(note.statement.id).values()
    assert (values["who"], values["purpose"]) == ("the person it is about", "own decision")


def test_every_form_of_a_receipt_is_taken(desk: Desk) -> None:
    desk.ledger.publish()
    proof = desk.ledger.prove(desk.decision)
    text = TlogProof(proof.found.index, proof.path, parse_note(proof.checkpoint)).encode().decode()
    forms = (
        b64encode(proof.receipt).decode(),
        b64.encode_url(proof.receipt),
        proof.receipt.hex(),
        text,
        text.replace("\n", "\r\n").strip(),
        desk.record(content=False),
    )
    for form in forms:
        seen = desk.mine(form).json
        assert seen["id"] == desk.decision.hex()
        assert "it leads to entry" in seen["proven"]
        assert seen["entitled"] is None


def test_the_whole_record_shows_whose_it_is_and_a_part_does_not(desk: Desk) -> None:
    assert desk.mine(desk.record()).json["entitled"] == "record"
    part = desk.record(fields=frozenset({"outcome"}))
    assert desk.mine(part).json["entitled"] is None
    content = json.loads(desk.record())
    shown = (m for m in content["statements"] if "reason" in m.get("content", {}).get("shown", {}))
    mine = next(shown)
    mine["content"]["shown"]["reason"]["value"] = mine["content"]["shown"]["outcome"]["value"]
    assert reason(desk.mine(json.dumps(content))) == "verification.commitment"
    asked = desk.ask("appeal", receipt=desk.record(), code="")
    assert asked.status == 201


def test_a_record_that_everybody_can_have_shows_nothing(desk: Desk) -> None:
    ledger = desk.ledger
    operator, record = ledger.keys.signer(OPERATOR), desk.record()
    ledger.set_policy(RegistrationPolicy(POLICY.rules, {"decision": Visibility.PUBLIC}))
    assert desk.mine(record).json["entitled"] is None
    assert reason(desk.ask("appeal", receipt=record, code="")) == "appeal.code"
    assert desk.mine(record, code=desk.code).json["entitled"] == "code"
    ledger.set_policy(POLICY)
    assert desk.mine(record).json["entitled"] == "record"

    for field in ("outcome", "reason", "shown"):
        assert desk.mine(record).json["entitled"] == "record"
        shown = ledger.vault.get(desk.decision).disclose({field})
        ledger.register_one(sign_publication(operator, desk.decision, shown, START))

    assert desk.mine(record).json["entitled"] is None
    assert reason(desk.ask("appeal", receipt=record, code="")) == "appeal.code"


def test_what_is_no_receipt_of_this_decision_is_refused(desk: Desk, tmp_path: Path) -> None:
    other = make_code(desk.ledger.api_secret, desk.ledger.card.origin, desk.answer)
    for code in (other, "a" * 31, "x"):
        assert reason(desk.mine(code=code)) == "appeal.code"
    assert reason(desk.ask("appeal", code="")) == "appeal.code"
    assert reason(desk.mine("nonsense!")) == "input.encoding"
    assert reason(desk.mine("  ")) == "input"
    assert reason(desk.mine("f" * 64)) == "input.not-found"
    assert reason(desk.mine("x" * (HELD_BYTES_MAX + 1))) == "input.limit"
    assert reason(desk.post("/mine", receipt="a", more=1)) == "input.encoding"
    with ledger_in(tmp_path / "other", CLINIC, policy=POLICY) as ledger:
        said = sign_fields(CLINIC.signer, "decision", SAYS, issued_at=START)
        theirs = ledger.register_one(said).id
        proof, bundle = ledger.prove(theirs), build_bundle(ledger, theirs).encode().decode()
    # Both tests' logs have one name: the receipt is of another history, the bundle of that too.
    assert reason(desk.mine(proof.receipt.hex())) == "verification.proof"
    assert reason(desk.mine(bundle)) == "verification.proof"


def test_a_receipt_of_another_log_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    proof = desk.ledger.prove(desk.decision)
    text = TlogProof(proof.found.index, proof.path, parse_note(proof.checkpoint)).encode().decode()
    held = (proof.receipt.hex(), text, desk.record())
    changed = replace(desk.ledger.card, origin="localhost/elsewhere")
    monkeypatch.setattr(desk.ledger, "card", changed)
    for one in held:
        assert reason(desk.mine(one)) == "appeal.other-log"


def test_each_kind_is_asked_and_answered_and_the_person_reads_it(desk: Desk) -> None:
    words = "I have a <i>second</i> opinion."
    seen = desk.ask("appeal", words).json
    [appeal] = seen["requests"]
    assert (appeal["state"], appeal["words"], appeal["overdue"]) == ("open", words, False)
    assert seen["may"] == ["explanation-request", "review-request"]
    header = desk.ledger.at(appeal["index"]).statement.header
    assert header.subject.startswith("urn:uuid:")
    assert set(header.links["used"]) == {desk.answer}
    desk.ledger.publish()
    for at in range(desk.ledger.snapshot.checkpoint.size):
        assert words.encode() not in desk.ledger.at(at).statement.entry
    assert bytes.fromhex(appeal["id"]) in desk.ledger.vault.about("jane", "care")
    assert reason(desk.ask("appeal")) == "appeal.open"
    [asked] = desk.ask("explanation-request").json["requests"][:1]

    desk.say(CLINIC, "explanation", {"text": "Because."},
             decided_on=(bytes.fromhex(asked["id"]),))  # fmt: skip
    new = desk.say(DOCTOR, "decision", {**SAYS, "reason": "12 mm"}, supersedes=(desk.decision,))
    desk.say(DOCTOR, "review", {"outcome": "changed", "reason": "a typing error"},
             decided_on=(bytes.fromhex(appeal["id"]), new))  # fmt: skip
    told = {one["type"]: one["answer"] for one in desk.mine(code=desk.code).json["requests"]}
    assert told["explanation-request"]["content"] == {"text": "Because."}
    review = told["appeal"]
    assert review["content"] == {"outcome": "changed", "reason": "a typing error"}
    assert (review["decision"], review["decision_content"]["reason"]) == (new.hex(), "12 mm")
    assert (review["by"]["kind"], review["by"]["known_by"]) == ("person", "key")
    assert reason(desk.ask("appeal")) == "appeal.answered"


def test_what_is_withdrawn_can_be_asked_again_but_not_for_ever(desk: Desk) -> None:
    def withdraw(request: str) -> Reply:
        given = {"receipt": desk.decision.hex(), "code": desk.code, "request": request}
        return desk.post("/mine/withdrawals", **given)

    appeal: dict[str, Any] = {}
    for _ in range(REQUESTS_MAX):
        [appeal, *_] = desk.ask("appeal").json["requests"]
        assert withdraw(appeal["id"]).json["requests"][0]["state"] == "withdrawn"
    assert reason(withdraw(appeal["id"])) == "appeal.withdrawn"
    assert reason(withdraw(desk.answer.hex())) == "input"
    assert reason(desk.ask("appeal")) == "input.limit"
    desk.ledger.erase({desk.decision: None}, ErasureReason.OBJECTION)


def test_an_erased_decision_says_so_and_is_not_appealed(desk: Desk) -> None:
    desk.ledger.erase({desk.decision: None}, ErasureReason.OBJECTION)
    seen = desk.mine(code=desk.code).json
    assert seen["withheld"].startswith("erased (objection), as entry")
    assert (seen["content"], seen["may"]) == (None, [])
    assert reason(desk.ask("appeal")) == "appeal.erased"


def test_an_appeal_comes_in_time_where_the_service_says_so(tmp_path: Path) -> None:
    with opened(tmp_path, appeal_days_max=30) as desk:
        desk.clock.now += 31 * 86_400
        assert reason(desk.ask("appeal")) == "appeal.late"
        assert desk.ask("review-request").status == 201
    with opened(tmp_path / "again", appeal_days_max=30) as desk:
        desk.clock.now += 29 * 86_400
        assert desk.ask("appeal").status == 201


def test_words_have_a_limit_and_must_be_there(desk: Desk) -> None:
    assert reason(desk.ask("appeal", " ")) == "input"
    assert reason(desk.ask("appeal", "x" * (WORDS_LETTERS_MAX + 1))) == "input.limit"
    assert reason(desk.ask("holiday")) == "input"
    assert desk.ask("appeal", "x" * WORDS_LETTERS_MAX).status == 201
    given = {"receipt": desk.decision.hex(), "code": desk.code, "request": "0" * 64}
    long = desk.post("/mine/withdrawals", **given, words="x" * (WORDS_LETTERS_MAX + 1))
    assert reason(long) == "input.limit"


def test_sealed_content_is_nobodys_here(desk: Desk) -> None:
    desk.ledger.set_policy(RegistrationPolicy(POLICY.rules, {"decision": Visibility.SEALED}))

    seen = desk.mine(code=desk.code).json

    assert seen["content"] is None
    assert "lets nobody have it here" in seen["withheld"]


def test_an_answer_is_due_in_a_month(desk: Desk) -> None:
    asked = desk.ask("review-request").json["requests"][0]
    assert asked["due_at"] == due_at(asked["asked_at"])
    desk.clock.now = asked["due_at"] + 1
    assert desk.mine(code=desk.code).json["requests"][0]["overdue"]
    parts = desk.client.get("/readyz").json["parts"]
    assert parts["appeals"]["state"] == "warning"
    assert "1 request of a person is past its time" in parts["appeals"]["detail"]
    scraped = desk.client.get("/metrics").body.decode()
    assert "tallystick_requests_of_people_open 1\n" in scraped
    assert "tallystick_requests_of_people_overdue 1\n" in scraped
    desk.say(DOCTOR, "review", {"outcome": "upheld", "reason": "so"},
             decided_on=(bytes.fromhex(asked["id"]),))  # fmt: skip
    assert desk.client.get("/readyz").json["parts"]["appeals"]["state"] == "ok"


@pytest.mark.parametrize(
    ("asked", "due"), [("2026-01-31", "2026-02-28"), ("2026-12-05", "2027-01-05")]
)
def test_a_month_ends_on_its_day_or_where_there_is_none_before(asked: str, due: str) -> None:
    at = [int(datetime.fromisoformat(one).replace(tzinfo=UTC).timestamp()) for one in (asked, due)]

    assert due_at(at[0]) == at[1]


def test_the_page_works_with_forms_alone_and_escapes_what_was_said(desk: Desk) -> None:
    start = desk.client.get("/mine").body.decode()
    assert 'action="/mine" method="post"' in start
    held = {"receipt": desk.decision.hex(), "code": desk.code}
    shown = desk.form("/mine", **held)
    assert shown.status == 200
    assert "form-action 'self'" in shown.headers["content-security-policy"]
    text = shown.body.decode()
    assert "&lt;b&gt;14&lt;/b&gt; mm" in text
    assert "<b>14" not in text
    asked = desk.form("/mine/requests", **held, kind="appeal", words="<script>no</script>")
    text = asked.body.decode()
    assert asked.status == 201
    assert "It is registered" in text
    assert "&lt;script&gt;no&lt;/script&gt;" in text
    assert "Withdraw this appeal" in text
    wrong = desk.form("/mine", receipt=desk.decision.hex(), code="no")
    assert wrong.status == 403
    assert "appeal.code" in wrong.body.decode()
    assert 'href="/mine"' in wrong.body.decode()
    assert desk.form("/mine", other="1").status == 400
    assert desk.client.post("/mine", b"\xff", FORM).status == 400


def test_who_asks_too_often_from_elsewhere_waits(desk: Desk) -> None:
    replies = [
        desk.client.post("/mine", b'{"receipt": "x"}', JSON, x_forwarded_for="192.0.2.7")
        for _ in range(32)
    ]

    assert [one.status for one in replies].count(429) >= 1
    assert replies[0].status == 400
    assert desk.mine().status == 200


TEXTS = st.text(max_size=200) | st.binary(max_size=200).map(bytes.hex)


@given(receipt=TEXTS, code=TEXTS, cut=st.integers(0, 3000), put=st.text(max_size=3))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_pasted_ends_in_an_answer(
    desk: Desk, receipt: str, code: str, cut: int, put: str
) -> None:
    record = desk.record()
    for held in (receipt, record[:cut] + put + record[cut + 1 :]):
        assert desk.mine(held or "x", code=code[:100]).status < 500
        assert desk.form("/mine", receipt=held, code=code[:100]).status < 500


def test_what_is_kept_beside_is_named_by_an_id(desk: Desk) -> None:
    said = DOCTOR.content({"text": "hers"}, type="document")
    entry = b64.encode_url(said[0].entry)
    for beside, message in (("x", "a statement id in hex"), ("00", "a statement id in hex")):
        reply = desk.post("/statements", entry=entry, beside=beside)
        assert message in reply.json["detail"]
    both = desk.post("/statements", entry=entry, beside="0" * 64, about="jane")
    assert "not both" in both.json["detail"]
    assert desk.post("/statements", entry=entry, beside=desk.decision.hex()).status == 201


def test_a_private_log_tells_strangers_nothing_but_what_is_theirs(tmp_path: Path) -> None:
    elsewhere = {"x_forwarded_for": "192.0.2.1"}
    with opened(tmp_path, policy=dataclasses.replace(POLICY, private=True)) as desk:

        def look(path: str, **body: str) -> Reply:
            return desk.client.post(path, json.dumps(body).encode(), JSON, **elsewhere)

        held = {"receipt": desk.decision.hex()}
        nothing = look("/mine", receipt="00" * 32)
        assert nothing.status == 404
        for wrong in ({}, {"code": "abcd"}):
            for path, more in (("/mine", {}), ("/mine/requests", {"kind": "appeal", "words": "x"})):
                reply = look(path, **held, **wrong, **more)
                assert (reply.status, reply.json) == (404, nothing.json)
        seen = look("/mine", **held, code=desk.code)
        asked = look("/mine/requests", **held, code=desk.code, kind="appeal", words="It is not so.")
    assert seen.json["content"] == SAYS
    assert asked.status == 201
