"""Every read of content is noted before the content is handed out, and registered afterwards."""

import os
from pathlib import Path
from typing import Any

import pytest

from tallystick.capture.models import ModelNames
from tallystick.errors import DamagedError, UnavailableError
from tallystick.evidence import build_bundle, load_rows
from tallystick.evidence.export import Shown
from tallystick.ledger import Home, Ledger, LedgerReader, Query, Rows, Submission
from tallystick.ledger.keeping import Keeper
from tallystick.ledger.reads import Run, count_pending, finished, read_notes, reads_of, sign_reads
from tallystick.vault import About, reading_as, unsafe_unrecorded
from tallystick.verify import parse_policy
from tests.ledgers import PASSPHRASE, Issuer, ledger_in

RECORDS = [b"\xa1\x61n\x00", b"\xa1\x61n\x01", b"\xa1\x61n\x02"]


def said(ledger: Ledger, clinic: Issuer, about: str = "jane") -> bytes:
    statement, content = clinic.content({"answer": about})
    return ledger.register_one(Submission(statement.entry, content, about=About(about))).id


def batch(ledger: Ledger, clinic: Issuer) -> bytes:
    statement, salts, leaves = clinic.batch(RECORDS)
    rows = Rows(salts, RECORDS, ["jane", "bob", "jane"])
    return ledger.register_one(Submission(statement.entry, leaves=leaves, rows=rows)).id


def who(ledger: Ledger, wanted: Any = None) -> list[tuple[str, str]]:
    return [(run.who, run.purpose) for _, run in reads_of(ledger, wanted)]


def test_reads_are_registered_together_and_found_by_record_and_subject(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        hers, his, rows = said(ledger, clinic), said(ledger, clinic, "bob"), batch(ledger, clinic)
        with reading_as("dr-north", "second opinion"):
            ledger.vault.get(hers)
            ledger.vault.get(hers)
            ledger.vault.row(rows, 0)
            ledger.vault.row(rows, 2)
        with reading_as("audit", "sample"):
            ledger.vault.get(his)
        assert ledger.register_reads() == 2

        [first, second] = [run for _, run in reads_of(ledger)][::-1]
        assert (first.who, first.purpose, first.count) == ("dr-north", "second opinion", 4)
        assert first.records == {hers: None, rows: frozenset({0, 2})}
        assert second.records == {his: None}
        assert who(ledger, {hers: None}) == [("dr-north", "second opinion")]
        assert who(ledger, {rows: frozenset({1})}) == []
        assert who(ledger, ledger.vault.about("bob")) == [("audit", "sample")]
        assert {w for w, _ in who(ledger, ledger.vault.about("jane"))} == {"dr-north"}
        assert ledger.register_reads() == 0  # looking at who read is noted nowhere


def test_nothing_of_it_stands_on_the_ledger_in_the_clear(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        hers = said(ledger, clinic)
        with reading_as("dr-north", "opinion"):
            ledger.vault.get(hers)
        ledger.register_reads()
        [found] = ledger.find(Query(type="access")).found
        assert found.statement.header.hashed
        assert not found.statement.header.links
        for secret in (b"dr-north", b"opinion", hers):
            assert secret not in found.statement.entry


def test_loaders_and_bundles_note_a_run_as_a_whole(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        hers, rows = said(ledger, clinic), batch(ledger, clinic)
        trust = parse_policy(ledger.home.trust.read_bytes())
        with reading_as("trainer", "training"):
            assert len(load_rows(ledger, [rows], trust).rows) == 3
        with reading_as("export", "bundle"):
            build_bundle(ledger, hers)
            build_bundle(ledger, rows, Shown(rows=True))
            build_bundle(ledger, hers, Shown(content=False))
        ledger.register_reads()

        runs = {run.who: run for _, run in reads_of(ledger)}
        assert (runs["trainer"].records, runs["trainer"].count) == ({rows: None}, 1)
        assert (runs["export"].records, runs["export"].count) == ({hers: None, rows: None}, 2)


def test_a_killed_process_loses_no_note_and_registers_none_twice(tmp_path: Path) -> None:
    clinic, home = Issuer(), Home(tmp_path)
    with ledger_in(tmp_path, clinic) as ledger:
        hers = said(ledger, clinic)
        ledger.publish()
        child = os.fork()
        if child == 0:  # reads, and is gone without closing anything
            reader = LedgerReader(home, PASSPHRASE, reading_for="a look")
            reader.vault.get(hers)
            os._exit(0)
        os.waitpid(child, 0)
        [path] = finished(home.reads)
        with path.open("ab") as notes:
            notes.write(b"1790000000 half")  # torn: the power was cut
        assert count_pending(home.reads) == 1

        notes_ = path.read_bytes()
        [submission] = sign_reads(ledger, path, ledger.keys.signer("operator"), 0)
        ledger.register_one(submission)  # and is killed before the file is removed
        assert path.read_bytes() == notes_
        assert ledger.register_reads() == 0
        assert not list(finished(home.reads))
        assert [run.purpose for _, run in reads_of(ledger)] == ["a look"]


def test_a_file_that_is_written_to_is_left_alone_and_ends_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick.vault.reads.READS_MAX", 2)
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        hers = said(ledger, clinic)
        ledger.vault.get(hers)
        folder = ledger.home.reads
        assert list(finished(folder)) == []
        ledger.vault.get(hers)
        ledger.vault.get(hers)
        [path] = finished(folder)
        assert sum(run.count for run in read_notes(path)) == 2
        monkeypatch.setattr("tallystick.vault.reads.FILE_SECONDS", 0)
        ledger.vault.get(hers)
        assert len(list(finished(folder))) == 2


def test_what_cannot_be_noted_is_not_read(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        hers = said(ledger, clinic)
        ledger.home.reads.write_text("a file where the folder should be")
        with pytest.raises(UnavailableError, match="content is not read, because that cannot"):
            ledger.vault.get(hers)
        with unsafe_unrecorded():
            assert ledger.vault.get(hers).values() == {"answer": "jane"}


def test_checks_of_our_own_note_nothing(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        said(ledger, clinic)
        ledger.vault.check()
        ModelNames(ledger)
        assert not ledger.home.reads.exists()


def test_the_service_registers_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallystick.ledger.keeping.READS_SECONDS", 5)
    clinic, passed = Issuer(), [0.0]
    with ledger_in(tmp_path, clinic) as ledger:
        hers = said(ledger, clinic)
        keeper = Keeper(ledger, tick_seconds=3600, passed=lambda: passed[0])
        ledger.vault.get(hers)
        keeper.tick()
        assert who(ledger) == []
        passed[0] += 5
        keeper.tick()
        assert len(who(ledger)) == 1
        keeper.close()


def test_an_access_statement_of_another_shape_is_passed_over_or_named(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="no note of reads"):
        Run.read({"who": "x"})
    with ledger_in(tmp_path) as ledger:
        operator = ledger.keys.signer("operator")
        issuer = Issuer(signer=operator)
        other, content = issuer.content({"text": "said by hand"}, type="access")
        ledger.register_one(Submission(other.entry, content))
        assert who(ledger) == []


def test_a_damaged_note_is_named_and_stops_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    passed = [0.0]
    with ledger_in(tmp_path) as ledger:
        ledger.home.reads.mkdir()
        path = ledger.home.reads / "1.reads"
        path.write_text("not a note\n")
        with pytest.raises(DamagedError, match="no note of a read"):
            ledger.register_reads()
        keeper = Keeper(ledger, tick_seconds=3600, passed=lambda: passed[0])
        passed[0] += 60
        keeper.tick()
        keeper.close()
        assert "who read content cannot be registered" in caplog.text
        assert path.exists()
