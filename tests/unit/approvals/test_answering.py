"""Asking and answering: what a passkey approved is registered once, and nothing else is."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tallystick.affected import Held, identify, make_code
from tallystick.affected import ask as ask_about
from tallystick.approvals import Answers, Kind, Question, Waiting, Wanted, ask
from tallystick.approvals.asking import read_question
from tallystick.errors import (
    ApprovalError,
    EncodingError,
    InputError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from tallystick.evidence import build_bundle
from tallystick.ledger import Ledger, Query, RegistrationPolicy, Rule
from tallystick.ledger.originators import known_originator
from tallystick.statement import Assurance, ErasureReason, dcbor
from tallystick.statement.governance import IssuerKind
from tallystick.statement.keylife import Reason, Revocation
from tallystick.statement.webauthn import Assertion
from tallystick.verify import Verdict, examine, parse_policy
from tests.ledgers import Clock, Issuer, ledger_in, submissions
from tests.passkeys import Authenticator, enrolled

DECISION = {"outcome": "override", "reason": "the scan says otherwise", "shown": "benign"}
POLICY = RegistrationPolicy(
    (Rule(frozenset({"inference", "decision"}), kinds=frozenset(IssuerKind)),)
)


@dataclass
class Ward:
    """A ledger with a person who has a passkey, another one who has, and an AI's answer."""

    ledger: Ledger
    waiting: Waiting
    clock: Clock
    doctor: Issuer
    other: Issuer
    answer: bytes
    passkey: Authenticator = field(default_factory=Authenticator)
    others: Authenticator = field(default_factory=Authenticator)

    def ask(self, action: str = "release", **changes: object) -> tuple[str, Question]:
        wanted = {
            "issuer": self.doctor.did, "action": action, "targets": (self.answer,),
            "fields": DECISION, **changes,
        }  # fmt: skip
        return ask(self.waiting, self.ledger.state, Wanted(**wanted), self.clock())  # type: ignore[arg-type]

    def give(self, token: str, assertion: Assertion, *, declined: bool = False) -> list[int]:
        answered = Answers(self.ledger, self.waiting).answer(token, assertion, declined=declined)
        assert answered.declined is declined
        return [one.index for one in answered.registered]

    def reason(self, token: str, assertion: Assertion) -> str:
        with pytest.raises((ApprovalError, RefusedError)) as caught:
            self.give(token, assertion)
        return str(getattr(caught.value, "reason", None))

    def known(self, index: int, *, opened: bool = True) -> tuple[Assurance, str | None]:
        found = self.ledger.at(index)
        known = known_originator(
            self.ledger.index, self.ledger.snapshot, found.statement, index,
            self.ledger.content if opened else lambda _: None,
        )  # fmt: skip
        return known.assurance, known.principal


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    clock, ai = Clock(), Issuer(kind=IssuerKind.AI)
    doctor, other = Issuer(kind=IssuerKind.PERSON), Issuer(kind=IssuerKind.PERSON)
    with ledger_in(tmp_path, ai, doctor, other, clock=clock, policy=POLICY) as ledger:
        answer = ai.sign()
        ledger.register(submissions(answer))
        with closing(Waiting(ledger.home.asked, ledger.api_secret)) as waiting:
            ward = Ward(ledger, waiting, clock, doctor, other, answer.id)
            enrolled(ledger, doctor.did, ward.passkey)
            enrolled(ledger, other.did, ward.others)
            yield ward


def verified(ward: Ward, index: int, code: str | None = None) -> list[str]:
    """Verify the bundle of an entry as a stranger; return the lines about approvals."""
    ward.ledger.publish()
    id_ = ward.ledger.at(index).statement.id
    data = build_bundle(ward.ledger, id_).encode()
    report = examine(data, parse_policy(ward.ledger.home.trust.read_bytes()))
    failed = [check.code for check in report.checks if check.verdict is Verdict.FAILED]
    assert failed == ([] if code is None else [code]), report.checks
    assert report.verdict is (Verdict.FAILED if code else Verdict.VERIFIED)
    return [c.detail for c in report.checks if c.what in {"approval", "approved", "display"}]


def test_what_a_person_approves_is_registered_and_known_by_passkey(ward: Ward) -> None:
    token, question = ward.ask()

    [index] = ward.give(token, ward.passkey.get(question.approval.challenge()))

    assert ward.known(index) == (Assurance.PASSKEY, ward.doctor.did)
    assert ward.known(index, opened=False) == (Assurance.ASSERTED, None)
    approval, display = verified(ward, index)
    assert "approved 'release' of 1 statement, person verified" in approval
    assert "what the page displayed to the person is not shown" in display


def test_a_decision_is_carried_out_exactly_as_it_was_approved(ward: Ward) -> None:
    token, question = ward.ask("decision")

    approval, decision = ward.give(token, ward.passkey.get(question.approval.challenge()))

    statement = ward.ledger.at(decision).statement
    assert statement.payload == question.approval.content
    assert ward.ledger.vault.get(statement.id).values() == DECISION
    assert ward.known(decision) == (Assurance.PASSKEY, ward.doctor.did)
    assert ward.known(decision, opened=False) == (Assurance.ASSERTED, None)
    lines = verified(ward, decision)
    assert (
        f"decision at index {decision} does exactly what was approved at index {approval}" in lines
    )


def test_what_a_person_approved_is_found_in_their_name(ward: Ward) -> None:
    token, question = ward.ask("decision")

    done = ward.give(token, ward.passkey.get(question.approval.challenge()))

    query = Query(in_name_of=ward.ledger.in_name_of(ward.doctor.did))
    assert {one.index for one in ward.ledger.find(query).found} >= set(done)


def test_an_approval_that_was_erased_shows_nothing_more_and_all_else_holds(ward: Ward) -> None:
    token, question = ward.ask()
    [index] = ward.give(token, ward.passkey.get(question.approval.challenge()))
    statement = ward.ledger.at(index).statement

    ward.ledger.erase({statement.id: None}, ErasureReason.OTHER)

    assert ward.known(index) == (Assurance.ASSERTED, None)
    assert "its content is not supplied" in verified(ward, index)[0]


def test_a_person_declines_by_passkey_and_nothing_is_carried_out(ward: Ward) -> None:
    token, question = ward.ask("decision")
    assertion = ward.passkey.get(question.approval.decline().challenge())

    [index] = ward.give(token, assertion, declined=True)

    assert "declined 'decision' of 1 statement" in verified(ward, index)[0]


def test_an_answer_counts_once(ward: Ward) -> None:
    token, question = ward.ask()
    assertion = ward.passkey.get(question.approval.challenge())
    ward.give(token, assertion)
    size = ward.ledger.snapshot.checkpoint.size

    assert ward.reason(token, assertion) == "approval.replayed"
    assert ward.ledger.snapshot.checkpoint.size == size


def test_an_assertion_over_one_question_answers_no_other(ward: Ward) -> None:
    (_, first), (token, _) = ward.ask(), ward.ask()

    assert ward.reason(token, ward.passkey.get(first.approval.challenge())) == "approval.challenge"


def test_an_assertion_to_decline_does_not_approve(ward: Ward) -> None:
    token, question = ward.ask()
    assertion = ward.passkey.get(question.approval.decline().challenge())

    assert ward.reason(token, assertion) == "approval.challenge"


def test_an_approval_comes_too_late(ward: Ward) -> None:
    token, question = ward.ask(seconds=60)
    ward.clock.now += 60

    assertion = ward.passkey.get(question.approval.challenge())

    assert ward.reason(token, assertion) == "approval.expired"


def test_the_passkey_of_another_person_approves_nothing(ward: Ward) -> None:
    token, question = ward.ask()

    assertion = ward.others.get(question.approval.challenge())

    assert ward.reason(token, assertion) == "approval.credential"


def test_a_passkey_that_nobody_registered_approves_nothing(ward: Ward) -> None:
    token, question = ward.ask()

    assertion = Authenticator().get(question.approval.challenge())

    assert ward.reason(token, assertion) == "approval.signature"


def revoke(ward: Ward) -> None:
    key_id = ward.passkey.public.thumbprint()
    ward.ledger.register_key(Revocation(issuer=ward.doctor.did, key_id=key_id, reason=Reason.LOST))


def test_a_revoked_passkey_approves_nothing_more_and_what_it_approved_stays(ward: Ward) -> None:
    token, question = ward.ask()
    [index] = ward.give(token, ward.passkey.get(question.approval.challenge()))
    enrolled(ward.ledger, ward.doctor.did, Authenticator())
    token, question = ward.ask()
    revoke(ward)

    assertion = ward.passkey.get(question.approval.challenge())

    assert ward.reason(token, assertion) == "approval.revoked"
    assert "the passkey ended later" in verified(ward, index)[0]


def test_whose_last_passkey_was_revoked_is_asked_nothing_more(ward: Ward) -> None:
    token, question = ward.ask()
    revoke(ward)

    assertion = ward.passkey.get(question.approval.challenge())

    assert ward.reason(token, assertion) == "approval.revoked"
    with pytest.raises(RefusedError, match="has no passkey here"):
        ward.ask()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"page": "http://localhost:9999"}, "approval.origin"),
        ({"rp_id": "evil.example"}, "approval.rp"),
        ({"said": {"crossOrigin": True}}, "approval.cross-origin"),
        ({"said": {"crossOrigin": ...}}, "approval.cross-origin"),
        ({"said": {"type": "webauthn.create"}}, "approval.type"),
        ({"flags": 0x01}, "approval.verification"),
        ({"flags": 0x04}, "approval.presence"),
    ],
)
def test_what_is_wrong_with_an_assertion_is_named(
    ward: Ward, changes: dict[str, object], reason: str
) -> None:
    token, question = ward.ask()

    assertion = ward.passkey.but(**changes).get(question.approval.challenge())

    assert ward.reason(token, assertion) == reason
    ward.give(token, ward.passkey.get(question.approval.challenge()))  # it still waits


def test_a_killed_service_registers_the_answer_that_it_had_taken(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, question = ward.ask("decision")
    answers = Answers(ward.ledger, ward.waiting)
    assert answers.resume(token) is None
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "register", _away)
        with pytest.raises(UnavailableError):
            answers.answer(token, ward.passkey.get(question.approval.challenge()), declined=False)

    first, second = answers.resume(token), answers.resume(token)

    assert first is not None
    assert second is not None
    assert [one.id for one in first.registered] == [one.id for one in second.registered]
    assert not first.declined
    assert len(verified(ward, first.registered[1].index)) == 3


def test_of_what_was_answered_no_word_stays_with_the_question(ward: Ward) -> None:
    token, question = ward.ask("decision")
    assert question.content.fields
    ward.give(token, ward.passkey.get(question.approval.challenge()))

    held = ward.waiting.open(Kind.APPROVAL, token)

    assert not read_question(held).content.fields
    assert held.outcome is not None
    for one in question.content.fields.values():
        assert dcbor.encode(one.value) not in held.content + held.outcome


def test_what_was_approved_is_not_done_where_the_approval_is_refused(
    ward: Ward, tmp_path_factory: pytest.TempPathFactory
) -> None:
    token, question = ward.ask("decision")
    path = tmp_path_factory.mktemp("copy") / "asked.sqlite"
    with closing(Waiting(path, ward.ledger.api_secret)) as old:
        copied = old.add(Kind.APPROVAL, question.encode(), question.approval.expiry, ward.clock())
        assertion = ward.passkey.get(question.approval.challenge())
        ward.give(token, assertion)
        size = ward.ledger.snapshot.checkpoint.size
        with pytest.raises(RefusedError):
            Answers(ward.ledger, old).answer(copied, assertion, declined=False)

    decisions = ward.ledger.find(Query(type="decision")).found
    assert [one for one in decisions if one.index >= size] == []


def _away(*_: object) -> None:
    raise UnavailableError("the disk is full")


def test_the_log_takes_no_second_approval_with_the_same_nonce(
    ward: Ward, tmp_path_factory: pytest.TempPathFactory
) -> None:
    token, question = ward.ask()
    path = tmp_path_factory.mktemp("copy") / "asked.sqlite"
    with closing(Waiting(path, ward.ledger.api_secret)) as old:
        copied = old.add(Kind.APPROVAL, question.encode(), question.approval.expiry, ward.clock())
        assertion = ward.passkey.get(question.approval.challenge())
        ward.give(token, assertion)

        with pytest.raises(RefusedError) as caught:
            Answers(ward.ledger, old).answer(copied, assertion, declined=False)

        assert caught.value.reason == "approval.replayed"
        with pytest.raises(NotFoundError):
            old.open(Kind.APPROVAL, copied)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"seconds": 0}, InputError, "a question waits"),
        ({"seconds": 8 * 86_400}, InputError, "a question waits"),
        ({"action": "decline:release"}, EncodingError, "does not begin with"),
        ({"action": "Release it"}, EncodingError, "an action is a code"),
        ({"action": "decision", "fields": {"outcome": "maybe"}}, EncodingError, "not a Decision"),
        ({"targets": (bytes(31),)}, EncodingError, "32 bytes"),
        ({"targets": (bytes(32),) * 2}, EncodingError, "each once"),
        ({"issuer": "did:key:zNobody"}, RefusedError, "has no passkey here"),
    ],
)
def test_what_cannot_be_approved_is_not_asked(
    ward: Ward, changes: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        ward.ask(**{"action": "release", **changes})  # type: ignore[arg-type]


def test_a_decision_that_the_policy_would_refuse_is_not_asked(ward: Ward) -> None:
    ward.ledger.set_policy(RegistrationPolicy())

    with pytest.raises(RefusedError, match="does not let the operator"):
        ward.ask("decision")


def test_a_person_reviews_by_passkey_and_no_other_hand_needs_a_key(ward: Ward) -> None:
    ledger, review = ward.ledger, {"outcome": "upheld", "reason": "as the scan shows"}
    with pytest.raises(RefusedError, match="one request of a person that is open"):
        ward.ask("review", fields=review)
    code = make_code(ledger.api_secret, ledger.card.origin, ward.answer)
    entitled = identify(ledger, Held(ward.answer.hex(), code))
    appeal = ask_about(ledger, entitled, "appeal", "It is not so.").id
    for wrong in ((), (appeal, appeal, appeal)):
        with pytest.raises((RefusedError, EncodingError)):
            ward.ask("review", targets=wrong, fields=review)
    with pytest.raises(EncodingError, match="outcome"):
        ward.ask("review", targets=(appeal,), fields={"outcome": "maybe", "reason": "x"})
    token, question = ward.ask("review", targets=(appeal,), fields=review)

    [_, index] = ward.give(token, ward.passkey.get(question.approval.challenge()))

    assert ward.known(index) == (Assurance.PASSKEY, ward.doctor.did)
    found = ledger.appeals.get(appeal)
    assert found is not None
    assert found.ended == index
    said = ledger.at(index).statement
    assert ledger.vault.get(said.id).values() == review
    bundle = build_bundle(ledger, said.id).encode()
    report = examine(bundle, parse_policy(ledger.home.trust.read_bytes()))
    assert report.verdict is Verdict.VERIFIED, report.checks
    assert any("approved by a person with a passkey" in c.detail for c in report.checks)
    with pytest.raises(RefusedError, match="that is open"):
        ward.ask("review", targets=(appeal,), fields=review)


def test_a_person_appeals_by_passkey(ward: Ward) -> None:
    words = {"words": "It is not so."}
    with pytest.raises(InputError, match="of 1 decision, got 0"):
        ward.ask("appeal", targets=(), fields=words)
    token, question = ward.ask("appeal", fields=words)

    [_, index] = ward.give(token, ward.passkey.get(question.approval.challenge()))

    assert ward.known(index) == (Assurance.PASSKEY, ward.doctor.did)
    with pytest.raises(RefusedError, match="is under appeal"):
        ward.ledger.erase({ward.answer: None}, ErasureReason.OTHER)
