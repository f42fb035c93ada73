"""Postings: every entry is found under its keys, whatever is sealed and merged meanwhile."""

import random
from pathlib import Path

import pytest

from tallystick.errors import DamagedError
from tallystick.ledger import Index, Property, postings
from tallystick.ledger import index as index_module
from tallystick.ledger.postings import MERGE_RUNS, Postings, posting_key
from tests.ledgers import Issuer

EACH = 100
"""Entries per run in these tests."""
COMMON = posting_key("type", b"common")


def own(index: int) -> bytes:
    return posting_key("id", b"%d" % index)


def fill(made: Postings, runs: int, rest: int = 0) -> int:
    """Add entries with a key of their own and a common one; seal all but the rest."""
    first = made.sealed
    for index in range(first, first + runs * EACH + rest):
        if index > first and index % EACH == 0:
            made.seal(index)
        made.add(index, [own(index), COMMON])
    if not rest:
        made.seal(first + runs * EACH)
    return first + runs * EACH + rest


def merge_all(made: Postings) -> None:
    while made.merge():
        pass


def assert_finds_all(made: Postings, count: int) -> None:
    assert list(made.find(COMMON)) == list(range(count - 1, -1, -1))
    for index in (0, 1, EACH - 1, EACH, count // 2, count - 1):
        assert list(made.find(own(index))) == [index]
    assert list(made.find(own(count))) == []


def test_entries_are_found_in_memory_in_runs_and_in_merged_runs(tmp_path: Path) -> None:
    made = Postings(tmp_path, writable=True)
    count = fill(made, 2 * MERGE_RUNS, rest=7)

    assert_finds_all(made, count)
    merge_all(made)

    assert_finds_all(made, count)
    assert len(list(tmp_path.iterdir())) == 2


def test_search_below_an_index_sees_nothing_from_it_on(tmp_path: Path) -> None:
    made = Postings(tmp_path, writable=True)
    fill(made, 3, rest=5)

    assert list(made.find(COMMON, EACH + 1))[:2] == [EACH, EACH - 1]
    assert list(made.find(own(EACH), EACH)) == []


def test_what_is_added_after_a_search_is_found_by_the_next(tmp_path: Path) -> None:
    made = Postings(tmp_path, writable=True)
    for index in range(3):
        made.add(index, [COMMON])

        assert list(made.find(COMMON)) == list(range(index, -1, -1))


def test_searches_and_seals_between_the_steps_of_a_merge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postings, "_MERGE_CHUNK", 64)
    made = Postings(tmp_path, writable=True)
    count = fill(made, MERGE_RUNS)
    steps = 0

    while made.merge(seconds=0):
        steps += 1
        if steps == 3:
            count = fill(made, 1)
        assert_finds_all(made, count)

    assert steps > 10
    assert_finds_all(made, count)
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".run", ".run"]


def test_opened_again_in_the_middle_of_a_merge_nothing_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postings, "_MERGE_CHUNK", 64)
    made = Postings(tmp_path, writable=True)
    count = fill(made, MERGE_RUNS)
    for _ in range(5):
        made.merge(seconds=0)
    made.close()

    again = Postings(tmp_path, writable=True)

    assert not list(tmp_path.glob("*.new"))
    assert_finds_all(again, count)
    merge_all(again)
    assert_finds_all(again, count)


def test_runs_that_a_merged_one_covers_are_left_out(tmp_path: Path) -> None:
    made = Postings(tmp_path, writable=True)
    count = fill(made, MERGE_RUNS)
    small = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    merge_all(made)
    made.close()
    for name, data in small.items():  # as after a crash before they were removed
        (tmp_path / name).write_bytes(data)

    reader = Postings(tmp_path, writable=False)
    again = Postings(tmp_path, writable=True)

    assert_finds_all(reader, count)
    assert_finds_all(again, count)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("first", [0, EACH])
def test_missing_run_is_named(tmp_path: Path, first: int) -> None:
    made = Postings(tmp_path, writable=True)
    fill(made, 3)
    made.close()
    (tmp_path / f"{first}-{first + EACH}.run").unlink()

    with pytest.raises(DamagedError, match=f"no run from entry {first} to {first + EACH}"):
        Postings(tmp_path, writable=False)


def test_run_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    made = Postings(tmp_path, writable=True)
    fill(made, 1)
    made.close()
    run = tmp_path / f"0-{EACH}.run"
    run.write_bytes(run.read_bytes()[:-1])

    with pytest.raises(DamagedError, match="cut off"):
        Postings(tmp_path, writable=False)


def test_search_for_several_properties_equals_their_intersection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "NEAR", 3)  # walks and jumps both happen
    made = Index(tmp_path, b"g" * 32, writable=True)
    issuers = [Issuer() for _ in range(3)]
    statements = [
        issuers[n % 3].sign(type="decision" if n % 17 == 0 else "inference", subject=f"urn:x:{n}")
        for n in range(300)
    ]
    for at, statement in enumerate(statements):
        made.add(statement, at)

    for by, of in (("issuer", issuers[1].did), ("subject", "urn:x:34"), ("subject", "urn:x:35")):
        for type_ in ("decision", "inference", "model"):
            wanted = [Property(by, of.encode()), Property("type", type_.encode())]

            assert list(made.find(wanted, 250)) == [
                at
                for at in range(249, -1, -1)
                if getattr(statements[at].header, by) == of and statements[at].header.type == type_
            ]
    made.close()


def test_rare_property_beside_a_common_one_is_found_without_a_walk_over_all(
    tmp_path: Path,
) -> None:
    made = Postings(tmp_path, writable=True)
    fill(made, MERGE_RUNS, rest=1)
    row = index_module._Row(made, COMMON, 2**62)
    walked = iter(row._places)
    row._places = (walked_to for walked_to in walked if walked_to > EACH)  # ends before its time

    row.fall_to(5)

    assert row.head == 5


def test_runs_stay_few_when_seals_are_irregular_and_merging_is_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postings, "RUN_ENTRIES", 4)
    made = Postings(tmp_path, writable=True)
    dice, size, most = random.Random(1), 0, 0
    while size < 20_000:
        for index in range(size, size + dice.choice((4, 4, 4, 5, 7, 40))):
            made.add(index, [own(index)])
            size = index + 1
        made.seal(size)
        if dice.random() < 0.05:
            merge_all(made)
            most = max(most, len(list(tmp_path.glob("*.run"))))

    merge_all(made)

    assert most <= 5 * MERGE_RUNS
    assert [list(made.find(own(index))) for index in (0, 777, size - 1)] == [[0], [777], [size - 1]]
