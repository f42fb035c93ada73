"""Erasing: what is erased is gone, says so, does not come back, and nothing else is touched."""

from pathlib import Path

import pytest

from tallystick.errors import (
    ConflictError,
    EncodingError,
    ErasedError,
    InputError,
    NotFoundError,
    RefusedError,
)
from tallystick.evidence import build_bundle, load_rows, retrain_due
from tallystick.evidence.export import Shown
from tallystick.ledger import (
    Home,
    Ledger,
    LedgerReader,
    RegistrationPolicy,
    Rows,
    Rule,
    Submission,
    erased_rows,
    sign_erasures,
)
from tallystick.ledger.examination import Examiner
from tallystick.ledger.maintenance import check_statements
from tallystick.statement import Erasure, ErasureReason, Relation, parse_erasure
from tallystick.statement.erasure import RANGES_MAX
from tallystick.statement.governance import IssuerKind
from tallystick.vault import About
from tallystick.verify import Verdict, examine, parse_policy
from tests.ledgers import PASSPHRASE, Issuer, ledger_in

RECORDS = [b"\xa1\x61n\x00", b"\xa1\x61n\x01", b"\xa1\x61n\x02", b"\xa1\x61n\x03"]
WHO = ["jane", "bob", "jane", None]
POLICY = RegistrationPolicy((Rule(frozenset("*"), kinds=frozenset({IssuerKind.ORGANISATION})),))


def said(ledger: Ledger, clinic: Issuer, text: str, about: About | None = None) -> bytes:
    statement, content = clinic.content({"answer": text})
    return ledger.register_one(Submission(statement.entry, content, about=about)).id


def batch(ledger: Ledger, clinic: Issuer) -> bytes:
    statement, salts, leaves = clinic.batch(RECORDS)
    rows = Rows(salts, RECORDS, WHO)
    return ledger.register_one(Submission(statement.entry, leaves=leaves, rows=rows)).id


def test_all_about_a_subject_goes_and_nothing_else(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        hers = said(ledger, clinic, "hers", About("jane"))
        his = said(ledger, clinic, "his", About("bob"))
        nobodys = said(ledger, clinic, "nobody's")
        rows = batch(ledger, clinic)
        ledger.erase(ledger.vault.about("jane"), ErasureReason.CONSENT_WITHDRAWN)

        with pytest.raises(ErasedError, match="was erased"):
            ledger.vault.get(hers)
        with pytest.raises(ErasedError, match="was erased"):
            ledger.vault.row(rows, 2)
        assert [record for _, _, record in ledger.vault.rows(rows)] == [RECORDS[1], RECORDS[3]]
        assert ledger.vault.get(his).values() == {"answer": "his"}
        assert ledger.vault.get(nobodys).values() == {"answer": "nobody's"}
        assert ledger.vault.about("jane") == {}
        assert erased_rows(ledger, rows, 4) == {0, 2}
        assert ledger.vault.check() == 4


def test_a_purpose_is_erased_apart(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        care = said(ledger, clinic, "care", About("jane", "care"))
        study = said(ledger, clinic, "study", About("jane", "study"))
        ledger.erase(ledger.vault.about("jane", "study"), ErasureReason.OBJECTION)

        assert ledger.vault.get(care).values() == {"answer": "care"}
        with pytest.raises(ErasedError):
            ledger.vault.get(study)
        assert ledger.vault.about("jane") == {care: None}


def test_the_statement_names_digests_and_a_code_and_nobody(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        hers, rows = said(ledger, clinic, "hers", About("jane")), batch(ledger, clinic)
        [done] = ledger.erase(ledger.vault.about("jane"), ErasureReason.UNLAWFUL)

        statement = ledger.get(done.id).statement
        assert parse_erasure(statement) == Erasure(
            reason=ErasureReason.UNLAWFUL, erased={hers: None, rows: frozenset({0, 2})}
        )
        assert b"jane" not in statement.entry
        assert statement.header.issuer == ledger.state.genesis.operator  # type: ignore[union-attr]


def test_single_rows_go_and_those_that_shared_their_key_stay(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        rows = batch(ledger, clinic)
        ledger.erase({rows: frozenset({2})}, ErasureReason.OTHER)

        assert {at for at, _, _ in ledger.vault.rows(rows)} == {0, 1, 3}
        assert ledger.vault.about("jane") == {rows: frozenset({0})}
        ledger.erase({rows: None}, ErasureReason.OTHER)
        assert list(ledger.vault.rows(rows)) == []


def test_a_retry_does_not_bring_it_back(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        statement, content = clinic.content({"answer": "hers"})
        again = Submission(statement.entry, content, about=About("jane"))
        ledger.register_one(again)
        made, salts, leaves = clinic.batch(RECORDS)
        ledger.register_one(Submission(made.entry, leaves=leaves, rows=Rows(salts, RECORDS)))
        ledger.erase({statement.id: None, made.id: frozenset({1})}, ErasureReason.OTHER)

        assert ledger.register_one(again).existed
        ledger.register_one(Submission(made.entry, leaves=leaves, rows=Rows(salts, RECORDS, WHO)))
        with pytest.raises(ErasedError):
            ledger.vault.get(statement.id)
        assert {at for at, _, _ in ledger.vault.rows(made.id)} == {0, 2, 3}


def test_what_cannot_be_erased_is_refused_before_anything_is_registered(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        hers, rows = said(ledger, clinic, "hers"), batch(ledger, clinic)
        ledger.erase({hers: None}, ErasureReason.OTHER)
        size = ledger.snapshot.checkpoint.size

        with pytest.raises(ConflictError, match=r"erased already, see entry \d+"):
            ledger.erase({hers: None}, ErasureReason.OTHER)
        with pytest.raises(NotFoundError, match="nothing is kept about that"):
            ledger.erase(ledger.vault.about("nobody"), ErasureReason.OTHER)
        with pytest.raises(NotFoundError, match="no statement"):
            ledger.erase({b"n" * 32: None}, ErasureReason.OTHER)
        with pytest.raises(InputError, match="is public as a whole"):
            ledger.erase({ledger.at(0).statement.id: None}, ErasureReason.OTHER)
        with pytest.raises(InputError, match="has 4 rows, got 9"):
            ledger.erase({rows: frozenset({9})}, ErasureReason.OTHER)
        assert ledger.snapshot.checkpoint.size == size


def test_a_policy_must_name_erasures_a_star_is_not_enough(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic, policy=POLICY) as ledger:
        hers = said(ledger, clinic, "hers")
        with pytest.raises(RefusedError, match="does not let Clinic North register erasure"):
            ledger.erase({hers: None}, ErasureReason.OTHER, clinic.signer)
        assert ledger.vault.get(hers).values() == {"answer": "hers"}

        erasers = Rule(frozenset({"erasure"}), issuers=frozenset({clinic.did}))
        ledger.set_policy(RegistrationPolicy((*POLICY.rules, erasers)))
        ledger.erase({hers: None}, ErasureReason.OTHER, clinic.signer)
        with pytest.raises(ErasedError):
            ledger.vault.get(hers)


def test_another_form_of_erasure_is_refused(tmp_path: Path) -> None:
    clinic = Issuer()
    rule = Rule(frozenset({"erasure"}), issuers=frozenset({clinic.did}))
    with ledger_in(tmp_path, clinic, policy=RegistrationPolicy((rule,))) as ledger:
        statement, content = clinic.content({"why": "x"}, type="erasure")
        with pytest.raises(RefusedError, match="must have the type 'erasure' and an inline"):
            ledger.register_one(Submission(statement.entry, content))


def test_bundles_of_what_is_erased_say_so_and_verify(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        hers, other = (said(ledger, clinic, text, About("jane")) for text in ("a", "b"))
        rows = batch(ledger, clinic)
        before = build_bundle(ledger, hers, Shown(content=False)).encode()
        ledger.erase(ledger.vault.about("jane"), ErasureReason.OBJECTION)
        trust = parse_policy(ledger.home.trust.read_bytes())
        report = examine(build_bundle(ledger, hers).encode(), trust)
        of_rows = examine(build_bundle(ledger, rows, Shown(rows=True)).encode(), trust)

    assert report.verdict is of_rows.verdict is Verdict.VERIFIED
    assert other not in report.statements
    [detail] = [c.detail for c in report.checks if c.what == "content" and c.statement == hers]
    assert "erased (objection), as " in detail
    assert any("2 rows erased (objection)" in check.detail for check in of_rows.checks)
    [detail] = [c.detail for c in examine(before, trust).checks if c.statement == hers][2:]
    assert "content not supplied" in detail


def test_loaders_refuse_erased_rows_and_models_are_due(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic, policy=POLICY) as ledger:
        rows = batch(ledger, clinic)
        model, content = clinic.content(
            {"name": "m"}, type="model", model=b"m" * 32, links={Relation.USED: (rows,)}
        )
        ledger.register_one(Submission(model.entry, content))
        assert retrain_due(ledger, ledger.get(model.id)) == 0
        ledger.erase(ledger.vault.about("jane"), ErasureReason.OBJECTION)
        trust = parse_policy(ledger.home.trust.read_bytes())
        loaded = load_rows(ledger, [rows], trust)
        report = examine(build_bundle(ledger, model.id).encode(), trust)

        assert [(row.position, type(row.error)) for row in loaded.refused] == [
            (0, ErasedError),
            (2, ErasedError),
        ]
        assert "is erased, as a registered statement says" in str(loaded.refused[0].error)
        assert retrain_due(ledger, ledger.get(model.id)) == 2
        assert any("retrain-due, 2 rows that it used are erased" in c.detail for c in report.checks)
        assert report.verdict is Verdict.VERIFIED


def test_many_are_erased_by_as_few_statements_as_fit(tmp_path: Path) -> None:
    clinic = Issuer()
    targets = {bytes([n % 256]) * 31 + bytes([n // 256]): None for n in range(600)}
    scattered = frozenset(range(0, 2 * (RANGES_MAX + 5), 2))
    signed = sign_erasures(clinic.signer, {**targets, b"r" * 32: scattered}, ErasureReason.OTHER, 7)

    assert len(signed) == 4
    with ledger_in(tmp_path, clinic) as ledger:
        operator = ledger.keys.signer("operator")
        for submission in sign_erasures(operator, targets, ErasureReason.OTHER, 7):
            ledger.register_one(submission)  # of what was never here: it may not come


def test_readers_refuse_a_vault_that_holds_what_is_erased(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path / "l", clinic) as ledger:
        hers = said(ledger, clinic, "hers", About("jane"))
        ledger.vault.backup(tmp_path / "old.sqlite")
        ledger.erase({hers: None}, ErasureReason.OTHER)
    for file in ledger.home.vault.parent.iterdir():
        file.unlink()
    (tmp_path / "old.sqlite").rename(ledger.home.vault)

    with (
        LedgerReader(ledger.home, PASSPHRASE) as reader,
        pytest.raises(ErasedError, match="it is older than the log"),
    ):
        _ = reader.vault
    with ledger_in(tmp_path / "l") as ledger, pytest.raises(ErasedError):
        ledger.vault.get(hers)
    with LedgerReader(ledger.home, PASSPHRASE) as reader, pytest.raises(ErasedError):
        reader.vault.get(hers)


HEAD = b"\x83\x74tallystick/erasure/1\x65other\x81\x82\x58\x20"


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"\x80", "an erasure must be"),
        (b"\x83\x64nope\x65other\x80", "an erasure must be"),
        (b"\x83\x74tallystick/erasure/1\x64nope\x80", "reason must be one of"),
        (b"\x83\x74tallystick/erasure/1\x65other\x81\x80", r"must be \[batch id, ranges\]"),
        (HEAD + b"z" * 32 + b"\x81\x82\x00\x01", "which is not linked to"),
        (HEAD + b"e" * 32 + b"\x81\x82\x02\x01", "a range of rows must be"),
        (HEAD + b"e" * 32 + b"\x82\x82\x00\x01\x82\x02\x03", "in order and apart"),
        (HEAD + b"e" * 32 + b"\x81\x82\x00\x1a\x7f\xff\xff\xff", "names at most"),
    ],
)
def test_another_payload_is_refused_by_name(payload: bytes, message: str) -> None:
    statement = Issuer().sign(
        payload, type="erasure", hashed=False, content_type="application/cbor",
        links={Relation.ERASES: (b"e" * 32,)},
    )  # fmt: skip
    with pytest.raises(EncodingError, match=message):
        parse_erasure(statement)


def test_an_erasure_names_something() -> None:
    statement = Issuer().sign(
        Erasure(reason=ErasureReason.OTHER).encode(), type="erasure", hashed=False,
        content_type="application/cbor",
    )  # fmt: skip
    with pytest.raises(EncodingError, match="must name statements by 'erases', got none"):
        parse_erasure(statement)


def test_fsck_tells_what_a_statement_erased_from_what_only_the_vault_forgot(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        kept, erased, forgotten = (said(ledger, clinic, text) for text in ("a", "b", "c"))
        ledger.erase({erased: None}, ErasureReason.OBJECTION)
        ledger.vault.erase({forgotten: None})
        assert kept

    examiner = Examiner(Home(tmp_path), PASSPHRASE)
    assert not list(check_statements(Home(tmp_path), seen=examiner.see))
    found = examiner.finish()

    assert (found.opened, found.erased, found.closed, found.damage) == (1, 1, 1, [])
    assert "content of 1 statements was erased" in found.notes
