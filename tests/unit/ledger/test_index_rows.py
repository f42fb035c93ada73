"""Rows of the index: however many are written at a time, each is found again."""

from pathlib import Path

import pytest

from tallystick.ledger.index import Index, Property
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
