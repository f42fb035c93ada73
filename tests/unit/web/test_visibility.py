"""Content over HTTP goes to whom the policy's class lets have it, and to nobody else."""

import json
from pathlib import Path
from typing import Any

import pytest

from tallystick.capture.roles import Grant, Role
from tallystick.ledger import Submission, read_policy
from tests.ledgers import ALLOW_ORGANISATIONS, Issuer
from tests.unit.web.served import Client, Reply, served

ELSEWHERE = {"x_forwarded_for": "192.0.2.1"}


def ledger_of(client: Client, clinic: Issuer, visibility: str) -> str:
    """Register content under a class; return its path."""
    content = ALLOW_ORGANISATIONS.content()
    classes = {"inference": visibility}
    client.ledger.set_policy(read_policy({**content, "version": 2, "visibility": classes}))
    statement, preimage = clinic.content({"answer": "yes"})
    registered = client.ledger.register_one(Submission(statement.entry, preimage))
    return f"/bundles/{registered.id.hex()}?content=true"


def shown(reply: Reply) -> list[Any]:
    assert reply.status == 200
    members = json.loads(reply.body)["statements"]
    return [one["content"] for one in members if "content" in one]


@pytest.mark.parametrize("show_content", [True, False])
def test_everybody_gets_what_is_public_and_nobody_what_is_sealed(
    tmp_path: Path, *, show_content: bool
) -> None:
    clinic = Issuer()
    with served(tmp_path, clinic, show_content=show_content) as client:
        path = ledger_of(client, clinic, "public")
        assert len(shown(client.get(path, **ELSEWHERE))) == 1

        refused = client.get(ledger_of(client, clinic, "sealed"))
        earlier = client.get(path)

    for reply in (refused, earlier):  # the class that is in force counts, not the one before
        assert (reply.status, reply.json["reason"]) == (403, "content.withheld")
        assert "calls content of inference statements sealed" in reply.json["detail"]


def test_parties_are_who_signed_and_for_whom(tmp_path: Path) -> None:
    clinic, other = Issuer(), Issuer("Clinic South")
    keys = {
        f"of {name}": Grant(Role.ORIGINATOR, originator=one.did)
        for name, one in (("clinic", clinic), ("other", other))
    }
    with served(tmp_path, clinic, other, authorize=keys.__getitem__) as client:
        path = ledger_of(client, clinic, "parties")
        ours = client.get(path, authorization="Bearer of clinic", **ELSEWHERE)
        theirs = client.get(path, authorization="Bearer of other", **ELSEWHERE)
        nobodys = client.get(path)

    assert len(shown(ours)) == 1
    for reply in (theirs, nobodys):
        assert (reply.status, reply.json["reason"]) == (403, "content.caller")


def test_what_a_statement_rests_on_keeps_its_own_class(tmp_path: Path) -> None:
    clinic = Issuer()
    with served(tmp_path, clinic) as client:
        path = ledger_of(client, clinic, "sealed")
        sealed = bytes.fromhex(path[9:73])
        content = ALLOW_ORGANISATIONS.content()
        classes = {"inference": "sealed", "decision": "public"}
        client.ledger.set_policy(read_policy({**content, "version": 2, "visibility": classes}))
        statement, preimage = clinic.content(
            {"outcome": "accept"}, type="decision", links={"decided_on": (sealed,)}
        )
        decision = client.ledger.register_one(Submission(statement.entry, preimage))
        reply = client.get(f"/bundles/{decision.id.hex()}?content=true", **ELSEWHERE)

    [only] = shown(reply)
    assert list(only["shown"]) == ["outcome"]
