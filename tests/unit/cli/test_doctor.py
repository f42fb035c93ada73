"""`tally doctor`: each thing that can be amiss is named, and nothing is changed or raised."""

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tallystick.capture.spool import SEGMENT_BYTES, Spool
from tallystick.capture.waiting import waiting
from tallystick.cli.checks import machine, running, stored
from tallystick.cli.checks.finding import Finding, State, findings, problem
from tallystick.errors import DamagedError
from tallystick.ledger import Home
from tallystick.log import PosixDisk, WriterLock
from tests.ledgers import PASSPHRASE, Issuer, ledger_in
from tests.unit.cli.running import Command, keep_passphrase, serving

NAMES = {
    "python", "libraries", "libsodium", "settings", "ledger", "disk", "fsync", "home", "data",
    "head", "owner", "service.key", "issuers.key", "passphrase", "keys", "log", "head store",
    "journal", "index", "vault", "spool", "api keys", "usage", "clock", "service", "backup",
    "webhooks", "appeals", "keeper",
}  # fmt: skip


UNSURE = {"backup", "libsodium", "fsync", "disk"}
"""May be a warning on the machine that tests: a slow disk, or one in memory."""


def found(command: Command, code: int = 0) -> dict[str, dict[str, Any]]:
    checks = command.json("doctor", code=code)["checks"]
    return {one["name"]: one for one in checks}


def files(folder: Path) -> dict[str, bytes]:
    """Return all files but those that SQLite makes beside a database to read it."""
    beside = ("-shm", "-wal")
    there = (p for p in sorted(folder.rglob("*")) if p.is_file() and not p.name.endswith(beside))
    return {str(p): p.read_bytes() for p in there}


def look(command: Command) -> stored.Stored:
    return stored.Stored(Home(command.home), None, Path(os.environ["TALLYSTICK_PASSPHRASE_FILE"]))


def one(checks: Any) -> Finding:
    [only] = checks
    assert isinstance(only, Finding)
    return only


def test_a_fresh_ledger_is_well_but_for_the_backup(made: Command) -> None:
    seen = found(made)

    assert seen.keys() == NAMES
    assert {name for name, one in seen.items() if one["state"] != "ok"} <= UNSURE
    assert seen["backup"]["mend"] == "tally backup FOLDER"
    assert "problems" in made.words


def test_nothing_is_changed(made: Command) -> None:
    before = files(made.home)

    made("doctor")

    assert files(made.home) == before


def test_a_backup_is_remembered_and_gets_old(
    made: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made("backup", tmp_path / "copy")
    fresh = found(made)["backup"]
    now = time.time() + 8 * 86_400
    monkeypatch.setattr(time, "time", lambda: now)
    old = found(made)["backup"]
    (made.home / "data" / "last-backup.json").write_text("{")
    damaged = found(made, code=1)["backup"]

    assert fresh["state"] == "ok"
    assert f"to {tmp_path}/copy, " in fresh["seen"]
    assert fresh["seen"].endswith(" seconds ago")
    assert (old["state"], old["mend"]) == ("warning", f"tally backup {tmp_path}/copy")
    assert "is damaged" in damaged["seen"]


def test_a_folder_without_a_ledger_says_how_to_make_one(bare: Command) -> None:
    seen = found(bare, code=1)

    assert seen["ledger"]["mend"] == "make one with `tally init`"
    assert not bare.home.exists()


def test_beside_a_running_service_it_names_that(made: Command) -> None:
    keep_passphrase(made)
    with serving(made.home, "up", "--port", "0", "--workers", "0") as where:
        seen = found(made)

    assert f"at {where['url']}, version " in seen["service"]["seen"]
    assert seen["service"]["seen"].endswith("is ready")
    assert "is writing to it" in seen["journal"]["seen"]
    assert seen["keeper"]["state"] == "ok"
    assert "sweep" in seen["keeper"]["seen"]


def test_content_whose_time_is_over_while_nothing_runs_is_told(
    made: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    made("register", "--as", "clinic", "--type", "document", "--field", "text=a letter")
    nothing = found(made)["keeper"]
    made("retention", "set", "document", "--most", "1d")
    soon = found(made)["keeper"]
    now = time.time() + 3 * 86_400
    monkeypatch.setattr(time, "time", lambda: now)
    later = found(made)["keeper"]
    monkeypatch.delenv("TALLYSTICK_PASSPHRASE_FILE")
    closed = found(made)["keeper"]

    assert (nothing["state"], soon["state"]) == ("ok", "ok")
    assert "nothing is to be erased by time" in nothing["seen"]
    assert (later["state"], later["mend"]) == (
        "warning",
        "start the service, or run `tally retention run`",
    )
    assert "the time of 1 contents or more is over" in later["seen"]
    assert "no file holds the passphrase" in closed["seen"]


def test_an_address_that_a_killed_service_left_is_told(made: Command) -> None:
    (made.home / "data" / "service").write_text("http://127.0.0.1:9\n")

    assert "left behind" in found(made)["service"]["seen"]


def test_another_ledgers_service_at_our_address_is_told(made: Command, tmp_path: Path) -> None:
    new = ("up", "--port", "0", "--workers", "0", "--generate-passphrase")
    with serving(tmp_path / "other", *new) as where:
        (made.home / "data" / "service").write_text(where["url"] + "\n")
        lock = WriterLock(Home(made.home).lock)
        seen = found(made, code=1)["service"]
        lock.release()

    assert "serves another ledger than" in seen["seen"]
    assert "one port for each service" in seen["expected"]


def test_a_service_that_does_not_answer_is_told(made: Command) -> None:
    (made.home / "data" / "service").write_text("http://127.0.0.1:9\n")
    lock = WriterLock(Home(made.home).lock)
    seen = found(made, code=1)["service"]
    (made.home / "data" / "service").unlink()
    silent = found(made)["service"]
    lock.release()

    assert f"process {os.getpid()} at http://127.0.0.1:9 does not answer" in seen["seen"]
    assert "serves nothing" in silent["seen"]


def test_a_wrong_passphrase_and_rights_that_are_too_wide_are_told(
    made: Command, tmp_path: Path
) -> None:
    (tmp_path / "passphrase").write_text("another\n")
    (tmp_path / "passphrase").chmod(0o644)
    seen = found(made, code=1)

    assert "does not open" in seen["keys"]["seen"]
    assert seen["keys"]["mend"] == f"the passphrase came from {tmp_path}/passphrase"
    assert seen["passphrase"]["mend"] == f"chmod 600 {tmp_path}/passphrase"


def test_without_a_passphrase_nobody_is_asked(
    made: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TALLYSTICK_PASSPHRASE_FILE")
    seen = found(made)

    assert seen["keys"]["state"] == seen["vault"]["state"] == "warning"
    assert "TALLYSTICK_PASSPHRASE_FILE" in seen["keys"]["mend"]


def test_without_its_keys_nobody_can_write(made: Command) -> None:
    (made.home / "keys" / "service.key").unlink()

    assert "nobody can write" in found(made, code=1)["keys"]["seen"]


BREAK = {
    "log": ("data/log/checkpoint", b"half"),
    "head store": ("head/checkpoint", b"\x01" * 8192),
    "index": ("data/index/index.sqlite", b"no database, but long enough to be looked at" * 99),
    "vault": ("data/vault/vault.sqlite", b"no database, but long enough to be looked at" * 99),
    "journal": ("data/journal/0", b"cut off"),
    "spool": ("data/spool/registered.json", b"{"),
    "api keys": ("data/api-keys.json", b"{"),
    "webhooks": ("data/webhooks.json", b"{"),
    "usage": ("data/usage.sqlite", b"no database, but long enough to be looked at" * 99),
    "ledger": ("data/ledger.json", b"{"),
    "settings": ("tallystick.toml", b"port ="),
}


@pytest.mark.parametrize("name", BREAK)
def test_what_is_broken_is_named_and_the_rest_is_looked_at(made: Command, name: str) -> None:
    path, data = BREAK[name]
    (made.home / path).parent.mkdir(parents=True, exist_ok=True)
    (made.home / path).write_bytes(data)
    seen = found(made, code=1)

    assert seen[name]["state"] == "problem", seen
    others = {n for n, one in seen.items() if one["state"] == "problem"} - {name}
    assert others <= ({"journal"} if name == "head store" else set()), others
    assert len(seen) >= (5 if name == "ledger" else len(NAMES) - 4)


def test_an_index_that_is_beyond_the_log_or_far_behind_is_rebuilt(
    made: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = Home(made.home).places()
    files = [places.head, places.public / "checkpoint"]
    before = [path.read_bytes() for path in files]
    size = look(made).snapshot.checkpoint.size
    made("keys", "create", "ada", "--kind", "person")
    made("rebuild-index")
    monkeypatch.setattr(stored, "BEHIND_MAX", -1)

    behind = one(look(made).check_index())
    for path, data in zip(files, before, strict=True):  # as an old copy would be
        path.write_bytes(data)
    beyond = one(look(made).check_index())

    assert (beyond.state, beyond.mend) == (State.PROBLEM, "tally rebuild-index")
    assert f"of {size} entries" in beyond.seen
    assert (behind.state, behind.mend) == (State.WARNING, "tally rebuild-index")


def test_a_clock_that_jumped_back_is_told(made: Command) -> None:
    made("keys", "create", "ada", "--kind", "person")
    now = int(time.time())
    ledger = look(made)

    assert one(running.clock(ledger, now)).state is State.OK
    assert one(running.clock(ledger, now - 30)).state is State.OK
    told = one(running.clock(ledger, now - 3600))
    assert told.state is State.PROBLEM
    assert "s behind the ledger's newest heartbeat" in told.seen


def test_a_disk_that_is_full_slow_shared_or_lost_at_the_end_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = shutil.disk_usage(tmp_path).free

    assert one(machine.disk(tmp_path, 0)).state in {State.OK, State.WARNING}
    assert one(machine.disk(tmp_path, free * 2)).mend.startswith("make room")
    mounts = tmp_path / "mounts"
    monkeypatch.setattr(machine, "_MOUNTS", mounts)
    assert "unknown" in one(machine.disk(tmp_path, 0)).seen
    for kind, words in (("nfs4", "a local file system"), ("tmpfs", "a file system on disk")):
        mounts.write_text(f"none / ext4 rw 0 0\nhost:/x {tmp_path.resolve()} {kind} rw 0 0\n")
        assert words in one(machine.disk(tmp_path, 0)).expected
    monkeypatch.setattr(machine, "FSYNC_SECONDS_MAX", 0)
    assert one(machine.sync_time(tmp_path)).state is State.WARNING
    assert list(tmp_path.iterdir()) == [mounts]


def test_statements_that_wait_while_nothing_runs_are_told(tmp_path: Path) -> None:
    gateway = Issuer()
    with ledger_in(tmp_path, gateway):
        pass
    home = Home(tmp_path)
    spool = Spool(PosixDisk(), home.spool, os.urandom)
    for _ in range(3):
        spool.write(spool.take(gateway.sign(), None))
    spool.sync()
    spool.close()
    phrase = tmp_path / "phrase"
    phrase.write_bytes(PASSPHRASE)

    told = one(stored.Stored(home, None, phrase).check_spool())

    assert told.state is State.WARNING
    assert "3 statements beyond its mark, 3 calls without outcome" in told.seen
    assert waiting(home.spool).items == 3


def test_a_spool_that_was_cut_off_is_damaged_and_left_so(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    journal.mkdir()
    (journal / "0").write_bytes(b"cut off")

    with pytest.raises(DamagedError, match=f"does not have {SEGMENT_BYTES} bytes"):
        waiting(tmp_path)
    assert (journal / "0").read_bytes() == b"cut off"


def test_a_check_that_breaks_off_is_a_finding() -> None:
    def breaks() -> list[Finding]:
        raise RuntimeError("of some kind")

    [told] = findings([("thing", breaks)])

    assert told == problem("thing", "could not be looked at: RuntimeError: of some kind")


def test_it_is_one_screen(made: Command) -> None:
    lines = made("doctor").splitlines()

    assert len(lines) <= 40
    assert json.loads(made("doctor", "--json"))["state"] in {"ok", "warning"}
