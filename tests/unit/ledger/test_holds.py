"""Legal holds: what is held cannot be erased, whoever asks, until whoever may lifts it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tallystick.errors import RefusedError, TallystickError
from tallystick.ledger import (
    Home,
    Ledger,
    LedgerReader,
    Query,
    RegistrationPolicy,
    Rows,
    Rule,
    Submission,
    sign_erasures,
)
from tallystick.ledger.erasures import Targets
from tallystick.ledger.marking import marked_rows, sign_lifting, sign_marks, without_held
from tallystick.ledger.replay import replay_refusal
from tallystick.statement import ErasureReason
from tallystick.statement.governance import IssuerKind, StatementType
from tallystick.vault import About
from tests.ledgers import PASSPHRASE, START, Issuer, ledger_in

HOLD = StatementType.HOLD
TYPES = frozenset({"inference", "dataset", "hold", "restriction", "erasure"})
POLICY = RegistrationPolicy((Rule(TYPES, kinds=frozenset({IssuerKind.ORGANISATION})),))
RECORDS = [b"\xa1\x61n\x00", b"\xa1\x61n\x01", b"\xa1\x61n\x02"]


def said(ledger: Ledger, clinic: Issuer, about: str = "jane") -> bytes:
    statement, content = clinic.content({"answer": about})
    return ledger.register_one(Submission(statement.entry, content, about=About(about))).id


def batch(ledger: Ledger, clinic: Issuer) -> bytes:
    statement, salts, leaves = clinic.batch(RECORDS)
    rows = Rows(salts, RECORDS, ["jane", "bob", "jane"])
    return ledger.register_one(Submission(statement.entry, leaves=leaves, rows=rows)).id


def hold(ledger: Ledger, court: Issuer, targets: Targets, lifters: tuple[str, ...] = ()) -> bytes:
    [submission] = sign_marks(court.signer, HOLD, targets, "litigation", START, lifters)
    return ledger.register_one(submission).id


def lift(ledger: Ledger, court: Issuer, *marks: bytes, type_: StatementType = HOLD) -> None:
    [submission] = sign_lifting(court.signer, type_, marks, START)
    ledger.register_one(submission)


@contextmanager
def world(folder: Path) -> Iterator[tuple[Ledger, Issuer, Issuer]]:
    clinic, court = Issuer(), Issuer("Court")
    with ledger_in(folder, clinic, court, policy=POLICY) as ledger:
        yield ledger, clinic, court


def reason(error: pytest.ExceptionInfo[RefusedError]) -> str:
    return error.value.reason


def test_what_is_held_is_not_erased_and_goes_when_it_is_lifted(tmp_path: Path) -> None:
    with world(tmp_path) as (ledger, clinic, court):
        hers, his = said(ledger, clinic), said(ledger, clinic, "bob")
        placed = hold(ledger, court, {hers: None})
        with pytest.raises(RefusedError, match="is held, as entry") as refused:
            ledger.erase({hers: None, his: None}, ErasureReason.CONSENT_WITHDRAWN)

        assert reason(refused) == "erasure.held"
        assert ledger.vault.get(hers).values() == {"answer": "jane"}
        assert ledger.vault.get(his).values() == {"answer": "bob"}
        assert not list(ledger.find_all(Query(type="erasure")))
        [refusal] = ledger.find(Query(type="refusal")).found
        assert ledger.vault.get(refusal.statement.id).values()["reason"] == "erasure.held"
        assert replay_refusal(ledger, refusal.statement.id) == ("erasure.held", "erasure.held")

        lift(ledger, court, placed)
        ledger.erase({hers: None}, ErasureReason.CONSENT_WITHDRAWN)
        assert ledger.vault.is_erased(hers)


def test_nothing_slips_past_a_hold_in_the_same_call(tmp_path: Path) -> None:
    with world(tmp_path) as (ledger, clinic, court):
        hers, his = said(ledger, clinic), said(ledger, clinic, "bob")
        placing = sign_marks(court.signer, HOLD, {hers: None}, "audit", START)
        operator = ledger.keys.signer("operator")
        erasing = sign_erasures(operator, {hers: None}, ErasureReason.OTHER, START)
        placed, refused = ledger.register([*placing, *erasing])

        assert not isinstance(placed, TallystickError)
        assert isinstance(refused, RefusedError)
        assert refused.reason == "erasure.held"
        lifting = sign_lifting(court.signer, HOLD, [placed.id], START)
        again = sign_erasures(operator, {hers: None}, ErasureReason.OTHER, START + 1)
        twice = sign_lifting(court.signer, HOLD, [placed.id], START + 1)
        lifted, erased, late = ledger.register([*lifting, *again, *twice])
        assert not isinstance(lifted, TallystickError)
        assert not isinstance(erased, TallystickError)
        assert isinstance(late, RefusedError)
        assert late.reason == "mark.lifted"
        assert ledger.vault.is_erased(hers)
        assert not ledger.vault.is_erased(his)


def test_rows_are_held_apart(tmp_path: Path) -> None:
    with world(tmp_path) as (ledger, clinic, court):
        rows = batch(ledger, clinic)
        hold(ledger, court, {rows: frozenset({0})})
        for targets in ({rows: None}, {rows: frozenset({0, 1})}):
            with pytest.raises(RefusedError, match="is held"):
                ledger.erase(targets, ErasureReason.OTHER)
        ledger.erase({rows: frozenset({1})}, ErasureReason.OTHER)

        assert [at for at, _, _ in ledger.vault.rows(rows)] == [0, 2]
        assert marked_rows(ledger, HOLD, rows) == (frozenset({0}), False)
        assert without_held(ledger, {rows: frozenset({0, 2})}) == {rows: frozenset({2})}
        assert without_held(ledger, {rows: frozenset({0})}) == {}
        assert without_held(ledger, {rows: None}) == {}
        hers = said(ledger, clinic)
        assert without_held(ledger, {hers: None}) == {hers: None}
        hold(ledger, court, {rows: None})
        assert without_held(ledger, {rows: frozenset({2}), hers: None}) == {hers: None}


def test_only_who_placed_it_or_is_named_lifts_it(tmp_path: Path) -> None:
    with world(tmp_path) as (ledger, clinic, court):
        hers = said(ledger, clinic)
        placed = hold(ledger, court, {hers: None})
        operator = ledger.keys.signer("operator")
        for signer in (clinic.signer, operator):
            with pytest.raises(RefusedError, match="who placed it") as refused:
                ledger.register_one(sign_lifting(signer, HOLD, [placed], START)[0])
            assert reason(refused) == "mark.not-yours"
        for wrong, type_ in ((hers, HOLD), (placed, StatementType.RESTRICTION)):
            with pytest.raises(RefusedError, match="is no") as refused:
                lift(ledger, court, wrong, type_=type_)
            assert reason(refused) == "mark.unknown"

        named = hold(ledger, court, {hers: None}, (clinic.did,))
        lift(ledger, clinic, named)
        lift(ledger, court, placed)
        with pytest.raises(RefusedError, match="was lifted at index") as refused:
            lift(ledger, court, placed)
        assert reason(refused) == "mark.lifted"


def test_a_rule_for_every_type_lets_nobody_hold(tmp_path: Path) -> None:
    clinic = Issuer()
    policy = RegistrationPolicy((Rule(frozenset("*"), kinds=frozenset(IssuerKind)),))
    with ledger_in(tmp_path, clinic, policy=policy) as ledger:
        hers = said(ledger, clinic)
        with pytest.raises(RefusedError, match="does not let"):
            hold(ledger, clinic, {hers: None})
        operator = ledger.keys.signer("operator")
        ledger.register_one(sign_marks(operator, HOLD, {hers: None}, "audit", START)[0])
        with pytest.raises(RefusedError, match="is held"):
            ledger.erase({hers: None}, ErasureReason.OTHER)


def test_a_reopened_ledger_and_an_old_vault_keep_the_hold(tmp_path: Path) -> None:
    home = Home(tmp_path / "ledger")
    with world(home.root) as (ledger, clinic, court):
        hers = said(ledger, clinic)
        old = tmp_path / "old.sqlite"
        ledger.vault.backup(old)
        placed = hold(ledger, court, {hers: None})
        ledger.vault.backup(tmp_path / "unused.sqlite")
    for beside in home.vault.parent.glob(home.vault.name + "*"):
        beside.unlink()
    shutil.copy(old, home.vault)
    with ledger_in(home.root) as ledger:
        with pytest.raises(RefusedError, match="is held"):
            ledger.erase({hers: None}, ErasureReason.OTHER)
        assert ledger.vault.get(hers).values() == {"answer": "jane"}
    with LedgerReader(home, PASSPHRASE) as reader:
        [found] = reader.marks.all(HOLD)
        assert (found.id, found.lifted) == (placed, None)
