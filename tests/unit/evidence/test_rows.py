"""Rows: committed to on any number of processes alike, loaded only if they verify."""

import os
import signal
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

import pytest

from tallystick.errors import (
    CommitmentError,
    DamagedError,
    ErasedError,
    VerificationError,
)
from tallystick.evidence import Emitter, encode_row, load_rows
from tallystick.evidence.committing import PIECE_ROWS, RowCommitter
from tallystick.ledger import Ledger
from tallystick.merkle import tree_root
from tallystick.statement import row_leaf
from tallystick.verify import log_policy, parse_policy
from tests.ledgers import Issuer, ledger_in
from tests.unit.verify.test_bundle import POLICY

ROWS: list[dict[str, Any]] = [{"case": f"c{n}", "size": n / 2} for n in range(20)]


@pytest.mark.parametrize("count", [1, PIECE_ROWS, 2 * PIECE_ROWS + 77])
@pytest.mark.parametrize("processes", [1, 2])
def test_commitments_do_not_depend_on_who_computes_them(count: int, processes: int) -> None:
    records = [b"%d" % n * (n % 5) for n in range(count)]
    with RowCommitter(processes) as committer:
        done = committer.commit(records)

    assert len(done.salts) == len(done.leaves) == 32 * count
    for at in {0, count // 2, count - 1}:
        here = slice(32 * at, 32 * at + 32)
        assert done.leaves[here] == row_leaf(done.salts[here], records[at])
    assert done.root == tree_root(done.leaves)
    assert len({done.salts[at : at + 32] for at in range(0, len(done.salts), 32)}) == count


def test_memory_is_used_again_for_longer_rows_and_given_back_at_the_end() -> None:
    with RowCommitter(2) as committer:
        for length in (3, 40, 7):  # more rows than there are slots, and then longer ones
            records = [b"x" * length] * (6 * PIECE_ROWS + 1)
            done = committer.commit(records)
            last = done.salts[-32:], done.leaves[-32:]

            assert done.root == tree_root(done.leaves)
            assert last[1] == row_leaf(last[0], records[-1])
        names = [slot.memory.name for slot in committer._slots if slot.memory]
    for name in names:
        with pytest.raises(FileNotFoundError):
            SharedMemory(name)
    assert len(names) == 4


def test_a_process_that_dies_is_an_error_and_leaves_no_memory() -> None:
    records = [b"x"] * (2 * PIECE_ROWS)
    committer = RowCommitter(2)
    committer.commit(records)
    names = [slot.memory.name for slot in committer._slots if slot.memory]
    assert committer._pool is not None
    for pid in list(committer._pool._processes):
        os.kill(pid, signal.SIGKILL)

    with pytest.raises(BrokenProcessPool):
        committer.commit(records)
    committer.close()
    for name in names:
        with pytest.raises(FileNotFoundError):
            SharedMemory(name)


def registered(ledger: Ledger, clinic: Issuer, **options: Any) -> bytes:
    with Emitter(ledger, clinic.signer) as emitter:
        return emitter.register_rows([encode_row(row) for row in ROWS], **options).id


def test_rows_that_verify_are_loaded_in_their_order(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic, policy=POLICY) as ledger:
        batches = [registered(ledger, clinic), registered(ledger, clinic)]
        trust = parse_policy(ledger.home.trust.read_bytes())
        loaded = load_rows(ledger, batches, trust)

        assert [row.values for row in loaded.rows] == ROWS * 2
        assert [row.position for row in loaded.rows] == [*range(20), *range(20)]
        assert loaded.refused == ()
        statements = [ledger.get(batch).statement for batch in batches]
        assert loaded.leaves() == b"".join(ledger.leaves(s) for s in statements)


def test_a_row_that_was_changed_is_refused_and_the_others_are_not(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic, policy=POLICY) as ledger:
        batch = registered(ledger, clinic)
        trust = parse_policy(ledger.home.trust.read_bytes())
        ledger.vault.unsafe_overwrite_row(batch, 7, encode_row({"case": "c7", "size": 99}))
        loaded = load_rows(ledger, [batch], trust)

        assert [row.position for row in loaded.rows] == [n for n in range(20) if n != 7]
        [refused] = loaded.refused
        assert (refused.position, type(refused.error)) == (7, CommitmentError)


def test_rows_that_do_not_decrypt_or_are_gone_are_refused(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic, policy=POLICY) as ledger:
        batch = registered(ledger, clinic)
        trust = parse_policy(ledger.home.trust.read_bytes())
        database = ledger.vault._database
        database.execute("UPDATE segments SET sealed = zeroblob(80) WHERE segment = 3")
        database.execute("UPDATE segments SET wrapped = NULL WHERE segment = 5")
        loaded = load_rows(ledger, [batch], trust)

        errors = {row.position: type(row.error) for row in loaded.refused}
        assert errors == {3: DamagedError, 5: ErasedError}
        assert len(loaded.rows) == 18


def test_rows_of_one_subject_share_a_key(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic, policy=POLICY) as ledger:
        batch = registered(ledger, clinic, subjects=[n % 4 for n in range(20)])
        trust = parse_policy(ledger.home.trust.read_bytes())

        assert [row.values for row in load_rows(ledger, [batch], trust).rows] == ROWS
        count = ledger.vault._database.execute("SELECT count(*) FROM segments").fetchone()
        assert count == (4,)


def test_a_batch_of_an_untrusted_log_yields_nothing(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic, policy=POLICY) as ledger:
        batch = registered(ledger, clinic)
        [log] = parse_policy(ledger.home.trust.read_bytes()).logs
        stranger = log_policy(type(log)(log.name, log.kind, b"x" * 32))
        with pytest.raises(VerificationError):
            load_rows(ledger, [batch], stranger)
