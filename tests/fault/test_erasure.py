"""After erasure nothing of it is in any file, whoever is killed, whatever backup comes back."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from tallystick.capture.spool import Spool, scrub
from tallystick.errors import ErasedError, NotFoundError
from tallystick.ledger import Home, Ledger, LedgerReader, Rows, Submission
from tallystick.ledger.maintenance import backup, check, rebuild_index, restore
from tallystick.log import PosixDisk
from tallystick.statement import ErasureReason, Preimage, commit
from tallystick.vault import About, Vault
from tests.conftest import Entropy
from tests.fault.erasing_child import STEPS
from tests.fault.test_kill import ROOT
from tests.ledgers import PASSPHRASE, Issuer, ledger_in

PIECE = 16
"""Bytes of a secret that must be found nowhere: so few do not occur by chance."""
RECORDS = [b"row %d of jane: " % n + bytes([65 + n]) * 60 for n in range(6)]


class Secrets:
    """What is written of jane, and what would open it."""

    def __init__(self) -> None:
        self.found: list[bytes] = []

    def add_content(self, content: Preimage) -> None:
        self.found += [content.salt, *(field.salt for field in content.fields.values())]
        self.found += [str(field.value).encode() for field in content.fields.values()]

    def add_keys(self, ledger: Ledger) -> None:
        """Take all keys about her from the vault, wrapped and open."""
        vault = ledger.vault
        [[jane, wrapped]] = vault._all(
            "SELECT number, wrapped FROM subjects WHERE subject = ?", (vault._master.name("jane"),)
        )
        self.found.append(wrapped)
        for place, wrapped in vault._all(
            "SELECT place, wrapped FROM keys WHERE subject = ?", (jane,)
        ):
            self.found += [wrapped, vault._subject(jane, place).unwrap(wrapped, place)]

    def in_files(self, folder: Path) -> list[tuple[str, bytes]]:
        """Return where a piece of a secret stands, in any file under a folder."""
        pieces = {one[at : at + PIECE] for one in self.found for at in (0, len(one) - PIECE)}
        files = [path for path in folder.rglob("*") if path.is_file()]
        return [(path.name, p) for path in files for p in _occurring(pieces, path.read_bytes())]


def _occurring(pieces: Iterable[bytes], data: bytes) -> list[bytes]:
    return [piece for piece in pieces if piece in data]


def filled(folder: Path, secrets: Secrets) -> tuple[Home, list[bytes]]:
    """Make a ledger with much about jane among others, long and short, added and read."""
    clinic, ids = Issuer(), []
    with ledger_in(folder, clinic) as ledger:
        for n in range(120):
            text = f"jane's {n}: {os.urandom(16).hex()} " + "long" * (n % 7) * 300
            statement, content = clinic.content({"answer": text})
            about = About("jane" if n % 3 else "bob")
            ledger.register_one(Submission(statement.entry, content, about=about))
            if about.subject == "jane":
                secrets.add_content(content)
                ids.append(statement.id)
        batch, salts, leaves = clinic.batch(RECORDS)
        rows = Rows(salts, RECORDS, ["jane"] * 6)
        ledger.register_one(Submission(batch.entry, leaves=leaves, rows=rows))
        secrets.found += [*RECORDS, *(salts[at : at + 32] for at in range(0, len(salts), 32))]
        secrets.add_keys(ledger)
    return Home(folder), [*ids, batch.id]


def assert_gone(home: Home, ids: list[bytes]) -> None:
    with ledger_in(home.root) as ledger:
        assert ledger.vault.about("jane") == {}
        for one in ids[:-1]:
            with pytest.raises(ErasedError):
                ledger.vault.get(one)
        assert list(ledger.vault.rows(ids[-1])) == []
        assert len(ledger.vault.about("bob")) == 40
        for one in ledger.vault.about("bob"):
            assert ledger.vault.get(one).values()
        for one in ids:
            ledger.prove(one)
    assert check(home).damage == ()


def test_no_piece_of_what_was_erased_is_in_any_file(tmp_path: Path) -> None:
    secrets = Secrets()
    home, ids = filled(tmp_path / "home", secrets)
    saved = tmp_path / "saved"
    with ledger_in(home.root) as ledger:
        backup(home, saved, ledger.keys.secret("vault"))
        assert len(secrets.in_files(home.data)) > 100  # the scan finds wrapped keys before
        ledger.erase(ledger.vault.about("jane"), ErasureReason.CONSENT_WITHDRAWN)
        assert secrets.in_files(home.root) == []  # while the ledger is open, its logs included
    assert secrets.in_files(home.root) == []
    assert_gone(home, ids)

    wrapped = [one for one in secrets.found if len(one) == 60]
    secrets.found = [one for one in secrets.found if one not in wrapped]
    assert secrets.in_files(saved) == []  # neither text, nor salts, nor keys in the open


def test_a_backup_from_before_does_not_bring_it_back(tmp_path: Path) -> None:
    secrets = Secrets()
    home, ids = filled(tmp_path / "home", secrets)
    saved = tmp_path / "saved"
    with ledger_in(home.root) as ledger:
        backup(home, saved, ledger.keys.secret("vault"))
    with ledger_in(home.root) as ledger:
        ledger.erase(ledger.vault.about("jane"), ErasureReason.OBJECTION)
        ledger.publish()
        backup(home, saved)  # the log goes on; the vault there is the old one
    restored = Home(tmp_path / "restored")
    restore(saved, restored, [], unsafe_alone=True)
    shutil.copytree(home.root / "keys", restored.root / "keys")
    rebuild_index(restored)
    assert secrets.in_files(restored.data)

    with LedgerReader(restored, PASSPHRASE) as reader, pytest.raises(ErasedError, match="older"):
        reader.vault.get(ids[0])
    assert_gone(restored, ids)
    assert secrets.in_files(restored.root) == []


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_it_ends_when_it_is_begun_again(tmp_path: Path, step: str) -> None:
    secrets = Secrets()
    home, ids = filled(tmp_path, secrets)
    command = [sys.executable, "-m", "tests.fault.erasing_child", str(home.root), step]
    done = subprocess.run(command, cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL

    with ledger_in(home.root) as ledger:
        begun = ledger.vault.about("jane") == {}
        assert begun == (step != "before it is registered")
        if not begun:
            ledger.erase(ledger.vault.about("jane"), ErasureReason.OBJECTION)
        assert secrets.in_files(home.root) == []
    assert_gone(home, ids)


def test_a_spool_is_overwritten_once_all_is_registered(tmp_path: Path) -> None:
    home, clinic = Home(tmp_path), Issuer()
    statement, content = clinic.content({"answer": "spooled"})
    with ledger_in(home.root, clinic) as ledger:
        sealed = ledger.vault.seal(statement.id, content)
        spool = Spool(PosixDisk(), home.spool, os.urandom)
        assert spool.replay() == []
        item = spool.take(statement, sealed)
        spool.write(item)
        spool.sync()
        spool.close()
        assert scrub(home.spool)  # not registered: it is left alone
        spool = Spool(PosixDisk(), home.spool, os.urandom)
        [item] = spool.replay()
        ledger.register_one(item.submission())
        spool.settle([item])
        spool.close()
        ledger.erase({statement.id: None}, ErasureReason.OTHER)

    assert sealed.wrapped in b"".join(p.read_bytes() for p in home.spool.glob("journal/*"))
    assert not scrub(home.spool)
    assert not scrub(home.spool)
    left = b"".join(path.read_bytes() for path in home.root.rglob("*") if path.is_file())
    assert sealed.wrapped not in left
    assert sealed.sealed[:PIECE] not in left
    spool = Spool(PosixDisk(), home.spool, os.urandom)
    assert spool.replay() == []
    assert spool.take(statement, None).number == 1
    spool.close()


def test_a_vault_of_an_older_release_is_read_and_brought_to_this_format(tmp_path: Path) -> None:
    path, master, batch = tmp_path / "v.sqlite", b"m" * 32, b"b" * 32
    ids = [bytes([n]) * 32 for n in range(40)]
    made = Vault(path, master)
    made.put([made.seal(one, commit({"n": one.hex()}, Entropy())) for one in ids])
    made.put_rows(batch, bytes(64), [b"zero", b"one"])
    made.close()
    wrapped = as_older(path)

    for writable in (False, True):
        vault = Vault(path, master, writable=writable)
        assert [vault.get(one).values() for one in ids] == [{"n": one.hex()} for one in ids]
        assert [record for *_, record in vault.rows(batch)] == [b"zero", b"one"]
        assert vault.check() == 42
        assert vault.about("jane") == {}
        with pytest.raises(NotFoundError):
            vault.get(b"n" * 32)
        if writable:
            vault.erase({ids[3]: None, batch: frozenset({1})})
        vault.close()
    assert wrapped[ids[3]] not in path.read_bytes()
    assert wrapped[ids[4]] in path.read_bytes()


def as_older(path: Path) -> dict[bytes, bytes]:
    """Make the file what a release before wrote; return the keys by record."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for table in ("content", "segments"):
            database.execute(
                f"UPDATE {table} SET wrapped = (SELECT k.wrapped FROM keys AS k "  # noqa: S608
                f"WHERE k.number = {table}.wrapped)"
            )
        for table in ("keys", "subjects", "marks"):
            database.execute(f"DROP TABLE {table}")
        database.execute("PRAGMA user_version = 0")
        database.execute("VACUUM")
        return dict(database.execute("SELECT id, wrapped FROM content"))
