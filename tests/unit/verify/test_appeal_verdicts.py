"""What an offline verifier says of appeals, of a real ledger and of one that broke its rules."""

from pathlib import Path

from tallystick.evidence import build_bundle
from tallystick.ledger import RegistrationPolicy, Rule, Submission
from tallystick.statement import ErasureReason, Relation, SignedStatement
from tallystick.statement.erasure import Erasure
from tallystick.statement.governance import IssuerKind
from tallystick.verify import KnownIssuer, Verdict, VerifiedStatement, examine, parse_policy
from tallystick.verify.appeals import check_appeals
from tests.ledgers import Issuer, ledger_in

POLICY = RegistrationPolicy(
    (Rule(frozenset({"*", "appeal", "review"}), kinds=frozenset(IssuerKind)),)
)
CLINIC, JANE, DOCTOR = Issuer(), Issuer("J", IssuerKind.PERSON), Issuer("D", IssuerKind.PERSON)
ON, INSTEAD, USED = Relation.DECIDED_ON, Relation.SUPERSEDES, Relation.USED


def seen(*said: tuple[Issuer, SignedStatement]) -> list[str]:
    """Return what is said of statements of a log, in their order, a verdict before each."""
    statements = {}
    for at, (who, one) in enumerate(said, 1):
        kind = None if who is CLINIC else who.kind
        known = KnownIssuer(who.did, who.signer.public, kind, None, "a test", None)
        statements[one.id] = VerifiedStatement(one, at, known, withheld=None)
    return [
        f"{check.verdict}: {check.detail}" for check in check_appeals(statements, lambda _: None)
    ]


def erasure(*targets: bytes) -> SignedStatement:
    payload = Erasure(reason=ErasureReason.OTHER, erased=dict.fromkeys(targets)).encode()
    return CLINIC.sign(payload, type="erasure", hashed=False, links={Relation.ERASES: targets})


DECISION = CLINIC.sign(type="decision")
EVIDENCE = CLINIC.sign(type="inference")
APPEAL = JANE.sign(type="appeal", links={ON: (DECISION.id,), USED: (EVIDENCE.id,)})
REVIEW = DOCTOR.sign(type="review", links={ON: (APPEAL.id,)})
WITHDRAWAL = JANE.sign(type="appeal", links={INSTEAD: (APPEAL.id,)})
GOES = erasure(EVIDENCE.id)


def test_what_became_of_each_request_is_said() -> None:
    asked = JANE.sign(type="explanation-request", links={ON: (bytes(32),)})
    told = CLINIC.sign(type="explanation", links={ON: (asked.id,)})
    lines = seen((CLINIC, DECISION), (JANE, APPEAL), (JANE, asked), (CLINIC, told), (CLINIC, GOES))

    assert (
        "verified: appeal at index 2 is about decision at index 1; nothing in the bundle"
        in (lines[0])
    )
    assert lines[1] == (
        "verified: explanation-request at index 3 is about a decision that is not in the bundle; "
        "answered by explanation at index 4"
    )
    assert lines[2].startswith("indeterminate: erasure at index 5 erases")
    [line] = seen((JANE, APPEAL), (JANE, WITHDRAWAL), (CLINIC, GOES))
    assert line.endswith("withdrawn at index 2")


def test_what_is_erased_while_an_appeal_is_open_fails() -> None:
    lines = seen((JANE, APPEAL), (CLINIC, GOES), (DOCTOR, REVIEW))

    [failed] = [line for line in lines if line.startswith("failed")]
    assert failed.startswith(f"failed: erasure at index 2 erases {EVIDENCE.id.hex()[:12]}…, which")
    assert failed.endswith("the appeal at index 1 is about: that ended at index 3 only")
    other, early = erasure(bytes(32)), seen((CLINIC, GOES), (JANE, APPEAL))
    assert not any("erases" in line for line in (*early, *seen((JANE, APPEAL), (CLINIC, other))))


def test_only_a_person_answers_a_review() -> None:
    approval = CLINIC.sign(type="approval", subject="urn:tallystick:approval:00")
    for links, start in (
        ({}, "failed: review at index 3 is signed by nobody known, and no person"),
        ({Relation.ACTED_FOR: (bytes(32),)}, "failed"),
        ({Relation.ACTED_FOR: (DECISION.id,)}, "failed"),
        ({Relation.ACTED_FOR: (approval.id,)}, "not checked: review at index 3 names an"),
    ):
        said = CLINIC.sign(type="review", links={ON: (APPEAL.id,), **links})
        lines = seen((CLINIC, approval), (JANE, APPEAL), (CLINIC, said), (CLINIC, DECISION))
        assert lines[0].startswith(start)
    by_ai = Issuer("A", IssuerKind.AI)
    said = by_ai.sign(type="review", links={ON: (APPEAL.id,)})
    assert "is signed by ai, and no person answers" in seen((by_ai, said))[0]
    assert seen((DOCTOR, REVIEW)) == ["verified: review at index 1 is signed by a person"]


def test_what_is_of_the_wrong_type_ends_nothing() -> None:
    told = CLINIC.sign(type="explanation", links={ON: (APPEAL.id,)})
    other = JANE.sign(type="review-request", links={INSTEAD: (APPEAL.id,)})
    by_ai = CLINIC.sign(type="review", links={ON: (APPEAL.id,)})
    for who, wrong in ((CLINIC, told), (JANE, other), (CLINIC, by_ai)):
        lines = seen((JANE, APPEAL), (who, wrong), (CLINIC, GOES))
        assert lines[0].startswith("failed")
        assert lines[1].endswith("nothing in the bundle answers it")
        assert lines[2].endswith("no statement in the bundle had ended that")


def test_contradictions_fail() -> None:
    twice = DOCTOR.sign(type="review", links={ON: (APPEAL.id,)}, subject="urn:again")
    lines = seen((JANE, APPEAL), (DOCTOR, REVIEW), (DOCTOR, twice))
    assert "failed: appeal at index 1 ended at index 2, and again at 3" in lines
    foreign = CLINIC.sign(type="appeal", links={INSTEAD: (APPEAL.id,)})
    lines = seen((JANE, APPEAL), (CLINIC, foreign))
    assert lines[0].endswith("withdrawn at index 2 by somebody who did not ask it")
    assert seen((CLINIC, foreign)) == []
    other = CLINIC.sign(type="decision")
    changed = DOCTOR.sign(type="review", links={ON: (APPEAL.id, other.id)})
    lines = seen((JANE, APPEAL), (CLINIC, other), (DOCTOR, changed))
    assert any("as the new decision, which supersedes another" in line for line in lines)
    new = CLINIC.sign(type="decision", links={INSTEAD: (DECISION.id,)})
    right = DOCTOR.sign(type="review", links={ON: (APPEAL.id, new.id)})
    assert not any("failed" in o for o in seen((JANE, APPEAL), (CLINIC, new), (DOCTOR, right)))
    false = CLINIC.sign(b"none", type="erasure", hashed=False)
    assert len(seen((JANE, APPEAL), (CLINIC, false))) == 1


def test_a_bundle_of_the_decision_tells_all_of_it_and_keeps_the_words(tmp_path: Path) -> None:
    with ledger_in(tmp_path, CLINIC, JANE, DOCTOR, policy=POLICY) as ledger:

        def say(who: Issuer, type_: str, **links: tuple[bytes, ...]) -> bytes:
            statement, content = who.content({"words": f"of {type_}"}, type=type_, links=links)
            return ledger.register_one(Submission(statement.entry, content)).id

        decision = say(CLINIC, "decision")
        appeal = say(JANE, "appeal", **{ON: (decision,)})
        new = say(CLINIC, "decision", **{INSTEAD: (decision,)})
        review = say(DOCTOR, "review", **{ON: (appeal, new)})
        policy = parse_policy(ledger.home.trust.read_bytes())
        report = examine(build_bundle(ledger, decision).encode(), policy)
        own = examine(build_bundle(ledger, appeal).encode(), policy)

    assert report.verdict is Verdict.VERIFIED
    assert {decision, appeal, new, review} <= report.statements.keys()
    assert report.statements[decision].values == {"words": "of decision"}
    assert report.statements[appeal].values == {}
    assert own.statements[appeal].values == {"words": "of appeal"}
    assert any("answered by review at index" in check.detail for check in report.checks)
