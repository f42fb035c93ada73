"""What somebody says through the client: for whom, about whom; the ledger decides."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tallystick.client import recording
from tallystick.errors import InputError, RefusedError
from tallystick.evidence import sign_fields
from tallystick.ledger import RegistrationPolicy, Rule, Submission
from tallystick.statement.delegation import Delegation, Revocation, revocation_subject
from tallystick.statement.governance import IssuerKind
from tallystick.vault import About
from tests.ledgers import START, Issuer, ledger_in
from tests.unit.client.speaking import Speaker
from tests.unit.web.served import Client, serving

FIELDS = {"tool": "order", "item": "gloves"}


@dataclass
class Ward:
    client: Client
    person: Issuer
    agent: Issuer
    helper: Issuer
    grant: bytes = b""

    def say(self, payload: bytes, **changes: Any) -> bytes:
        members = {"type": "delegation", "hashed": False, "content_type": "application/cbor"}
        said = self.person.sign(payload, **members, **changes)
        return self.client.ledger.register_one(Submission(said.entry)).id


@pytest.fixture
def ward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    monkeypatch.setattr(recording, "time", SimpleNamespace(time=lambda: START))
    policy = RegistrationPolicy((Rule(frozenset("*"), kinds=frozenset(IssuerKind)),))
    person, agent, helper = Issuer("p", IssuerKind.PERSON), Issuer("a", IssuerKind.AI), Issuer("h")
    opened = ledger_in(tmp_path, person, agent, helper, policy=policy)
    with opened as ledger, serving(ledger) as client:
        made = Ward(client, person, agent, helper)
        said = Delegation(
            principal=made.person.did, agent=made.agent.did, types=frozenset({"action"}),
            not_after=START + 1000,
        )  # fmt: skip
        made.grant = made.say(said.encode())
        yield made


def test_an_agent_records_for_its_principal_and_about_somebody(
    ward: Ward, speaker: Speaker
) -> None:
    ledger, terms = ward.client.ledger, {"acting_for": ward.grant.hex(), "about": "case-4711"}
    terms |= {"purpose": "care", "subject": "urn:example:7", "model": "ab" * 32}

    done = speaker.say(
        ward.client.url, "record", ward.agent.signer, "action", FIELDS, receipt=True, **terms
    )

    header = ledger.get(done.id).statement.header
    assert done.receipt is not None
    assert header.links == {"acted_for": (ward.grant,)}
    assert (header.subject, header.model) == ("urn:example:7", b"\xab" * 32)
    assert ledger.vault.get(done.id).values() == FIELDS
    assert b"4711" not in ledger.get(done.id).statement.entry
    assert set(ledger.vault.about("case-4711", "care")) == {done.id}
    shown = ward.client.get(f"/statements/{done.id.hex()}").json["originator"]
    assert (shown["principal"], shown["agent"]) == (ward.person.did, ward.agent.did)
    assert shown["delegation"] == ward.grant.hex()


def test_the_ledger_refuses_what_no_delegation_allows(ward: Ward, speaker: Speaker) -> None:
    def refused(signer: Any, type_: str, grant: bytes = ward.grant) -> str | None:
        with pytest.raises(RefusedError) as error:
            speaker.say(ward.client.url, "record", signer, type_, FIELDS, acting_for=grant)
        return error.value.reason

    assert refused(ward.helper.signer, "action") == "delegation.not-yours"
    assert refused(ward.agent.signer, "document") == "delegation.type"
    payload, subject = Revocation(ward.grant).encode(), revocation_subject(ward.grant)
    ward.say(payload, subject=subject)
    assert refused(ward.agent.signer, "action") == "delegation.revoked"


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"acting_for": "did:key:z6Mk"}, "an id must be 32 bytes"),
        ({"about": " "}, "`about` is empty"),
        ({"purpose": "care"}, "a purpose needs `about`"),
        ({"model": "x"}, "model must be 32 bytes"),
        ({"whom": "x"}, "a record has no 'whom'"),
    ],
)
def test_terms_that_cannot_be_are_refused_before_anything_is_sent(
    ward: Ward, speaker: Speaker, terms: dict[str, str], words: str
) -> None:
    size = ward.client.ledger.snapshot.checkpoint.size
    with pytest.raises(InputError, match=words):
        speaker.say(ward.client.url, "record", ward.agent.signer, "action", FIELDS, **terms)

    assert ward.client.ledger.snapshot.checkpoint.size == size


def test_fields_that_are_signed_in_process_name_the_delegation_too(ward: Ward) -> None:
    ledger, other = ward.client.ledger, ward.client.ledger.at(1).statement.id
    said = sign_fields(
        ward.agent.signer, "action", FIELDS, issued_at=START, acting_for=ward.grant,
        about=About("case-4711"), links={"used": (other,)},
    )  # fmt: skip
    done = ledger.register_one(said)

    assert ledger.get(done.id).statement.header.links["acted_for"] == (ward.grant,)
    assert set(ledger.vault.about("case-4711")) == {done.id}
    assert not ledger.vault.about("case-4712")
