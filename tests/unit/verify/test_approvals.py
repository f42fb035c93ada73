"""Approvals in a bundle: what a stranger is told of each, whatever the log let in."""

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from tallystick.statement import Assurance, Relation, SignedStatement
from tallystick.statement.approval import Approval
from tallystick.statement.governance import Heartbeat, IssuerKind
from tallystick.statement.keychain import KeyChains
from tallystick.statement.keylife import KeyStatement
from tallystick.verify.delegation import Acting
from tallystick.verify.report import Check, Verdict
from tallystick.verify.statement import KnownIssuer, VerifiedStatement
from tests.ledgers import ORIGIN, START, Issuer
from tests.passkeys import Authenticator

OPERATOR, PERSON, PASSKEY = Issuer(), Issuer(kind=IssuerKind.PERSON), Authenticator()
TARGET = OPERATOR.sign(type="inference")
APPROVAL = Approval(
    origin=ORIGIN, action="decision", targets=(TARGET.id,), content=b"c" * 32, nonce=b"n" * 32,
    expiry=START + 900,
)  # fmt: skip


def key(said: KeyStatement) -> SignedStatement:
    return OPERATOR.sign(said.encode(), type="key", hashed=False, subject=said.issuer)


BEAT = OPERATOR.sign(Heartbeat(time=START, state="beat").encode(), type="heartbeat", hashed=False)
PERSONS_KEY = key(PERSON.record())
REGISTERED = key(PASSKEY.passkey(PERSON.did))


def approval(by: SignedStatement = REGISTERED, **links: Any) -> SignedStatement:
    named = {Relation.ACTED_FOR: (by.id,), Relation.DECIDED_ON: (TARGET.id,), **links}
    return OPERATOR.sign(type="approval", subject=APPROVAL.subject(), links=named)


def fields(said: Approval = APPROVAL) -> dict[str, Any]:
    assertion = PASSKEY.get(said.challenge())
    return {
        "approval": said.encode(),
        "authenticator_data": assertion.authenticator_data,
        "client_data": assertion.client_data,
        "signature": assertion.signature,
        "credential": PASSKEY.passkey(PERSON.did).digest(ORIGIN),
    }


def acting(
    *statements: SignedStatement, values: Mapping[bytes, Any], withheld: int | None = 0
) -> Acting:
    """Look at statements as verified members of a bundle; the entries before are always there."""
    known = KnownIssuer(OPERATOR.did, OPERATOR.signer.public, None, None, "a test", None)
    chains = KeyChains(ORIGIN, OPERATOR.did)
    members = {}
    for at, one in enumerate(statements, 1):
        member = VerifiedStatement(one, at, known)
        if one.id in values:
            member = replace(member, values=values[one.id], withheld=withheld)
        members[one.id] = member
    chains.apply(PERSON.record(), 2)
    chains.apply(PASSKEY.passkey(PERSON.did), 3)
    genesis: Any = SimpleNamespace(operator=OPERATOR.did)
    return Acting(members, genesis, chains)


def outcome(found: Acting, what: str = "approval") -> tuple[Verdict, str | None]:
    checks = [check for check in found.checks() if check.what == what]
    assert len(checks) == 1, checks
    return checks[0].verdict, checks[0].code


BEFORE = (BEAT, PERSONS_KEY, REGISTERED, TARGET)


def test_an_approval_is_verified_and_does_not_show_what_was_displayed() -> None:
    said = approval()

    found = acting(*BEFORE, said, values={said.id: fields()})

    lines = [(check.what, check.verdict) for check in found.checks()]
    assert lines == [("approval", Verdict.VERIFIED), ("display", Verdict.NOT_CHECKED)]
    known = found.known()[said.id]
    assert (known.assurance, known.principal) == (Assurance.PASSKEY, PERSON.did)


def test_an_approval_whose_content_is_away_shows_nothing() -> None:
    said, whole = approval(), fields()
    part = {"approval": whole["approval"]}

    for values, withheld in (({}, None), (part, 4)):
        found = acting(*BEFORE, said, values={said.id: values}, withheld=withheld)
        assert outcome(found) == (Verdict.NOT_CHECKED, None)
        assert found.known()[said.id].assurance == Assurance.ASSERTED


def test_an_approval_that_lacks_a_field_fails() -> None:
    said = approval()

    found = acting(*BEFORE, said, values={said.id: {"approval": APPROVAL.encode()}})

    assert outcome(found) == (Verdict.FAILED, "input.encoding")


def test_an_approval_by_nothing_that_is_a_passkey_fails() -> None:
    for said in (
        approval(PERSONS_KEY),
        approval(TARGET),
        approval(OPERATOR.sign()),
        approval(acted_for=(REGISTERED.id, PERSONS_KEY.id)),
    ):
        found = acting(*BEFORE, said, values={said.id: fields()})
        assert outcome(found) == (Verdict.FAILED, "approval.unknown")


def test_without_a_heartbeat_nobody_knows_whether_it_came_in_time() -> None:
    said = approval()

    found = acting(TARGET, PERSONS_KEY, REGISTERED, said, values={said.id: fields()})

    assert outcome(found) == (Verdict.INDETERMINATE, "approval.time")


def test_an_approval_that_came_too_late_fails() -> None:
    said = approval()
    late = OPERATOR.sign(
        Heartbeat(time=APPROVAL.expiry, state="beat").encode(), type="heartbeat", hashed=False
    )

    found = acting(*BEFORE, late, said, values={said.id: fields()})

    assert outcome(found) == (Verdict.FAILED, "approval.expired")


def decided(by: SignedStatement, payload: bytes = APPROVAL.content) -> SignedStatement:
    links = {Relation.ACTED_FOR: (by.id,), Relation.DECIDED_ON: (TARGET.id,)}
    return OPERATOR.sign(payload, type="decision", links=links)


def test_what_was_done_is_what_was_approved_or_fails() -> None:
    said = approval()
    done, other = decided(said), decided(said, b"x" * 32)

    found = acting(*BEFORE, said, done, values={said.id: fields()})
    assert outcome(found, "approved") == (Verdict.VERIFIED, None)
    assert found.known()[done.id].assurance == Assurance.PASSKEY

    found = acting(*BEFORE, said, other, values={said.id: fields()})
    assert outcome(found, "approved") == (Verdict.FAILED, "approval.other")
    assert found.known()[other.id].assurance == Assurance.ASSERTED


def test_what_was_done_before_it_was_approved_was_not_approved() -> None:
    said = approval()
    done = decided(said)

    found = acting(*BEFORE, done, said, values={said.id: fields()})

    assert found.known()[done.id].assurance == Assurance.ASSERTED


def test_who_approves_and_who_declines_is_told() -> None:
    said = approval()

    found = acting(*BEFORE, said, values={said.id: fields(APPROVAL.decline())})

    [line] = [check.detail for check in found.checks() if check.what == "approval"]
    assert f"a passkey of {PERSON.did}" in line
    assert "(the operator alone says whose it is), declined 'decision' of 1 statement," in line
    assert "declined it" in found.known()[said.id].basis


def test_agreement_of_the_person_and_a_later_end_are_told() -> None:
    agreed = PASSKEY.passkey(PERSON.did).signed_by(ORIGIN, PERSON.signer.public, PERSON.signer.sign)
    registered = key(agreed)
    nothing = replace(APPROVAL, targets=())
    links = {Relation.ACTED_FOR: (registered.id,)}
    said = OPERATOR.sign(type="approval", subject=nothing.subject(), links=links)

    found = acting(BEAT, PERSONS_KEY, registered, said, values={said.id: fields(nothing)})

    [line] = [check.detail for check in found.checks() if check.what == "approval"]
    assert "(a key of that issuer agreed), approved 'decision' of 0 statements" in line


def test_a_passkey_is_no_key_that_a_recorder_saw_used() -> None:
    call = OPERATOR.sign(links={Relation.ACTED_FOR: (REGISTERED.id,)})
    strange = OPERATOR.sign(b"no key", type="key", hashed=False)
    other = OPERATOR.sign(links={Relation.ACTED_FOR: (strange.id,)})
    seen = OPERATOR.sign(links={Relation.ACTED_FOR: (PERSONS_KEY.id,)})

    known = acting(*BEFORE, strange, call, other, seen, values={}).known()

    assert known[call.id].assurance == Assurance.ASSERTED
    assert known[other.id].assurance == Assurance.ASSERTED
    assert known[seen.id].assurance == Assurance.API_KEY


def test_every_check_names_its_statement() -> None:
    said = approval()
    checks: list[Check] = list(acting(*BEFORE, said, values={said.id: fields()}).checks())

    assert {check.statement for check in checks} == {said.id}
