"""What happens to a vault: rows changed, exchanged, lost; the file scrambled or full."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick.errors import DamagedError, InputError, NotFoundError, UnavailableError
from tallystick.ledger import Home, Rows, Submission
from tallystick.statement import commit, dcbor
from tallystick.vault import Vault
from tallystick.vault.wrapping import seal
from tests.conftest import Entropy
from tests.fault.conftest import Command
from tests.ledgers import Issuer, ledger_in

MASTER, ID, BATCH = b"m" * 32, b"i" * 32, b"b" * 32
RECORDS = [b"zero", b"one", b"two", b"three"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vault" / "vault.sqlite"


@pytest.fixture
def vault(path: Path) -> Iterator[Vault]:
    """A vault with a record and four rows, of which the last two are about one person."""
    vault = Vault(path, MASTER)
    vault.put([vault.seal(ID, commit({"answer": "yes"}, Entropy()))])
    vault.put_rows(BATCH, bytes(range(128)), RECORDS, ["a", "b", "c", "c"])
    yield vault
    vault.close()


def change(path: Path, statement: str, *values: object) -> None:
    """Change the file as somebody could who has it, and not the master key."""
    with sqlite3.connect(path) as database:
        database.execute(statement, values)
    database.close()


def test_what_was_put_is_there(vault: Vault) -> None:
    assert vault.get(ID).values() == {"answer": "yes"}
    assert [record for _, _, record in vault.rows(BATCH)] == RECORDS
    assert vault.row(BATCH, 3) == (bytes(range(96, 128)), b"three")


@pytest.mark.parametrize("column", ["wrapped", "sealed"])
@pytest.mark.parametrize("value", [b"", b"x" * 60, "text", 7])
def test_a_changed_record_does_not_decrypt(
    vault: Vault, path: Path, column: str, value: object
) -> None:
    change(path, f"UPDATE content SET {column} = ?", value)  # noqa: S608 - a test
    change(path, f"UPDATE segments SET {column} = ? WHERE segment = 0", value)  # noqa: S608

    with pytest.raises(DamagedError, match="does not decrypt: it was changed"):
        vault.get(ID)
    with pytest.raises(DamagedError, match="does not decrypt"):
        vault.row(BATCH, 0)
    with pytest.raises(DamagedError, match="does not decrypt"):
        list(vault.rows(BATCH))
    assert vault.row(BATCH, 1)[1] == b"one"


def test_records_and_rows_cannot_be_exchanged(vault: Vault, path: Path) -> None:
    change(path, "UPDATE segments SET segment = 9 WHERE segment = 0")
    change(path, "UPDATE places SET segment = 9 WHERE position = 0")
    with pytest.raises(DamagedError, match="does not decrypt"):
        vault.row(BATCH, 0)

    change(path, "UPDATE places SET segment = 2 WHERE position = 1")
    with pytest.raises(DamagedError, match=f"row 1 of {BATCH.hex()} is not where the vault says"):
        vault.row(BATCH, 1)


def test_what_is_lost_or_erased_says_which(vault: Vault, path: Path) -> None:
    change(path, "UPDATE content SET wrapped = NULL")
    change(path, "DELETE FROM places WHERE position = 0")

    with pytest.raises(NotFoundError, match=f"content of {ID.hex()} was erased"):
        vault.get(ID)
    with pytest.raises(NotFoundError, match="the vault has no row 0"):
        vault.row(BATCH, 0)
    with pytest.raises(NotFoundError, match="the vault has no content for"):
        vault.get(b"n" * 32)


def test_another_master_key_opens_nothing(vault: Vault, path: Path) -> None:
    other = Vault(path, b"o" * 32)

    with pytest.raises(DamagedError, match="or the vault key is another one"):
        other.get(ID)
    other.close()


@pytest.mark.parametrize("plain", [b"", b"\xf6", b"\x82\x01\x02", b"\x82\x40\xa1\x61a\x81\x40"])
def test_content_of_another_shape_is_named(vault: Vault, plain: bytes) -> None:
    vault.put([vault.seal_encoded(b"s" * 32, plain)])

    with pytest.raises(DamagedError, match="is not what a vault writes"):
        vault.get(b"s" * 32)


def test_rows_of_another_shape_are_named(vault: Vault, path: Path) -> None:
    place = BATCH + (0).to_bytes(8)
    key, sealed = seal(dcbor.encode([[0, b"s"]]), place)
    wrapped = vault._master.wrap(key, place)
    change(path, "UPDATE segments SET wrapped = ?, sealed = ? WHERE segment = 0", wrapped, sealed)

    with pytest.raises(DamagedError, match="is not what a vault writes"):
        vault.row(BATCH, 0)
    with pytest.raises(DamagedError, match="is not what a vault writes"):
        list(vault.rows(BATCH))


def test_numbers_of_rows_salts_and_subjects_must_fit(vault: Vault) -> None:
    with pytest.raises(InputError, match="2 rows need 64 bytes of salt"):
        vault.put_rows(BATCH, bytes(32), [b"a", b"b"])
    with pytest.raises(InputError, match="as many subjects, got 64 and 1"):
        vault.put_rows(BATCH, bytes(64), [b"a", b"b"], ["one"])


@pytest.mark.parametrize("content", [b"no database" * 100, b"SQLite format 3\0" + b"x" * 4096])
def test_a_file_that_is_no_vault_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "vault.sqlite"
    path.write_bytes(content)

    with pytest.raises(DamagedError, match="is not a whole vault") as error:
        Vault(path, MASTER)
    assert "from a backup" in (error.value.advice or "")
    assert path.read_bytes() == content


def test_a_vault_cut_off_in_the_middle_is_named(vault: Vault, path: Path) -> None:
    vault.put_rows(b"c" * 32, bytes(32 * 500), [b"row" * 50] * 500)
    vault.close()
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)

    with pytest.raises(DamagedError, match="is not a whole vault: database disk image is"):
        Vault(path, MASTER)


def test_a_locked_vault_is_unavailable_and_nothing_is_half_written(
    vault: Vault, path: Path
) -> None:
    vault._database.execute("PRAGMA busy_timeout=10")
    other = sqlite3.connect(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UnavailableError, match="cannot be used: database is locked"):
        vault.put_rows(b"d" * 32, bytes(32), [b"row"])
    other.rollback()
    other.close()

    assert list(vault.rows(b"d" * 32)) == []


def test_a_folder_in_the_place_of_the_file_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "vault.sqlite").mkdir()

    with pytest.raises(UnavailableError, match="unable to open database file"):
        Vault(tmp_path / "vault.sqlite", MASTER)


def test_the_command_names_a_scrambled_vault_and_the_ledger_lives_without_content(
    tmp_path: Path, tally: Command
) -> None:
    clinic, home = Issuer(), Home(tmp_path / "home")
    statement, content = clinic.content({"answer": "yes"})
    with ledger_in(home.root, clinic) as ledger:
        ledger.register_one(Submission(statement.entry, content))
        batch, salts, leaves = clinic.batch([b"r"])
        ledger.register_one(Submission(batch.entry, leaves=leaves, rows=Rows(salts, [b"r"])))
    for file in home.vault.parent.iterdir():
        file.unlink()
    home.vault.write_bytes(b"scrambled" * 500)

    said = tally(home.root, "export", statement.id.hex(), "-o", tmp_path / "b.tally.json")

    assert (said.code, said.error) == (1, "verification.damaged")
    assert "is not a whole vault: file is not a database" in said.detail
    home.vault.unlink()
    assert tally(home.root, "fsck", "--deep").code == 0
    said = tally(home.root, "export", statement.id.hex(), "-o", tmp_path / "b.tally.json")
    assert said.code == 0, said


def test_a_vault_whose_schema_is_no_text_is_damaged(vault: Vault, path: Path) -> None:
    vault.close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = path.read_bytes()
    assert data.count(b"CREATE TABLE segments") == 1
    path.write_bytes(data.replace(b"CREATE TABLE segments", b"CREATE TABLE \xc4egment\xff"))

    with pytest.raises(DamagedError, match="is not a whole vault"):
        Vault(path, MASTER)
