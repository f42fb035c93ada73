"""`tally ledgers`, `tally --ledger`: further ledgers, made, listed, served and worked on."""

import json
import urllib.error
from pathlib import Path

import pytest

from tests.unit.cli.running import Command, get, keep_passphrase, post, serving

DECISION = ("register", "--as", "works-council", "--type", "decision", "--field", "outcome=accept",
            "--field", "reason=agreed", "--field", "shown=a draft")  # fmt: skip
UP = ("up", "--port", "0", "--workers", "0", "--no-small-lm")


@pytest.fixture
def two(made: Command) -> Command:
    """A ledger and, beside it, `hr`, in which an organisation may register decisions."""
    made("ledgers", "add", "hr", "--allow", "decision=organisation")
    made("--ledger", "hr", "keys", "create", "works-council", "--kind", "organisation")
    return made


def test_a_further_ledger_has_keys_policy_and_folder_of_its_own(two: Command) -> None:
    [row] = [json.loads(line) for line in two("ledgers", "list", "--json").splitlines()]
    first = two.json("--ledger", "hr", "config", "show")["settings"]["home"]["value"]

    assert row["origin"] == "localhost/hr"
    assert (row["home"], row["url"]) == (first, None)
    assert row["size"] > 1
    assert first == str(two.home / "ledgers" / "hr")
    two(*DECISION, code=2)
    two("--ledger", "hr", *DECISION)


def test_one_service_opens_all_and_commands_go_through_it(two: Command) -> None:
    keep_passphrase(two)
    with serving(two.home, *UP) as where:
        url = where["ledgers"]["hr"]
        two("--ledger", "hr", *DECISION)
        found = get(f"{url}/statements?type=decision")["statements"]
        elsewhere = get(f"{where['url']}/statements?type=decision")["statements"]
        listed = two("ledgers", "list")

    assert url == f"{where['url']}/ledgers/hr"
    assert (len(found), elsewhere) == (1, [])
    assert url in listed
    assert not (two.home / "ledgers/hr/data/service").exists()


def test_a_damaged_ledger_leaves_the_others_alone(two: Command) -> None:
    keep_passphrase(two)
    two("ledgers", "add", "fleet")
    (two.home / "ledgers/fleet/keys/service.key").write_bytes(b"{}")

    with serving(two.home, *UP) as where:
        assert get(f"{where['ledgers']['hr']}/healthz")["status"] == "alive"
        assert "fleet" not in where["ledgers"]
        with pytest.raises(urllib.error.HTTPError) as away:
            get(f"{where['url']}/ledgers/fleet/healthz")
        away.value.close()
        assert away.value.code == 503

    assert "the ledger fleet is not served" in where["words"]


def test_passphrases_of_further_ledgers(
    bare: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its own file beside the first one's, else the one in its folder, else the first one's."""
    bare("init")
    bare("ledgers", "add", "same")
    bare("ledgers", "add", "kept", "--generate-passphrase")
    (tmp_path / "passphrase.own").write_text("another horse\n")
    bare("ledgers", "add", "own")
    monkeypatch.delenv("TALLYSTICK_PASSPHRASE_FILE")

    for name, phrase in {
        "same": "correct horse", "own": "another horse",
        "kept": (bare.home / "ledgers/kept/passphrase").read_text(),
    }.items():  # fmt: skip
        file = tmp_path / f"only-{name}"
        file.write_text(phrase)
        monkeypatch.setenv("TALLYSTICK_PASSPHRASE_FILE", str(file))
        bare("--home", bare.home / "ledgers" / name, "keys", "list")
        if name != "kept":
            bare("--home", bare.home / "ledgers" / name, "keys", "create", "k", "--kind", "machine")


def test_a_gateway_records_into_its_own_ledger(two: Command) -> None:
    keep_passphrase(two)
    body = {"model": "small-lm", "messages": [{"role": "user", "content": "a"}], "max_tokens": 2}

    with serving(two.home, "up", "--port", "0", "--workers", "0") as where:
        _, headers = post(f"{where['ledgers']['hr']}/v1/chat/completions", body)
        post(f"{where['url']}/v1/chat/completions", body)
        outcome = headers["x-tallystick-outcome"]

    shown = two.json("--ledger", "hr", "show", outcome)
    two("show", outcome, code=2)
    assert shown["id"] == outcome


@pytest.mark.parametrize("name", ["HR", "a/b", "..", "-a", "a" * 64, ""])
def test_a_name_that_cannot_stand_in_an_address_is_refused(made: Command, name: str) -> None:
    made("ledgers", "add", "--", name, code=2)

    assert "a ledger's name has" in made.words


def test_further_ledgers_have_none_beside_them(two: Command) -> None:
    for arguments in (("ledgers", "list"), ("ledgers", "add", "x"), ("up",)):
        two("--ledger", "hr", *arguments, code=2)
    two("ledgers", "add", "hr", code=4)

    assert "there is a ledger" in two.words


def test_a_folder_that_is_no_ledger_is_said_to_be_none(two: Command) -> None:
    (two.home / "ledgers/half").mkdir()
    two("--ledger", "half", "find", code=2)

    assert "no ledger in" in two.words
    assert "half" not in two("ledgers", "list")
