"""`tally search` and `tally webhooks`: saved, added, tried, told, removed."""

import json
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from tests.unit.cli.running import Command, keep_passphrase, serving
from tests.unit.webhooks.targets import target, until

NOWHERE = "https://hooks.example.org/x"


@pytest.fixture
def clinic(made: Command) -> str:
    did: str = made.json("keys", "create", "lab", "--kind", "organisation")["issuer"]
    return did


def indices(text: str) -> list[int]:
    return [json.loads(line)["index"] for line in text.splitlines()]


def test_searches_are_saved_listed_shown_used_and_removed(made: Command, clinic: str) -> None:
    made("search", "save", "mine", "--in-name-of", clinic)
    assert "find --saved mine" in made.words
    made("search", "save", "keys", "--type", "key")

    assert made.json("search", "show", "mine") == {"name": "mine", "in_name_of": clinic}
    assert made("search", "list").splitlines()[0] == f"{'keys':<20} --type key"
    mine = indices(made("find", "--saved", "mine", "--json"))
    assert mine == indices(made("find", "--in-name-of", clinic, "--json"))
    assert mine == indices(made("find", "--saved", "mine", "--type", "key", "--json"))
    assert len(mine) == 1
    watched = made("watch", "--saved", "mine", "--since", 0, "--limit", 1, "--json")
    assert indices(watched) == mine
    made("search", "remove", "mine")
    made("search", "show", "mine", code=2)
    assert "search list" in made.words


def test_searches_that_say_nothing_or_contradict_are_refused(made: Command) -> None:
    made("search", "save", "all", code=2)
    made("search", "save", "keys", "--type", "key")
    made("find", "--saved", "keys", "--type", "policy", code=2)
    assert "another type" in made.words
    made("find", "--saved", "nothing", code=2)
    made("search", "save", "Keys", "--type", "key", code=2)


def test_a_webhook_is_added_paused_rotated_and_removed(made: Command, clinic: str) -> None:
    made("search", "save", "mine", "--in-name-of", clinic)
    added = made.json("webhooks", "add", "a", "--url", NOWHERE, "--saved", "mine")

    assert added["secret"].startswith("whsec_")
    assert added["filters"] == {"in_name_of": clinic}
    assert added["secret"] not in made("webhooks", "list", "--json")
    assert added["secret"].removeprefix("whsec_") not in _everything(made.home / "data")
    [known] = [json.loads(made("webhooks", "list", "--json"))]
    assert known == {name: value for name, value in added.items() if name != "secret"}
    assert known["state"] == "delivering"
    assert made.json("webhooks", "pause", "a")["state"] == "paused"
    assert made.json("webhooks", "resume", "a")["state"] == "delivering"
    assert made.json("webhooks", "rotate", "a")["secret"] != added["secret"]
    assert NOWHERE in made("webhooks", "list")
    made("webhooks", "remove", "a")
    assert made("webhooks", "list") == ""


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [("http://hooks.example.org/", 5, "https"), ("https://10.0.0.1/", 5, "inside"),
     ("https://[::1]/", 5, "inside"), ("ftp://example.org/", 2, "URL"),
     ("https://169.254.169.254/latest", 5, "webhook_networks")],
)  # fmt: skip
def test_where_a_webhook_may_not_go_is_said_at_once(
    made: Command, url: str, code: int, words: str
) -> None:
    made("webhooks", "add", "a", "--url", url, code=code)

    assert words in made.words
    assert made("webhooks", "list") == ""


def test_beyond_the_log_nothing_begins(made: Command) -> None:
    made("webhooks", "add", "a", "--url", NOWHERE, "--since", 999, code=2)
    made("webhooks", "test", "a", code=2)


def test_a_target_is_tried_and_then_told_by_the_service(
    made: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_passphrase(made)
    (made.home / "tallystick.toml").write_text("webhook_loopback = true\nport = 0\n")
    with target() as one:
        added: dict[str, Any] = made.json("webhooks", "add", "a", "--url", one.url, "--since", 0)
        assert made("webhooks", "test", "a") == "delivered"
        assert one.taken[0].json["type"] == "webhook.test"
        with serving(made.home, "up", "--no-small-lm", "--workers", "0"):
            until(lambda: 0 in one.indices)
            until(lambda: made.json("webhooks", "list")["delivered_at"])
        one.always = 500, {}
        made("webhooks", "test", "a", code=4)
        assert "answered 500" in made.words

    verifier = Webhook(added["secret"])
    for got in one.got:
        verifier.verify(got.body, got.headers)


def test_networks_that_are_none_are_said_before_the_service_starts(bare: Command) -> None:
    bare.home.mkdir()
    (bare.home / "tallystick.toml").write_text('webhook_networks = "10.0.0.1/8"\n')
    bare("up", code=2)
    assert "webhook_networks" in bare.words
    assert "webhook_networks" in bare("config", "check", code=1)
    assert not (bare.home / "keys").exists()
    (bare.home / "tallystick.toml").write_text('webhook_networks = "10.0.0.0/8"\n')
    checks = bare.json("config", "check", "--port", 0)["checks"]
    assert any(one["name"] == "webhook networks" and one["seen"] == "10.0.0.0/8" for one in checks)


def test_the_doctor_names_a_webhook_that_fails(made: Command) -> None:
    keep_passphrase(made)
    with target() as one:
        one.always = 500, {}
        (made.home / "tallystick.toml").write_text("webhook_loopback = true\nport = 0\n")
        made("webhooks", "add", "a", "--url", one.url, "--since", 0)
        with serving(made.home, "up", "--no-small-lm", "--workers", "0"):
            until(lambda: made.json("webhooks", "list")["state"] == "failing")
    checks = made.json("doctor")["checks"]
    [seen] = [one for one in checks if one["name"] == "webhooks"]

    assert seen["state"] == "warning"
    assert "a: the target answered 500" in seen["seen"]


def _everything(folder: Path) -> str:
    files = [path for path in folder.rglob("*.json") if path.is_file()]
    return "".join(path.read_text() for path in files)
