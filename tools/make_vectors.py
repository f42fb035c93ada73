"""Write the golden vectors: one statement of each type, a receipt, a checkpoint and a bundle.

    python tools/make_vectors.py          writes vectors/
    python tools/make_vectors.py --check  exits 1 if any file would change

Keys, salts and times are fixed, so the bytes are the same on every machine. A change of any of
them is a change of the format: it needs an ADR and a new version.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from tallystick.evidence import (
    Decision,
    Evaluation,
    Intent,
    Model,
    Outcome,
    Record,
    Refusal,
    encode_row,
)
from tallystick.evidence.records import Change
from tallystick.identity import SoftwareSigner
from tallystick.ledger import RegistrationPolicy, Rule
from tallystick.log import EmbeddedLog, LogKey, Places, PosixDisk
from tallystick.merkle import tree_root
from tallystick.statement import (
    Assurance,
    Batch,
    Header,
    KeyKind,
    Preimage,
    Relation,
    Sequence,
    SignedStatement,
    TlogProof,
    VerifierKey,
    commit,
    dcbor,
    parse_note,
    receipt_header,
    row_leaves,
    sign_receipt,
    sign_statement,
)
from tallystick.statement.governance import (
    Genesis,
    Heartbeat,
    IssuerKind,
    KeyRecord,
    StatementType,
)
from tallystick.statement.keylife import (
    KeyStatement,
    Reason,
    RecoveryKey,
    Revocation,
    Rotation,
    next_record,
)
from tallystick.statement.labels import BATCH_MEDIA_TYPE, INLINE_MEDIA_TYPE
from tallystick.verify import Bundle, Member, OpenRow

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that this runs as a file

from tools.vectors_acting import delegations, handovers  # noqa: E402 - after the line above
from tools.vectors_appeals import appeals  # noqa: E402
from tools.vectors_approvals import approvals  # noqa: E402

FOLDER: Final = ROOT / "vectors"
ORIGIN: Final = "vectors.example/log"
NOW: Final = 1_790_000_000
ROWS: Final[tuple[dict[str, Any], ...]] = (
    {"case": "a", "size": 1.5},
    {"case": "b", "size": 2},
    {"case": "c", "size": None},
)


class Entropy:
    """Salts that look random and are the same each time."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, size: int) -> bytes:
        """Return that many bytes."""
        out = b""
        while len(out) < size:
            out += sha256(f"tallystick vectors {self._count}".encode()).digest()
            self._count += 1
        return out[:size]


class Writer:
    """Signs one statement after another, as one emitter of each issuer would."""

    def __init__(self) -> None:
        self.entropy = Entropy()
        self.signers = {
            name: SoftwareSigner(KeyKind.ED25519, sha256(f"key {name}".encode()).digest())
            for name in ("checkpoint", "receipt", "operator", "clinic", "ai", "person")
        }
        self.last: dict[str, SignedStatement] = {}
        self.statements: dict[str, SignedStatement] = {}
        self.contents: dict[str, Preimage] = {}

    def inline(
        self, name: str, who: str, type_: StatementType, payload: bytes, **members: Any
    ) -> SignedStatement:
        """Sign a statement with an inline payload."""
        inline = {"hashed": False, "content_type": INLINE_MEDIA_TYPE, **members}
        return self._sign(name, who, type_, payload, **inline)

    def record(self, name: str, who: str, record: Record, **members: Any) -> SignedStatement:
        """Sign a statement with salted fields."""
        content = commit(record.values(), self.entropy)
        self.contents[name] = content
        return self._sign(name, who, record.statement_type, content.commitment(), **members)

    def _sign(
        self, name: str, who: str, type_: StatementType, payload: bytes, **members: Any
    ) -> SignedStatement:
        signer, last = self.signers[who], self.last.get(who)
        place = last.header.sequence if last else None
        sequence = Sequence(
            emitter=sha256(who.encode()).digest()[:16],
            epoch=0,
            seq=place.seq + 1 if place else 0,
            prev=last.id if last else None,
        )
        digest = sha256(name.encode()).hexdigest()
        subject = f"urn:uuid:{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-"
        header = Header(
            algorithm=signer.algorithm,
            key_id=signer.public.thumbprint(),
            issuer=signer.public.did(),
            issued_at=NOW,
            type=type_,
            sequence=sequence,
            **{"subject": subject + digest[20:32], **members},
        )
        statement = sign_statement(header, payload, signer.sign)
        self.last[who] = self.statements[name] = statement
        return statement


def write_statements(writer: Writer) -> tuple[bytes, bytes]:
    """Sign one statement of each type; return salts and leaves of the batch."""
    policy = RegistrationPolicy((Rule(frozenset({"*"}), kinds=frozenset(IssuerKind)),))
    _govern(writer, policy)
    salts, leaves = row_leaves([encode_row(row) for row in ROWS], writer.entropy)
    batch = writer.inline(
        "dataset",
        "clinic",
        StatementType.DATASET,
        Batch(rows=len(ROWS), root=tree_root(leaves)).encode(),
        content_type=BATCH_MEDIA_TYPE,
    )
    chosen = writer.inline(
        "dataset-selection",
        "ai",
        StatementType.DATASET,
        Batch(rows=2, root=tree_root(leaves[:64])).encode(),
        content_type=BATCH_MEDIA_TYPE,
        links={Relation.DERIVED_FROM: (batch.id,)},
    )
    _use(writer, chosen, tree_root(leaves[:64]))
    refused = Refusal(
        entry=batch.entry,
        reason="policy",
        message="not allowed",
        policy=writer.statements["policy"].id,
    )
    writer.record(
        "refusal",
        "operator",
        refused,
        subject=batch.header.issuer,
        links={Relation.DECIDED_ON: (batch.id,)},
    )
    return salts, leaves


def _govern(writer: Writer, policy: RegistrationPolicy) -> None:
    """Sign what governs the log."""
    public = {name: signer.public for name, signer in writer.signers.items()}
    genesis = Genesis(
        origin=ORIGIN,
        checkpoint_key=VerifierKey(ORIGIN, 1, public["checkpoint"].raw),
        receipt_key=public["receipt"],
        operator=public["operator"].did(),
        operator_key=public["operator"],
        policy=RegistrationPolicy().content(),
    )
    writer.inline("genesis", "operator", StatementType.GENESIS, genesis.encode(), subject=ORIGIN)
    beat = Heartbeat(time=NOW, state="start", next_due=NOW + 120)
    writer.inline("heartbeat", "operator", StatementType.HEARTBEAT, beat.encode())
    for who, kind, name in (
        ("clinic", IssuerKind.ORGANISATION, "Clinic North"),
        ("ai", IssuerKind.AI, "Classifier"),
        ("person", IssuerKind.PERSON, None),
    ):
        did = public[who].did()
        record = KeyRecord.signed(ORIGIN, public[who], kind, name, writer.signers[who].sign)
        writer.inline(f"key-{who}", "operator", StatementType.KEY, record.encode(), subject=did)
    writer.inline("policy", "operator", StatementType.POLICY, policy.encode(), subject=ORIGIN)


def _use(writer: Writer, chosen: SignedStatement, root: bytes) -> None:
    """Sign what an AI and a person say."""
    digest = sha256(b"model artifact").digest()
    _train(writer, chosen, root, digest)
    person = writer.statements["key-person"].id
    members = {"model": digest, "assurance": Assurance.API_KEY}
    asked = writer.record(
        "inference-intent",
        "ai",
        Intent(
            operation="chat",
            request=b'{"model":"classifier","messages":[{"role":"user","content":"benign?"}]}',
            model="classifier",
            parameters={},
            upstream="http://localhost",
            started_ms=1000 * NOW,
        ),
        links={Relation.ACTED_FOR: (person,)},
        **members,
    )
    outcome = Outcome(
        status="ok",
        http_status=200,
        response=b'{"choices":[]}',
        answer="benign",
        model="classifier",
        finish_reasons=("stop",),
        usage={"total_tokens": 3},
        first_byte_ms=1.5,
        duration_ms=2.5,
    )
    links = {Relation.GENERATED_BY: (asked.id,), Relation.ACTED_FOR: (person,)}
    answered = writer.record("inference-outcome", "ai", outcome, links=links, **members)
    decision = Decision(outcome="accept", reason="agrees with my finding", shown="benign")
    writer.record("decision", "person", decision, links={Relation.DECIDED_ON: (answered.id,)})


def _train(writer: Writer, chosen: SignedStatement, root: bytes, digest: bytes) -> None:
    model = Model(
        name="classifier",
        digest=digest,
        algorithm="logistic regression",
        parameters={"C": 1.0},
        rows=2,
        row_root=root,
        software={"example": "1.0"},
    )
    links = {Relation.USED: (chosen.id,)}
    trained = writer.record("model", "ai", model, model=digest, links=links)
    evaluation = Evaluation(metrics={"accuracy": 0.5}, rows=2, row_root=root, note="example")
    both = {Relation.USED: (trained.id, chosen.id)}
    writer.record("evaluation", "ai", evaluation, model=digest, links=both)
    change = Change(what="gateway.fail_open", before="false", after="true", reason="example")
    writer.record("change", "ai", change)


def files() -> Iterator[tuple[str, bytes]]:
    """Yield every file with its content."""
    writer = Writer()
    salts, leaves = write_statements(writer)
    for name, statement in writer.statements.items():
        yield f"statements/{name}.cbor", statement.entry
        yield f"statements/{name}.json", _json(describe(statement, writer.contents.get(name)))
    yield from _proofs(writer, salts, leaves)
    for name, key in _key_life(writer.signers["clinic"]):
        yield f"keys/{name}.cbor", key.encode()
    person, operator = writer.signers["person"].issuer, writer.signers["operator"]
    answer = writer.statements["inference-outcome"].id
    for name, one, content in approvals(ORIGIN, person, operator, answer, NOW, Entropy()):
        yield f"approvals/{name}.cbor", one.entry
        yield f"approvals/{name}.json", _json(describe(one, content))
    decision = writer.statements["decision"].id
    asked = appeals(operator, writer.signers["person"], decision, answer, NOW, Entropy())
    for name, one, content in asked:
        yield f"appeals/{name}.cbor", one.entry
        yield f"appeals/{name}.json", _json(describe(one, content))
    for folder, said in (("delegations", delegations), ("handovers", handovers)):
        for name, one in said(ORIGIN, writer.signers, NOW):
            yield f"{folder}/{name}.cbor", one.entry
            yield f"{folder}/{name}.json", _json(describe(one, None))


def _key_life(clinic: SoftwareSigner) -> Iterator[tuple[str, KeyStatement]]:
    """Yield what the clinic says of its keys after the log of the other vectors, in this order."""
    new, newest, safe = (
        SoftwareSigner(KeyKind.ED25519, sha256(f"key clinic {name}".encode()).digest())
        for name in ("new", "newest", "recovery")
    )
    first = KeyRecord.signed(
        ORIGIN, clinic.public, IssuerKind.ORGANISATION, "Clinic North", clinic.sign
    )
    recovers = (safe.public, safe.sign)
    yield (
        "1-recovery",
        RecoveryKey.signed(ORIGIN, first.issuer, recovers, (clinic.public, clinic.sign)),
    )
    for name, key, before, by in (
        ("2-rotation", new, clinic, clinic),
        ("3-recovered", newest, new, safe),
    ):
        record = next_record(ORIGIN, first, key.public, key.sign)
        follows = before.public.thumbprint()
        yield name, Rotation.signed(ORIGIN, record, follows, by.public, by.sign)
    end = Revocation(
        issuer=first.issuer,
        key_id=new.public.thumbprint(),
        reason=Reason.COMPROMISED,
        until=3,
    )
    yield "4-revocation", end.signed_by(ORIGIN, newest.public, newest.sign)


def _proofs(writer: Writer, salts: bytes, leaves: bytes) -> Iterator[tuple[str, bytes]]:
    entries = [statement.entry for statement in writer.statements.values()]
    verifier = VerifierKey(ORIGIN, 1, writer.signers["checkpoint"].public.raw)
    key = LogKey(verifier, writer.signers["checkpoint"].sign)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        places = Places(base / "log", base / "journal", base / "head")
        log = EmbeddedLog(places, key, PosixDisk(), Entropy())
        snapshot = log.append(entries)
        members, index = [], len(entries) - 1
        for at, (name, statement) in enumerate(writer.statements.items()):
            receipt = _receipt(writer, snapshot, at)
            content = writer.contents.get(name)
            member = Member(statement.entry, receipt, content.disclose() if content else None)
            if name == "dataset":
                rows = tuple(
                    OpenRow(n, salts[32 * n : 32 * n + 32], encode_row(row))
                    for n, row in enumerate(ROWS)
                )
                member = Member(statement.entry, receipt, None, leaves, rows)
            elif name == "dataset-selection":
                member = Member(statement.entry, receipt, None, leaves[:64])
            members.append(member)
        subject = writer.statements["inference-outcome"].id
        proof = TlogProof(index, snapshot.reader.inclusion_path(index), parse_note(snapshot.note))
        log.close()
    yield "checkpoint.txt", snapshot.note
    yield "trust.policy", f"log {verifier.encode()}\nquorum none\n".encode()
    yield "refusal.receipt.cose", members[index].receipt
    yield "refusal.tlog-proof", proof.encode()
    yield "answer.tally.json", Bundle(subject, snapshot.note, tuple(members)).encode()


def _receipt(writer: Writer, snapshot: Any, index: int) -> bytes:
    signer, claim = writer.signers["receipt"], snapshot.checkpoint
    entry = list(writer.statements.values())[index]
    protected = receipt_header(
        algorithm=signer.algorithm,
        key_id=signer.public.thumbprint(),
        origin=ORIGIN,
        subject=entry.header.subject,
        size=claim.size,
        index=index,
    )
    path = snapshot.reader.inclusion_path(index)
    return sign_receipt(protected, claim.root, claim.size, index, path, signer.sign)


def describe(statement: SignedStatement, content: Preimage | None) -> dict[str, Any]:
    """Return a statement in words: what its bytes mean."""
    described: dict[str, Any] = {
        "id": statement.id.hex(),
        "leaf": sha256(b"\0" + statement.entry).hexdigest(),
        "protected": _readable(dcbor.decode(statement.protected, "header")),
        "payload": statement.payload.hex(),
        "signature": statement.signature.hex(),
    }
    if not statement.header.hashed:
        described["inline"] = _readable(dcbor.decode(statement.payload, "payload"))
    if content is not None:
        described["content"] = {
            "salt": content.salt.hex(),
            "fields": {
                name: {
                    "salt": field.salt.hex(),
                    "value": _readable(field.value),
                    "digest": field.digest(name).hex(),
                }
                for name, field in content.fields.items()
            },
        }
    return described


def _readable(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, dict):
        return {str(key): _readable(item) for key, item in value.items()}
    return [_readable(item) for item in value] if isinstance(value, list) else value


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=1).encode() + b"\n"


def main() -> int:
    """Write the files, or compare them."""
    check = "--check" in sys.argv
    wanted = dict(files())
    there = {str(p.relative_to(FOLDER)) for p in FOLDER.rglob("*") if p.is_file()} - {"README.md"}
    stale = sorted(there - set(wanted))
    for name, data in wanted.items():
        path = FOLDER / name
        if check:
            stale += [] if path.exists() and path.read_bytes() == data else [name]
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    for name in stale:
        print(f"vectors/{name} is not what tools/make_vectors.py writes")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
