"""`tally policy log`, `--private` of a new ledger, and watching a private log with a key."""

import json
import urllib.error
from pathlib import Path

import pytest

from tallystick.cli.app import run
from tests.unit.cli.running import Command, get, keep_passphrase, serving

UP = ("up", "--port", "0", "--workers", "0", "--no-small-lm", "--require-key")


def test_a_log_is_made_private_and_public_by_a_statement(made: Command) -> None:
    registered = made.json("policy", "log", "private")
    again = made.json("policy", "log", "private")
    shown = json.loads(made("policy", "show"))
    made("policy", "allow", "dataset=organisation")
    kept = json.loads(made("policy", "show"))
    made("policy", "log", "public")

    assert again == {"registered": False}
    assert made.json("show", registered["id"])["inline"]["log"] == "private"
    assert (shown["version"], kept["log"]) == (3, "private")
    assert "log" not in json.loads(made("policy", "show"))
    made("policy", "log", "secret", code=2)


def test_a_new_ledger_is_private_from_its_first_entry_on(made: Command) -> None:
    made("ledgers", "add", "hr", "--private")
    entry = made.json("--ledger", "hr", "show", 0)
    [act] = [json.loads(line) for line in made("access", "--json").splitlines()
             if "ledger.added" in line]  # fmt: skip

    assert entry["inline"]["policy"] == {"version": 3, "rules": [], "log": "private"}
    assert act["target"] == entry["id"]
    assert "hr" not in json.dumps(act)


@pytest.fixture
def private(made: Command, tmp_path: Path) -> Command:
    made("ledgers", "add", "hr", "--private", "--allow", "decision=organisation")
    made("--ledger", "hr", "keys", "create", "council", "--kind", "organisation")
    keep_passphrase(made)
    return made


def test_watching_a_private_log_takes_a_key(
    private: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = private("--ledger", "hr", "keys", "api", "create", "council", "--role", "reader")
    elsewhere = Command(tmp_path / "nobody", private.capsys)
    with serving(private.home, *UP) as where:
        url = where["ledgers"]["hr"]
        watch = ("watch", "--url", url, "--since", 0, "--limit", 1)
        elsewhere(*watch, code=2)
        refused = elsewhere.words
        elsewhere(*watch, "--with-key", code=2)
        missing = elsewhere.words
        monkeypatch.setenv("TALLYSTICK_API_KEY", key)
        found = elsewhere.json(*watch, "--with-key")
        elsewhere(*watch, code=2)
        with pytest.raises(urllib.error.HTTPError) as nothing:
            get(f"{url}/healthz")

    assert "there is nothing at" in refused
    assert "TALLYSTICK_API_KEY" in missing
    assert found["type"] == "genesis"
    with nothing.value:
        assert nothing.value.code == 404


def test_beside_a_service_that_asks_for_a_key_the_files_are_read(private: Command) -> None:
    with serving(private.home, *UP):
        assert run(["--home", str(private.home), "--ledger", "hr", "--json", "watch",
                    "--since", "0", "--limit", "2"]) == 0  # fmt: skip
        lines = private.capsys.readouterr().out.splitlines()

    assert [json.loads(line)["index"] for line in lines] == [0, 1]
