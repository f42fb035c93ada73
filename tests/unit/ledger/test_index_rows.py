"""Rows of the index: however many are written at a time, each is found again."""

from errno import ENOSPC
from pathlib import Path

import pytest

from tallystick.errors import DamagedError, UnavailableError
from tallystick.ledger import index as index_module
from tallystick.ledger.index import CLOSING_ENTRIES, Index, Property
from tallystick.ledger.postings import Postings
from tests.ledgers import START, Issuer, many

CLINIC = Issuer()
GENESIS = bytes(32)


@pytest.mark.parametrize("count", [1, 15, 16, 17, 255, 256, 273, 600])
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_each_row_is_found_after_it_was_written(tmp_path: Path, count: int, step: int) -> None:
    statements = many(CLINIC, count)
    index = Index(tmp_path, GENESIS, writable=True)
    for first in range(0, count, step):
        index.add_all(statements[first : first + step], first)
        if first % 2 == 0:
            index.flush()
    index.close()

    index = Index(tmp_path, GENESIS, writable=True)
    retried = index.retries(statements)
    found = [list(index.retry(statement)) for statement in statements]
    by_issuer = list(index.find([Property("issuer", CLINIC.did.encode())], count))
    in_time = list(index.in_time(START, START, count))
    size, backlog = index.size, index.backlog
    index.close()

    assert (size, backlog) == (count, 0)
    assert found == [[n] for n in range(count)]
    assert [retried[statement.id] for statement in statements] == found
    assert in_time == list(reversed(range(count)))
    assert set(by_issuer) <= set(range(count))


def test_what_was_added_before_is_not_added_twice(tmp_path: Path) -> None:
    statements = many(CLINIC, 20)
    index = Index(tmp_path, GENESIS, writable=True)
    index.add_all(statements, 0)

    index.add_all(statements[10:], 10)

    assert index.size == 20
    assert [list(index.retry(s)) for s in statements] == [[n] for n in range(20)]
    index.close()


@pytest.mark.parametrize(("count", "start"), [(CLOSING_ENTRIES - 1, 0), (CLOSING_ENTRIES,) * 2])
def test_what_a_closed_index_holds_need_not_be_read_again(
    tmp_path: Path, count: int, start: int
) -> None:
    index = Index(tmp_path, GENESIS, writable=True)
    index.add_all(many(CLINIC, count), 0)
    index.close()

    index = Index(tmp_path, GENESIS, writable=True)
    begun = index.start
    index.close()

    assert begun == start


def test_rows_are_written_once_where_their_postings_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_postings: Postings, _last: int) -> None:
        raise OSError(ENOSPC, "no space left on device")

    monkeypatch.setattr(index_module, "RUN_ENTRIES", 50)
    statements = many(CLINIC, 60)
    index = Index(tmp_path, GENESIS, writable=True)
    with monkeypatch.context() as broken:
        broken.setattr(Postings, "seal", full)
        index.add_all(statements[:49], 0)
        index.flush()
        index.add_all(statements[49:], 49)
        with pytest.raises(UnavailableError, match="no space"):
            index.flush()

    index.flush()
    start, found = index.start, [list(index.retry(one)) for one in statements]
    index.close()

    assert start == 60
    assert found == [[n] for n in range(60)]


def test_an_index_that_could_not_be_closed_well_writes_nothing_behind_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread may still hold it when the ledger was opened again after the disk was full."""
    statements = many(CLINIC, 20)
    left = Index(tmp_path, GENESIS, writable=True)
    left.add_all(statements, 0)
    with monkeypatch.context() as full:
        full.setattr(Index, "_write", _full)
        with pytest.raises(UnavailableError):
            left.close()
    following = Index(tmp_path, GENESIS, writable=True)
    following.add_all(statements, 0)

    left.flush()
    left.close()
    merged = left.merge()
    following.flush()

    assert not merged
    assert [list(following.retry(s)) for s in statements] == [[n] for n in range(20)]
    following.close()


def _full(_index: Index) -> None:
    raise OSError(ENOSPC, "no space left on device")


def test_rows_that_contradict_those_on_disk_are_damage_and_leave_no_transaction_open(
    tmp_path: Path,
) -> None:
    statements = many(CLINIC, 2)
    one, other = (Index(tmp_path, GENESIS, writable=True) for _ in range(2))
    for index in (one, other):
        index.add_all(statements, 0)
    one.flush()

    for _ in range(2):
        with pytest.raises(DamagedError, match="cannot be written: UNIQUE"):
            other.flush()
    with pytest.raises(DamagedError):
        other.close()
    one.close()
