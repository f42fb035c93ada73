"""A running gateway with its ledger, and what a test asks of both."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openai import OpenAI

from tallystick.capture import (
    GATEWAY_TYPES,
    Gateway,
    GatewaySettings,
    gateway_app,
    originator_of,
)
from tallystick.errors import NotFoundError
from tallystick.evidence import Change, Intent, Outcome, build_bundle
from tallystick.ledger import Found, Ledger, Query, RegistrationPolicy, Rule
from tallystick.statement import Relation
from tallystick.statement.governance import Heartbeat, IssuerKind, StatementType, parse_heartbeat
from tallystick.verify import Report, parse_policy, verify_bundle
from tests.ledgers import Clock, Issuer, ledger_in
from tests.unit.capture.served import Answered, ask, serving
from tests.unit.capture.waiting import eventually


@dataclass
class House:
    """Folder and keys of one ledger with a gateway; outlives a restart."""

    folder: Path
    gateway: Issuer = field(default_factory=lambda: Issuer("Gateway", IssuerKind.MACHINE))
    person: Issuer = field(default_factory=lambda: Issuer("Ada", IssuerKind.PERSON))
    clock: Clock = field(default_factory=Clock)

    def policy(self) -> RegistrationPolicy:
        return RegistrationPolicy((Rule(GATEWAY_TYPES, frozenset({self.gateway.did})),))

    @contextmanager
    def ledger(self, *others: Issuer, **options: Any) -> Iterator[Ledger]:
        issuers = (self.gateway, self.person, *others)
        options = {"policy": self.policy(), "clock": self.clock, **options}
        with ledger_in(self.folder, *issuers, **options) as ledger:
            yield ledger


@dataclass
class Kept:
    """A gateway that runs."""

    house: House
    ledger: Ledger
    gateway: Gateway
    url: str
    clients: list[OpenAI] = field(default_factory=list)

    @property
    def chat(self) -> str:
        return self.url + "/chat/completions"

    def client(self, key: str = "sk-of-the-caller", **options: Any) -> OpenAI:
        """Return the official client, as its users make it."""
        client = OpenAI(base_url=self.url, api_key=key, max_retries=0, timeout=30, **options)
        self.clients.append(client)
        return client

    def token(self, **options: Any) -> str:
        """Make an API key for the person."""
        originator = originator_of(self.ledger, self.house.person.did)
        token, _ = self.gateway.keys.create(originator, now=self.house.clock(), **options)
        return token

    def ask(self, body: bytes, headers: Mapping[str, str] | None = None) -> Answered:
        """Send a chat request as plain HTTP."""
        return ask(self.chat, body, headers)

    # --- the ledger

    def found(self, statement_id: bytes) -> Found:
        """Return a statement as soon as it is registered."""

        def look() -> Found | None:
            try:
                return self.ledger.get(statement_id)
            except NotFoundError:
                return None

        return eventually(look, f"statement {statement_id.hex()}")

    def values(self, statement_id: bytes) -> dict[str, Any]:
        self.found(statement_id)
        return self.ledger.vault.get(statement_id).values()

    def intent(self, statement_id: bytes) -> Intent:
        return Intent.read(self.values(statement_id))

    def outcome(self, statement_id: bytes) -> Outcome:
        return Outcome.read(self.values(statement_id))

    def outcome_of(self, intent: bytes) -> Outcome:
        """Return the outcome that names an intent, as soon as it is registered."""
        query = Query(link=intent, type=StatementType.INFERENCE)
        found = eventually(lambda: self.ledger.find(query).found or None, "an outcome")
        assert len(found) == 1
        return self.outcome(found[0].statement.id)

    def report(self, statement_id: bytes) -> Report:
        """Verify a statement as a stranger would: from a bundle, offline."""
        self.found(statement_id)
        trust = parse_policy(self.ledger.home.trust.read_bytes())
        return verify_bundle(build_bundle(self.ledger, statement_id).encode(), trust)


@contextmanager
def gateway_on(house: House, upstream: str | None, **options: Any) -> Iterator[Kept]:
    """Run a gateway before an upstream, on the ledger of a house."""
    models, grace_s = options.pop("models", None), options.pop("grace_s", 5)
    with house.ledger(place=options.pop("place", None)) as ledger:
        options = {"register_s": 0.05, **options}
        settings = GatewaySettings(upstream=upstream and f"{upstream}/v1", **options)
        gateway = Gateway(ledger, house.gateway.signer, settings, models=models)
        with serving(gateway_app(gateway), lifespan=True, grace_s=grace_s) as url:
            kept = Kept(house, ledger, gateway, f"{url}/v1")
            try:
                yield kept
            finally:
                for client in kept.clients:
                    client.close()


def said(ledger: Ledger, house: House) -> list[Found]:
    """Return everything that the gateway of a house said, oldest first."""
    found: list[Found] = []
    before: int | None = ledger.snapshot.checkpoint.size
    while before is not None:
        page = ledger.find(Query(issuer=house.gateway.did, limit=1000, before=before))
        found += page.found
        before = page.next
    return found[::-1]


def calls(kept: Kept, count: int) -> list[tuple[bytes, bytes]]:
    """Return intent and outcome of so many calls, as soon as both are registered."""

    def look() -> list[Found] | None:
        found = [o for o in said(kept.ledger, kept.house) if o.statement.header.type == "inference"]
        return found if len(found) == 2 * count else None

    pairs = {}
    for one in eventually(look, f"{count} calls"):
        [intent] = one.statement.header.links.get(Relation.GENERATED_BY, (one.statement.id,))
        pairs[intent] = one.statement.id
    return list(pairs.items())


def heartbeats(ledger: Ledger, house: House) -> list[Heartbeat]:
    return [
        parse_heartbeat(one.statement.payload)
        for one in said(ledger, house)
        if one.statement.header.type == StatementType.HEARTBEAT
    ]


def changes(ledger: Ledger, house: House) -> list[Change]:
    return [
        Change.read(ledger.vault.get(one.statement.id).values())
        for one in said(ledger, house)
        if one.statement.header.type == StatementType.CHANGE
    ]


def check_numbers(ledger: Ledger, house: House) -> list[tuple[int, int]]:
    """Check that nothing the gateway numbered is missing, doubled or reordered; return numbers."""
    numbers: list[tuple[int, int]] = []
    before = None
    for one in said(ledger, house):
        sequence = one.statement.header.sequence
        assert sequence is not None
        if numbers and sequence.epoch == numbers[-1][0]:
            assert sequence.seq == numbers[-1][1] + 1
            assert sequence.prev == before
        else:
            assert sequence.epoch == (numbers[-1][0] + 1 if numbers else 0)
            assert (sequence.seq, sequence.prev) == (0, None)
        numbers.append((sequence.epoch, sequence.seq))
        before = one.statement.id
    return numbers
