"""The story of the demonstration: one new ledger, who takes part, and what later steps need."""

from dataclasses import dataclass, field
from typing import Any

from tallystick.cli.demo.asking import Asked
from tallystick.cli.demo.cases import load_clinics
from tallystick.cli.demo.copying import Copy
from tallystick.cli.demo.stage import Stage
from tallystick.cli.keys import key_record
from tallystick.identity import KeyFile, Signer, generate
from tallystick.ledger import Ledger, RegistrationPolicy, Rule
from tallystick.statement.governance import IssuerKind
from tallystick.verify import TrustPolicy, parse_policy

AI = "Case classifier"
DOCTOR = "doctor"


@dataclass(slots=True)
class Facts:
    """What later steps need from earlier ones, and what `--json` shows."""

    batches: list[bytes] = field(default_factory=list)
    artifact: bytes = b""
    asked: Asked | None = None
    decision: bytes = b""
    shown: dict[str, Any] = field(default_factory=dict)


class Story:
    """Who and what the story is about; its steps stand in the modules beside this one."""

    def __init__(self, ledger: Ledger, issuers: KeyFile, passphrase: bytes, stage: Stage) -> None:
        """Tell it on `ledger`; the keys that are made go to `issuers`."""
        self.ledger, self.issuers, self.stage = ledger, issuers, stage
        self.passphrase = passphrase
        self.north, self.south, self.west = load_clinics()
        self.trust: TrustPolicy = parse_policy(ledger.home.trust.read_bytes())
        self.facts = Facts()

    def give_identities(self) -> None:
        """Give two clinics and the AI keys that the ledger knows, and rights."""
        for clinic in (self.north, self.south):
            self.make_issuer(clinic.name, IssuerKind.ORGANISATION)
        self.make_issuer(AI, IssuerKind.AI)
        self.make_issuer(self.west.name, IssuerKind.ORGANISATION, silent=True)
        honest = (self.north.name, self.south.name)
        clinics = frozenset(self.issuers.signer(name).public.did() for name in honest)
        registered = self.ledger.set_policy(
            RegistrationPolicy(
                (
                    Rule(frozenset({"dataset", "heartbeat"}), issuers=clinics),
                    Rule(
                        frozenset(
                            {"dataset", "model", "evaluation", "inference", "change", "heartbeat"}
                        ),
                        kinds=frozenset({IssuerKind.AI}),
                    ),
                    Rule(frozenset({"decision"}), kinds=frozenset({IssuerKind.PERSON})),
                )
            )
        )
        self.stage.done(
            f"who may register what is itself registered, at index {registered.index}",
            "policy show",
        )

    def make_issuer(self, name: str, kind: IssuerKind, *, silent: bool = False) -> Signer:
        """Make a key and register it."""
        signer = generate()
        self.issuers.add_signer(name, signer)
        self.issuers.save()
        public_name = None if kind is IssuerKind.PERSON else name
        record = key_record(signer, kind, public_name, self.ledger.card.origin)
        registered = self.ledger.register_key(record)
        if not silent:
            self.stage.done(
                f"{name} is known as {record.issuer[:24]}…, at index {registered.index}",
                f"keys create '{name}' --kind {kind}",
            )
        return signer

    @property
    def asked(self) -> Asked:
        """The question that a doctor decided about."""
        assert self.facts.asked is not None  # noqa: S101 - step 4 asked
        return self.facts.asked

    def copy(self) -> Copy:
        """Return a copy of the ledger as it is now, to tamper with."""
        return Copy(self.ledger, self.passphrase)
