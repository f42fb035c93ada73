"""Two real ledgers: one whose operator does what laws ask for, and one whose operator does not."""

import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tallystick.capture import ApiKeys, originator_of
from tallystick.capture.spool import Spool
from tallystick.cli.seeing import look
from tallystick.cli.session import Session
from tallystick.identity import generate
from tallystick.lawmap import Seen
from tallystick.lawmap.papers import PAPERS
from tallystick.ledger import Ledger, RegistrationPolicy, Rows, Rule, Submission
from tallystick.ledger.backups import BackupNote, write_backup_note
from tallystick.ledger.creation import OPERATOR
from tallystick.ledger.marking import sign_lifting, sign_marks
from tallystick.log import PosixDisk
from tallystick.statement import ErasureReason, VerifierKey, commit
from tallystick.statement.governance import Heartbeat, IssuerKind, StatementType
from tallystick.statement.note import TYPE_COSIGNATURE
from tallystick.statement.retention import Retention, RetentionRule
from tallystick.vault import About
from tests.keylives import recovery
from tests.ledgers import PASSPHRASE, Clock, Issuer, ledger_in

DAY = 86_400
NOW = int(time.time())
CONTENT: dict[str, Any] = {"text": "words"}

CAREFUL = """\
data_location = "DE"
require_key = true
head = "{head}"
[[upstreams]]
name = "near"
url = "https://near.example/v1"
location = "FR"
"""
CARELESS = """\
fail_open = true
show_content = true
upstream = "http://far.example/v1"
"""


@dataclass
class Writer:
    """Registers statements, as many days ago as a test says."""

    ledger: Ledger
    clinic: Issuer
    person: Issuer
    ids: dict[str, bytes] = field(default_factory=dict)

    def say(
        self, type_: str, name: str = "", *, days: int = 0, by: Issuer | None = None,
        about: str | None = None, numbered: bool = False, **changes: Any,
    ) -> bytes:  # fmt: skip
        """Register content as a statement; return its id."""
        issuer = by or self.clinic
        members = {"type": type_, "issued_at": NOW - days * DAY, **changes}
        preimage = commit(CONTENT, os.urandom)
        sign = issuer.numbered if numbered else issuer.sign
        statement = sign(payload=preimage.commitment(), **members)
        who = None if about is None else About(about)
        self.ledger.register_one(Submission(statement.entry, preimage, about=who))
        self.ids[name or type_] = statement.id
        return statement.id

    def beat(self, issuer: Issuer) -> None:
        """Let an emitter say that it lives."""
        last = issuer.last.header.sequence if issuer.last else None
        payload = Heartbeat(time=NOW, state="end", last_seq=last.seq if last else None).encode()
        statement = issuer.numbered(
            payload=payload, type="heartbeat", issued_at=NOW, hashed=False,
            content_type="application/cbor",
        )  # fmt: skip
        self.ledger.register_one(Submission(statement.entry))

    def batch(self) -> bytes:
        """Register a row about somebody."""
        statement, salts, leaves = self.clinic.batch([b"\xa0"], issued_at=NOW)
        rows = Rows(salts, [b"\xa0"], ["case-1"])
        self.ledger.register_one(Submission(statement.entry, leaves=leaves, rows=rows))
        return statement.id

    def mark(self, type_: StatementType, name: str, reason: str) -> bytes:
        """Let the operator mark what was said under a name; return the id of the mark."""
        signer = self.ledger.keys.signer(OPERATOR)
        [placed] = sign_marks(signer, type_, {self.ids[name]: None}, reason, NOW)
        return self.ledger.register_one(placed).id

    def lift(self, type_: StatementType, mark: bytes) -> None:
        """Lift a mark."""
        signer = self.ledger.keys.signer(OPERATOR)
        self.ledger.register_one(sign_lifting(signer, type_, [mark], NOW)[0])

    def erase(self, name: str, days: int = 0) -> None:
        """Erase what was said under a name, as of some days ago."""
        clock, before = self.ledger.clock, self.ledger.clock()
        assert isinstance(clock, Clock)
        clock.now = NOW - days * DAY
        self.ledger.erase({self.ids[name]: None}, ErasureReason.OTHER)
        clock.now = before


def careful(folder: Path) -> Path:
    """Make a ledger whose operator does what laws ask for."""
    clinic, person = Issuer(), Issuer("Ada", IssuerKind.PERSON)
    gateway = Issuer("Gateway", IssuerKind.MACHINE)
    types = frozenset(map(str, StatementType)) - {"genesis"}
    rule = Rule(types, kinds=frozenset(IssuerKind))
    issuers = (clinic, person, gateway)
    with ledger_in(folder / "a", *issuers, clock=Clock(NOW), policy=RegistrationPolicy((rule,)),
                   place="DE") as ledger:  # fmt: skip
        for issuer in issuers:
            ledger.register_key(recovery(issuer, generate()))
        writer = Writer(ledger, clinic, person)
        data = writer.batch()
        model = writer.say("model", about="nobody", links={"used": (data,)})
        intent = writer.say("inference", "intent", by=gateway, numbered=True, about="case-1",
                            model=model)  # fmt: skip
        writer.say("inference", "outcome", by=gateway, numbered=True, about="case-1",
                   links={"generated_by": (intent,)})  # fmt: skip
        writer.beat(gateway)
        writer.say("decision", by=person, about="case-1", links={"decided_on": (intent,)})
        replaced = {"decided_on": (intent,), "supersedes": (writer.ids["decision"],)}
        writer.say("decision", "again", by=person, about="case-1", links=replaced)
        for type_ in ("evaluation", "content-mark", "change", "access", "approval"):
            writer.say(type_, about="nobody")
        anomaly = writer.say("anomaly", about="nobody", days=9)
        for paper in PAPERS:
            linked = {"derived_from": (anomaly,)} if paper == "incident-report" else {}
            writer.say("document", paper, about="nobody", subject=paper, links=linked)
        writer.say("inference", "old", about="case-2", days=400, model=model,
                   links={"generated_by": (intent,)})  # fmt: skip
        writer.erase("old")
        keep(writer)
        ledger.keep_content_in("EU", "our contract says so")
        keys = ApiKeys(ledger.home.api_keys, ledger.api_secret)
        keys.create(originator_of(ledger, clinic.did), now=NOW, expires_at=NOW + DAY)
        home = ledger.home
        write_backup_note(home, BackupNote(NOW, "elsewhere", 1))
    own = home.trust.read_text().splitlines()[0]
    home.trust.write_text(f"{own}\nwitness w1 {_cosigner()}\nquorum w1\n")
    home.settings.write_text(CAREFUL.format(head=home.root / "head"))
    return home.root


def keep(writer: Writer) -> None:
    """Let the operator keep content from being erased, and from AI."""
    writer.mark(StatementType.HOLD, "intent", "litigation")
    writer.lift(StatementType.HOLD, writer.mark(StatementType.HOLD, "outcome", "audit"))
    writer.mark(StatementType.RESTRICTION, "decision", "accuracy-contested")
    rule = RetentionRule(type="inference", least=183 * DAY)
    writer.ledger.set_retention(Retention((rule,)))


def careless(folder: Path) -> Path:
    """Make a ledger whose operator does not."""
    clinic, person = Issuer(), Issuer("Ada", IssuerKind.PERSON)
    gateway = Issuer("Gateway", IssuerKind.MACHINE)
    rules = RegistrationPolicy((Rule(frozenset({"*"}), kinds=frozenset(IssuerKind)),))
    with ledger_in(folder / "b", clinic, person, gateway, clock=Clock(NOW),
                   policy=rules) as ledger:  # fmt: skip
        writer = Writer(ledger, clinic, person)
        writer.say("inference", "open", by=gateway, numbered=True, subject="Jane Doe", days=30)
        writer.say("model")
        writer.say("evaluation", days=500)
        writer.say("decision", days=30)
        anomaly = writer.say("anomaly", days=40)
        writer.say("document", "late", subject="incident-report", days=10,
                   links={"derived_from": (anomaly,)})  # fmt: skip
        statement = clinic.sign(payload=b"Jane Doe has a cold", type="document", hashed=False,
                                issued_at=NOW, content_type="text/plain")  # fmt: skip
        with patch("tallystick.ledger.rules.check_committed"):  # an earlier release let it in
            ledger.register_one(Submission(statement.entry))
        keys = ApiKeys(ledger.home.api_keys, ledger.api_secret)
        keys.create(originator_of(ledger, clinic.did), now=NOW)
        home = ledger.home
        ledger.vault.backup(folder / "vault")
        writer.say("document", "draft", days=10)
        for name in ("open", "decision", "draft"):
            writer.erase(name)
        spool = Spool(PosixDisk(), home.spool, os.urandom)
        spool.reserve()
        spool.write(spool.take(gateway.numbered(), None))
        spool.sync()
        spool.close()
    shutil.copy(folder / "vault", home.vault)  # as before anything was erased
    (home.root / "passphrase").write_bytes(PASSPHRASE)
    home.settings.write_text(CARELESS)
    return home.root


def seen_in(root: Path) -> Seen:
    """Look at a ledger as the command does."""
    return look(Session(str(root), as_json=False, quiet=True))


def _cosigner() -> str:
    return VerifierKey("witness.example", TYPE_COSIGNATURE, generate().public.raw).encode()
