"""The journal by itself: bounded, recycled, and never fooled by what it held before."""

import os
from pathlib import Path

import pytest

from tallystick.errors import LimitError
from tallystick.log.bundle import encode_bundle, parse_bundle
from tallystick.log.journal import SEGMENTS_MAX, Journal
from tests.fault.simulated_disk import Counter, InjectedError, SimulatedDisk

FOLDER = Path("/j")


def journal(disk: SimulatedDisk, segment_bytes: int = 16_384) -> Journal:
    return Journal(disk, FOLDER, os.urandom, segment_bytes)


def write(writer: Journal, first: int, entries: list[bytes]) -> None:
    writer.append(first, len(entries), encode_bundle(entries))


def replayed(disk: SimulatedDisk, number: int) -> list[bytes]:
    found: list[bytes] = []
    for first, count, body in journal(disk).replay(number):
        found += parse_bundle(body, count)[number + len(found) - first :]
    return found


def test_it_never_uses_more_segments_than_allowed() -> None:
    disk = SimulatedDisk()
    writer, index = journal(disk), SEGMENTS_MAX * 4
    for n in range(index):
        write(writer, n, [b"x" * 3000])
    with pytest.raises(BlockingIOError):
        write(writer, index, [b"x" * 3000])

    assert len(disk.files) == SEGMENTS_MAX
    writer.recycle(index)
    write(writer, index, [b"again"])
    assert len(disk.files) == SEGMENTS_MAX


def test_replay_begins_anywhere_and_survives_recycling() -> None:
    disk = SimulatedDisk()
    writer = journal(disk)
    entries = [b"%d" % n * 700 for n in range(200)]
    for first in range(0, 200, 3):
        write(writer, first, entries[first : first + 3])
        writer.recycle(max(0, first - 10))

    for number in (190, 195, 199, 200):
        assert replayed(disk, number) == entries[number:]


def test_a_frame_inside_an_item_is_not_replayed() -> None:
    """Somebody registers bytes that look like a frame, and the frame before them is lost."""
    disk = SimulatedDisk()
    writer = journal(disk)
    write(writer, 0, [b"first"])
    forged = len(body := encode_bundle([b"forged"])).to_bytes(4) + (1).to_bytes(4)
    forged += (1).to_bytes(8) + bytes(32) + body
    write(writer, 1, [forged * 20])
    seen = disk.files["/j/0"].seen
    at = seen.index(forged)
    end = 4096 + 48 + len(encode_bundle([b"first"]))
    seen[end : end + len(forged)] = seen[at : at + len(forged)]

    assert replayed(disk, 0) == [b"first"]


def test_a_batch_larger_than_a_segment_is_refused_and_nothing_is_written() -> None:
    disk = SimulatedDisk()
    writer = journal(disk)
    with pytest.raises(LimitError, match="more than a journal segment holds"):
        write(writer, 0, [b"x" * 9000, b"y" * 9000])
    with pytest.raises(LimitError, match="70000 bytes"):
        write(writer, 0, [b"x" * 70_000])

    assert replayed(disk, 0) == []


def test_a_segment_that_was_made_but_never_begun_is_not_written_into() -> None:
    """A crash between making the first file and writing its header."""
    disk = SimulatedDisk()
    disk.block_file(FOLDER / "0", 16_384)
    write(journal(disk), 0, [b"first"])

    assert replayed(disk, 0) == [b"first"]


def test_one_sync_covers_all_that_was_written_before_it() -> None:
    disk = SimulatedDisk()
    writer = journal(disk)
    for n in range(9):  # more than one segment holds
        writer.write(n, 1, encode_bundle([b"%d" % n * 3000]))
    assert replayed(disk.crashed(None), 0) == []
    writer.sync()

    assert replayed(disk.crashed(None), 0) == [b"%d" % n * 3000 for n in range(9)]


def test_after_an_error_the_same_items_go_into_another_segment() -> None:
    disk = SimulatedDisk()
    writer = journal(disk)
    write(writer, 0, [b"kept"])
    disk.counter = Counter(1, "before")
    with pytest.raises(InjectedError):
        write(writer, 1, [b"tried"])
    disk.counter = Counter()
    writer.abandon()
    write(writer, 1, [b"tried"])
    write(writer, 2, [b"next"])

    assert len(disk.files) == 2
    for seed in (None, 1, 2, 3):
        assert replayed(disk.crashed(seed), 0) == [b"kept", b"tried", b"next"]


def test_giving_up_again_and_again_does_not_use_up_the_segments() -> None:
    disk = SimulatedDisk()
    writer = journal(disk)
    write(writer, 0, [b"kept"])
    for _ in range(3 * SEGMENTS_MAX):
        disk.counter = Counter(1, "before")
        with pytest.raises(InjectedError):
            write(writer, 1, [b"tried"])
        disk.counter = Counter()
        writer.abandon()
        writer.recycle(1)
    write(writer, 1, [b"tried"])

    assert replayed(disk.crashed(None), 0) == [b"kept", b"tried"]


def test_what_was_written_twice_is_replayed_once_whatever_survives() -> None:
    """Unsynced batches span two segments, the sync fails, and all are written again."""
    disk = SimulatedDisk()
    writer = journal(disk)
    items = [b"%d" % n * 3000 for n in range(12)]
    for n in range(6):
        writer.write(n, 1, encode_bundle([items[n]]))
    disk.counter = Counter(0, "before")
    with pytest.raises(InjectedError):
        writer.sync()
    disk.counter = Counter()
    writer.abandon()
    for n in range(12):
        write(writer, n, [items[n]])

    for seed in (None, *range(20)):
        assert replayed(disk.crashed(seed), 0) == items


def test_a_segment_is_ready_before_it_is_needed() -> None:
    disk = SimulatedDisk()
    writer = journal(disk)
    for _ in range(3):
        writer.reserve()
    assert len(disk.files) == 1
    write(writer, 0, [b"x" * 9000])
    writer.reserve()
    made = len(disk.files)
    write(writer, 1, [b"x" * 9000])

    assert made == len(disk.files) == 2
