"""Appeals: who may ask, withdraw and answer; and that nothing of what is open is erased."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tallystick.errors import RefusedError, TallystickError
from tallystick.ledger import (
    Home,
    Ledger,
    LedgerReader,
    Query,
    RegistrationPolicy,
    Rule,
    Submission,
)
from tallystick.ledger.appeals import Requested
from tallystick.ledger.erasures import sign_erasures
from tallystick.ledger.keeping import erase_overdue
from tallystick.ledger.marking import without_held
from tallystick.ledger.replay import replay_refusal
from tallystick.ledger.retention import find_overdue
from tallystick.statement import ErasureReason, Relation, commit
from tallystick.statement.appeal import Asked
from tallystick.statement.governance import IssuerKind
from tallystick.statement.retention import Retention, RetentionRule
from tallystick.vault import About
from tests.ledgers import PASSPHRASE, START, Clock, Issuer, ledger_in

TYPES = frozenset(
    {"decision", "inference", "appeal", "review-request", "explanation-request", "explanation",
     "review", "erasure"}
)  # fmt: skip
POLICY = RegistrationPolicy((Rule(TYPES, kinds=frozenset(IssuerKind)),))
ON, INSTEAD, USED = Relation.DECIDED_ON, Relation.SUPERSEDES, Relation.USED


def say(ledger: Ledger, who: Issuer, type_: str, **links: tuple[bytes, ...]) -> bytes:
    statement, content = who.content({"words": type_}, type=type_, links=links)
    return ledger.register_one(Submission(statement.entry, content, about=About("jane"))).id


def refused(ledger: Ledger, who: Issuer, type_: str, **links: tuple[bytes, ...]) -> str:
    """Say something that is refused; return why, and that a replay comes to the same."""
    with pytest.raises(RefusedError) as caught:
        say(ledger, who, type_, **links)
    [refusal, *_] = ledger.find(Query(type="refusal")).found
    reason = caught.value.reason
    assert replay_refusal(ledger, refusal.statement.id) == (reason, reason)
    return reason


class World:
    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.clinic, self.jane, self.doctor, self.ai = ISSUERS
        self.answer = say(ledger, self.ai, "inference")
        self.decision = say(ledger, self.clinic, "decision", **{ON: (self.answer,)})

    def appeal(self, who: Issuer | None = None) -> bytes:
        links = {ON: (self.decision,), USED: (self.answer,)}
        return say(self.ledger, who or self.jane, "appeal", **links)


ISSUERS = (
    Issuer(),
    Issuer("Jane", IssuerKind.PERSON),
    Issuer("Doctor", IssuerKind.PERSON),
    Issuer("Triage", IssuerKind.AI),
)


@contextmanager
def world(folder: Path, **options: Any) -> Iterator[World]:
    with ledger_in(folder, *ISSUERS, policy=POLICY, **options) as ledger:
        yield World(ledger)


def test_an_open_appeal_keeps_what_it_is_about_and_an_answer_lets_it_go(tmp_path: Path) -> None:
    with world(tmp_path) as at:
        ledger, appeal = at.ledger, at.appeal()
        for target in (at.decision, at.answer):
            with pytest.raises(RefusedError, match="is under appeal, as entry") as caught:
                ledger.erase({target: None}, ErasureReason.CONSENT_WITHDRAWN)
            assert caught.value.reason == "erasure.appealed"
            [refusal, *_] = ledger.find(Query(type="refusal")).found
            expected = ("erasure.appealed", "erasure.appealed")
            assert replay_refusal(ledger, refusal.statement.id) == expected
        assert without_held(ledger, {at.decision: None, at.answer: None, appeal: None}) == {
            appeal: None
        }

        review = say(ledger, at.doctor, "review", **{ON: (appeal,)})
        found = ledger.appeals.get(appeal)
        assert isinstance(found, Requested)
        assert (found.state, found.answer) == ("answered", review)
        ledger.erase({at.decision: None, at.answer: None}, ErasureReason.CONSENT_WITHDRAWN)
        assert ledger.vault.is_erased(at.decision)


def said_of_nobody(ledger: Ledger, who: Issuer, type_: str, **links: tuple[bytes, ...]) -> bytes:
    statement, content = who.content({"words": type_}, type=type_, links=links)
    return ledger.register_one(Submission(statement.entry, content)).id


def test_what_was_asked_of_a_decision_about_nobody_goes_with_it(tmp_path: Path) -> None:
    with world(tmp_path) as at:
        ledger, jane, doctor = at.ledger, at.jane, at.doctor
        cause, other = (said_of_nobody(ledger, at.clinic, "decision") for _ in range(2))
        decision = said_of_nobody(ledger, at.clinic, "decision", **{ON: (cause,)})
        appeal = said_of_nobody(ledger, jane, "appeal", **{ON: (decision,), USED: (cause,)})
        review = said_of_nobody(ledger, doctor, "review", **{ON: (appeal,)})
        why = said_of_nobody(ledger, jane, "explanation-request", **{ON: (decision,)})
        never_mind = said_of_nobody(ledger, jane, "explanation-request", **{INSTEAD: (why,)})
        elsewhere = said_of_nobody(ledger, jane, "review-request", **{ON: (other,)})
        bare = jane.sign(type="review-request", links={ON: (decision,)})  # its words are elsewhere
        ledger.register_one(Submission(bare.entry))

        ledger.erase({cause: None}, ErasureReason.OTHER)
        assert ledger.vault.keeps(appeal), "it is asked of another one, and only rests on this"
        ledger.erase({decision: None}, ErasureReason.OTHER)

        gone = (decision, appeal, review, why, never_mind)
        assert [ledger.vault.keeps(one) for one in gone] == [False] * 5
        assert [ledger.vault.keeps(one) for one in (other, elsewhere)] == [True] * 2
        assert not list(ledger.find_all(Query(link=bare.id)))


def test_who_asked_withdraws_it_and_nobody_else(tmp_path: Path) -> None:
    with world(tmp_path) as at:
        appeal = at.appeal()
        assert refused(at.ledger, at.clinic, "appeal", **{INSTEAD: (appeal,)}) == "appeal.not-yours"
        assert refused(at.ledger, at.jane, "appeal", **{INSTEAD: (at.decision,)}) == (
            "appeal.unknown"
        )
        say(at.ledger, at.jane, "appeal", **{INSTEAD: (appeal,)})
        assert refused(at.ledger, at.jane, "appeal", **{INSTEAD: (appeal,)}) == "appeal.withdrawn"
        assert refused(at.ledger, at.doctor, "review", **{ON: (appeal,)}) == "appeal.withdrawn"
        at.ledger.erase({at.decision: None}, ErasureReason.OBJECTION)
        assert refused(at.ledger, at.jane, "appeal", **{ON: (at.decision,)}) == "appeal.erased"


def test_an_appeal_keeps_only_what_the_decision_rests_on(tmp_path: Path) -> None:
    with world(tmp_path) as at:
        foreign = say(at.ledger, at.clinic, "decision")
        own = say(at.ledger, at.jane, "inference")
        for decision in (at.decision, own):
            links = {ON: (decision,), USED: (foreign,)}
            assert refused(at.ledger, at.jane, "appeal", **links) == "appeal.used"
        at.ledger.erase({foreign: None}, ErasureReason.OBJECTION)
        prompt = say(at.ledger, at.ai, "inference")
        answer = say(at.ledger, at.ai, "inference", **{Relation.GENERATED_BY: (prompt,)})
        made = say(at.ledger, at.clinic, "decision", **{ON: (answer,)})
        say(at.ledger, at.jane, "appeal", **{ON: (made,), USED: (answer, prompt)})
        assert not at.ledger.vault.keeps(foreign)


def test_asked_twice_is_refused_and_after_a_withdrawal_it_may_be_asked_again(
    tmp_path: Path,
) -> None:
    with world(tmp_path) as at:
        first = at.appeal()
        assert refused(at.ledger, at.jane, "appeal", **{ON: (at.decision,)}) == "appeal.open"
        say(at.ledger, at.jane, "appeal", **{INSTEAD: (first,)})
        second = at.appeal()
        at.appeal(at.clinic)  # on behalf of somebody: another issuer asks for itself
        say(at.ledger, at.jane, "review-request", **{ON: (at.decision,)})
        say(at.ledger, at.jane, "appeal", **{ON: (at.answer,)})
        say(at.ledger, at.doctor, "review", **{ON: (second,)})
        assert refused(at.ledger, at.jane, "appeal", **{ON: (at.decision,)}) == "appeal.answered"
        assert refused(at.ledger, at.doctor, "review", **{ON: (second,)}) == "appeal.answered"


def test_what_is_no_decision_of_this_log_is_not_asked_about(tmp_path: Path) -> None:
    with world(tmp_path) as at:
        assert refused(at.ledger, at.jane, "appeal", **{ON: (bytes(32),)}) == "appeal.target"
        genesis = at.ledger.at(0).statement.id
        assert refused(at.ledger, at.jane, "review-request", **{ON: (genesis,)}) == "appeal.target"
        assert refused(at.ledger, at.jane, "appeal", **{USED: (at.decision,)}) == "payload"


def test_an_answer_without_a_request_is_refused_and_of_the_wrong_kind(tmp_path: Path) -> None:
    with world(tmp_path) as at:
        asked = say(at.ledger, at.jane, "explanation-request", **{ON: (at.decision,)})
        assert refused(at.ledger, at.doctor, "review", **{ON: (at.decision,)}) == "appeal.unknown"
        assert refused(at.ledger, at.doctor, "review", **{ON: (asked,)}) == "appeal.unknown"
        say(at.ledger, at.clinic, "explanation", **{ON: (asked,)})
        assert refused(at.ledger, at.clinic, "explanation", **{ON: (asked,)}) == "appeal.answered"
        assert refused(at.ledger, at.clinic, "explanation", **{ON: (at.appeal(),)}) == (
            "appeal.unknown"
        )


def test_no_machine_answers_a_review(tmp_path: Path) -> None:
    with world(tmp_path) as at:
        appeal = at.appeal()
        for who in (at.ai, at.clinic):
            assert refused(at.ledger, who, "review", **{ON: (appeal,)}) == "review.human"
        answered = (at.decision,)
        assert refused(
            at.ledger, at.ai, "review", **{ON: (appeal,), Relation.ACTED_FOR: answered}
        ) == ("review.human")
        say(at.ledger, at.doctor, "review", **{ON: (appeal,)})


def test_a_changed_decision_is_one_that_supersedes_it(tmp_path: Path) -> None:
    with world(tmp_path) as at:
        appeal, other = at.appeal(), say(at.ledger, at.clinic, "decision")
        for wrong in (other, bytes(32)):
            assert refused(at.ledger, at.doctor, "review", **{ON: (appeal, wrong)}) == (
                "review.decision"
            )
        new = say(at.ledger, at.clinic, "decision", **{INSTEAD: (at.decision,)})
        say(at.ledger, at.doctor, "review", **{ON: (appeal, new)})


def test_all_holds_within_one_call(tmp_path: Path) -> None:
    with world(tmp_path) as at:
        ledger, operator = at.ledger, at.ledger.keys.signer("operator")
        fresh = at.clinic.sign(commit({"a": 1}, lambda n: b"\x01" * n).commitment(),
                               type="decision")  # fmt: skip

        def ask(target: bytes, **links: Any) -> Any:
            return at.jane.sign(type="appeal", links={ON: (target,), **links} if target else links)

        appeal, again = ask(fresh.id), ask(fresh.id)
        [erasing] = sign_erasures(operator, {fresh.id: None}, ErasureReason.OTHER, START)
        withdrawn = ask(b"", **{INSTEAD: (appeal.id,)})
        [later] = sign_erasures(operator, {fresh.id: None}, ErasureReason.OTHER, START + 1)
        late, third = ask(fresh.id), at.doctor.sign(type="review", links={ON: (appeal.id,)})
        answers = ledger.register(
            [Submission(fresh.entry), Submission(appeal.entry), Submission(again.entry), erasing,
             Submission(withdrawn.entry), later, Submission(late.entry), Submission(third.entry)]
        )  # fmt: skip

        reasons = [getattr(one, "reason", None) for one in answers]
        assert reasons == [None, None, "appeal.open", "erasure.appealed", None, None,
                           "appeal.erased", "appeal.withdrawn"]  # fmt: skip
        appeal = ask(at.decision)
        review = at.doctor.sign(type="review", links={ON: (appeal.id,)})
        twice = at.doctor.sign(type="review", links={ON: (appeal.id,)})
        answers = ledger.register([Submission(o.entry) for o in (appeal, review, twice)])
        assert isinstance(answers[2], RefusedError)
        assert answers[2].reason == "appeal.answered"
        assert not isinstance(answers[1], TallystickError)


def test_time_erases_nothing_under_appeal_and_all_that_is_not(tmp_path: Path) -> None:
    clock = Clock()
    with world(tmp_path, clock=clock) as at:
        ledger, other = at.ledger, say(at.ledger, at.clinic, "decision")
        appeal = at.appeal()
        ledger.set_retention(Retention((RetentionRule(type="decision", most=100),)))
        clock.now += 1000
        found = find_overdue(ledger, clock())
        assert erase_overdue(ledger, found) == (2, 1)
        assert ledger.vault.is_erased(other)
        assert not ledger.vault.is_erased(at.decision)

        say(ledger, at.jane, "appeal", **{INSTEAD: (appeal,)})
        erase_overdue(ledger, find_overdue(ledger, clock()))
        assert ledger.vault.is_erased(at.decision)


def test_a_reopened_ledger_and_an_old_vault_keep_it(tmp_path: Path) -> None:
    home = Home(tmp_path / "ledger")
    with world(home.root) as at:
        at.ledger.vault.backup(tmp_path / "old.sqlite")
        appeal, decision, answer = at.appeal(), at.decision, at.answer
    for beside in home.vault.parent.glob(home.vault.name + "*"):
        beside.unlink()
    shutil.copy(tmp_path / "old.sqlite", home.vault)
    with (
        ledger_in(home.root) as ledger,
        pytest.raises(RefusedError, match="is under appeal"),
    ):
        ledger.erase({decision: None}, ErasureReason.OTHER)
    with LedgerReader(home, PASSPHRASE) as reader:
        [found] = reader.appeals.all("appeal")
        assert (found.id, found.state) == (appeal, "open")
        assert found.asked == Asked(decision, frozenset({answer}))


def test_a_rule_for_every_type_lets_nobody_appeal_or_review(tmp_path: Path) -> None:
    policy = RegistrationPolicy((Rule(frozenset("*"), kinds=frozenset(IssuerKind)),))
    with ledger_in(tmp_path, *ISSUERS, policy=policy) as ledger:
        at = World(ledger)
        assert refused(ledger, at.ai, "appeal", **{ON: (at.decision,)}) == "policy"
        asked = say(ledger, at.jane, "review-request", **{ON: (at.decision,)})
        assert refused(ledger, at.doctor, "review", **{ON: (asked,)}) == "policy"
