"""The engine's edges: what is too long, too much, too early, or on a disk that does not read."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tallystick.errors import (
    DamagedError,
    LimitError,
    NotFoundError,
    TallystickError,
    UnavailableError,
)
from tallystick.log import (
    Damage,
    EmbeddedLog,
    LogKey,
    Outcome,
    Places,
    Plan,
    PosixDisk,
    PublicLog,
    Sequencer,
    Snapshot,
    embedded,
    fsck,
    leftovers,
    sequencer,
    stored_head,
)
from tallystick.log import journal as journals
from tallystick.log.halfway import HalfwayStore
from tallystick.log.journal import Journal
from tallystick.log.sequencer import Accepted
from tallystick.merkle import EMPTY_ROOT, Tile, leaf_hash
from tallystick.statement import Checkpoint, Note, VerifierKey, sign_note
from tests.conftest import Entropy
from tests.fault.ledger_on_disk import KEY, SIGNER, open_log
from tests.fault.simulated_disk import Counter, SimulatedDisk


def test_what_is_too_long_is_refused_and_the_log_goes_on() -> None:
    log = open_log(SimulatedDisk())
    with pytest.raises(LimitError, match="70000 bytes"):
        log.append([b"fits", b"x" * 70_000])

    assert log.append([b"next"]).checkpoint.size == 1
    assert log.published == 0


def test_a_full_journal_waits_for_tiles_and_says_so_where_they_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journals, "SEGMENTS_MAX", 2)
    disk = SimulatedDisk()
    log = open_log(disk)
    big = [bytes(60_000)] * 60
    for _ in range(4):  # two fit into a segment
        log.append(big)
    assert log.append(big).checkpoint.size == 300
    assert log.published == 240

    monkeypatch.setattr(embedded, "PENDING_BYTES_MAX", 1000)
    disk.counter = Counter(0, "before")
    with pytest.raises(UnavailableError, match="too much is waiting to be written") as error:
        log.append([b"one more"])
    assert error.value.advice == "free space on the disk"
    disk.counter = Counter()
    assert log.append([b"one more"]).checkpoint.size == 301
    assert log.published == 300


def test_a_log_that_ends_with_a_full_bundle_is_opened_and_goes_on() -> None:
    disk = SimulatedDisk()
    log = open_log(disk)
    log.append([b"%d" % n for n in range(256)])
    log.close()

    log = open_log(disk)
    log.append([b"256"])
    log.integrate()
    log.append([b"257"])
    log.integrate()

    reader = log.snapshot.reader
    assert [reader.entry(n) for n in (0, 255, 256, 257)] == [b"0", b"255", b"256", b"257"]


def test_what_became_public_while_an_append_went_on_is_not_written_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = SimulatedDisk()
    log = open_log(disk)
    log.append([b"%d" % n for n in range(300)])
    replace, written = disk.replace, list[str]()

    def meanwhile(path: Path, data: bytes) -> None:
        """Between writing the tiles and forgetting them."""
        monkeypatch.setattr(disk, "replace", replace)
        log.append([b"300"])
        replace(path, data)

    monkeypatch.setattr(disk, "replace", meanwhile)
    assert log.integrate() == 300
    write = disk.write

    def noted(path: Path, data: bytes) -> None:
        written.append(str(path))
        write(path, data)

    monkeypatch.setattr(disk, "write", noted)
    assert log.integrate() == 301

    assert sorted(written) == [
        "/ledger/log/tile/0/001.p/45",
        "/ledger/log/tile/entries/001.p/45",
    ]


def checkpoint(folder: Path, text: str) -> None:
    folder.mkdir(exist_ok=True)
    note = Note(text, (sign_note(text, KEY.verifier, SIGNER.sign),))
    (folder / "checkpoint").write_bytes(note.encode())


def test_a_checkpoint_that_names_another_log_is_not_gone_on_from(tmp_path: Path) -> None:
    log = open_log(PosixDisk(), str(tmp_path))
    log.append([b"one"])
    log.close()
    checkpoint(tmp_path / "log", Checkpoint(origin="other", size=1, root=bytes(32)).text())

    with pytest.raises(DamagedError, match="stored checkpoint is of another log, other"):
        open_log(PosixDisk(), str(tmp_path))


def test_fsck_names_a_root_that_is_not_that_of_the_tiles_and_passes_an_empty_log(
    tmp_path: Path,
) -> None:
    empty = Checkpoint(origin=KEY.verifier.name, size=0, root=EMPTY_ROOT)
    checkpoint(tmp_path / "empty", empty.text())
    assert fsck(tmp_path / "empty", KEY.verifier).damage == ()
    log = open_log(PosixDisk(), str(tmp_path))
    log.append([b"one", b"two"])
    log.close()
    false = Checkpoint(origin=KEY.verifier.name, size=2, root=bytes(32))
    checkpoint(tmp_path / "log", false.text())

    [damage] = fsck(tmp_path / "log", KEY.verifier).damage
    assert damage.what == "the root is not the root of the tiles"


def test_fsck_names_a_leaf_of_a_partial_tile_that_is_not_the_hash_of_its_entry(
    tmp_path: Path,
) -> None:
    log = open_log(PosixDisk(), str(tmp_path))
    log.append([b"one", b"two"])
    log.close()
    (tmp_path / "log/tile/0/000.p/2").write_bytes(leaf_hash(b"one") + leaf_hash(b"other"))

    damage = fsck(tmp_path / "log", KEY.verifier).damage
    assert [(d.path, d.index) for d in damage] == [("tile/0/000.p/2", 1)]
    assert damage[0].what == "leaf 1 is not the hash of entry 1"


@pytest.mark.parametrize("more", [0, 256, 600])
@pytest.mark.parametrize("changed", ["entries", "0"])
def test_fsck_tells_a_changed_entry_of_the_last_tile_from_a_changed_hash(
    tmp_path: Path, more: int, changed: str
) -> None:
    log = open_log(PosixDisk(), str(tmp_path))
    log.append([b"entry %d" % n for n in range(more + 10)])
    log.close()
    number, width = divmod(more + 10, 256)
    path = f"tile/{changed}/{number:03d}.p/{width}"
    data = bytearray((tmp_path / "log" / path).read_bytes())
    data[5] ^= 1
    (tmp_path / "log" / path).write_bytes(data)

    damage = fsck(tmp_path / "log", KEY.verifier).damage

    assert [(d.path, d.index) for d in damage] == [(path, number * 256)]


def test_outdated_partial_tiles_go_and_readers_of_older_sizes_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def widths() -> set[int]:
        return {int(p.name) for p in (tmp_path / "log/tile/entries/000.p").iterdir()}

    log = open_log(PosixDisk(), str(tmp_path))
    for n in range(12):
        log.append([b"%d" % n])
        log.integrate()
    assert widths() == set(range(1, 13))  # all are young
    monkeypatch.setattr(embedded, "PARTIAL_SECONDS", -1)

    log.append([b"12"])
    log.close()

    assert widths() == set(range(5, 14))
    older = PublicLog(tmp_path / "log", KEY.verifier).snapshot().reader.of_size(3)
    assert older.entry(2) == b"2"
    assert older.inclusion_path(0)
    assert fsck(tmp_path / "log", KEY.verifier).damage == ()


def test_what_no_log_writes_is_told_from_what_it_left(tmp_path: Path) -> None:
    log = open_log(PosixDisk(), str(tmp_path))
    for n in range(3):
        log.append([b"%d" % n])
        log.integrate()
    log.close()
    tile = tmp_path / "log/tile/0/000.p"
    (tmp_path / "log/notes").write_text("mine")
    (tile / "2.new").write_bytes(b"cut off")
    (tile / "9").write_bytes(b"beyond the checkpoint")
    (tile / "1").write_bytes(b"x" * 32)

    found = list(leftovers(tmp_path / "log", PublicLog(tmp_path / "log", KEY.verifier).snapshot()))

    assert found[0] == "notes"
    assert [one.path for one in found if isinstance(one, Damage)] == ["tile/0/000.p/1"]
    assert len(found) == 2


def test_a_head_store_is_read_without_making_one(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="head cannot be read"):
        stored_head(tmp_path / "head")
    assert not (tmp_path / "head").exists()
    assert PosixDisk().age(tmp_path / "head") == 0


def test_halfway_hashes_that_cannot_be_kept_are_done_without(tmp_path: Path) -> None:
    store = HalfwayStore(tmp_path / "absent")
    store.keep(0, b"x" * 512)

    assert store.row(0) is None
    store.close()
    store.close()


def test_a_journal_knows_its_last_number_and_keeps_one_of_two_reserved_segments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = SimulatedDisk()
    journal = Journal(disk, Path("/j"), os.urandom, 16_384)
    assert journal.last == 0
    journal.append(0, 3, b"items")
    assert journal.last == 3

    reserve, opened = journal._open, []

    def slow(name: str) -> object:
        """Meanwhile another thread does the same."""
        monkeypatch.setattr(journal, "_open", reserve)
        journal.reserve()
        opened.append(name)
        return reserve(name)

    monkeypatch.setattr(journal, "_open", slow)
    journal.reserve()
    assert opened == ["1"]
    assert sorted(segment.name for segment in journal._segments) == ["0", "1"]


class EverybodyEnters:
    """Admits all; keeps how many came at once."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def plan(self, candidates: Sequence[bytes], size: int) -> Plan:
        assert size == sum(self.sizes)
        self.sizes.append(len(candidates))
        return Plan(list(candidates), [Accepted(n) for n in range(len(candidates))])

    def applied(self, snapshot: Snapshot) -> None:
        self.size = snapshot.checkpoint.size


@pytest.mark.parametrize(("limit", "most"), [("BATCH_MAX", 4), ("BATCH_BYTES_MAX", 20)])
def test_what_is_too_much_for_one_batch_is_cut_into_several(
    monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    monkeypatch.setattr(sequencer, limit, most)
    admission = EverybodyEnters()
    turn: Sequencer[bytes] = Sequencer(open_log(SimulatedDisk()), admission, len)

    outcomes = turn.submit([b"%05d" % n for n in range(10)])

    assert admission.sizes == [4, 4, 2]
    assert [o.index for o in outcomes if isinstance(o, Outcome)] == list(range(10))
    assert admission.size == 10
    assert not any(isinstance(outcome, TallystickError) for outcome in outcomes)


def test_a_log_that_was_never_published_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no checkpoint in"):
        PublicLog(tmp_path, KEY.verifier).snapshot()


def test_a_reader_of_an_older_size_reads_wider_files_and_nothing_beyond(tmp_path: Path) -> None:
    log = open_log(PosixDisk(), str(tmp_path))
    log.append([b"%d" % n for n in range(300)])
    log.close()
    reader = PublicLog(tmp_path / "log", KEY.verifier).snapshot().reader
    older = reader.of_size(200)

    assert older.entry(199) == b"199"
    assert older.leaf(199) == leaf_hash(b"199")
    assert older.raw(Tile(0, 0, 200)) == reader.raw(Tile(0, 0))[: 200 * 32]
    for size in (-1, 301):
        with pytest.raises(NotFoundError, match=f"no tree of size {size}: the log has 300"):
            reader.of_size(size)


def test_a_file_that_cannot_be_read_now_is_not_said_to_be_missing(tmp_path: Path) -> None:
    log = open_log(PosixDisk(), str(tmp_path))
    log.append([b"one"])
    log.close()
    reader = PublicLog(tmp_path / "log", KEY.verifier).snapshot().reader
    bundle = tmp_path / "log/tile/entries/000.p/1"
    bundle.unlink()
    bundle.mkdir()

    with pytest.raises(UnavailableError, match=r"000\.p/1 cannot be read"):
        reader.entry(0)


def test_tiles_that_were_read_first_make_room() -> None:
    disk = SimulatedDisk()
    log = open_log(disk)
    log.append([b"%d" % n for n in range(256 * 18)])
    log.close()
    reader = PublicLog(Path("/ledger/log"), KEY.verifier, disk=disk).snapshot().reader

    for _ in range(2):
        for number in range(18):
            assert reader.entry(number * 256) == b"%d" % (number * 256)
    assert len(reader._cache.bundles._kept) == 16


def test_the_key_of_another_log_opens_nothing() -> None:
    disk = SimulatedDisk()
    open_log(disk).append([b"one"])
    other = LogKey(VerifierKey("log.example/other", 1, KEY.verifier.public), SIGNER.sign)
    base = Path("/ledger")

    with pytest.raises(DamagedError, match="is not one of this log"):
        EmbeddedLog(
            Places(base / "log", base / "journal", base / "head"), other, disk, Entropy("x")
        )
