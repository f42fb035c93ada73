"""The spool under faults: every operation fails once, every damage is named, it is bounded."""

import itertools
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tallystick.capture.spool import MARK_ITEMS, Spool, Spooled
from tallystick.errors import (
    DamagedError,
    EncodingError,
    TallystickError,
    UnavailableError,
    VersionError,
)
from tallystick.log import PosixDisk
from tallystick.vault import SealedContent
from tests.fault.simulated_disk import Counter, InjectedError, SimulatedDisk
from tests.ledgers import Issuer, many

SEGMENT = 1 << 14
FOLDER = Path("spool")


def items_of(spool: Spool, count: int, size: int = 500) -> list[Spooled]:
    return [
        spool.take(one, SealedContent(one.id, b"w" * 60, os.urandom(size)))
        for one in many(Issuer(), count)
    ]


def same(one: Spooled, other: Spooled) -> bool:
    return one.encode() == other.encode() and one.number == other.number


def test_what_was_written_is_replayed_in_order_and_byte_for_byte(tmp_path: Path) -> None:
    spool = Spool(PosixDisk(), tmp_path, os.urandom)
    items = items_of(spool, 20)
    for item in items:
        spool.write(item)
    spool.sync()
    spool.settle(items[:5])
    spool.close()

    again = Spool(PosixDisk(), tmp_path, os.urandom)
    left = again.replay()
    again.close()

    assert [item.number for item in left] == list(range(5, 20))
    assert all(map(same, left, items[5:]))
    assert left[0].statement == items[5].statement


@pytest.mark.parametrize("mode", ["before", "torn", "after"])
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_no_synced_item_is_lost_whatever_operation_fails(mode: str, seed: int | None) -> None:
    for dies_at in itertools.count():
        disk = SimulatedDisk(Counter(dies_at, mode))
        synced: list[Spooled] = []
        spool_some(disk, synced)

        spool = Spool(disk.crashed(seed), FOLDER, os.urandom, SEGMENT)
        left = spool.replay()

        registered = spool.mark.registered
        assert registered <= len(synced)
        assert [item.number for item in left[: len(synced) - registered]] == list(
            range(registered, len(synced))
        )
        assert all(map(same, left, synced[registered:]))
        if disk.counter.count <= dies_at:
            assert len(synced) == 36
            return


def spool_some(disk: SimulatedDisk, synced: list[Spooled]) -> None:
    """Write, sync and settle until something fails."""
    with suppress(InjectedError, TallystickError):
        spool = Spool(disk, FOLDER, os.urandom, SEGMENT)
        spool.replay()
        for _ in range(3):
            items = items_of(spool, 12)
            for item in items:
                spool.write(item)
            spool.sync()
            synced += items
            spool.settle(items[:8] if synced[:12] == items else [])
        spool.remember(fail_open=True)


def test_a_full_spool_says_so_and_takes_more_once_the_ledger_does(tmp_path: Path) -> None:
    spool = Spool(PosixDisk(), tmp_path, os.urandom, SEGMENT)
    waiting: list[Spooled] = []
    with pytest.raises(UnavailableError, match="the spool is full"):
        write_all(spool, waiting)
    assert len(waiting) > 50
    size = sum(file.stat().st_size for file in (tmp_path / "journal").iterdir())
    assert size <= 8 * SEGMENT

    spool.sync()
    spool.settle(waiting)
    spool.remember(fail_open=False)  # moves the mark
    spool.write(Spooled(len(waiting), waiting[0].statement, waiting[0].sealed))
    spool.close()


def write_all(spool: Spool, waiting: list[Spooled]) -> None:
    for item in items_of(spool, 200, 1000):
        spool.write(item)
        waiting.append(item)


def test_the_mark_moves_every_so_many_items(tmp_path: Path) -> None:
    spool = Spool(PosixDisk(), tmp_path, os.urandom)
    items = items_of(spool, MARK_ITEMS, 10)
    for item in items:
        spool.write(item)
    spool.sync()

    spool.settle(items[:-1])
    assert not (tmp_path / "registered.json").exists()
    spool.settle(items[-1:])

    assert b'"registered":%d' % MARK_ITEMS in (tmp_path / "registered.json").read_bytes()
    spool.close()


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def rewrite(data: bytes) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / "registered.json").write_bytes(data)

    return damage


@pytest.mark.parametrize(
    ("damage", "error", "words"),
    [
        (rewrite(b"{"), EncodingError, r"registered\.json is damaged"),
        (rewrite(b'{"format":9}'), VersionError, "has format 9, this release reads 1"),
        (rewrite(b'{"format":1,"registered":99}'), DamagedError, "whole up to item 99"),
        (rewrite(b'{"format":1,"more":1}'), EncodingError, "more"),
    ],
)
def test_a_damaged_mark_is_named(
    tmp_path: Path, damage: Callable[[Path], None], error: type[Exception], words: str
) -> None:
    spool = Spool(PosixDisk(), tmp_path, os.urandom)
    for item in items_of(spool, 3):
        spool.write(item)
    spool.remember(fail_open=True)
    spool.close()
    damage(tmp_path)

    with pytest.raises(error, match=words):
        Spool(PosixDisk(), tmp_path, os.urandom).replay()


def test_damage_between_two_segments_is_named(tmp_path: Path) -> None:
    spool = Spool(PosixDisk(), tmp_path, os.urandom, SEGMENT)
    for item in items_of(spool, 30, 1000):
        spool.write(item)
    spool.close()
    flip(tmp_path / "journal" / "0", 4096 + 200)

    with pytest.raises(DamagedError, match="whole up to item 0, expected") as caught:
        Spool(PosixDisk(), tmp_path, os.urandom, SEGMENT).replay()

    assert "restore the folder data/spool" in (caught.value.advice or "")


def test_a_lost_segment_is_named(tmp_path: Path) -> None:
    spool = Spool(PosixDisk(), tmp_path, os.urandom, SEGMENT)
    for item in items_of(spool, 30, 1000):
        spool.write(item)
    spool.close()
    (tmp_path / "journal" / "1").unlink()

    with pytest.raises(DamagedError, match="what lies between was never registered"):
        Spool(PosixDisk(), tmp_path, os.urandom, SEGMENT).replay()
