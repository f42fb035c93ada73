"""Fail every single operation of the log, before, in the middle of, and after its effect."""

import itertools
from pathlib import Path

import pytest

from tallystick.errors import UnavailableError
from tallystick.log import fsck
from tests.fault.ledger_on_disk import KEY, open_log
from tests.fault.simulated_disk import Counter, InjectedError, SimulatedDisk

BATCHES = [[b"a%d" % n * 9 for n in range(3)], [b"b%d" % n for n in range(255)],
           [b"c"], [b"d%d" % n for n in range(300)]]  # fmt: skip
ALL = [entry for batch in BATCHES for entry in batch]


def run(disk: SimulatedDisk) -> int:
    """Append all batches, publishing after most of them; return how far it was answered.

    Sizes 258, 259 and 260 share their partial tile of level 1: it is public when the next
    checkpoint is published.
    """
    acknowledged = 0
    try:
        log = open_log(disk)
        for number, batch in enumerate(BATCHES):
            acknowledged = log.append(batch).checkpoint.size
            if number:
                log.integrate()
        log.close()
    except (InjectedError, UnavailableError):
        pass
    return acknowledged


def check(disk: SimulatedDisk, acknowledged: int, folder: Path) -> None:
    """Reopen: what was answered is there, in order, without a hole, and the files agree."""
    log = open_log(disk)
    size = log.snapshot.checkpoint.size
    assert size >= acknowledged
    assert [log.snapshot.reader.entry(n) for n in range(size)] == ALL[:size]
    log.append([b"next"])
    log.close()
    assert open_log(disk).snapshot.reader.entry(size) == b"next"
    disk.dump(folder)
    report = fsck(folder / "ledger/log", KEY.verifier)
    assert report.checkpoint is not None
    assert (report.checkpoint.size, report.damage) == (size + 1, ())


@pytest.mark.parametrize("mode", ["before", "torn", "after"])
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_no_acknowledged_entry_is_lost_and_no_hole_appears(
    mode: str, seed: int | None, tmp_path: Path
) -> None:
    for dies_at in itertools.count():
        disk = SimulatedDisk(Counter(dies_at, mode))
        acknowledged = run(disk)
        unharmed = disk.counter.count <= dies_at
        if unharmed:
            assert acknowledged == len(ALL)
            break
        check(disk.crashed(seed), acknowledged, tmp_path / str(dies_at))
    assert dies_at > 40


@pytest.mark.parametrize("mode", ["before", "torn", "after"])
def test_an_error_without_a_crash_loses_nothing_either(mode: str, tmp_path: Path) -> None:
    """The process lives on: the log stops, is opened again, and the caller repeats itself."""
    for dies_at in itertools.count():
        disk = SimulatedDisk(Counter(dies_at, mode))
        acknowledged = run(disk)
        if disk.counter.count <= dies_at:
            break
        disk.counter = Counter()
        check(disk, acknowledged, tmp_path / str(dies_at))


def test_after_a_failed_append_the_log_answers_nothing_until_it_is_reopened() -> None:
    disk = SimulatedDisk()
    log = open_log(disk)
    log.append([b"one"])
    disk.counter = Counter(1, "before")  # the sync after the write
    with pytest.raises(UnavailableError, match="outcome is unknown"):
        log.append([b"two"])
    disk.counter = Counter()
    with pytest.raises(UnavailableError, match="stopped after an error"):
        log.append([b"three"])

    assert log.snapshot.checkpoint.size == 1


def test_publishing_that_fails_is_repeated_later() -> None:
    disk = SimulatedDisk()
    log = open_log(disk)
    log.append([b"one"])
    for dies_at in range(4):
        disk.counter = Counter(dies_at, "before")
        with pytest.raises(InjectedError):
            log.integrate()
    disk.counter = Counter()

    assert log.append([b"two"]).checkpoint.size == 2
    assert log.integrate() == log.published == 2
