"""Journal segments cut off or flipped anywhere, head stores put back, tiles deleted."""

import shutil
from pathlib import Path

import pytest

from tallystick.errors import DamagedError
from tallystick.ledger import Home, Ledger
from tallystick.log import EmbeddedLog, LogKey, Places, PosixDisk
from tallystick.log.journal import _BODY_AT, _SEGMENT_HEAD, SEGMENT_BYTES
from tallystick.statement import VerifierKey
from tests.conftest import Entropy
from tests.fault.conftest import Command
from tests.fault.ledger_on_disk import KEY, SIGNER, open_log
from tests.fault.simulated_disk import SimulatedDisk, _File
from tests.ledgers import PASSPHRASE, Clock, Issuer, ledger_in, many, submissions

ENTRIES = [b"entry %d" % n * 5 for n in range(40)]
SEGMENT = "/ledger/journal/0"


def written() -> tuple[bytes, bytes, int]:
    """Return a segment with eight batches, the head store after them, and where they end."""
    disk = SimulatedDisk()
    log = open_log(disk)
    for first in range(0, 40, 5):
        log.append(ENTRIES[first : first + 5])
    end = log._journal._segments[0].end
    return bytes(disk.files[SEGMENT].seen), bytes(disk.files["/ledger/head"].seen), end


DATA, HEAD, END = written()


def opened(segment: bytes, head: bytes = HEAD) -> EmbeddedLog:
    disk = SimulatedDisk()
    disk.files[SEGMENT] = _File(bytearray(segment))
    disk.files["/ledger/head"] = _File(bytearray(head))
    return open_log(disk)


def test_a_flipped_byte_anywhere_in_what_was_answered_is_named() -> None:
    """Nothing else reads so much of a segment, so nothing else could notice."""
    for at in [*range(0, _SEGMENT_HEAD, 3), *range(_BODY_AT, END, 41)]:
        damaged = bytearray(DATA)
        damaged[at] ^= 0x10

        with pytest.raises(DamagedError, match=r"ends at size \d+, but a checkpoint of size 40"):
            opened(bytes(damaged))


def test_bytes_beyond_and_between_change_nothing() -> None:
    for at in (*range(_SEGMENT_HEAD, _BODY_AT, 1000), END, END + 5, SEGMENT_BYTES - 1):
        damaged = bytearray(DATA)
        damaged[at] ^= 0x10
        reader = opened(bytes(damaged)).snapshot.reader

        assert [reader.entry(n) for n in range(40)] == ENTRIES


def test_a_segment_cut_off_anywhere_is_named_or_whole() -> None:
    for length in [*range(0, END, 301), END]:
        if length == END:
            assert opened(DATA[:length]).snapshot.checkpoint.size == 40
            continue
        with pytest.raises(DamagedError, match=r"ends at size \d+, but a checkpoint of size 40"):
            opened(DATA[:length])


def test_opening_does_not_destroy_what_a_cut_segment_still_holds(tmp_path: Path) -> None:
    log = open_log(PosixDisk(), str(tmp_path))
    log.append(ENTRIES)
    log._release()  # killed: nothing was published
    segment = tmp_path / "journal/0"
    whole = segment.read_bytes()
    segment.write_bytes(whole[: _BODY_AT + 100])

    with pytest.raises(DamagedError, match="would fork the log"):
        open_log(PosixDisk(), str(tmp_path))
    assert segment.read_bytes()[: _BODY_AT + 100] == whole[: _BODY_AT + 100]
    segment.write_bytes(whole[: _BODY_AT + 5000])  # as much as was ever written: nothing is lost
    log = open_log(PosixDisk(), str(tmp_path))
    assert log.snapshot.checkpoint.size == 40
    assert segment.stat().st_size == SEGMENT_BYTES
    log.close()


def test_a_segment_removed_from_the_middle_does_not_have_another_written_over(
    tmp_path: Path,
) -> None:
    """Two segments; the older one, whose entries are all in tiles, is removed by somebody."""
    log = open_log(PosixDisk(), str(tmp_path))
    log.append(ENTRIES)
    log.integrate()
    log._journal.abandon()
    log.append([b"in the second segment"])
    log._release()
    (tmp_path / "journal/0").unlink()

    log = open_log(PosixDisk(), str(tmp_path))
    log._journal.abandon()
    log.append([b"in a third"])
    log._release()
    reader = open_log(PosixDisk(), str(tmp_path)).snapshot.reader

    assert [reader.entry(n) for n in (40, 41)] == [b"in the second segment", b"in a third"]


def test_a_head_store_that_is_older_is_brought_up_to_what_is_published(tmp_path: Path) -> None:
    """Older is harmless as long as the log grew from it: nothing signed is taken back."""
    log = open_log(PosixDisk(), str(tmp_path))
    log.append(ENTRIES[:10])
    log.integrate()
    older = (tmp_path / "head").read_bytes()
    log.append(ENTRIES[10:])
    log.close()
    (tmp_path / "head").write_bytes(older)

    log = open_log(PosixDisk(), str(tmp_path))

    assert log.snapshot.checkpoint.size == 40
    assert log._head.note == log.snapshot.note
    log.close()


def head_by(key: LogKey, folder: Path, entries: list[bytes]) -> bytes:
    """Return the head store of a log that another key signs."""
    places = Places(folder / "log", folder / "journal", folder / "head")
    log = EmbeddedLog(places, key, PosixDisk(), Entropy("other"))
    log.append(entries)
    log.close()
    return (folder / "head").read_bytes()


def test_a_head_store_that_is_newer_foreign_or_forged_is_not_gone_on_from(tmp_path: Path) -> None:
    stranger = LogKey(VerifierKey(KEY.verifier.name, 1, b"\x01" * 31 + b"\x02"), SIGNER.sign)
    renamed = LogKey(VerifierKey("log.example/other", 1, KEY.verifier.public), SIGNER.sign)
    heads = {
        "newer": (head_by(KEY, tmp_path / "newer", [*ENTRIES, b"more"]),
                  "ends at size 40, but a checkpoint of size 41 was signed"),
        "another history": (head_by(KEY, tmp_path / "history", [b"x"] * 40),
                            "first 40 entries do not lead to the root that was signed"),
        "a false key": (head_by(stranger, tmp_path / "stranger", ENTRIES),
                        "stored checkpoint is not one of this log: note is not signed"),
        "another log": (head_by(renamed, tmp_path / "renamed", ENTRIES),
                        "stored checkpoint is not one of this log"),
    }  # fmt: skip
    open_log(PosixDisk(), str(tmp_path / "ours")).close()

    for head, message in heads.values():
        with pytest.raises(DamagedError, match=message):
            opened(DATA, head)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    clinic, home = Issuer(), Home(tmp_path / "home")
    with ledger_in(home.root, clinic) as ledger:
        ledger.register(submissions(*many(clinic, 300)))
    return home


def id_at(home: Home, index: int) -> str:
    with Ledger.open(home, PASSPHRASE, clock=Clock()) as ledger:
        return ledger.at(index).statement.id.hex()


def test_the_command_names_a_deleted_tile(home: Home, tally: Command, tmp_path: Path) -> None:
    id_ = id_at(home, 100)
    (home.data / "log/tile/0/000").unlink()

    said = tally(home.root, "prove", id_, "-o", tmp_path / "receipt")
    assert (said.code, said.error) == (1, "verification.damaged")
    assert "tile/0/000 is missing from" in said.detail
    assert "tally fsck" in said.advice
    said = tally(home.root, "fsck")
    assert (said.code, said.error) == (1, "verification.damaged")
    assert "tile/0/000" in said.out


@pytest.mark.parametrize("at", [2, 3, 60, 300, -1])
def test_the_command_names_a_changed_or_cut_bundle(home: Home, tally: Command, at: int) -> None:
    id_, bundle = id_at(home, 0), home.data / "log/tile/entries/000"
    data = bytearray(bundle.read_bytes())
    data[at] ^= 1
    bundle.write_bytes(bytes(data) if at > 0 else data[:-1])

    said = tally(home.root, "show", id_)
    assert (said.code, said.error) == (1, "verification.damaged"), said
    assert "damaged" in said.detail or "ledger.json says" in said.detail
    assert tally(home.root, "fsck").code == 1
    shutil.rmtree(home.index)
    said = tally(home.root, "rebuild-index")
    assert (said.code, said.error) == (1, "verification.damaged"), said
