"""What a stranger says of a key that was rotated or revoked, and of an operator who forges that."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.errors import KeyEndedError
from tallystick.evidence import build_bundle
from tallystick.identity import generate
from tallystick.ledger import Ledger, Submission, operator_says
from tallystick.statement import parse_statement, parse_vkey
from tallystick.statement.governance import StatementType
from tallystick.statement.keylife import KeyStatement, Reason
from tallystick.verify import Report, Verdict, examine, log_policy
from tallystick.verify.__main__ import main
from tests.keylives import next_key, recovery, revocation, rotation
from tests.ledgers import START, Issuer, ledger_in


def register(ledger: Ledger, issuer: Issuer) -> bytes:
    return ledger.register_one(Submission(issuer.sign().entry)).id


def report(ledger: Ledger, statement: bytes, leave_out: Callable[[bytes], bool] | None = None) -> (
    Report
):  # fmt: skip
    bundle = build_bundle(ledger, statement)
    if leave_out is not None:
        kept = tuple(m for m in bundle.members if not leave_out(m.entry))
        assert len(kept) < len(bundle.members)
        bundle = replace(bundle, members=kept)
    return examine(bundle.encode(), log_policy(parse_vkey(ledger.card.checkpoint_key)))


def codes(report: Report) -> set[str | None]:
    return {check.code for check in report.checks} - {None}


def is_statement_of(said: KeyStatement) -> Callable[[bytes], bool]:
    return lambda entry: parse_statement(entry).payload == said.encode()


def slip_in(folder: Path, *entries: bytes) -> None:
    """Append what the rules refuse, as an operator who changed the program could."""
    with ledger_in(folder) as ledger:
        for entry in entries:
            ledger._parts.log.append([entry])


def says(ledger: Ledger, said: KeyStatement) -> bytes:
    operator = ledger.keys.signer("operator")
    told = operator_says(operator, StatementType.KEY, said.encode(), subject=said.issuer, now=START)
    return told.entry


def test_what_was_signed_before_and_after_a_rotation_verifies(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        before = register(ledger, clinic)
        ledger.register_key(said := rotation(clinic, new := next_key(clinic)))
        after = register(ledger, replace(clinic, signer=new))

        for statement in (before, after):
            assert report(ledger, statement).verdict is Verdict.VERIFIED
            assert statement in report(ledger, statement).statements
        missing = report(ledger, after, leave_out=is_statement_of(said))
        assert missing.verdict is Verdict.INDETERMINATE
        assert after not in missing.statements


def test_a_chain_without_a_link_is_not_believed(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        ledger.register_key(said := rotation(clinic, new := next_key(clinic)))
        newer = replace(clinic, signer=new)
        ledger.register_key(rotation(newer, newest := next_key(clinic)))
        after = register(ledger, replace(clinic, signer=newest))

        assert report(ledger, after).verdict is Verdict.VERIFIED
        missing = report(ledger, after, leave_out=is_statement_of(said))
        assert missing.verdict is Verdict.INDETERMINATE
        assert after not in missing.statements


def test_after_a_revocation_is_refused_and_before_it_verifies(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        good, bad = register(ledger, clinic), register(ledger, clinic)
        until = ledger.get(good).index
        said = revocation(clinic, Reason.COMPROMISED, until)
        ledger.register_key(said)

        assert report(ledger, good).verdict is Verdict.VERIFIED
        refused = report(ledger, bad)
        assert refused.verdict is Verdict.FAILED
        assert codes(refused) == {KeyEndedError.code}
        assert bad not in refused.statements
        assert "after revocation" in str(refused.checks)
        # Nobody can see offline that something which was said later is left out.
        assert report(ledger, bad, leave_out=is_statement_of(said)).verdict is Verdict.VERIFIED


def test_the_verifier_alone_exits_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path / "ledger", clinic) as ledger:
        bad = register(ledger, clinic)
        ledger.register_key(revocation(clinic, Reason.COMPROMISED, 0))
        (tmp_path / "bad.tally.json").write_bytes(build_bundle(ledger, bad).encode())
        key = ledger.card.checkpoint_key

    assert main([str(tmp_path / "bad.tally.json"), "--log", key]) == 1
    assert "after revocation" in capsys.readouterr().out


def test_a_key_used_after_rotation_is_refused(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        ledger.register_key(rotation(clinic, next_key(clinic)))
    late = clinic.sign()
    slip_in(tmp_path, late.entry)

    with ledger_in(tmp_path) as ledger:
        refused = report(ledger, late.id)

    assert codes(refused) == {KeyEndedError.code}
    assert "after rotation" in str(refused.checks)


STRANGER = generate()
FORGED: dict[str, Callable[[Issuer], KeyStatement]] = {
    "stranger's name": lambda i: replace(
        rotation(i, next_key(i), by=STRANGER), by=i.signer.public.thumbprint()
    ),
    "no signature": lambda i: replace(rotation(i, next_key(i)), authorisation=bytes(64)),
    "revoked by a forger": lambda i: replace(
        revocation(i, by=STRANGER), by=i.signer.public.thumbprint()
    ),
    "no agreement to a recovery key": lambda i: replace(
        recovery(i, generate()), authorisation=bytes(64)
    ),
}


@pytest.mark.parametrize("how", FORGED)
def test_a_forged_link_fails(tmp_path: Path, how: str) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        statement = register(ledger, clinic)
        entry = says(ledger, FORGED[how](clinic))
    slip_in(tmp_path, entry)

    with ledger_in(tmp_path) as ledger:
        refused = report(ledger, statement)

    assert refused.verdict is Verdict.FAILED
    assert codes(refused) == {"verification.key-chain"}


def test_a_key_that_a_stranger_let_in_makes_nothing_believed(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        said = rotation(clinic, thief := next_key(clinic), by=STRANGER)
        entry = says(ledger, said)
    theirs = replace(clinic, signer=thief).sign()
    slip_in(tmp_path, entry, theirs.entry)

    with ledger_in(tmp_path) as ledger:
        refused = report(ledger, theirs.id)

    assert refused.verdict is Verdict.INDETERMINATE  # a key that is not in the bundle agreed
    assert theirs.id not in refused.statements


def test_a_did_key_is_not_given_another_first_key(tmp_path: Path) -> None:
    clinic, other = Issuer(), Issuer()
    said = rotation(clinic, generate(issuer=clinic.did)).record
    with ledger_in(tmp_path, other) as ledger:
        statement = register(ledger, other)
        entry = says(ledger, said)
        theirs = operator_says(
            ledger.keys.signer("operator"), StatementType.KEY, said.encode(),
            subject=other.did, now=START,
        )  # fmt: skip
    slip_in(tmp_path, entry, theirs.entry)

    with ledger_in(tmp_path) as ledger:
        assert codes(report(ledger, statement)) == {"verification.key-chain"}


def test_a_recovery_key_signs_nothing(tmp_path: Path) -> None:
    clinic = Issuer()
    safe = generate(issuer=clinic.did)
    with ledger_in(tmp_path, clinic) as ledger:
        ledger.register_key(recovery(clinic, safe))
    signed = replace(clinic, signer=safe).sign()
    slip_in(tmp_path, signed.entry)

    with ledger_in(tmp_path) as ledger:
        refused = report(ledger, signed.id)

    assert refused.verdict is Verdict.FAILED
    assert "signs no statements" in str(refused.checks)


def test_fsck_names_an_entry_that_an_ended_key_signed(tmp_path: Path) -> None:
    from tallystick.ledger.maintenance import check_statements

    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        ledger.register_key(rotation(clinic, next_key(clinic)))
        home = ledger.home
    slip_in(tmp_path, clinic.sign().entry)

    [damage] = check_statements(home)
    assert "the issuer's key ended" in damage.what
