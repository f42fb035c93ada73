"""Who acts for whom: what is admitted, what a verifier says of it, and that both agree."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tallystick.cli.summary import summarise
from tallystick.errors import LimitError, NotFoundError, RefusedError
from tallystick.evidence import Emitter
from tallystick.evidence.export import build_bundle
from tallystick.evidence.records import Change
from tallystick.ledger import Ledger, Query, RegistrationPolicy, Rule, Submission, reading
from tallystick.ledger.acting import find_acting, read_acting
from tallystick.ledger.assembly import read_state
from tallystick.ledger.delegated import grants_of
from tallystick.ledger.operator import operator_says
from tallystick.ledger.originators import known_originator
from tallystick.statement import SignedStatement, parse_vkey
from tallystick.statement.assurance import Known
from tallystick.statement.delegation import (
    LATE_SECONDS_MAX,
    Delegation,
    Revocation,
    revocation_subject,
)
from tallystick.statement.governance import IssuerKind, StatementType
from tallystick.statement.keylife import Reason
from tallystick.statement.keylife import Revocation as KeyRevocation
from tallystick.verify import Report, Verdict, examine, log_policy
from tallystick.verify.bundle import Bundle
from tests.ledgers import START, Clock, Issuer, ledger_in

DAY = 86_400
ANYTHING = RegistrationPolicy((Rule(frozenset("*"), kinds=frozenset(IssuerKind)),))


@dataclass
class World:
    ledger: Ledger
    clock: Clock
    person: Issuer
    agent: Issuer
    helper: Issuer

    def grant(self, principal: Issuer, agent: Issuer, *parent: bytes, **changes: Any) -> bytes:
        members: dict[str, Any] = {"types": frozenset({"action"}), "not_after": START + DAY}
        said = Delegation(principal=principal.did, agent=agent.did, **{**members, **changes})
        return self.say(principal, said.encode(), links={"acted_for": parent} if parent else {})

    def revoke(self, issuer: Issuer, grant: bytes) -> bytes:
        return self.say(issuer, Revocation(grant).encode(), subject=revocation_subject(grant))

    def say(self, issuer: Issuer, payload: bytes, **changes: Any) -> bytes:
        members = {"type": "delegation", "hashed": False, "content_type": "application/cbor"}
        return self.register(issuer.sign(payload, **members, **changes))

    def act(self, agent: Issuer, *grants: bytes, **changes: Any) -> bytes:
        members = {"type": "action", "links": {"acted_for": grants} if grants else {}, **changes}
        return self.register(agent.sign(**members))

    def register(self, statement: SignedStatement) -> bytes:
        return self.ledger.register_one(Submission(statement.entry)).id

    def report(self, statement: bytes, *, without: tuple[bytes, ...] = ()) -> Report:
        bundle = build_bundle(self.ledger, statement)
        left_out = {self.ledger.get(one).statement.entry for one in without}
        kept = tuple(one for one in bundle.members if one.entry not in left_out)
        bundle = Bundle(bundle.subject, bundle.checkpoint, kept)
        key = parse_vkey(self.ledger.card.checkpoint_key)
        return examine(bundle.encode(), log_policy(key))


@contextmanager
def world_in(folder: Path) -> Iterator[World]:
    clock = Clock()
    issuers = [Issuer("p", IssuerKind.PERSON), Issuer("a", IssuerKind.AI), Issuer("h")]
    with ledger_in(folder, *issuers, clock=clock, policy=ANYTHING) as ledger:
        yield World(ledger, clock, *issuers)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with world_in(tmp_path) as made:
        yield made


def reason(call: Any, *arguments: Any, **changes: Any) -> str | None:
    with pytest.raises(RefusedError) as refused:
        call(*arguments, **changes)
    return refused.value.reason


def test_an_agent_acts_for_its_principal_and_a_stranger_can_check_it(world: World) -> None:
    grant = world.grant(world.person, world.agent)
    act = world.act(world.agent, grant, assurance="key")

    report = world.report(act)

    assert report.verdict is Verdict.VERIFIED
    assert (report.known[act].principal, report.known[act].agent) == (
        world.person.did, world.agent.did
    )  # fmt: skip
    assert report.known[act].assurance == "key"
    [check] = [check for check in report.checks if check.what == "delegation"]
    assert f"{world.agent.did} acts for {world.person.did}" in check.detail


def test_what_a_thief_granted_falls_with_the_key_that_signed_it(world: World) -> None:
    honest = world.grant(world.person, world.agent)
    until = world.ledger.get(honest).index
    stolen = world.grant(world.person, world.helper)
    act = world.act(world.helper, stolen, assurance="key")
    revoked = KeyRevocation(
        issuer=world.person.did, key_id=world.person.signer.public.thumbprint(),
        reason=Reason.COMPROMISED, until=until,
    )  # fmt: skip
    world.ledger.register_key(revoked)

    assert reason(world.act, world.helper, stolen) == "delegation.key"
    assert world.act(world.agent, honest)
    found = world.ledger.get(act)
    known = known_originator(
        world.ledger.index, world.ledger.snapshot, found.statement, found.index
    )
    assert (known.assurance, known.principal, known.exceeded) == ("asserted", None, True)
    assert world.report(act).verdict is Verdict.FAILED


def test_an_emitter_acts_for_somebody(world: World) -> None:
    grant = world.grant(world.person, world.agent, types=frozenset({"change"}))

    with Emitter(world.ledger, world.agent.signer) as emitter:
        said = emitter.register(Change(what="a", after=1, reason="asked to"), acting_for=grant)

    assert world.report(said.id).known[said.id].principal == world.person.did


def test_a_chain_leads_to_the_first_principal(world: World) -> None:
    first = world.grant(world.person, world.agent, depth=1)
    second = world.grant(world.agent, world.helper, first)
    act = world.act(world.helper, second)

    report = world.report(act)

    assert report.verdict is Verdict.VERIFIED
    assert report.known[act].principal == world.person.did
    assert "passed on 1 times" in report.known[act].basis


def test_what_no_delegation_allows_is_refused(world: World) -> None:
    grant = world.grant(world.person, world.agent)

    assert reason(world.act, world.helper, grant) == "delegation.not-yours"
    assert reason(world.act, world.agent, grant, type="decision") == "delegation.type"
    assert reason(world.grant, world.agent, world.helper, grant) == "delegation.chain"
    assert reason(world.grant, world.agent, world.helper, b"x" * 32) == "delegation.unknown"
    forged = Delegation(
        principal=world.person.did, agent=world.helper.did,
        types=frozenset({"action"}), not_after=START + DAY,
    )  # fmt: skip
    assert reason(world.say, world.agent, forged.encode()) == "delegation.not-yours"


@pytest.mark.parametrize(
    "wider",
    [
        {"types": frozenset({"action", "call"})},
        {"not_after": START + DAY + 1},
        {"depth": 1},
    ],
)
def test_what_is_passed_on_is_never_wider(world: World, wider: dict[str, Any]) -> None:
    first = world.grant(world.person, world.agent, depth=1)

    assert reason(world.grant, world.agent, world.helper, first, **wider) == "delegation.chain"


def test_it_ends_by_the_time_of_the_ledger(world: World) -> None:
    grant = world.grant(world.person, world.agent, not_after=START + 100)
    world.clock.now = START + 99
    world.act(world.agent, grant)
    world.clock.now = START + 200

    assert reason(world.act, world.agent, grant) == "delegation.expired"
    assert reason(world.grant, world.person, world.agent, not_after=START) == "delegation.expired"


@pytest.mark.parametrize("which", [0, 1])
def test_revoking_any_link_ends_the_chain_and_leaves_what_was_done(
    world: World, which: int
) -> None:
    first = world.grant(world.person, world.agent, depth=1)
    second = world.grant(world.agent, world.helper, first)
    act = world.act(world.helper, second)
    by, grant = [(world.person, first), (world.agent, second)][which]

    revoked = world.revoke(by, grant)

    assert reason(world.act, world.helper, second) == "delegation.revoked"
    report = world.report(act)
    assert report.verdict is Verdict.VERIFIED
    assert revoked in report.statements
    assert any("revoked later" in check.detail for check in report.checks)


def test_only_principal_and_operator_revoke_and_once(world: World) -> None:
    grant = world.grant(world.person, world.agent)
    assert reason(world.revoke, world.agent, grant) == "delegation.not-yours"
    assert reason(world.revoke, world.person, b"x" * 32) == "delegation.unknown"

    world.ledger.register_one(
        operator_says(
            world.ledger.keys.signer("operator"), StatementType.DELEGATION,
            Revocation(grant).encode(), subject=revocation_subject(grant), now=START,
        )
    )  # fmt: skip

    assert reason(world.revoke, world.person, grant) == "delegation.revoked"
    assert reason(world.act, world.agent, grant) == "delegation.revoked"


def test_revoked_in_the_same_batch_is_revoked(world: World) -> None:
    grant = world.grant(world.person, world.agent)
    revocation = world.person.sign(
        Revocation(grant).encode(), type="delegation", hashed=False,
        content_type="application/cbor", subject=revocation_subject(grant),
    )  # fmt: skip
    act = world.agent.sign(type="action", links={"acted_for": (grant,)})

    answers = world.ledger.register([Submission(one.entry) for one in (revocation, act)])

    assert getattr(answers[1], "reason", None) == "delegation.revoked"


def test_a_bundle_without_a_link_or_the_time_decides_nothing(world: World) -> None:
    first = world.grant(world.person, world.agent, depth=1)
    second = world.grant(world.agent, world.helper, first)
    act = world.act(world.helper, second, assurance="key")
    beats = tuple(
        one.statement.id
        for one in map(world.ledger.at, range(1, world.ledger.snapshot.checkpoint.size))
        if one.statement.header.type == "heartbeat"
    )

    for missing in ((first,), (second,), beats):
        report = world.report(act, without=missing)
        assert report.verdict is Verdict.INDETERMINATE
        assert {check.code for check in report.checks} & {"delegation.unknown", "assurance"}


def test_a_claim_without_evidence_is_refused(world: World) -> None:
    key = world.ledger.at(1).statement.id

    for claimed in ("passkey", "credential"):
        assert reason(world.act, world.agent, assurance=claimed) == "assurance"
    assert reason(world.act, world.agent, key, assurance="key") == "assurance"
    assert reason(world.act, world.agent, assurance="api-key") == "assurance"


def test_assurance_is_computed_from_what_stands_in_the_log(world: World) -> None:
    ledger = world.ledger
    key = next(
        one.statement.id
        for one in map(ledger.at, range(ledger.snapshot.checkpoint.size))
        if one.statement.header.subject == world.person.did
    )
    said = {
        "key": world.act(world.agent),
        "api-key": world.act(world.agent, key, assurance="api-key"),
        "asserted": world.act(world.agent, assurance="asserted"),
    }

    for expected, statement in said.items():
        found = ledger.get(statement)
        known = known_originator(ledger.index, ledger.snapshot, found.statement, found.index)
        assert (known.assurance, known.exceeded) == (expected, False)


def test_state_that_is_read_again_decides_alike(tmp_path: Path) -> None:
    with world_in(tmp_path) as world:
        kept = world.grant(world.person, world.agent)
        ended = world.grant(world.person, world.agent, purpose="billing")
        world.revoke(world.person, ended)
        live = [world.ledger.state.delegation(one) for one in (kept, ended)]
        ledger = world.ledger
        rebuilt = read_state(ledger.index, ledger.snapshot)
        assert [rebuilt.delegation(one) for one in (kept, ended)] == live
    with ledger_in(tmp_path, clock=world.clock) as again:
        world.ledger = again
        world.act(world.agent, kept)
        assert reason(world.act, world.agent, ended) == "delegation.revoked"


# --- calls that somebody else records


def key_of(world: World, issuer: Issuer) -> bytes:
    found = world.ledger.find(Query(type="key", subject=issuer.did)).found
    return found[-1].statement.id


def call(world: World, *named: bytes, **changes: Any) -> bytes:
    """Let the helper record a call that the agent made."""
    members = {"type": "inference", "assurance": "api-key", "issued_at": world.clock(), **changes}
    return world.register(world.helper.sign(links={"acted_for": named}, **members))


def originator(world: World, statement: bytes) -> Known:
    ledger, found = world.ledger, world.ledger.get(statement)
    return known_originator(ledger.index, ledger.snapshot, found.statement, found.index)


def test_a_recorded_call_names_agent_and_principal_with_the_delegation_as_proof(
    world: World,
) -> None:
    grant = world.grant(world.person, world.agent, types=frozenset({"inference"}))
    intent = call(world, key_of(world, world.agent), grant)
    outcome = world.register(world.helper.sign(type="inference", links={"generated_by": (intent,)}))

    report = world.report(outcome)
    for known in (report.known[intent], originator(world, intent), originator(world, outcome)):
        assert (known.principal, known.agent) == (world.person.did, world.agent.did)
        assert (known.assurance, known.exceeded) == ("api-key", False)
        assert known.delegation == grant
    assert report.verdict is Verdict.VERIFIED
    [check] = [check for check in report.checks if check.what == "delegation"]
    assert f"{world.agent.did} acts for {world.person.did}" in check.detail
    assert "word of who recorded it" in check.detail
    assert report.known[outcome].principal == world.person.did
    shown = dict(summarise(report))
    assert shown["for"].startswith(f"{world.person.did} (known by: api-key")
    assert shown["agent"] == world.agent.did
    assert shown["under"].startswith(f"delegation {grant.hex()} at index")


def test_what_a_recorder_says_is_no_more_than_its_word(world: World) -> None:
    grant = world.grant(world.person, world.agent, types=frozenset({"inference"}))
    agent, helper = key_of(world, world.agent), key_of(world, world.helper)

    assert reason(call, world, agent, grant, assurance="key") == "assurance"
    assert reason(call, world, helper, grant) == "delegation.not-yours"
    assert reason(call, world, grant) == "delegation.not-yours"
    assert reason(call, world, agent, grant, type="action") == "delegation.type"
    passed = Delegation(
        principal=world.agent.did, agent=world.helper.did, types=frozenset({"inference"}),
        not_after=START + DAY,
    )  # fmt: skip
    named = {"acted_for": (agent, grant)}
    assert reason(world.say, world.helper, passed.encode(), links=named) == "delegation.not-yours"


def test_a_call_may_reach_the_log_after_the_revocation_it_could_not_know_of(world: World) -> None:
    grant = world.grant(world.person, world.agent, types=frozenset({"inference"}))
    key, called_at = key_of(world, world.agent), world.clock()
    world.clock.now += 100
    world.revoke(world.person, grant)
    world.clock.now += 10_000

    late = call(world, key, grant, issued_at=called_at + 100 + LATE_SECONDS_MAX)

    assert world.report(late).verdict is Verdict.VERIFIED
    assert originator(world, late).principal == world.person.did
    after = called_at + 101 + LATE_SECONDS_MAX
    assert reason(call, world, key, grant, issued_at=after) == "delegation.revoked"
    assert reason(call, world, key, grant, issued_at=None) == "delegation.revoked"
    unsure = world.report(late, without=tuple(heartbeats(world)[:2]))
    assert unsure.verdict is Verdict.INDETERMINATE


def test_an_expired_delegation_covers_calls_that_were_made_before(world: World) -> None:
    ends = START + 1000
    grant = world.grant(world.person, world.agent, types=frozenset({"inference"}), not_after=ends)
    key = key_of(world, world.agent)
    world.clock.now = ends + 10_000

    late = call(world, key, grant, issued_at=ends + LATE_SECONDS_MAX - 1)

    assert world.report(late).verdict is Verdict.VERIFIED
    assert (
        reason(call, world, key, grant, issued_at=ends + LATE_SECONDS_MAX) == "delegation.expired"
    )


def test_a_call_under_a_thiefs_delegation_is_admitted_and_shown_without_it(world: World) -> None:
    until = world.ledger.snapshot.checkpoint.size - 1
    stolen = world.grant(world.person, world.agent, types=frozenset({"inference"}))
    revoked = KeyRevocation(
        issuer=world.person.did, key_id=world.person.signer.public.thumbprint(),
        reason=Reason.COMPROMISED, until=until,
    )  # fmt: skip
    world.ledger.register_key(revoked)

    made = call(world, key_of(world, world.agent), stolen)

    known = originator(world, made)
    assert (known.principal, known.delegation) == (world.agent.did, None)
    acting = read_acting(world.ledger, stolen)
    assert acting is not None
    fault = acting.fault(world.agent.did, "inference", START, 10**6)
    assert fault is not None
    assert fault.reason == "key"


def test_an_outcome_names_nobody_by_an_intent_that_is_not_its_own(world: World) -> None:
    key = key_of(world, world.agent)
    intent = call(world, key)
    strange = world.register(world.agent.sign(type="inference", links={"generated_by": (intent,)}))
    middle = world.register(world.helper.sign(type="inference", links={"generated_by": (intent,)}))
    twice = world.register(world.helper.sign(type="inference", links={"generated_by": (middle,)}))
    two = (intent, middle)
    several = world.register(world.helper.sign(type="inference", links={"generated_by": two}))

    assert originator(world, middle).principal == world.agent.did
    for one, signer in ((strange, world.agent), (twice, world.helper), (several, world.helper)):
        assert originator(world, one).principal == signer.did
        assert world.report(one).known[one].principal == signer.did


def test_the_newest_delegation_that_holds_is_found_by_its_principal(world: World) -> None:
    inference = frozenset({"inference"})
    first = world.grant(world.person, world.agent, types=inference, depth=1)
    passed = world.grant(world.agent, world.helper, first, types=inference)
    world.grant(world.person, world.agent)
    person, ledger, now = world.person.did, world.ledger, world.clock()

    found = find_acting(ledger, person, world.agent.did, "inference", now)
    assert (found.leaf.id, found.principal) == (first, person)
    found = find_acting(ledger, person, world.helper.did, "inference", now)
    assert (found.leaf.id, found.principal) == (passed, person)
    with pytest.raises(NotFoundError, match="it is for inference, and this is decision"):
        find_acting(ledger, person, world.helper.did, "decision", now)
    with pytest.raises(NotFoundError, match="no delegation lets"):
        find_acting(ledger, world.helper.did, world.agent.did, "inference", now)
    world.revoke(world.person, first)
    with pytest.raises(NotFoundError, match="was revoked"):
        find_acting(ledger, person, world.helper.did, "inference", now)
    assert read_acting(ledger, key_of(world, world.agent)) is None


def test_what_is_done_under_a_delegation_is_in_the_principals_name(world: World) -> None:
    inference = frozenset({"inference", "action"})
    live = Query(in_name_of=world.ledger.in_name_of(world.person.did)).matches
    first = world.grant(world.person, world.agent, types=inference, depth=1)
    passed = world.grant(world.agent, world.helper, first, types=inference)
    acted = world.act(world.agent, first)
    helped = world.act(world.helper, passed)
    called = call(world, key_of(world, world.agent), first)
    used = world.act(world.helper, links={"used": (first,)})
    alone = world.act(world.agent)
    world.revoke(world.person, first)

    at = range(world.ledger.snapshot.checkpoint.size)
    live_ids = [one.statement.id for one in map(world.ledger.at, at) if live(one.statement)]
    query = Query(in_name_of=world.ledger.in_name_of(world.person.did))
    found = [one.statement.id for one in world.ledger.find(query).found]
    assert {first, passed, acted, helped, called} <= set(found)
    assert {used, alone}.isdisjoint(found)
    assert live_ids == found[::-1]
    assert (
        world.ledger.get(acted)
        not in world.ledger.find(Query(in_name_of=world.ledger.in_name_of(world.helper.did))).found
    )


def test_whoever_only_names_a_delegation_is_not_in_the_principals_name(world: World) -> None:
    grant = world.grant(world.person, world.agent, types=frozenset({"inference"}))
    mine = world.ledger.in_name_of(world.person.did)
    named = {"acted_for": (grant,)}

    assert mine.matches(world.agent.sign(type="inference", links=named))
    assert not mine.matches(world.helper.sign(type="inference", links=named))
    forged = Delegation(
        principal=world.person.did, agent=world.helper.did, types=frozenset({"action"}),
        not_after=START + DAY,
    )  # fmt: skip
    members = {"type": "delegation", "hashed": False, "content_type": "application/cbor"}
    lied = world.helper.sign(forged.encode(), **members)
    assert not mine.matches(lied)
    assert not mine.matches(world.helper.sign(type="action", links={"acted_for": (lied.id,)}))


def test_delegations_of_a_stolen_key_and_too_many_are_not_searched(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = world.grant(world.person, world.agent, depth=1)
    until = world.ledger.get(honest).index
    stolen = world.grant(world.person, world.helper)
    revoked = KeyRevocation(
        issuer=world.person.did, key_id=world.person.signer.public.thumbprint(),
        reason=Reason.COMPROMISED, until=until,
    )  # fmt: skip
    world.ledger.register_key(revoked)
    ledger = world.ledger

    found = list(grants_of(ledger.index, ledger.snapshot, world.person.did))

    assert [one.id for one in found] == [honest]
    assert stolen not in {one.id for one in found}
    monkeypatch.setattr(reading, "GRANTS_MAX", 0)
    with pytest.raises(LimitError, match="gave more than 0 delegations"):
        ledger.in_name_of(world.person.did)


def heartbeats(world: World) -> list[bytes]:
    query = Query(type="heartbeat", limit=1000)
    return [one.statement.id for one in world.ledger.find(query).found][::-1]
