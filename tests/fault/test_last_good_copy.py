"""A backup is often the last good copy: nothing damaged ever replaces it."""

import hashlib
import sqlite3
import stat
from pathlib import Path

import pytest

from tallystick.cli.app import run
from tallystick.errors import DamagedError, InputError
from tallystick.ledger import Home, LedgerReader, Submission, create
from tallystick.ledger.examination import Examiner
from tallystick.ledger.maintenance import backup, check, check_statements
from tallystick.vault import Vault
from tests.fault.conftest import Command
from tests.ledgers import ORIGIN, PASSPHRASE, Clock, Issuer, ledger_in, many, submissions


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A closed ledger with a full tile, a partial one, and content."""
    clinic, home = Issuer(), Home(tmp_path / "home")
    with ledger_in(home.root, clinic) as ledger:
        ledger.register(submissions(*many(clinic, 260)))
        ledger.publish()
        statement, content = clinic.content({"answer": "yes"})
        ledger.register_one(Submission(statement.entry, content))
    return home


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def files(folder: Path) -> dict[Path, bytes]:
    return {p: hashlib.sha256(p.read_bytes()).digest() for p in folder.rglob("*") if p.is_file()}


def newest(home: Home, level: str) -> Path:
    folders = home.data.glob(f"log/tile/{level}/*.p")
    return max(max(folders).iterdir(), key=lambda path: int(path.name))


@pytest.mark.parametrize("level", ["entries", "0", "1"])
def test_a_damaged_edge_is_not_backed_up_over_a_good_copy(
    home: Home, tmp_path: Path, tally: Command, level: str
) -> None:
    saved = tmp_path / "saved"
    assert tally(home.root, "backup", saved).code == 0
    before = files(saved)
    flip(newest(home, level), 20)

    said = tally(home.root, "backup", saved)

    assert (said.code, said.error) == (1, "verification.damaged")
    assert "fsck" in said.advice
    assert files(saved) == before
    assert check(Home(saved)).damage == ()


@pytest.mark.parametrize("path", ["entries/000", "0/000"])
def test_a_damaged_full_tile_is_not_backed_up(home: Home, tmp_path: Path, path: str) -> None:
    tile = home.data / "log/tile" / path
    flip(tile, tile.stat().st_size // 2 + 5)

    with pytest.raises(DamagedError, match=f"tile/{path} is damaged"):
        backup(home, tmp_path / "saved")


def test_a_tile_that_was_cut_off_does_not_replace_the_whole_one(home: Home, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    backup(home, saved)
    before = files(saved)
    tile = home.data / "log/tile/0/000"
    tile.write_bytes(tile.read_bytes()[:100])

    with pytest.raises(DamagedError, match="has 100 bytes, its copy"):
        backup(home, saved)
    assert files(saved) == before


@pytest.mark.parametrize("how", ["flipped", "scrambled", "emptied", "missing"])
def test_a_damaged_vault_is_not_backed_up_over_a_good_copy(
    home: Home, tmp_path: Path, tally: Command, how: str
) -> None:
    saved = tmp_path / "saved"
    assert tally(home.root, "backup", saved).code == 0
    before = files(saved)
    if how in {"flipped", "emptied"}:
        change = "DELETE FROM content" if how == "emptied" else "UPDATE content SET sealed = x'00'"
        with sqlite3.connect(home.vault) as database:
            database.execute(change)
        database.close()
    else:
        home.vault.unlink()
        if how == "scrambled":
            home.vault.write_bytes(b"scrambled" * 500)

    said = tally(home.root, "backup", saved)

    assert (said.code, said.error) == (1, "verification.damaged")
    assert files(saved) == before


def test_a_backup_into_the_ledger_itself_is_refused(home: Home) -> None:
    with pytest.raises(InputError, match="lies in the ledger itself"):
        backup(home, home.root / "saved")
    assert not (home.root / "saved").exists()


def test_the_backups_own_checkpoint_is_nobody_elses(
    home: Home, tmp_path: Path, tally: Command
) -> None:
    saved = tmp_path / "saved"
    backup(home, saved)

    own = saved / "data/log/checkpoint"
    said = tally(tmp_path / "restored", "restore", saved, "--checkpoint", own)

    assert (said.code, said.error) == (2, "input")
    assert "lies in the backup itself" in said.detail
    assert tally(home.root, "restore", saved, "--unsafe-alone").code == 2  # there is a ledger


def test_a_fresh_ledger_can_be_searched(tmp_path: Path, tally: Command) -> None:
    create(Home(tmp_path / "new"), ORIGIN, PASSPHRASE, clock=Clock())

    said = tally(tmp_path / "new", "find")

    assert said.code == 0, said
    assert "genesis" in said.out


def test_a_reader_leaves_the_vault_as_it_is(home: Home) -> None:
    home.vault.unlink()

    with LedgerReader(home, PASSPHRASE) as reader:
        assert reader.vault.ids() == set()
    assert not home.vault.exists()


def test_a_vault_opened_for_reading_is_not_written(tmp_path: Path) -> None:
    Vault(tmp_path / "vault.sqlite", b"m" * 32).close()
    vault = Vault(tmp_path / "vault.sqlite", b"m" * 32, writable=False)

    with pytest.raises(Exception, match="readonly"):
        vault.discard(b"x")
    vault.close()


@pytest.mark.parametrize("name", ["ledger.json", "api-keys.json"])
def test_a_damaged_card_exits_with_one(home: Home, tally: Command, name: str) -> None:
    (home.data / name).write_bytes(b"{")

    said = tally(home.root, "fsck", "--deep")

    assert said.code == 1
    assert said.error == "verification.damaged"


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ("head/checkpoint", "head"),
        ("data/index/index.sqlite", "index"),
        ("data/vault/vault.sqlite", "vault"),
        ("data/journal/0", "journal"),
        ("keys/service.key", "key file"),
    ],
)
def test_what_was_destroyed_beside_the_log_is_named(home: Home, part: str, named: str) -> None:
    (home.root / part).write_bytes(b"destroyed")
    sqlite_files = [*home.vault.parent.glob("*-*"), *home.index.glob("*-*")]
    for leftover in sqlite_files:
        leftover.unlink()

    examiner = Examiner(home, PASSPHRASE)
    assert list(check_statements(home, seen=examiner.see)) == []
    found = examiner.finish()

    assert len(found.damage) == 1
    assert named in f"{found.damage[0].path} {found.damage[0].what}"


def test_a_whole_ledger_has_no_damage_and_its_content_opens(home: Home) -> None:
    examiner = Examiner(home, PASSPHRASE)
    assert list(check_statements(home, seen=examiner.see)) == []

    found = examiner.finish()

    assert (found.damage, found.closed) == ([], 260)  # those were registered without content
    assert found.notes == ["the vault lacks content of 260 statements"]
    assert found.opened == 1


def test_a_foreign_file_and_a_wrong_earlier_tile_are_named(home: Home) -> None:
    (home.data / "log/tile/notes.txt").write_text("x")
    flip(min(home.data.glob("log/tile/0/001.p/*"), key=lambda path: int(path.name)), 3)

    found = Examiner(home, PASSPHRASE).finish()

    assert len(found.damage) == 1, found
    assert any("tile/notes.txt is no file of a log" in note for note in found.notes)
    assert ["earlier partial tile" in one.what for one in found.damage] == [True]


def test_what_is_not_public_is_its_owners_alone(home: Home) -> None:
    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    assert mode(home.root) == 0o700
    assert {mode(home.data / name) for name in ("vault", "journal", "index", "spool")} == {0o700}
    assert {mode(p) for p in [home.vault, *(home.data / "journal").iterdir()]} == {0o600}


def test_fsck_says_what_it_checked(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--home", str(home.root), "fsck"]) == 0

    assert "every published file agrees with the signed checkpoint" in capsys.readouterr().err
