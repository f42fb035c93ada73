"""What is done to a ledger's files is registered: at once, or made up later, and never twice."""

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tallystick.cli.noting import at_start, done
from tallystick.errors import UnavailableError
from tallystick.ledger import Ledger
from tallystick.ledger.acts import FOLDER, keep, kept, record_change, register_kept
from tallystick.statement.administration import Act, AdminAct
from tallystick.web import Settings
from tests.ledgers import START, ledger_in
from tests.unit.cli.running import Command, keep_passphrase, serving

UP = ("up", "--port", "0", "--workers", "0", "--no-small-lm")


def acts(command: Command, *names: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in command("access", "--json").splitlines()]
    return [row for row in rows if row["act"] in names]


def without_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TALLYSTICK_PASSPHRASE_FILE")


def lose(command: Command) -> None:
    """Lose everything but the keys and the last signed checkpoint."""
    for path in (command.home / "data").iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (command.home / "trust.policy").unlink()


def test_a_backup_is_registered_and_holds_its_own_record(made: Command) -> None:
    made("register", "--as", "clinic", "--type", "document", "--field", "text=a letter")
    held = made.json("backup", "saved")["size"]
    [act] = acts(made, "backup.made")
    size = made.json("fsck")["size"]

    assert set(act["details"]) == {"size", "content", "root"}
    assert act["details"]["content"] == 1
    assert act["details"]["size"] <= act["index"]
    assert held == size > act["index"]
    assert "saved" not in json.dumps(act)
    assert not kept_in(made)


def kept_in(command: Command) -> list[Path]:
    return list((command.home / "data" / FOLDER).glob("*"))


def test_a_restore_is_registered_on_the_restored_log_which_is_not_forked(made: Command) -> None:
    """The head store says how far the log had come: the backup reaches there, by its own record."""
    made("backup", "saved")
    before = made.json("fsck")["size"]
    lose(made)

    made("restore", "saved")

    [waiting] = acts(made, "backup.restored")
    assert waiting["index"] is None
    assert made.json("fsck")["size"] == before  # looking at a copy signs nothing
    made("register", "--as", "clinic", "--type", "document", "--field", "text=a letter")
    [restored] = acts(made, "backup.restored")
    assert restored["index"] >= before
    assert restored["details"]["size"] == before
    assert [one["index"] < before for one in acts(made, "backup.made")] == [True]
    made("fsck", "--deep")


def test_a_registration_that_fails_blocks_no_backup_and_is_made_up_once(
    made: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise UnavailableError("no module answers")

    with monkeypatch.context() as broken:
        broken.setattr("tallystick.ledger.Ledger.record_act", fail)
        made("backup", "saved")
        made("backup", "saved")
    assert "could not be registered" in made.words or "not registered yet" in made.words
    assert len(kept_in(made)) in {1, 2}  # both in one second are one
    waiting = acts(made, "backup.made")
    assert [one["index"] for one in waiting] == [None] * len(waiting)

    made("policy", "allow", "model=organisation")
    made("policy", "allow", "model=machine")

    registered = acts(made, "backup.made")
    assert [one["target"] for one in registered] == [one["target"] for one in waiting]
    assert all(one["index"] is not None for one in registered)
    assert not kept_in(made)


def test_without_a_passphrase_nobody_is_asked(
    made: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as alone:
        without_passphrase(alone)
        made("backup", "saved", "--without-content")
        assert "not registered yet" in made.words
        made("rebuild-index")
    assert [one["index"] for one in acts(made, "backup.made", "index.rebuilt")] == [None, None]
    made("rebuild-index")
    assert len(acts(made, "index.rebuilt")) in {1, 2}
    assert not kept_in(made)


def test_a_disk_that_takes_no_note_blocks_no_backup(
    made: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "full")

    monkeypatch.setattr("tallystick.ledger.acts.replace_private", fail)
    made("backup", "saved")
    assert "could not be registered" in made.words


def test_a_backup_beside_a_service_goes_through_it(made: Command) -> None:
    keep_passphrase(made)
    with serving(made.home, *UP):
        made("backup", "saved")
        [act] = acts(made, "backup.made")
    lose(made)
    shutil.rmtree(made.home / "head")  # the service said that it ended: the backup is older
    made("restore", "saved", "--unsafe-alone")
    assert act["index"] is not None
    assert [one["index"] for one in acts(made, "backup.made")] == [act["index"]]


def test_a_service_makes_up_what_waits_and_says_settings_once(made: Command) -> None:
    keep_passphrase(made)
    keep(made_home(made), done(Act.BACKUP_MADE, 1, size=1))
    for _ in range(2):
        with serving(made.home, *UP):
            pass
    assert [one["index"] is None for one in acts(made, "backup.made")] == [False]
    assert acts(made, "settings.changed", "custody.changed") == []

    for arguments in (("--require-key",), ("--require-key",), (), ("--require-key",)):
        with serving(made.home, *UP, *arguments):
            pass
    changes = acts(made, "settings.changed")
    assert [one["details"]["require-key"] for one in changes] == [1, 0, 1]
    assert changes[0]["target"] == changes[2]["target"] != changes[1]["target"]
    assert "127.0.0.1" not in json.dumps(changes)


def made_home(command: Command) -> Any:
    from tallystick.ledger import Home

    return Home(command.home)


def test_the_vaults_place_and_a_migration_are_acts(
    made: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    made("keys", "api", "create", "clinic")
    path = made.home / "data/api-keys.json"
    old = json.loads(path.read_bytes())
    for key in old["keys"]:
        del key["role"]
    path.write_text(json.dumps({**old, "format": 2}))
    made("migrate")
    monkeypatch.setenv("TALLYSTICK_DATA_LOCATION", "CH")
    made("law", "location", "CH", "--reason", "the contract says so")

    [migrated], [located] = acts(made, "migrated"), acts(made, "vault.located")
    assert migrated["details"]["files"] == 1
    assert located["target"].startswith("ch-")
    assert "contract" not in json.dumps(located)


def test_where_keys_lie_is_said_by_scheme_alone(tmp_path: Path) -> None:
    usual = {"operator": "file"}
    with ledger_in(tmp_path) as ledger:
        seen = [
            record_change(ledger, Act.CUSTODY_CHANGED, {"operator": kind}, usual, operator=kind)
            for kind in ("file", "pkcs11", "pkcs11", "file", "file")
        ]

    assert [one is not None for one in seen] == [False, True, False, True, False]


def test_a_service_starts_also_where_nothing_can_be_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise UnavailableError("no module answers")

    monkeypatch.setattr(Ledger, "record_act", fail)
    with ledger_in(tmp_path) as ledger:
        at_start(ledger.home, ledger, Settings(require_key=True))
    assert "administrative acts could not be registered: no module answers" in caplog.text


def test_what_is_kept_is_kept_once_and_damage_hides_nothing_else(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        act = AdminAct(act=Act.MIGRATED, target="7", at=START)
        keep(ledger.home, act)
        keep(ledger.home, act)
        (ledger.home.data / FOLDER / "0.act").write_bytes(os.urandom(40))

        assert kept(ledger.home) == [act]


def test_two_acts_of_one_second_are_two(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        for content in (0, 1):
            keep(ledger.home, done(Act.BACKUP_MADE, "3", content=content))
        first = AdminAct(act=Act.MIGRATED, target="7", at=START)
        for act in (first, dataclasses.replace(first, at=START + 1)):
            keep(ledger.home, act)
        fresh = register_kept(ledger.home, ledger, ledger)

        assert len({one.index for one in fresh}) == 4
        assert kept(ledger.home) == []
        keep(ledger.home, first)
        assert register_kept(ledger.home, ledger, ledger) == []
