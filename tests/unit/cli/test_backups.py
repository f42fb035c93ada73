"""`tally backup` and `tally restore --verify`: what is copied, what is tried, what is kept."""

import json
import shutil
from pathlib import Path

import pytest

from tallystick.capture import ApiKeys
from tallystick.ledger import Home, Ledger
from tests.ledgers import PASSPHRASE
from tests.passkeys import Authenticator, enrolled
from tests.unit.cli.running import Command


def content(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def kept(made: Command) -> Command:
    """A ledger with content, an API key and a search, backed up to `saved`."""
    made("register", "--as", "clinic", "--type", "document", "--field", "text=a letter")
    made("keys", "api", "create", "clinic")
    made("search", "save", "documents", "--type", "document")
    made("backup", "saved")
    return made


def lose_data(command: Command) -> None:
    shutil.rmtree(command.home / "data")


def test_without_trust_policy_the_file_is_named_and_how_to_get_it_back(kept: Command) -> None:
    (kept.home / "trust.policy").unlink()

    kept("backup", "other", code=1)

    assert "trust.policy is missing" in kept.words
    assert "tally policy trust >" in kept.words
    assert "make room" not in kept.words
    trust = kept("policy", "trust")
    (kept.home / "trust.policy").write_text(trust + "\n")
    kept("backup", "other")


def test_api_keys_and_searches_come_back(kept: Command) -> None:
    keys, searches = (kept(*words) for words in (("keys", "api", "list"), ("search", "list")))
    assert (Path("saved/data/api-keys.json").stat().st_mode & 0o777) == 0o600
    lose_data(kept)

    kept("restore", "saved", "--unsafe-alone")

    assert "revoke again" in kept.words
    assert kept("keys", "api", "list") == keys
    assert kept("search", "list") == searches


def test_what_people_were_asked_is_in_no_backup_and_the_restore_says_so(kept: Command) -> None:
    person = kept("keys", "create", "ada", "--kind", "person").split()[-1]
    with Ledger.open(Home(kept.home), PASSPHRASE) as ledger:
        enrolled(ledger, person, Authenticator())
    kept("passkeys", "invite", "ada")
    kept("approvals", "ask", "--of", "ada", "--action", "release", "--field", "word=tumour")
    kept("backup", "saved")
    lose_data(kept)

    kept("restore", "saved", "--unsafe-alone")

    assert "questions and invitations that waited are in no backup" in kept.words
    assert not list(Path("saved").rglob("asked.sqlite*"))
    assert not (kept.home / "data/asked.sqlite").exists()


def test_a_newer_file_stays_so_that_a_revoked_key_stays_revoked(kept: Command) -> None:
    [key] = json.loads((kept.home / "data/api-keys.json").read_bytes())["keys"]
    newer = kept.home / "data/api-keys.json"
    # As where the passphrase was not at hand: revoked, not recorded, so that the log is no longer.
    ApiKeys(newer, b"").revoke(key["id"], now=1_790_000_000)
    saved = newer.rename(kept.home / "kept.json")
    lose_data(kept)
    newer.parent.mkdir()
    saved.rename(newer)

    kept("restore", "saved", "--unsafe-alone")

    assert "data/api-keys.json was left as it is" in kept.words
    assert "revoked" in kept("keys", "api", "list")


def test_a_damaged_file_replaces_no_good_copy(kept: Command) -> None:
    good = Path("saved/data/api-keys.json").read_bytes()
    (kept.home / "data/api-keys.json").write_bytes(b"{")

    kept("backup", "saved", code=1)

    assert "api-keys.json is damaged" in kept.words
    assert Path("saved/data/api-keys.json").read_bytes() == good


def test_a_whole_backup_verifies_beside_its_ledger_and_without_it(kept: Command) -> None:
    before = content(Path("saved"))
    found = kept.json("restore", "saved", "--verify")
    assert found["opened"] == 1
    kept("register", "--as", "clinic", "--type", "document", "--field", "text=another")
    kept("restore", "saved", "--verify")
    assert "entries more" in kept.words

    shutil.rmtree(kept.home)
    kept("restore", "saved", "--verify", code=3)
    assert "nobody says" in kept.words
    kept("restore", "saved", "--verify", "--unsafe-alone")
    assert "content was not opened" in kept.words
    assert not kept.home.exists()
    assert content(Path("saved")) == before


def test_a_backup_that_would_fork_the_log_does_not_verify(kept: Command) -> None:
    kept("register", "--as", "clinic", "--type", "document", "--field", "text=another")
    lose_data(kept)

    kept("restore", "saved", "--verify", code=1)

    assert "would fork the log" in kept.words
    assert not (kept.home / "data").exists()


@pytest.mark.parametrize("name", ["log/checkpoint", "vault/vault.sqlite", "api-keys.json"])
def test_a_damaged_backup_does_not_verify(kept: Command, name: str) -> None:
    path = Path("saved/data") / name
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])

    kept("restore", "saved", "--verify", code=1)
