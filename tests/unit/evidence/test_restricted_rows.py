"""What is restricted is left out by loaders, with a count and a code, and still verifies."""

from pathlib import Path

from tallystick.errors import RefusedError
from tallystick.evidence import build_bundle, load_rows
from tallystick.ledger import Ledger, Rows, Submission
from tallystick.ledger.marking import sign_lifting, sign_marks
from tallystick.statement.governance import StatementType
from tallystick.verify import parse_policy, verify_bundle
from tests.ledgers import START, Issuer, ledger_in

RESTRICTION = StatementType.RESTRICTION
RECORDS = [b"\xa1\x61n\x00", b"\xa1\x61n\x01", b"\xa1\x61n\x02"]


def batch(ledger: Ledger, clinic: Issuer) -> bytes:
    statement, salts, leaves = clinic.batch(RECORDS)
    rows = Rows(salts, RECORDS, ["jane", "bob", "jane"])
    return ledger.register_one(Submission(statement.entry, leaves=leaves, rows=rows)).id


def restrict(ledger: Ledger, targets: dict[bytes, frozenset[int] | None]) -> bytes:
    operator = ledger.keys.signer("operator")
    [submission] = sign_marks(operator, RESTRICTION, targets, "accuracy-contested", START)
    return ledger.register_one(submission).id


def test_a_subjects_rows_are_left_out_until_the_restriction_is_lifted(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        rows = batch(ledger, clinic)
        trust = parse_policy(ledger.home.trust.read_bytes())
        placed = restrict(ledger, ledger.vault.about("jane"))
        loaded = load_rows(ledger, [rows], trust)

        assert [row.position for row in loaded.rows] == [1]
        assert loaded.restricted == len(loaded.refused) == 2
        error = loaded.refused[0].error
        assert isinstance(error, RefusedError)
        assert (error.reason, "row 0 is restricted" in str(error)) == ("content.restricted", True)
        verify_bundle(build_bundle(ledger, rows).encode(), trust)
        assert {record for _, _, record in ledger.vault.rows(rows)} == set(RECORDS)

        operator = ledger.keys.signer("operator")
        ledger.register_one(sign_lifting(operator, RESTRICTION, [placed], START)[0])
        assert len(load_rows(ledger, [rows], trust).rows) == 3


def test_a_restricted_batch_yields_nothing(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        rows = batch(ledger, clinic)
        trust = parse_policy(ledger.home.trust.read_bytes())
        restrict(ledger, {rows: None})

        loaded = load_rows(ledger, [rows], trust)
        assert (loaded.rows, loaded.restricted) == ((), 3)
