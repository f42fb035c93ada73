"""Counting a vault without its key, and the mark of its place."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.errors import DamagedError, InputError, LocationError
from tallystick.ledger import (
    Home,
    Ledger,
    LedgerReader,
    RegistrationPolicy,
    Rows,
    Rule,
    Submission,
)
from tallystick.ledger.located import location_change
from tallystick.statement import ErasureReason, parse_statement, sign_statement
from tallystick.statement.governance import IssuerKind
from tallystick.vault import About
from tallystick.vault.census import Census, nameless_in, read_place, take_census
from tests.ledgers import PASSPHRASE, Issuer, ledger_in


def said(ledger: Ledger, clinic: Issuer, about: About | None = None) -> bytes:
    statement, content = clinic.content({"text": "words"})
    return ledger.register_one(Submission(statement.entry, content, about=about)).id


def rows(ledger: Ledger, clinic: Issuer, who: list[str | None]) -> bytes:
    records = [b"\xa1\x61n" + bytes([n]) for n in range(len(who))]
    statement, salts, leaves = clinic.batch(records)
    brought = Rows(salts, records, who)
    return ledger.register_one(Submission(statement.entry, leaves=leaves, rows=brought)).id


def test_a_vault_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert take_census(tmp_path / "none") == Census(0, 0, None, None)
    with nameless_in(tmp_path / "none") as is_nameless:
        assert not is_nameless(bytes(32))


def test_content_is_counted_and_found_by_whether_it_names_somebody(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        bare, named = said(ledger, clinic), said(ledger, clinic, About("case-1"))
        mixed, all_named = rows(ledger, clinic, ["a", None, "a"]), rows(ledger, clinic, ["a"])
        path = ledger.home.vault

        assert take_census(path).records == 5  # rows of one subject share a segment
        with nameless_in(path) as is_nameless:
            found = [is_nameless(one) for one in (bare, named, mixed, all_named, bytes(32))]
            assert found == [True, False, True, False, False]
        ledger.erase({bare: None, named: None, mixed: frozenset({1})}, ErasureReason.OTHER)
        with nameless_in(path) as is_nameless:
            assert not any(is_nameless(one) for one in (bare, named, mixed))
        census = take_census(path)
        assert (census.records, census.erased) == (2, 3)
        assert census.applied == ledger.snapshot.checkpoint.size - 1 - _beats_after(ledger)


def _beats_after(ledger: Ledger) -> int:
    size = ledger.snapshot.checkpoint.size
    types = [ledger.at(at).statement.header.type for at in range(size)]
    return size - 1 - max(at for at, type_ in enumerate(types) if type_ == "erasure")


def test_what_is_no_vault_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "vault"
    path.write_bytes(b"no database at all, but long enough to be looked at" * 100)

    with pytest.raises(DamagedError, match="not a whole vault"):
        take_census(path)
    with pytest.raises(DamagedError, match="not a whole vault"), nameless_in(path):
        pass
    with pytest.raises(DamagedError, match="location is no text"):
        read_place(b"\xff")


def test_a_place_is_kept_by_the_vault_and_its_copies(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path / "a", clinic, place="DE") as ledger:
        assert ledger.vault.location is None
        with pytest.raises(InputError):
            ledger.vault.keep_in("Mars")
        with pytest.raises(LocationError):
            ledger.keep_content_in("FR", "x")
        assert ledger.vault.location is None
        registered = ledger.keep_content_in("EU", "x")
        ledger.vault.backup(tmp_path / "copy")
        values = ledger.vault.get(registered.id).values()

    assert values == {"what": "vault.location", "after": "EU", "reason": "x"}
    assert take_census(tmp_path / "copy").location == "EU"
    for place, words in (("US", "declared to lie in US"), (None, "nobody says")):
        with pytest.raises(LocationError, match=words), ledger_in(tmp_path / "a", place=place):
            pass
        with LedgerReader(Home(tmp_path / "a"), PASSPHRASE, place=place) as reader:
            with pytest.raises(LocationError, match=words):
                _ = reader.vault
            assert reader.snapshot.checkpoint.size  # what is public is read anywhere
    with ledger_in(tmp_path / "a", place="FR") as ledger:
        assert ledger.vault.location == "EU"


def test_a_vault_without_its_mark_learns_the_place_from_the_log(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic, place="DE") as ledger:
        ledger.keep_content_in("EU", "x")
        operator, now = ledger.keys.signer("operator"), ledger.clock()
        later = location_change(operator, None, "EU", "of a release to come", now)
        header = replace(parse_statement(later.entry).header, subject="location:Moon")
        ledger.register_one(Submission(sign_statement(header, bytes(32), operator.sign).entry))
        path = ledger.home.vault
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM marks WHERE name = 'location'")
    assert take_census(path).location is None

    with pytest.raises(LocationError), ledger_in(tmp_path, place="US"):
        pass
    reader = LedgerReader(Home(tmp_path), PASSPHRASE, place="US")
    with reader, pytest.raises(LocationError):
        _ = reader.vault
    assert take_census(path).location is None
    with ledger_in(tmp_path, place="FR") as ledger:
        assert ledger.vault.location == "EU"
    assert take_census(path).location == "EU"


def test_only_the_operator_says_where_content_stays(tmp_path: Path) -> None:
    clinic = Issuer()
    rule = Rule(frozenset({"change"}), kinds=frozenset({IssuerKind.ORGANISATION}))
    with ledger_in(tmp_path, clinic, policy=RegistrationPolicy((rule,))) as ledger:
        statement = clinic.sign(type="change", subject="location:US")
        ledger.register_one(Submission(statement.entry))
    with ledger_in(tmp_path) as ledger:
        assert ledger.vault.location is None


def test_a_place_that_somebody_wrote_as_text_is_read_too(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        ledger.vault.keep_in("EU")
        path = ledger.home.vault
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE marks SET id = 'DE' WHERE name = 'location'")

    assert take_census(path).location == "DE"
