"""Ledgers that earlier code wrote are migrated, whatever fails or is killed on the way."""

import itertools
import json
import signal
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from tallystick.capture import ApiKeys
from tallystick.errors import ConflictError, DamagedError, EncodingError, VersionError
from tallystick.ledger import Home, Ledger
from tallystick.ledger.formats import WRITTEN, check_formats
from tallystick.ledger.migration import migrate, plan
from tallystick.log import PosixDisk, WriterLock
from tests.fault.migrating_child import CountingDisk
from tests.fault.test_kill import ROOT

OLDER = ROOT / "tests" / "older"
PASSPHRASE = b"correct horse"
NOW = 1_790_000_000
KEYS = "data/api-keys.json"


def older(name: str, folder: Path) -> Home:
    """Put back what an earlier commit wrote."""
    with tarfile.open(OLDER / f"{name}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return Home(folder / "home")


def content(home: Home) -> dict[str, bytes]:
    """Return all files but locks."""
    return {
        path.relative_to(home.root).as_posix(): path.read_bytes()
        for path in home.root.rglob("*")
        if path.is_file() and not path.name.endswith("lock")
    }


def check(home: Home, original: bytes) -> None:
    """The ledger opens, its keys work, and the original is kept."""
    check_formats(home)
    [folder] = home.root.glob("before-migration-*")
    assert (folder / KEYS).read_bytes() == original
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / KEYS).stat().st_mode & 0o777 == 0o600
    assert home.api_keys.stat().st_mode & 0o777 == 0o600
    assert not (home.data / "migration.json").exists()
    with Ledger.open(home, PASSPHRASE) as ledger:
        token = (home.root / "token").read_text().strip()
        keys = ApiKeys(home.api_keys, ledger.api_secret)
        assert keys.resolve(token, NOW).label == "night batch"
        assert len(keys.known()) == 2
        assert ledger.at(ledger.snapshot.checkpoint.size - 1) is not None


@pytest.mark.parametrize("name", ["one-record-per-key", "before-scopes"])
def test_a_ledger_of_earlier_code_is_refused_then_migrated_then_works(
    name: str, tmp_path: Path
) -> None:
    home = older(name, tmp_path)
    before = content(home)
    assert json.loads(before[KEYS])["format"] == 1
    with pytest.raises(VersionError, match="has format 1, this release writes 4") as refused:
        check_formats(home)
    assert "tally migrate" in (refused.value.advice or "")
    with pytest.raises(VersionError, match="writes 4"):
        ApiKeys(home.api_keys, b"").known()

    done = migrate(home, PosixDisk(), NOW)

    after = content(home)
    assert done.files == (KEYS,)
    assert {path for path in before if after[path] != before[path]} == {KEYS}
    check(home, before[KEYS])


def test_keys_of_the_first_release_keep_what_they_were_good_for(tmp_path: Path) -> None:
    home = older("0.1.0", tmp_path)
    stored = json.loads(home.api_keys.read_bytes())
    stored["keys"][1]["only"] = "gateway"
    home.api_keys.write_text(json.dumps(stored))
    before = content(home)

    done = migrate(home, PosixDisk(), NOW)

    after = content(home)
    assert done.files == (KEYS,)
    assert {path for path in before if after[path] != before[path]} == {KEYS}
    check(home, before[KEYS])
    assert {key.only: key.role for key in ApiKeys(home.api_keys, b"").known()} == {
        None: "admin", "gateway": "originator",
    }  # fmt: skip
    assert migrate(home, PosixDisk(), NOW).files == ()


@pytest.mark.parametrize("mode", ["before", "after"])
def test_every_operation_may_fail_and_the_next_run_ends_it(mode: str, tmp_path: Path) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    for at in itertools.count():
        home = older("before-scopes", tmp_path / str(at))
        original = home.api_keys.read_bytes()
        disk = CountingDisk(at, mode, fail)
        try:
            migrate(home, disk, NOW)
        except OSError:
            migrate(home, PosixDisk(), NOW + 99)
            check(home, original)
            continue
        assert disk.count == at
        check(home, original)
        break
    assert at > 8


@pytest.mark.parametrize("mode", ["before", "after"])
def test_it_may_be_killed_at_every_operation(mode: str, tmp_path: Path) -> None:
    for at in itertools.count():
        home = older("before-scopes", tmp_path / str(at))
        original = home.api_keys.read_bytes()
        command = [sys.executable, "-m", "tests.fault.migrating_child",
                   str(home.root), str(at), mode]  # fmt: skip
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        assert code in {0, -signal.SIGKILL}
        assert json.loads(home.api_keys.read_bytes())["format"] in {1, 4}
        if code and (home.data / "migration.json").exists():
            with pytest.raises(ConflictError, match="has not ended"):
                check_formats(home)
        if code:
            migrate(home, PosixDisk(), NOW + 99)
        check(home, original)
        if not code:
            break
    assert at > 8


@pytest.mark.parametrize("path", ["data/ledger.json", KEYS, "keys/service.key"])
def test_what_a_newer_release_wrote_is_refused_and_nothing_changed(
    path: str, tmp_path: Path
) -> None:
    home = older("before-scopes", tmp_path)
    file = home.root / path
    file.write_bytes(msgspec.json.encode({**json.loads(file.read_bytes()), "format": 9}))
    before = content(home)

    with pytest.raises(VersionError, match="has format 9"):
        migrate(home, PosixDisk(), NOW)

    assert content(home) == before


def test_an_open_ledger_a_damaged_log_and_a_damaged_file_are_refused_and_nothing_changed(
    tmp_path: Path,
) -> None:
    home = older("before-scopes", tmp_path)
    lock = WriterLock(home.lock)
    with pytest.raises(ConflictError):
        migrate(home, PosixDisk(), NOW)
    lock.release()
    bundle = home.data / "log/tile/entries/000.p/7"
    whole = bundle.read_bytes()
    bundle.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    before = content(home)
    with pytest.raises(DamagedError):
        migrate(home, PosixDisk(), NOW)
    assert content(home) == before
    bundle.write_bytes(whole)

    home.api_keys.write_bytes(b"{")
    before = content(home)
    with pytest.raises(EncodingError):
        plan(home)
    with pytest.raises(EncodingError):
        migrate(home, PosixDisk(), NOW)
    assert content(home) == before


def test_the_numbers_are_those_that_are_written() -> None:
    from tallystick.capture import api_keys, bindings, spool
    from tallystick.identity import keyfile
    from tallystick.ledger import creation, searches
    from tallystick.webhooks import progress, store

    assert list(WRITTEN.values()) == [
        creation.FORMAT, api_keys.FORMAT, searches.FORMAT, bindings.FORMAT, store.FORMAT,
        progress.FORMAT, spool.FORMAT, keyfile.FORMAT,
    ]  # fmt: skip


def test_journal_index_and_vault_of_a_newer_release_are_refused_and_stay(tmp_path: Path) -> None:
    home = older("0.1.0", tmp_path)
    Ledger.open(home, PASSPHRASE).close()

    journal = home.data / "journal/0"
    whole = journal.read_bytes()
    journal.write_bytes(b"TALLYJN2" + whole[8:])
    with pytest.raises(VersionError, match="TALLYJN2"):
        Ledger.open(home, PASSPHRASE)
    assert journal.read_bytes() == b"TALLYJN2" + whole[8:]
    journal.write_bytes(whole)

    for path, new, old in (
        (home.index / "index.sqlite", "UPDATE meta SET value = 9 WHERE name = 'version'",
         "UPDATE meta SET value = 1 WHERE name = 'version'"),
        (home.vault, "PRAGMA user_version = 9", "PRAGMA user_version = 0"),
    ):  # fmt: skip
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute(new)
            with pytest.raises(VersionError, match="has format 9"):
                Ledger.open(home, PASSPHRASE)
            database.execute(old)
    with Ledger.open(home, PASSPHRASE) as ledger:
        assert ledger.at(0).index == 0
