"""What somebody did to the files while nobody looked: each is refused or named."""

from pathlib import Path

import pytest

from tallystick.errors import ConflictError, DamagedError
from tallystick.log import PosixDisk, PublicLog, WriterLock, fsck
from tallystick.log import head as head_module
from tallystick.log.head import HeadStore
from tests.fault.ledger_on_disk import KEY, open_log
from tests.fault.simulated_disk import SimulatedDisk

ENTRIES = [b"entry %d" % n for n in range(600)]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A closed log of 600 entries on a real disk."""
    log = open_log(PosixDisk(), str(tmp_path))
    for first in range(0, 600, 100):
        log.append(ENTRIES[first : first + 100])
        log.integrate()
    log.close()
    return tmp_path


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def damage(ledger: Path) -> list[tuple[str, int | None]]:
    return [(d.path, d.index) for d in fsck(ledger / "log", KEY.verifier).damage]


def test_an_undamaged_log_has_no_damage_and_no_leftovers(ledger: Path) -> None:
    seen: list[int] = []

    report = fsck(ledger / "log", KEY.verifier, lambda done, _: seen.append(done))

    assert report.damage == ()
    assert seen == [256, 512, 600]
    files = {str(p.relative_to(ledger / "log")) for p in (ledger / "log").rglob("*") if p.is_file()}
    assert files == {
        "checkpoint",
        "tile/0/000",
        "tile/0/001",
        "tile/0/002.p/88",
        "tile/1/000.p/1",
        "tile/1/000.p/2",
        "tile/entries/000",
        "tile/entries/001",
        "tile/entries/002.p/88",
    }


@pytest.mark.parametrize("at", [3, 1000, 2600])
def test_a_flipped_byte_in_an_entry_is_named_with_its_index(ledger: Path, at: int) -> None:
    bundle = ledger / "log/tile/entries/001"
    index, position = 256, 0
    while position + 2 + len(ENTRIES[index]) <= at:
        position += 2 + len(ENTRIES[index])
        index += 1
    flip(bundle, max(at, position + 2))

    assert damage(ledger) == [("tile/entries/001", index)]


def test_a_flipped_hash_in_a_leaf_tile_is_told_from_a_flipped_entry(ledger: Path) -> None:
    flip(ledger / "log/tile/0/001", 32 * 9)

    assert damage(ledger) == [("tile/0/001", 265)]


def test_a_flipped_hash_in_an_upper_tile_is_named(ledger: Path) -> None:
    flip(ledger / "log/tile/1/000.p/2", 40)

    assert damage(ledger) == [("tile/1/000.p/2", None)]


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/001",
        "tile/entries/001",
        "tile/1/000.p/2",
        "tile/0/002.p/88",
        "tile/entries/002.p/88",
    ],
)
@pytest.mark.parametrize("cut", [None, 10])
def test_a_missing_or_cut_file_is_named(ledger: Path, path: str, cut: int | None) -> None:
    file = ledger / "log" / path
    if cut is None:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:cut])

    assert damage(ledger) == [(path, None)]


def test_a_changed_checkpoint_is_named(ledger: Path) -> None:
    flip(ledger / "log/checkpoint", 20)

    assert damage(ledger) == [("checkpoint", None)]


def test_reading_a_missing_tile_says_what_to_do(ledger: Path) -> None:
    (ledger / "log/tile/0/000").unlink()
    reader = PublicLog(ledger / "log", KEY.verifier).snapshot().reader

    with pytest.raises(DamagedError, match="tile/0/000 is missing") as error:
        reader.inclusion_path(3)
    assert "fsck" in (error.value.advice or "")


def test_a_restored_backup_does_not_fork_the_log(ledger: Path) -> None:
    """The head store was kept apart: it knows of more than the backup holds."""
    backup = {p: p.read_bytes() for p in ledger.rglob("*") if p.is_file() and p.name != "head"}
    log = open_log(PosixDisk(), str(ledger))
    log.append([b"later"])
    log.close()
    for path, data in backup.items():
        path.write_bytes(data)

    with pytest.raises(DamagedError, match="ends at size 600, but a checkpoint of size 601"):
        open_log(PosixDisk(), str(ledger))


def test_a_lost_head_store_is_noticed(ledger: Path) -> None:
    (ledger / "head").unlink()

    with pytest.raises(DamagedError, match="is empty, but the log has 600 entries"):
        open_log(PosixDisk(), str(ledger))


def test_a_scrambled_head_store_is_noticed_and_half_of_it_suffices(ledger: Path) -> None:
    newest = HeadStore(PosixDisk(), ledger / "head")
    note = newest.note or b""
    newest.close()
    data = bytearray((ledger / "head").read_bytes())
    slot = next(s for s in (0, 4096) if bytes(data[s + 44 : s + 44 + len(note)]) == note)
    data[slot + 50] ^= 1
    (ledger / "head").write_bytes(data)
    older = HeadStore(PosixDisk(), ledger / "head")
    assert older.note != note
    older.close()
    # The public checkpoint is ahead of the older half, and consistent with it.
    open_log(PosixDisk(), str(ledger)).close()

    (ledger / "head").write_bytes(b"\x01" * 8192)
    with pytest.raises(DamagedError, match="no whole checkpoint"):
        open_log(PosixDisk(), str(ledger))


def test_another_history_under_the_same_key_is_not_opened(ledger: Path, tmp_path: Path) -> None:
    other = open_log(PosixDisk(), str(tmp_path / "other"))
    other.append([b"x%d" % n for n in range(600)])
    other.close()
    (ledger / "head").write_bytes((tmp_path / "other/head").read_bytes())

    with pytest.raises(DamagedError, match="do not lead to the root that was signed"):
        open_log(PosixDisk(), str(ledger))


def test_tiles_that_do_not_lead_to_the_public_root_are_not_opened(ledger: Path) -> None:
    flip(ledger / "log/tile/1/000.p/2", 40)

    with pytest.raises(DamagedError, match="edge of size 600"):
        open_log(PosixDisk(), str(ledger))


def test_a_last_bundle_that_does_not_match_its_leaves_is_not_opened(ledger: Path) -> None:
    flip(ledger / "log/tile/entries/002.p/88", 5)

    with pytest.raises(DamagedError, match="bundle 2 does not match"):
        open_log(PosixDisk(), str(ledger))


@pytest.mark.parametrize("cut", [4100, 5000, 4096 + 48 + 20])
def test_a_cut_or_flipped_journal_is_noticed_where_it_was_answered(cut: int) -> None:
    disk = SimulatedDisk()
    log = open_log(disk)
    log.append([b"x" * 2000])
    journal = disk.files["/ledger/journal/0"]
    journal.seen[cut] ^= 1
    journal.durable = None

    with pytest.raises(DamagedError, match="ends at size 0, but a checkpoint of size 1"):
        open_log(disk)


def test_a_second_writer_is_told_who_is_first(tmp_path: Path) -> None:
    first = WriterLock(tmp_path / "lock")
    with pytest.raises(ConflictError, match=r"process \d+ is already writing"):
        WriterLock(tmp_path / "lock")
    first.release()
    WriterLock(tmp_path / "lock").release()


def test_a_head_store_changed_by_another_writer_is_not_overwritten(tmp_path: Path) -> None:
    one, two = (HeadStore(PosixDisk(), tmp_path / "head") for _ in range(2))
    one.swap(None, b"first")

    with pytest.raises(ConflictError, match="another writer"):
        two.swap(None, b"second")
    with pytest.raises(DamagedError, match="at most"):
        one.swap(b"first", b"x" * (head_module.NOTE_MAX + 1))
