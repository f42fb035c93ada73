"""Bad input about people and keys, item by item: refused by name, on record, and nothing is lost.

Each case says by which code and with which exit code the command refuses. What a known issuer
hands in is refused by a `refusal` statement that holds it; what an ended or unknown key signed is
only counted, in the operator's next heartbeat, because strangers must not write; what is checked
offline is told with its code and changes no ledger.
"""

import json
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tallystick.evidence import build_bundle
from tallystick.identity import credentials
from tallystick.ledger import Home, Ledger, RegistrationPolicy, Rule, Submission, sign_erasures
from tallystick.ledger.maintenance import check, check_statements
from tallystick.ledger.marking import sign_marks
from tallystick.statement import (
    ErasureReason,
    Relation,
    SignedStatement,
    b64,
    dcbor,
    parse_statement,
)
from tallystick.statement.approval import Approval
from tallystick.statement.delegation import Delegation, Revocation, revocation_subject
from tallystick.statement.governance import IssuerKind, StatementType, parse_heartbeat
from tallystick.statement.keylife import Reason
from tests.conftest import Entropy
from tests.fault.conftest import Command, Said
from tests.keylives import next_key, revocation, rotation
from tests.ledgers import ORIGIN, START, Clock, Issuer, ledger_in
from tests.passkeys import Authenticator, enrolled

DAY = 86_400
TYPES = frozenset({"inference", "action", "delegation", "decision", "erasure", "document"})
POLICY = RegistrationPolicy((Rule(TYPES, kinds=frozenset(IssuerKind)),))
FAR = 4_000_000_000
"""In the future of every clock for a while."""


@dataclass
class House:
    """A ledger that is open, and people who may register there."""

    ledger: Ledger
    person: Issuer
    agent: Issuer
    helper: Issuer
    kept: dict[bytes, dict[str, Any]] = field(default_factory=dict)

    def say(self, issuer: Issuer, payload: bytes, **changes: Any) -> bytes:
        said = issuer.sign(
            payload, type="delegation", hashed=False, content_type="application/cbor", **changes
        )
        return self.ledger.register_one(Submission(said.entry)).id

    def grant(self, by: Issuer, to: Issuer, *parent: bytes, **changes: Any) -> bytes:
        members: dict[str, Any] = {"types": frozenset({"action"}), "not_after": FAR, **changes}
        said = Delegation(principal=by.did, agent=to.did, **members)
        return self.say(by, said.encode(), links={"acted_for": parent} if parent else {})

    def content(self, text: str) -> bytes:
        """Register content that must be there afterwards."""
        statement, content = self.person.content({"text": text}, type="document")
        self.kept[statement.id] = content.values()
        return self.ledger.register_one(Submission(statement.entry, content)).id

    @property
    def operator(self) -> Issuer:
        return Issuer(signer=self.ledger.keys.signer("operator"))


@contextmanager
def house_in(folder: Path) -> Iterator[House]:
    """Make the ledger; what is kept is there before anything bad comes."""
    issuers = Issuer(kind=IssuerKind.PERSON), Issuer(kind=IssuerKind.AI), Issuer()
    with ledger_in(folder, *issuers, clock=Clock(int(time.time())), policy=POLICY) as ledger:
        house = House(ledger, *issuers)
        house.content("what was there before")
        yield house


# --- what is handed in as a statement


def act(by: Issuer, *grants: bytes, **changes: Any) -> SignedStatement:
    return by.sign(type="action", links={"acted_for": grants}, **changes)


def expired(house: House) -> SignedStatement:
    ended = house.grant(house.person, house.agent, not_after=int(time.time()) + 1)
    assert isinstance(house.ledger.clock, Clock)
    house.ledger.clock.now += 61  # the next heartbeat says so
    house.content("a minute later")
    return act(house.agent, ended)


def not_yet_valid(house: House) -> SignedStatement:
    return house.person.sign(issued_at=FAR)


def revoked_grant(house: House) -> SignedStatement:
    grant = house.grant(house.person, house.agent)
    house.say(house.person, Revocation(grant).encode(), subject=revocation_subject(grant))
    return act(house.agent, grant)


def revoked_link(house: House) -> SignedStatement:
    first = house.grant(house.person, house.agent, depth=1)
    second = house.grant(house.agent, house.helper, first)
    house.say(house.person, Revocation(first).encode(), subject=revocation_subject(first))
    return act(house.helper, second)


def revoked_key(house: House) -> SignedStatement:
    house.ledger.register_key(revocation(house.person, Reason.COMPROMISED))
    return house.person.sign()


def key_after_rotation(house: House) -> SignedStatement:
    house.ledger.register_key(rotation(house.person, next_key(house.person)))
    return house.person.sign()


def anothers_grant(house: House) -> SignedStatement:
    return act(house.helper, house.grant(house.person, house.agent))


def key_of_another_ledger(house: House) -> SignedStatement:
    """Let the operator register a key that agreed to be registered in another tenant's log."""
    theirs = Issuer().record(origin="localhost/another")
    return house.operator.sign(
        theirs.encode(), type="key", hashed=False, content_type="application/cbor",
        subject=theirs.issuer,
    )  # fmt: skip


def replayed_approval(house: House) -> SignedStatement:
    by = enrolled(house.ledger, house.person.did, Authenticator())
    approval = Approval(
        origin=ORIGIN, action="release", targets=(), content=b"c" * 32, nonce=b"n" * 32, expiry=FAR
    )
    said = {"type": "approval", "subject": approval.subject(),
            "links": {Relation.ACTED_FOR: (by,)}}  # fmt: skip
    first = house.operator.sign(b"1" * 32, **said)
    house.ledger.register_one(Submission(first.entry))
    return house.operator.sign(b"2" * 32, **said)


def erased_under_hold(house: House) -> SignedStatement:
    one = house.content("held")
    [hold] = sign_marks(house.operator.signer, StatementType.HOLD, {one: None}, "audit", START)
    house.ledger.register_one(hold)
    [erasing] = sign_erasures(house.operator.signer, {one: None}, ErasureReason.OBJECTION, START)
    return parse_statement(erasing.entry)


def number_used_twice(house: House) -> SignedStatement:
    house.ledger.register_one(Submission(house.person.numbered().entry))
    house.person.last = None
    return house.person.numbered(subject="urn:example:another")


STATEMENTS: dict[str, tuple[Callable[[House], SignedStatement], str, str]] = {
    "expired": (expired, "delegation.expired", "refusal"),
    "not yet valid": (not_yet_valid, "time.future", "refusal"),
    "revoked": (revoked_grant, "delegation.revoked", "refusal"),
    "chain with a revoked link": (revoked_link, "delegation.revoked", "refusal"),
    "revoked key": (revoked_key, "key.revoked", "counted"),
    "key used after rotation": (key_after_rotation, "key.revoked", "counted"),
    "a grant to somebody else": (anothers_grant, "delegation.not-yours", "refusal"),
    "wrong tenant": (key_of_another_ledger, "payload", "refusal"),
    "replay": (replayed_approval, "approval.replayed", "refusal"),
    "replayed number": (number_used_twice, "sequence.equivocation", "refusal"),
    "erased under legal hold": (erased_under_hold, "erasure.held", "refusal"),
}


@pytest.mark.parametrize("case", STATEMENTS)
def test_a_bad_statement_is_refused_by_its_code_and_on_record(
    tmp_path: Path, tally: Command, case: str
) -> None:
    make, reason, recorded = STATEMENTS[case]
    home, file = Home(tmp_path / "home"), tmp_path / "bad.cose"
    with house_in(home.root) as house:
        bad = make(house)
        file.write_bytes(bad.entry)
        size = house.ledger.snapshot.checkpoint.size

    said = tally(home.root, "register", file)

    assert (said.code, said.error, said.reason) == (5, "refused", reason), said
    assert said.detail
    added = new_entries(home, size)
    assert {one.header.type for one in added} <= {"heartbeat", "refusal"}
    assert recorded_as(home, added, bad) == (recorded, reason if recorded == "refusal" else None)
    assert_nothing_lost(home, house)


def new_entries(home: Home, size: int) -> list[SignedStatement]:
    with ledger_in(home.root, clock=Clock(int(time.time()) + 120)) as ledger:
        return [ledger.at(n).statement for n in range(size, ledger.snapshot.checkpoint.size)]


def recorded_as(
    home: Home, added: list[SignedStatement], bad: SignedStatement
) -> tuple[str, str | None]:
    """Return how it is on record that something was refused, and by which rule."""
    refusals = [one for one in added if one.header.type == "refusal"]
    if not refusals:
        beats = [parse_heartbeat(one.payload) for one in added]
        return ("counted" if sum(beat.unknown for beat in beats) == 1 else "nothing"), None
    [refusal] = refusals
    with ledger_in(home.root) as ledger:
        content = ledger.vault.get(refusal.id).values()
    assert content["entry"] == bad.entry
    assert refusal.header.links[Relation.DECIDED_ON] == (bad.id,)
    return "refusal", content["reason"]


def assert_nothing_lost(home: Home, house: House) -> None:
    """The log verifies as a whole, and what was registered before opens as it was."""
    assert check(home).damage == ()
    assert not list(check_statements(home))
    with ledger_in(home.root) as ledger:
        for one, values in house.kept.items():
            assert ledger.vault.get(one).values() == values


# --- what is asked of the command


def test_erased_twice_is_refused_and_names_the_first(tmp_path: Path, tally: Command) -> None:
    home = Home(tmp_path / "home")
    with house_in(home.root) as house:
        one = house.content("erased")
        del house.kept[one]
    assert tally(home.root, "erase", one.hex(), "--reason", "objection").code == 0
    with ledger_in(home.root) as ledger:
        size = ledger.snapshot.checkpoint.size

    said = tally(home.root, "erase", one.hex(), "--reason", "objection")

    assert (said.code, said.error) == (4, "conflict")
    assert "was erased already, see entry" in said.detail
    assert {one.header.type for one in new_entries(home, size)} <= {"heartbeat"}
    assert_nothing_lost(home, house)


def test_the_command_erases_nothing_that_is_held(tmp_path: Path, tally: Command) -> None:
    home = Home(tmp_path / "home")
    with house_in(home.root) as house:
        one = house.content("held")
    assert tally(home.root, "holds", "place", one.hex(), "--reason", "audit").code == 0

    said = tally(home.root, "erase", one.hex(), "--reason", "objection")

    assert (said.code, said.error, said.reason) == (5, "refused", "erasure.held")
    assert tally(home.root, "find", "--type", "refusal").out.count("\n") == 1
    assert_nothing_lost(home, house)


def swapped(vault: sqlite3.Connection, one: bytes, other: bytes) -> None:
    """Put the content of one statement, with its key, in the place of another's."""
    row = vault.execute("SELECT wrapped, sealed FROM content WHERE id = ?", (other,)).fetchone()
    vault.execute("UPDATE content SET wrapped = ?, sealed = ? WHERE id = ?", (*row, one))


def flipped(vault: sqlite3.Connection, one: bytes, _: bytes) -> None:
    [sealed] = vault.execute("SELECT sealed FROM content WHERE id = ?", (one,)).fetchone()
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    vault.execute("UPDATE content SET sealed = ? WHERE id = ?", (changed, one))


def missing(vault: sqlite3.Connection, one: bytes, _: bytes) -> None:
    vault.execute("DELETE FROM content WHERE id = ?", (one,))


@pytest.mark.parametrize(
    ("change", "code", "error", "deep"),
    [
        (swapped, 1, "verification.damaged", 1),
        (flipped, 1, "verification.damaged", 1),
        (missing, 0, "", 0),
    ],
)
def test_a_vault_entry_that_is_swapped_or_missing_is_said_and_the_rest_stays(
    tmp_path: Path, tally: Command, change: Callable[..., None], code: int, error: str, deep: int
) -> None:
    home = Home(tmp_path / "home")
    with house_in(home.root) as house:
        one, other = house.content("one"), house.content("another")
    with closing(sqlite3.connect(home.vault)) as vault, vault:
        change(vault, one, other)
    del house.kept[one]

    said, whole = tally(home.root, "show", one.hex()), tally(home.root, "fsck", "--deep")
    bundle = tally(home.root, "export", one.hex(), "-o", tmp_path / "one.json")

    assert (said.code, said.error) == (code, error), said
    if not error:
        assert "the vault has no content for" in json.loads(said.out)["content_missing"]
    assert whole.code == deep, whole
    assert (bundle.code, bundle.error) == (code, error), bundle
    assert_nothing_lost(home, house)


def test_a_bundle_of_another_tenant_is_not_believed(tmp_path: Path, tally: Command) -> None:
    homes, one = [Home(tmp_path / name) for name in ("ours", "theirs")], b""
    for home in homes:
        with house_in(home.root) as house:
            one = house.content("theirs")
    assert tally(homes[1].root, "export", one.hex(), "-o", tmp_path / "one.json").code == 0

    ours = tally(homes[0].root, "verify", tmp_path / "one.json", "--policy", homes[0].trust)
    theirs = tally(homes[1].root, "verify", tmp_path / "one.json", "--policy", homes[1].trust)

    assert (ours.code, theirs.code) == (1, 0)
    failed = [one for one in json.loads(ours.out)["checks"] if one["verdict"] == "failed"]
    assert {one["what"] for one in failed} == {"checkpoint", "genesis"}


def test_a_disclosure_that_was_dropped_or_changed_in_a_bundle_is_not_believed(
    tmp_path: Path, tally: Command
) -> None:
    home = Home(tmp_path / "home")
    with house_in(home.root) as house:
        one = house.content("shown")
        data = build_bundle(house.ledger, one).encode()
    changed, dropped = json.loads(data), json.loads(data)
    of = {id(one): [m["content"] for m in one["statements"] if m.get("content")] for one in
          (changed, dropped)}  # fmt: skip
    [content] = of[id(changed)]
    content["shown"]["text"]["value"] = b64.encode_url(dcbor.encode("never said"))
    [content] = of[id(dropped)]
    del content["shown"]["text"], content["digests"]["text"]
    for what in (changed, dropped):
        (tmp_path / "bad.json").write_text(json.dumps(what))

        said = tally(home.root, "verify", tmp_path / "bad.json", "--policy", home.trust)

        failed = [one for one in json.loads(said.out)["checks"] if one["verdict"] == "failed"]
        assert said.code == 1
        assert [(one["what"], one["code"]) for one in failed] == [
            ("content", "verification.commitment")
        ]
    assert_nothing_lost(home, house)


# --- what a person shows of a credential


@dataclass
class Wallet:
    """A person with a credential, and somebody who asks for a part of it."""

    clinic: Issuer = field(default_factory=Issuer)
    ada: Issuer = field(default_factory=lambda: Issuer(kind=IssuerKind.PERSON))
    now: int = field(default_factory=lambda: int(time.time()))

    def issued(self, **changes: Any) -> str:
        members: dict[str, Any] = {
            "type": "urn:example:role", "claims": {"role": "radiologist", "ward": "3"},
            "holder": self.ada.signer.public, "issued_at": self.now - DAY,
            "expires_at": self.now + DAY, **changes,
        }  # fmt: skip
        return credentials.issue(credentials.Content(**members), self.clinic.signer, Entropy())

    def shown(
        self, text: str, *claims: str, audience: str = "https://clinic.example",
        nonce: str = "n-1", age: int = 0,
    ) -> str:  # fmt: skip
        signer = self.ada.signer
        return credentials.present(text, claims, signer, audience, nonce, self.now - age)


def _ended(wallet: Wallet) -> str:
    old = replace(wallet, now=wallet.now - 40 * DAY)
    return wallet.shown(old.issued(), "role")


def _dropped(wallet: Wallet) -> str:
    token, role, *rest = wallet.shown(wallet.issued(), "role").split("~")
    assert role
    return "~".join([token, *rest])


def _added(wallet: Wallet) -> str:
    issued = wallet.issued()
    *parts, binding = wallet.shown(issued, "role").split("~")
    more = [one for one in issued.split("~")[1:] if one and one not in parts]
    return "~".join([*parts, *more, binding])


CREDENTIALS: dict[str, tuple[Callable[[Wallet], str], str]] = {
    "expired": (_ended, "credential.expired"),
    "not yet valid": (
        lambda w: w.shown(w.issued(valid_from=w.now + DAY), "role"), "credential.not-yet"),
    "wrong audience": (
        lambda w: w.shown(w.issued(), "role", audience="https://other.example"),
        "credential.audience"),
    "wrong nonce": (lambda w: w.shown(w.issued(), "role", nonce="n-0"), "credential.nonce"),
    "replay": (lambda w: w.shown(w.issued(), "role", age=400), "credential.stale"),
    "dropped disclosure": (_dropped, "credential.changed"),
    "not shown": (lambda w: w.shown(w.issued()), "credential.hidden"),
    "added disclosure": (_added, "credential.changed"),
    "over-disclosure": (lambda w: w.shown(w.issued(), "role", "ward"), "credential.excess"),
}  # fmt: skip


@pytest.mark.parametrize("case", CREDENTIALS)
def test_a_bad_presentation_is_refused_by_its_code(
    tmp_path: Path, tally: Command, case: str
) -> None:
    make, reason = CREDENTIALS[case]
    home, file, wallet = Home(tmp_path / "home"), tmp_path / "shown.sd-jwt", Wallet()
    with house_in(home.root) as house:
        size = house.ledger.snapshot.checkpoint.size
    asked = ("--issuer", wallet.clinic.did, "--audience", "https://clinic.example",
             "--nonce", "n-1", "--claim", "role", "--only")  # fmt: skip

    def verified(text: str) -> Said:
        file.write_text(text)
        return tally(home.root, "credentials", "verify", file, *asked)

    good, bad = verified(wallet.shown(wallet.issued(), "role")), verified(make(wallet))

    assert good.code == 0, good
    assert (bad.code, bad.error, bad.reason) == (1, "verification.credential", reason), bad
    assert new_entries(home, size)[1:] == []  # the heartbeat of whoever looked
    assert_nothing_lost(home, house)


def test_a_restored_vault_does_not_bring_back_what_is_erased(
    tmp_path: Path, tally: Command
) -> None:
    home = Home(tmp_path / "home")
    with house_in(home.root) as house:
        one = house.content("erased")
        del house.kept[one]
    shutil.copy(home.vault, tmp_path / "vault.sqlite")
    assert tally(home.root, "erase", one.hex(), "--reason", "objection").code == 0
    shutil.copy(tmp_path / "vault.sqlite", home.vault)

    tally(home.root, "export", one.hex(), "-o", tmp_path / "one.json")

    assert '"text"' not in (tmp_path / "one.json").read_text()
    assert tally(home.root, "erase", "--pending").code == 0
    assert "was erased" in json.loads(tally(home.root, "show", one.hex()).out)["content_missing"]
    assert_nothing_lost(home, house)
