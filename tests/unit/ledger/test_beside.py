"""What is kept beside the log: it stays with whoever registers, and takes nothing of others."""

from pathlib import Path
from typing import Any

import pytest

from tallystick.errors import NotFoundError, RefusedError
from tallystick.ledger import Rows, Submission
from tallystick.ledger.maintenance import backup, check_statements
from tallystick.statement import ErasureReason, Sequence
from tallystick.vault import reading_as
from tests.ledgers import Issuer, ledger_in

RECORDS = [b"\xa1\x61n\x00", b"\xa1\x61n\x01"]


def test_rows_of_others_are_not_kept_for_a_batch_that_is_registered(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        statement, salts, leaves = clinic.batch(RECORDS)
        ledger.register_one(Submission(statement.entry, leaves=leaves))
        for false in (
            Rows(salts, [b"\xa0", b"\xa0"]),
            Rows(bytes(64), RECORDS),
            Rows(salts[:32], RECORDS[:1]),
        ):
            again = ledger.register_one(Submission(statement.entry, leaves=leaves, rows=false))
            assert again.existed
            assert list(ledger.vault.rows(statement.id)) == []

        right = Submission(statement.entry, leaves=leaves, rows=Rows(salts, RECORDS))
        ledger.register_one(right)

        assert [record for _, _, record in ledger.vault.rows(statement.id)] == RECORDS


def test_rows_of_a_batch_that_was_erased_before_they_came_do_not_come(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        statement, salts, leaves = clinic.batch(RECORDS)
        ledger.register_one(Submission(statement.entry, leaves=leaves))
        ledger.erase({statement.id: None}, ErasureReason.OTHER)
        rows = Rows(salts, RECORDS)
        ledger.register_one(Submission(statement.entry, leaves=leaves, rows=rows))

        assert list(ledger.vault.rows(statement.id)) == []


def test_what_is_refused_takes_nothing_from_whoever_registers_it_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        first = clinic.numbered()
        _, content = clinic.content({"answer": "yes"})
        second = clinic.sign(
            content.commitment(), sequence=_after(first), subject="urn:example:second"
        )
        sequencer = ledger._healthy().sequencer
        submit, inside = sequencer.submit, list[bool]()

        def meanwhile(candidates: Any) -> Any:
            outcomes = submit(candidates)
            if not inside:
                inside.append(True)
                both = [Submission(first.entry), Submission(second.entry, content)]
                assert all(not isinstance(one, Exception) for one in ledger.register(both))
            return outcomes

        monkeypatch.setattr(sequencer, "submit", meanwhile)
        [refused] = ledger.register([Submission(second.entry, content)])

        assert isinstance(refused, RefusedError)
        assert ledger.vault.get(second.id).values() == {"answer": "yes"}


def test_what_is_refused_leaves_nothing_behind(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        statement, content = clinic.content({"answer": "yes"}, type="model")
        [refused] = ledger.register([Submission(statement.entry, content)])

        assert isinstance(refused, RefusedError)
        with pytest.raises(NotFoundError):
            ledger.vault.get(statement.id)


def _after(first: Any) -> Any:
    sequence = first.header.sequence
    return Sequence(emitter=sequence.emitter, epoch=sequence.epoch, seq=1, prev=first.id)


def test_keys_that_followed_others_are_no_damage_and_no_other_ledger(tmp_path: Path) -> None:
    clinic, copy = Issuer(), tmp_path / "copy"
    with ledger_in(tmp_path / "ledger", clinic) as ledger:
        statement, content = clinic.content({"answer": "yes"})
        ledger.register_one(Submission(statement.entry, content))
        ledger.publish()
        backup(ledger.home, copy)
        ledger.rotate_operator()
        ledger.hand_over()
        with reading_as("jane", "an audit"):
            ledger.vault.get(statement.id)
        assert ledger.register_reads() == 1
        ledger.publish()
        backup(ledger.home, copy)

        assert list(check_statements(ledger.home)) == []
