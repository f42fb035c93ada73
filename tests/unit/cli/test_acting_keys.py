"""`tally keys api create --acting-for`: by whom, for whom, and what is refused."""

import csv
import io
import json
from typing import Any

import pytest

from tests.unit.cli.running import Command

FOREVER = ("--until", "2099-01-01")


@pytest.fixture
def office(bare: Command) -> Command:
    """A ledger with a person and two agents."""
    bare("init", "--allow", "delegation=person", "--allow", "delegation=ai")
    bare("keys", "create", "ada", "--kind", "person")
    for name in ("agent", "helper"):
        bare("keys", "create", name, "--kind", "ai", "--public-name", name)
    return bare


def keys(office: Command) -> list[dict[str, Any]]:
    return [json.loads(line) for line in office("keys", "api", "list", "--json").splitlines()]


def test_a_key_acts_under_a_delegation_by_its_id_or_its_principal(office: Command) -> None:
    grant = office("delegate", "agent", "--as", "ada", "--types", "inference", *FOREVER)
    by_id = office.json("keys", "api", "create", "agent", "--acting-for", grant)
    assert "acting for did:key:" in office.words
    principal = by_id["principal"]
    by_did = office.json("keys", "api", "create", "agent", "--acting-for", principal)

    for key in (by_id, by_did):
        assert (key["delegation"], key["principal"]) == (grant, principal)
        assert key["issuer"] != principal
    assert {(one["principal"], one["only"]) for one in keys(office)} == {(principal, "gateway")}
    assert f"acting for {principal}" in office("keys", "api", "list")
    shown = office.json("show", grant)
    assert shown["issuer"] == principal


def test_what_does_not_let_an_agent_act_makes_no_key(office: Command) -> None:
    action = office("delegate", "agent", "--as", "ada", "--types", "action", *FOREVER)
    ended = office("delegate", "agent", "--as", "ada", "--types", "inference", *FOREVER)
    office("delegations", "revoke", ended, "--as", "ada")

    def refused(agent: str, named: str, code: int, *more: str) -> str:
        office("keys", "api", "create", agent, "--acting-for", named, *more, code=code)
        return office.words

    assert "it is for action, and this is inference" in refused("agent", action, 5)
    assert "was revoked at index" in refused("agent", ended, 5)
    assert "signed" in refused("helper", action, 5)
    principal = office.json("show", action)["issuer"]
    assert "was revoked" in refused("agent", principal, 2)
    assert "tally delegate" in office.words
    assert "no delegation lets" in refused("helper", principal, 2)
    key = office.json("find", "--type", "key", "--limit", "1")["id"]
    assert "is no delegation" in refused("agent", key, 2)
    assert "calls models only" in refused("agent", action, 2, "--only", "register")
    assert "is not a DID" in refused("agent", "did:", 2) or "DID" in office.words
    assert keys(office) == []


def test_found_and_watched_statements_say_how_their_originator_is_known(office: Command) -> None:
    office("policy", "allow", "action=ai")
    grant = office("delegate", "agent", "--as", "ada", "--types", "action", *FOREVER)
    fields = ("--field", "tool==1+1")
    act = ("register", "--as", "agent", "--type", "action", "--acting-for", grant, *fields)
    acted = office(*act, "--subject", "=HYPERLINK(1)")
    principal = office.json("show", grant)["issuer"]

    [found] = map(json.loads, office("find", "--type", "action", "--json").splitlines())
    assert (found["known_by"], found["principal"]) == ("key", principal)
    assert found["agent"] == found["issuer"] != principal
    assert office("find", "--type", "action").endswith("  key")
    [row] = csv.DictReader(io.StringIO(office("find", "--type", "action", "--csv")))
    assert (row["id"], row["known_by"], row["principal"]) == (acted, "key", principal)
    assert row["subject"] == "'=HYPERLINK(1)"
    office("find", "--csv", "--json", code=2)
    assert "either --csv or --json" in office.words
    [seen] = map(
        json.loads,
        office("watch", "--since", found["index"], "--limit", "1", "--json").splitlines(),
    )
    assert (seen["known_by"], seen["principal"]) == ("key", principal)
