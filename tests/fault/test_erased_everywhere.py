"""After erasure no file of a ledger holds text, salts, keys or copies: derived ones included."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from tallystick.approvals import Answers, Kind, Waiting, Wanted, ask
from tallystick.capture.spool import Spool, scrub
from tallystick.evidence import load_rows
from tallystick.ledger import Home, Ledger, RegistrationPolicy, Rows, Rule, Submission
from tallystick.ledger.maintenance import backup, check
from tallystick.ledger.searches import Filters, Searches
from tallystick.log import PosixDisk
from tallystick.statement import ErasureReason, Relation
from tallystick.statement.governance import IssuerKind
from tallystick.vault import About
from tallystick.verify import parse_policy
from tests.fault.test_erasure import PIECE, RECORDS, Secrets
from tests.ledgers import Issuer, ledger_in
from tests.passkeys import Authenticator, enrolled

TYPES = frozenset({"inference", "dataset", "decision", "model"})
POLICY = RegistrationPolicy((Rule(TYPES, kinds=frozenset(IssuerKind)),))
WORDS = "jane's tumour is benign, says the scan of "


def batches(ledger: Ledger, clinic: Issuer, secrets: Secrets) -> list[bytes]:
    """Register rows about jane, and a training set with copies of them that names nobody."""
    statement, salts, leaves = clinic.batch(RECORDS)
    rows = Rows(salts, RECORDS, ["jane"] * 6)
    source = ledger.register_one(Submission(statement.entry, leaves=leaves, rows=rows)).id
    derived = clinic.sign(
        statement.payload, type="dataset", hashed=False, links={Relation.DERIVED_FROM: (source,)},
        content_type=statement.header.content_type,
    )  # fmt: skip
    copies = Rows(salts, RECORDS, None)
    ledger.register_one(Submission(derived.entry, leaves=leaves, rows=copies))
    secrets.found += [*RECORDS, *(salts[at : at + 32] for at in range(0, len(salts), 32))]
    for [sealed] in ledger.vault._all("SELECT sealed FROM segments"):
        secrets.found.append(sealed)
    return [source, derived.id]


def answered(ledger: Ledger, person: Issuer, secrets: Secrets) -> list[bytes]:
    """Let a person decide about jane; return what was registered."""
    passkey, said = Authenticator(), WORDS + os.urandom(8).hex()
    enrolled(ledger, person.did, passkey)
    with closing(Waiting(ledger.home.asked, ledger.api_secret)) as waiting:
        fields = {"outcome": "override", "reason": said, "shown": "benign"}
        wanted = Wanted(issuer=person.did, action="decision", targets=(), fields=fields)
        token, question = ask(waiting, ledger.state, wanted, ledger.clock())
        secrets.found += [
            row for [row] in waiting._database.execute("SELECT sealed FROM asked").fetchall()
        ]
        secrets.add_content(question.content)
        assertion = passkey.get(question.approval.challenge())
        done = Answers(ledger, waiting).answer(token, assertion, declined=False)
        outcome = waiting.open(Kind.APPROVAL, token).outcome
        assert outcome is not None
    return [one.id for one in done.registered]


def spooled(ledger: Ledger, clinic: Issuer, secrets: Secrets) -> bytes:
    """Let an answer about jane come through a gateway's spool."""
    statement, content = clinic.content({"answer": WORDS + os.urandom(8).hex()})
    sealed = ledger.vault.seal(statement.id, content, About("jane"))
    spool = Spool(PosixDisk(), ledger.home.spool, os.urandom)
    spool.replay()
    item = spool.take(statement, sealed)
    spool.write(item)
    spool.sync()
    ledger.register_one(item.submission())
    spool.settle([item])
    spool.close()
    secrets.add_content(content)
    secrets.found += [sealed.wrapped, sealed.sealed]
    return statement.id


def test_nothing_is_left_in_vault_spool_questions_or_derived_rows(tmp_path: Path) -> None:
    home, secrets = Home(tmp_path / "home"), Secrets()
    clinic, person = Issuer(), Issuer(kind=IssuerKind.PERSON)
    saved, older = tmp_path / "saved", tmp_path / "older"
    with ledger_in(home.root, clinic, person, policy=POLICY) as ledger:
        rows = batches(ledger, clinic, secrets)
        ids = [*rows, *answered(ledger, person, secrets), spooled(ledger, clinic, secrets)]
        secrets.add_keys(ledger)
        model, content = clinic.content(
            {"name": "m"}, type="model", links={Relation.USED: (rows[1],)}
        )
        ledger.register_one(Submission(model.entry, content))
        Searches(home.searches).save("decisions", Filters(type="decision"))
        assert ledger.vault.get(ids[2]).values()  # read, so that it is noted
        ledger.register_reads()
        master = ledger.keys.secret("vault")
        backup(home, saved, master)
        backup(home, older, master)
        assert len({name for name, _ in secrets.in_files(home.root)}) >= 2  # vault, and spool

        wanted = {**ledger.vault.about("jane"), **dict.fromkeys(ids[2:])}
        ledger.erase(wanted, ErasureReason.CONSENT_WITHDRAWN)
        trust = parse_policy(home.trust.read_bytes())
        assert load_rows(ledger, rows, trust).rows == ()
        ledger.publish()
        backup(home, saved, master)
    assert not scrub(home.spool)
    assert secrets.in_files(home.root) == []
    assert secrets.in_files(saved) == []  # the copy that is made again holds no key any more
    assert check(home).damage == ()
    encrypted = {one[at : at + PIECE] for one in sealed_in(older) for at in (0, len(one) - PIECE)}
    assert {piece for _, piece in secrets.in_files(older)} <= encrypted


def sealed_in(folder: Path) -> list[bytes]:
    """Return all that is encrypted, and all wrapped keys, in the vault of a backup."""
    with closing(sqlite3.connect(folder / "data" / "vault" / "vault.sqlite")) as vault:
        queries = ("SELECT sealed FROM content", "SELECT sealed FROM segments",
                   "SELECT wrapped FROM keys", "SELECT wrapped FROM subjects")  # fmt: skip
        return [row for query in queries for [row] in vault.execute(query).fetchall()]
