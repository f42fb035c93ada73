"""Runs of the index are open files: however fast a ledger grows, there are never too many."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from tallystick.ledger import Home, Index, postings
from tallystick.ledger import index as index_module
from tallystick.ledger.maintenance import rebuild_index
from tallystick.ledger.postings import Postings, posting_key
from tests.ledgers import Issuer, ledger_in, many, submissions

FILES_MAX = 120
"""Open files of this process, while a rebuilt index has more runs than that, unmerged."""


def _highest() -> int:
    """Return the highest number of an open file: the limit is on numbers, and some are free."""
    return max(int(one.name) for one in Path("/proc/self/fd").iterdir())


@contextmanager
def few_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_highest() + FILES_MAX, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(("runs", "crowded"), [(3, False), (4, True)])
def test_more_runs_than_that_are_a_crowd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: int, *, crowded: bool
) -> None:
    monkeypatch.setattr(postings, "RUNS_MAX", 3)
    made = Postings(tmp_path, writable=True)
    for index in range(runs):
        made.add(index, [posting_key("id", b"%d" % index)])
        made.seal(index + 1)

    assert made.crowded is crowded
    made.close()


@pytest.mark.parametrize(("runs", "merged"), [(20, False), (21, True)])
def test_whoever_adds_to_a_crowd_is_held_back_by_merging(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: int, *, merged: bool
) -> None:
    monkeypatch.setattr(postings, "RUNS_MAX", 20)
    for module in (index_module, postings):
        monkeypatch.setattr(module, "RUN_ENTRIES", 4)
    index = Index(tmp_path, bytes(32), writable=True)
    for first, one in enumerate(many(Issuer(), 4 * runs)):
        index.add(one, first)
    index.close()

    assert (len([*(tmp_path / "postings").iterdir()]) < runs) is merged


def test_publisher_goes_on_at_once_while_runs_are_crowded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float | None] = []

    class Ends(Event):
        def wait(self, timeout: float | None = None) -> bool:
            pauses.append(timeout)
            return len(pauses) == 5

    said = iter([True, True, False, False])
    with ledger_in(tmp_path, publish_seconds=60) as ledger:
        monkeypatch.setattr(Index, "merge", lambda _index: next(said))
        monkeypatch.setattr(ledger, "_closing", Ends())
        ledger._publish()
        monkeypatch.undo()

    assert pauses == [60, 0, 0, 60, 60]


def test_index_with_more_runs_than_files_may_be_open_can_be_rebuilt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic) as ledger:
        some = many(clinic, 1000)
        ledger.register(submissions(*some))
    for module in (index_module, postings):
        monkeypatch.setattr(module, "RUN_ENTRIES", 4)
    monkeypatch.setattr(postings, "RUNS_MAX", 40)

    with few_files():
        rebuild_index(Home(tmp_path))
    with ledger_in(tmp_path) as ledger:
        found = [ledger.get(one.id).index for one in (some[0], some[500], some[-1])]

    assert found == [found[0], found[0] + 500, found[0] + 999]
