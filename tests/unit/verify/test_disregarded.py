"""What others said falsely of a statement denies nobody that one; their own bundles fail."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick.evidence import build_bundle
from tallystick.ledger import Ledger, RegistrationPolicy, Rule, rules, sign_erasures
from tallystick.statement import ErasureReason, Preimage, Relation, SignedStatement
from tallystick.statement.approval import Approval
from tallystick.statement.governance import IssuerKind
from tallystick.verify import Report, Verdict, examine, parse_policy
from tests.ledgers import ORIGIN, START, Issuer, ledger_in, submissions

HONEST, FORGER = Issuer(), Issuer("Somebody Else")
_OTHERS = frozenset({"inference", "dataset", "decision", "approval", "erasure", "model"})
POLICY = RegistrationPolicy((Rule(_OTHERS, kinds=frozenset(IssuerKind)),))
_FALSE = "does not count, and is disregarded"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with ledger_in(tmp_path, HONEST, FORGER, policy=POLICY) as opened:
        yield opened


def register(ledger: Ledger, *statements: SignedStatement) -> None:
    for answer in ledger.register(submissions(*statements)):
        assert not isinstance(answer, Exception), answer


def seen(ledger: Ledger, statement: SignedStatement) -> Report:
    """Look at the bundle of a statement as a stranger does."""
    ledger.publish()
    policy = parse_policy(ledger.home.trust.read_bytes())
    return examine(build_bundle(ledger, statement.id).encode(), policy)


def said(report: Report, what: str) -> list[tuple[Verdict, str, str | None]]:
    return [(c.verdict, c.detail, c.code) for c in report.checks if c.what == what]


def forged_approval(target: SignedStatement) -> tuple[SignedStatement, Preimage]:
    """Return an approval as an earlier release let anybody register it."""
    approval = Approval(
        origin=ORIGIN, action="release", targets=(target.id,), content=b"c" * 32,
        nonce=b"n" * 32, expiry=START + 900,
    )  # fmt: skip
    content = {
        "approval": approval.encode(), "authenticator_data": b"a", "client_data": b"{}",
        "signature": b"s", "credential": b"c" * 32,
    }  # fmt: skip
    links = {Relation.DECIDED_ON: (target.id,)}
    return FORGER.content(content, type="approval", subject=approval.subject(), links=links)


def test_a_forged_approval_of_an_earlier_release_denies_nobody_its_target(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = HONEST.sign()
    forged, content = forged_approval(honest)
    register(ledger, honest)
    with monkeypatch.context() as earlier:
        earlier.setattr(rules, "check_approved", lambda *_: None)
        ledger.vault.put([ledger.vault.seal(forged.id, content)])
        register(ledger, forged)

    report = seen(ledger, honest)

    assert report.verdict is Verdict.VERIFIED
    [(verdict, words, code)] = said(report, "approval")
    assert (verdict, code) == (Verdict.NOT_CHECKED, "approval.unknown")
    assert words.startswith(_FALSE)
    assert report.known[forged.id].assurance != "passkey"
    [(verdict, _, code)] = said(seen(ledger, forged), "approval")
    assert (verdict, code) == (Verdict.FAILED, "approval.unknown")


def test_a_decision_that_names_a_later_entry_denies_nobody_its_target(ledger: Ledger) -> None:
    honest, later = HONEST.sign(), FORGER.sign(subject="urn:example:later")
    links = {Relation.DECIDED_ON: (honest.id,), Relation.USED: (later.id,)}
    forged = FORGER.sign(type="decision", links=links)
    register(ledger, honest, forged, later)

    report = seen(ledger, honest)

    assert report.verdict is Verdict.VERIFIED
    [words] = [w for _, w, c in said(report, "link") if c == "verification.link"]
    assert words.startswith(_FALSE)
    assert seen(ledger, forged).verdict is Verdict.FAILED


def test_an_erasure_that_names_a_later_entry_denies_nobody_its_target(ledger: Ledger) -> None:
    honest, _ = HONEST.content({"a": 1})
    later = FORGER.sign(type="decision", links={Relation.DECIDED_ON: (honest.id,)})
    [erasing] = sign_erasures(
        FORGER.signer, {honest.id: None, later.id: None}, ErasureReason.OTHER, START
    )
    register(ledger, honest)
    ledger.register([erasing])
    register(ledger, later)

    report = seen(ledger, honest)

    assert report.verdict is Verdict.VERIFIED, report.checks
    assert [c for _, w, c in said(report, "link") if w.startswith(_FALSE)] == ["verification.link"]


def test_a_decision_that_claims_a_passkey_denies_nobody_its_target(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = HONEST.sign()
    forged = FORGER.sign(
        type="decision", assurance="passkey", links={Relation.DECIDED_ON: (honest.id,)}
    )
    register(ledger, honest)
    with monkeypatch.context() as earlier:
        earlier.setattr(rules, "check_delegated", lambda *_: None)
        register(ledger, forged)

    report = seen(ledger, honest)

    assert report.verdict is Verdict.VERIFIED
    [(verdict, _, code)] = said(report, "assurance")
    assert (verdict, code) == (Verdict.NOT_CHECKED, "assurance")
    assert seen(ledger, forged).verdict is Verdict.FAILED


def test_what_a_statement_rests_on_still_decides_its_verdict(ledger: Ledger) -> None:
    first, later = HONEST.sign(), FORGER.sign(subject="urn:example:later")
    wrong = FORGER.sign(type="model", model=b"m" * 32, links={Relation.USED: (later.id,)})
    uses = HONEST.sign(model=b"m" * 32, links={Relation.USED: (first.id,)})
    names = HONEST.sign(subject="urn:example:names", links={Relation.USED: (uses.id,)})
    register(ledger, first, wrong, later, uses, names)

    assert seen(ledger, uses).verdict is Verdict.FAILED
    assert seen(ledger, names).verdict is Verdict.FAILED
    assert seen(ledger, first).verdict is Verdict.VERIFIED
