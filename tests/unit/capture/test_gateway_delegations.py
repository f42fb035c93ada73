"""API keys whose holder acts for somebody: what is recorded, and what is refused when it ends."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import openai
import pytest

from tallystick.capture import ApiKey, originator_of
from tallystick.capture import delegated as looked_up
from tallystick.capture.delegated import Delegations
from tallystick.errors import InputError
from tallystick.ledger import Query, RegistrationPolicy, Rule, Submission
from tallystick.statement import Relation
from tallystick.statement.delegation import Delegation, Revocation, revocation_subject
from tallystick.statement.governance import IssuerKind
from tests.ledgers import START, Issuer
from tests.unit.capture.gateways import House, Kept, calls, gateway_on
from tests.unit.capture.model_api import MODEL, ModelApi

ASKED: Any = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}
PLAIN = json.dumps(ASKED).encode()
INFERENCE = frozenset({"inference"})


@dataclass
class Office(House):
    """A house in which an agent makes calls for a person."""

    agent: Issuer = field(default_factory=lambda: Issuer("Ordering agent", IssuerKind.AI))

    def policy(self) -> RegistrationPolicy:
        both = frozenset({IssuerKind.PERSON, IssuerKind.AI})
        grants = Rule(frozenset({"delegation"}), kinds=both)
        return RegistrationPolicy((*super().policy().rules, grants))


@dataclass
class Working:
    """A gateway with an agent that may act."""

    kept: Kept
    office: Office
    grant: bytes = b""

    def give(self, **changes: Any) -> bytes:
        members: dict[str, Any] = {"types": INFERENCE, "not_after": START + 1000, **changes}
        said = Delegation(principal=self.office.person.did, agent=self.office.agent.did, **members)
        return self.say(self.office.person, said.encode())

    def revoke(self) -> None:
        payload = Revocation(self.grant).encode()
        self.say(self.office.person, payload, subject=revocation_subject(self.grant))

    def say(self, issuer: Issuer, payload: bytes, **changes: Any) -> bytes:
        members = {"type": "delegation", "hashed": False, "content_type": "application/cbor"}
        said = issuer.sign(payload, **members, **changes)
        return self.kept.ledger.register_one(Submission(said.entry)).id

    def token(self, **changes: Any) -> str:
        originator = originator_of(self.kept.ledger, self.office.agent.did)
        options = {
            "delegation": self.grant.hex(), "principal": self.office.person.did,
            "only": "gateway", **changes,
        }  # fmt: skip
        token, _ = self.kept.gateway.keys.create(originator, now=self.office.clock(), **options)
        return token

    def refused(self, token: str) -> str:
        """Ask, and return the code of the refusal."""
        answered = self.kept.ask(PLAIN, {"authorization": f"Bearer {token}"})
        assert answered.status == 403
        outcome = self.kept.outcome(answered.outcome)
        assert (outcome.status, outcome.http_status) == ("refused", 403)
        [_] = self.kept.found(answered.intent).statement.header.links[Relation.ACTED_FOR]
        code: str = json.loads(answered.body)["error"]["code"]
        return code


@contextmanager
def working(office: Office, api: ModelApi, **options: Any) -> Iterator[Working]:
    with gateway_on(office, api.url, **options) as kept:
        if kept.ledger.snapshot.checkpoint.size < 10:
            kept.ledger.register_key(office.agent.record())
        made = Working(kept, office)
        made.grant = made.give()
        yield made


@pytest.fixture
def office(house: House) -> Office:
    return Office(house.folder)


@pytest.fixture
def at_work(office: Office, api: ModelApi) -> Iterator[Working]:
    with working(office, api) as made:
        yield made


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_names_principal_and_agent_and_a_stranger_verifies_it(
    at_work: Working, *, stream: bool
) -> None:
    kept, office = at_work.kept, at_work.office
    answer = kept.client(at_work.token()).chat.completions.create(**ASKED, stream=stream)
    if stream:
        list(answer)

    [(intent, outcome)] = calls(kept, 1)
    header = kept.found(intent).statement.header
    assert at_work.grant in header.links[Relation.ACTED_FOR]
    report = kept.report(outcome)
    for one in (intent, outcome):
        known = report.known[one]
        assert (known.principal, known.agent) == (office.person.did, office.agent.did)
        assert (known.assurance, known.delegation) == ("api-key", at_work.grant)
    for did in (office.person.did, office.agent.did):
        mine = Query(in_name_of=kept.ledger.in_name_of(did))
        assert intent in {one.statement.id for one in kept.ledger.find(mine).found}


def test_a_revoked_delegation_is_refused_from_the_next_call_on(
    at_work: Working, api: ModelApi
) -> None:
    kept, token = at_work.kept, at_work.token()
    kept.client(token).chat.completions.create(**ASKED)
    at_work.revoke()

    with pytest.raises(openai.PermissionDeniedError) as refused:
        kept.client(token).chat.completions.create(**ASKED)

    assert refused.value.code == "delegation_revoked"
    assert "was revoked at index" in str(refused.value)
    assert at_work.refused(token) == "delegation_revoked"
    assert len(api.seen) == 1
    status = kept.gateway.status()
    assert status is not None
    assert status.refused["delegation_revoked"] == 2
    assert status.ledger_failure is None
    kept.client(kept.token()).chat.completions.create(**ASKED)
    assert len(api.seen) == 2


def test_a_delegation_ends_by_the_clock(at_work: Working, api: ModelApi) -> None:
    token = at_work.token()
    at_work.office.clock.now = START + 999
    at_work.kept.client(token).chat.completions.create(**ASKED)
    at_work.office.clock.now = START + 1000

    assert at_work.refused(token) == "delegation_expired"
    assert len(api.seen) == 1


def test_a_delegation_for_something_else_or_of_nobody_is_refused(at_work: Working) -> None:
    other = at_work.give(types=frozenset({"decision"}))

    assert at_work.refused(at_work.token(delegation=other.hex())) == "delegation_refused"
    assert at_work.refused(at_work.token(delegation="ab" * 32)) == "delegation_refused"


def test_calls_that_were_spooled_before_a_revocation_do_not_stop_the_gateway(
    office: Office, api: ModelApi
) -> None:
    with working(office, api, register_s=2) as made:
        made.kept.client(made.token()).chat.completions.create(**ASKED)
        made.revoke()
        office.clock.now += 900

        [(intent, outcome)] = calls(made.kept, 1)
        assert made.kept.report(outcome).known[intent].principal == office.person.did
        status = made.kept.gateway.status()
        assert status is not None
        assert status.ledger_failure is None


def test_a_delegation_is_read_again_only_when_something_could_have_ended_it(
    at_work: Working, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[bytes] = []

    def counting(ledger: Any, delegation: bytes) -> Any:
        reads.append(delegation)
        return read(ledger, delegation)

    read = vars(looked_up)["read_acting"]
    monkeypatch.setattr(looked_up, "read_acting", counting)
    monkeypatch.setattr(looked_up, "KEPT_MAX", 1)
    kept, second = at_work.kept, at_work.give()
    keys = [kept.gateway.keys.resolve(at_work.token(delegation=d.hex()), START)
            for d in (at_work.grant, second)]  # fmt: skip
    delegations = Delegations(kept.ledger)

    assert [delegations.problem(one) for one in (keys[0], keys[0])] == [None, None]
    assert len(reads) == 1
    assert delegations.problem(keys[1]) is None
    assert delegations.problem(keys[0]) is None
    assert len(reads) == 3
    at_work.revoke()
    problem = delegations.problem(keys[0])
    assert problem is not None
    assert problem.code == "delegation_revoked"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"only": "register"}, "calls models"),
        ({"only": None}, "calls models"),
        ({"delegation": "xyz"}, "64 hex digits, got 'xyz'"),
        ({"principal": None}, "64 hex digits"),
    ],
)
def test_a_key_that_cannot_act_is_not_made(
    at_work: Working, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        at_work.token(**changes)


def test_a_key_says_for_whom_it_acts(at_work: Working) -> None:
    at_work.token()

    [key] = at_work.kept.gateway.keys.known()
    assert isinstance(key, ApiKey)
    assert (key.issuer, key.principal) == (at_work.office.agent.did, at_work.office.person.did)
