"""What is done to the service is a statement, shown by `tally access` and found by search."""

import json
import urllib.error
from typing import Any

import pytest

from tests.unit.cli.running import Command, get, keep_passphrase, post, serving


def acts(made: Command) -> list[dict[str, Any]]:
    return [json.loads(line) for line in made("access", "--json").splitlines()]


def test_a_key_that_is_made_and_revoked_leaves_a_record_of_each(made: Command) -> None:
    words = ("--label", "for Ada's night batch", "--role", "auditor")
    key = made.json("keys", "api", "create", "clinic", *words)
    made("keys", "api", "revoke", key["id"])
    made("keys", "api", "revoke", key["id"])
    [stored] = [json.loads(line) for line in made("keys", "api", "list", "--json").splitlines()]
    done = acts(made)

    assert stored["role"] == "auditor"
    assert [(one["act"], one["target"]) for one in done[:2]] == [
        ("api-key.revoked", key["id"]), ("api-key.made", key["id"]),
    ]  # fmt: skip
    assert [one["act"] for one in done].count("api-key.revoked") == 1
    assert done[1]["details"] == {"role": "auditor"}
    assert done[0]["issuer"].startswith("did:key:")
    assert "key" in {one["act"] for one in done}
    found = made("find", "--type", "access", "--json")
    assert len(found.splitlines()) == 2
    log = b"".join(
        path.read_bytes() for path in made.home.rglob("*")
        if path.is_file() and "tile" in path.parts
    )  # fmt: skip
    assert b"auditor" in log
    assert b"night batch" not in log
    assert key["token"].encode() not in log
    assert f"api-key.made    {key['id']}  role=auditor" in made("access")


def test_a_key_that_cannot_be_recorded_opens_nothing(
    made: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "full")

    monkeypatch.setattr("tallystick.ledger.Ledger.record_act", fail)
    made("keys", "api", "create", "clinic", code=4)

    assert made("keys", "api", "list") == ""


def test_a_further_ledger_is_a_record_in_the_first(made: Command) -> None:
    made("ledgers", "add", "hr")

    newest = acts(made)[0]
    assert (newest["act"], newest["target"]) == ("ledger.added", "hr")


def test_the_first_key_of_a_service_that_demands_one_is_made_and_recorded_beside_it(
    made: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_passphrase(made)
    with serving(made.home, "up", "--port", "0", "--no-small-lm", "--require-key") as where:
        key = made.json("keys", "api", "create", "clinic", "--role", "reader")
        reader = {"Authorization": f"Bearer {key['token']}"}
        with pytest.raises(urllib.error.HTTPError, match="403"):
            post(f"{where['url']}/statements", {}, **reader)
        made("policy", "allow", "model=organisation", code=5)
        monkeypatch.setenv("TALLYSTICK_API_KEY", key["token"])
        made("policy", "allow", "model=organisation", code=5)
        assert "roles that allow it: originator, operator, admin" in made.words
        admin = made.json("keys", "api", "create", "clinic", "--role", "admin")
        monkeypatch.setenv("TALLYSTICK_API_KEY", admin["token"])
        made("policy", "allow", "model=organisation")
        page = get(f"{where['url']}/statements?type=access")

    assert len(page["statements"]) == 3  # the service was started with other settings, too
    assert [one["act"] for one in acts(made)][:2] == ["policy", "api-key.made"]


def test_a_scope_that_leaves_nothing_of_a_role_is_refused(made: Command) -> None:
    made("keys", "api", "create", "clinic", "--role", "reader", "--only", "register", code=2)

    assert "allows nothing" in made.words
    assert made("find", "--type", "access") == ""
