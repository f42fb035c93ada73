"""Retention: nothing goes before its minimum, and by itself at its maximum."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tallystick.errors import RefusedError, UnavailableError
from tallystick.ledger import (
    Home,
    Ledger,
    LedgerReader,
    Query,
    RegistrationPolicy,
    Rows,
    Rule,
    Submission,
    erasures_of,
    sign_erasures,
)
from tallystick.ledger.keeping import Keeper, erase_overdue
from tallystick.ledger.marking import sign_lifting, sign_marks
from tallystick.ledger.operator import operator_says
from tallystick.ledger.replay import replay_refusal
from tallystick.ledger.retention import Ages, find_overdue, read_retention
from tallystick.statement import ErasureReason, parse_erasure
from tallystick.statement.governance import IssuerKind, StatementType
from tallystick.statement.retention import Retention, RetentionRule
from tests.ledgers import PASSPHRASE, START, Clock, Issuer, ledger_in

DAY = 86_400
HOLD = StatementType.HOLD
TYPES = frozenset({"inference", "dataset", "decision", "retention"})
POLICY = RegistrationPolicy((Rule(TYPES, kinds=frozenset({IssuerKind.ORGANISATION})),))
RECORDS = [b"\xa1\x61n\x00", b"\xa1\x61n\x01"]
MONTH = Retention((RetentionRule(type="inference", least=10 * DAY, most=30 * DAY),))


def said(ledger: Ledger, clinic: Issuer, **changes: Any) -> bytes:
    statement, content = clinic.content({"answer": "x"}, **changes)
    return ledger.register_one(Submission(statement.entry, content)).id


def batch(ledger: Ledger, clinic: Issuer) -> bytes:
    statement, salts, leaves = clinic.batch(RECORDS)
    submission = Submission(statement.entry, leaves=leaves, rows=Rows(salts, RECORDS))
    return ledger.register_one(submission).id


def sweep(ledger: Ledger) -> int:
    """Erase all that is over; return how much."""
    overdue, erased = find_overdue(ledger, ledger.clock()), 0
    while (done := erase_overdue(ledger, overdue))[0]:
        erased += done[1]
    return erased


def test_before_the_minimum_only_a_reason_that_comes_first_erases(tmp_path: Path) -> None:
    clinic, clock = Issuer(), Clock()
    with ledger_in(tmp_path, clinic, clock=clock, policy=POLICY) as ledger:
        hers, his, letter = (said(ledger, clinic) for _ in range(3))
        free = said(ledger, clinic, type="decision")
        ledger.set_retention(MONTH)
        with pytest.raises(RefusedError, match=r"must be kept until 2026-10-") as refused:
            ledger.erase({hers: None}, ErasureReason.OTHER)
        assert refused.value.reason == "erasure.retained"
        [refusal] = ledger.find(Query(type="refusal")).found
        found = replay_refusal(ledger, refusal.statement.id)
        assert found == ("erasure.retained", "erasure.retained")

        ledger.erase({free: None}, ErasureReason.OTHER)
        ledger.erase({his: None}, ErasureReason.CONSENT_WITHDRAWN)
        clock.now += 9 * DAY
        with pytest.raises(RefusedError, match="must be kept"):
            ledger.erase({hers: None}, ErasureReason.RETENTION)
        clock.now += DAY
        ledger.erase({hers: None}, ErasureReason.OTHER)
        assert ledger.vault.get(letter).values() == {"answer": "x"}


def test_a_law_may_leave_no_reason_that_comes_first(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic, policy=POLICY) as ledger:
        hers = said(ledger, clinic)
        ledger.set_retention(Retention((RetentionRule(least=DAY, despite=frozenset()),)))

        with pytest.raises(RefusedError, match="before that only for no reason"):
            ledger.erase({hers: None}, ErasureReason.COURT_ORDER)


def test_what_came_in_the_same_call_is_kept_too(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic, policy=POLICY) as ledger:
        ledger.set_retention(MONTH)
        statement, content = clinic.content({"answer": "x"})
        operator = ledger.keys.signer("operator")
        erasing = sign_erasures(operator, {statement.id: None}, ErasureReason.OTHER, START)
        _, refused = ledger.register([Submission(statement.entry, content), *erasing])

        assert isinstance(refused, RefusedError)
        assert refused.reason == "erasure.retained"
        unknown = sign_erasures(operator, {bytes(32): None}, ErasureReason.OTHER, START)
        ledger.register_one(unknown[0])  # nothing is known of it


def test_only_the_operator_says_how_long(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic, policy=POLICY) as ledger:
        said_so = operator_says(
            clinic.signer, StatementType.RETENTION, MONTH.encode(), subject="x", now=START
        )
        with pytest.raises(RefusedError, match="only the operator"):
            ledger.register_one(said_so)
        assert read_retention(ledger) == Retention()


def test_the_rules_hold_after_opening_again(tmp_path: Path) -> None:
    clinic, clock = Issuer(), Clock()
    with ledger_in(tmp_path, clinic, clock=clock, policy=POLICY) as ledger:
        hers = said(ledger, clinic)
        ledger.set_retention(Retention((RetentionRule(least=DAY, despite=frozenset()),)))
        ledger.set_retention(MONTH)
    clock.now += 11 * DAY
    with ledger_in(tmp_path, clock=clock) as ledger:
        assert ledger.state.retained.rules == MONTH
        assert read_retention(ledger) == MONTH
        his = said(ledger, clinic)
        with pytest.raises(RefusedError, match="must be kept"):
            ledger.erase({his: None}, ErasureReason.OTHER)
        ledger.erase({hers: None}, ErasureReason.OTHER)


def test_age_counts_from_the_ledgers_time_and_not_from_the_issuers(tmp_path: Path) -> None:
    clinic, clock = Issuer(), Clock()
    with ledger_in(tmp_path, clinic, clock=clock, policy=POLICY) as ledger:
        ledger.set_retention(MONTH)
        old = said(ledger, clinic, issued_at=START - 100 * DAY)
        first = ledger.get(old).index
        with pytest.raises(RefusedError, match="must be kept"):
            ledger.erase({old: None}, ErasureReason.OTHER)
        clock.now += 40 * DAY
        second = ledger.get(said(ledger, clinic)).index

        ages = Ages(ledger.index, ledger.snapshot)
        assert ages.at(first) == START
        assert ages.at(second) == ages.now() == START + 40 * DAY
        assert ages.at(0) == START
        assert first < ages.first_after(START) < second
        assert ages.first_after(START - 1) == 0
        assert ages.first_after(START + 40 * DAY) == ledger.snapshot.checkpoint.size


def test_what_reached_its_maximum_goes_and_what_is_held_stays(tmp_path: Path) -> None:
    clinic, clock = Issuer(), Clock()
    rules = (RetentionRule(type="inference", most=30 * DAY), RetentionRule(most=60 * DAY))
    with ledger_in(tmp_path, clinic, clock=clock, policy=POLICY) as ledger:
        old, held = said(ledger, clinic), said(ledger, clinic)
        letter, rows = said(ledger, clinic, type="decision"), batch(ledger, clinic)
        ledger.set_retention(Retention(rules))
        operator = ledger.keys.signer("operator")
        marks = [
            ledger.register_one(sign_marks(operator, HOLD, targets, "audit", clock())[0]).id
            for targets in ({held: None}, {rows: frozenset({1})})
        ]
        assert sweep(ledger) == 0
        clock.now += 31 * DAY
        young = said(ledger, clinic)

        assert sweep(ledger) == 1
        [by] = erasures_of(ledger, old)
        assert parse_erasure(by.statement).reason is ErasureReason.RETENTION
        assert ledger.vault.keeps(letter)
        assert sweep(ledger) == 0
        clock.now += 29 * DAY + 3600
        assert sweep(ledger) == 2  # the letter, and the row that is not held
        assert [at for at, _, _ in ledger.vault.rows(rows)] == [1]
        assert sweep(ledger) == 0
        assert (ledger.vault.keeps(held), ledger.vault.keeps(young)) == (True, True)

        ledger.register_one(sign_lifting(operator, HOLD, marks, clock())[0])
        assert sweep(ledger) == 2
        assert not ledger.vault.keeps(held)
        assert not ledger.vault.keeps(rows)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_timer_erases_in_batches_and_a_kill_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick.ledger.keeping.LINKS_MAX", 3)
    monkeypatch.setattr("tallystick.ledger.keeping.LOOKED_AT_MAX", 4)
    clinic, clock = Issuer(), Clock()
    with ledger_in(tmp_path, clinic, clock=clock, policy=POLICY) as ledger:
        ids = [said(ledger, clinic) for _ in range(10)]
        ledger.set_retention(MONTH)
        clock.now += 31 * DAY
        overdue = find_overdue(ledger, clock())
        assert erase_overdue(ledger, overdue) == (3, 3)  # and is "killed" here
    with ledger_in(tmp_path, clock=clock) as ledger:
        keeper = Keeper(ledger, tick_seconds=0.01, sweep_seconds=0.05)
        wait_until(lambda: not any(ledger.vault.keeps(one) for one in ids))
        keeper.close()
        assert {len(erasures_of(ledger, one)) for one in ids} == {1}
        assert len(list(ledger.find_all(Query(type="erasure")))) == 4


def test_a_clock_that_jumps_ahead_erases_nothing(tmp_path: Path) -> None:
    clinic, clock = Issuer(), Clock()
    passed = [0.0]
    with ledger_in(tmp_path, clinic, clock=clock, policy=POLICY) as ledger:
        one = said(ledger, clinic)
        ledger.set_retention(MONTH)
        keeper = Keeper(ledger, tick_seconds=3600, sweep_seconds=5, passed=lambda: passed[0])
        keeper.tick()
        clock.now += 365 * DAY
        passed[0] += 60
        keeper.tick()
        assert "the clock jumped ahead by" in (keeper.trouble or "")
        assert ledger.vault.keeps(one)

        clock.now -= 365 * DAY + 100
        keeper.tick()
        assert keeper.trouble is None
        clock.now += 31 * DAY
        passed[0] += 31 * DAY
        keeper.tick()
        assert not ledger.vault.keeps(one)
        keeper.close()


def test_a_tick_that_fails_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clinic, clock = Issuer(), Clock()
    with ledger_in(tmp_path, clinic, clock=clock, policy=POLICY) as ledger:
        one = said(ledger, clinic)
        ledger.set_retention(MONTH)
        clock.now += 31 * DAY
        erase, failed = ledger.erase, list[int]()

        def fail_once(*args: Any) -> Any:
            if not failed:
                failed.append(1)
                raise UnavailableError("the disk is full")
            return erase(*args)

        monkeypatch.setattr(ledger, "erase", fail_once)
        keeper = Keeper(ledger, tick_seconds=0.01, sweep_seconds=0.05)
        wait_until(lambda: not ledger.vault.keeps(one))
        keeper.close()
        assert "retention cannot go on, trying again: the disk is full" in caplog.text


def test_the_keeper_says_how_it_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clinic, clock, passed = Issuer(), Clock(), [0.0]
    with ledger_in(tmp_path, clinic, clock=clock, policy=POLICY) as ledger:
        gone, held = said(ledger, clinic), said(ledger, clinic)
        operator = ledger.keys.signer("operator")
        ledger.register_one(sign_marks(operator, HOLD, {held: None}, "audit", START)[0])
        ledger.set_retention(MONTH)
        clock.now += 31 * DAY
        keeper = Keeper(ledger, tick_seconds=3600, sweep_seconds=60, passed=lambda: passed[0])
        begun = keeper.status()

        def full(*_: object) -> None:
            raise UnavailableError("the disk is full")

        with monkeypatch.context() as broken:
            broken.setattr(ledger, "erase", full)
            keeper.attempt()
        failing = keeper.status()
        passed[0] += 60
        keeper.attempt()
        keeper.attempt()
        well = keeper.status()
        passed[0] += 7200
        hanging = keeper.status()
        keeper.close()

        assert (begun.alive, begun.swept_at, begun.trouble) == (True, None, None)
        assert (failing.overdue, failing.failures) == (1, 1)
        assert failing.trouble == "retention cannot go on: the disk is full"
        assert failing.next_at == clock() + 60
        assert (well.overdue, well.held, well.erased, well.trouble) == (0, 1, 1, None)
        assert (well.swept_at, well.next_at) == (clock(), clock() + 60)
        assert not ledger.vault.keeps(gone)
        assert not hanging.alive
        assert "has done nothing for 7200 s" in (hanging.trouble or "")
        assert not keeper.status().alive


def test_a_reader_finds_what_is_over(tmp_path: Path) -> None:
    clinic, clock = Issuer(), Clock()
    with ledger_in(tmp_path, clinic, clock=clock, policy=POLICY) as ledger:
        one = said(ledger, clinic)
        ledger.set_retention(MONTH)
        ledger.publish()
    with LedgerReader(Home(tmp_path), PASSPHRASE) as reader:
        found = [o.found.statement.id for o in find_overdue(reader, START + 30 * DAY) if o]
        assert found == [one]
