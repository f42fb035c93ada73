"""Entry points that touch no file: statements, receipts, notes, keys, proofs, policies, bundles."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from tallystick.errors import (
    ApprovalError,
    CommitmentError,
    IndeterminateError,
    InputError,
    ProofError,
    RefusedError,
    SignatureError,
    VerificationError,
)
from tallystick.evidence import records
from tallystick.identity.attestation import parse_attestation
from tallystick.identity.secp256k1 import parse_wallet_signature, recover
from tallystick.ledger import RegistrationPolicy, Rule
from tallystick.ledger.policy import parse_policy_payload, read_policy
from tallystick.ledger.rules import Candidate, decide
from tallystick.ledger.shapes import parse_header_again
from tallystick.ledger.state import LedgerState
from tallystick.log.bundle import encode_bundle, parse_bundle
from tallystick.log.layout import parse_tile_path, tile_path
from tallystick.merkle import root_from_inclusion, verify_consistency, verify_inclusion
from tallystick.statement import (
    Disclosure,
    Erasure,
    ErasureReason,
    Header,
    OpenField,
    Preimage,
    Relation,
    SignedStatement,
    TlogProof,
    b64,
    base58,
    commit,
    dcbor,
    encode_header,
    parse_batch,
    parse_checkpoint,
    parse_cose_key,
    parse_did_key,
    parse_erasure,
    parse_header,
    parse_note,
    parse_receipt,
    parse_statement,
    parse_tlog_proof,
    parse_vkey,
    verify_disclosure,
    verify_note,
)
from tallystick.statement.account import AccountEnd, parse_address, write_address
from tallystick.statement.approval import Approval, parse_approval
from tallystick.statement.commitment import field_digests, parse_preimage, payload_commitment
from tallystick.statement.cose import parse_sign1, split_registered
from tallystick.statement.delegation import Delegation, Revocation, parse_delegation
from tallystick.statement.diddocument import signing_keys
from tallystick.statement.fetched import FetchedDocument
from tallystick.statement.governance import (
    IssuerKind,
    StatementType,
    operator_record,
    parse_genesis,
    parse_heartbeat,
    parse_key_record,
)
from tallystick.statement.jcs import canonical, parse_json
from tallystick.statement.keychain import KeyChains
from tallystick.statement.keylife import KeyStatement, parse_key_statement
from tallystick.statement.publication import encode_publication, parse_publication
from tallystick.statement.webauthn import (
    Asked,
    Assertion,
    parse_authenticator_data,
    parse_client_data,
    verify_assertion,
)
from tallystick.statement.webdid import parse_web_did
from tallystick.statement.webvh import read_history
from tallystick.verify import Verdict, examine
from tallystick.verify import parse_bundle as parse_evidence
from tallystick.verify import parse_policy as parse_trust
from tests.fuzz.target import Errors, Target, vectors
from tests.histories import Controller, document_of
from tests.ledgers import Issuer
from tests.passkeys import PAGE, RP_ID, Authenticator
from tests.wallets import Wallet

STATEMENTS = vectors("statements/*.cbor")
PARSED = [parse_statement(entry) for entry in STATEMENTS]
NOTE, RECEIPT = vectors("checkpoint.txt")[0], vectors("*.receipt.cose")[0]
TRUST = parse_trust(vectors("trust.policy")[0])
[LOG_KEY] = TRUST.logs
BUNDLE = vectors("answer.tally.json")[0]
KEY_LIFE = vectors("keys/*.cbor")
HASHES = [bytes([n]) * 32 for n in range(4)]
ERASING = Issuer().sign(
    Erasure(reason=ErasureReason.OTHER, erased={HASHES[0]: frozenset({0, 1, 7})}).encode(),
    type="erasure", hashed=False, content_type="application/cbor",
    links={Relation.ERASES: tuple(HASHES[:2])},
)  # fmt: skip
PUBLISHING = Issuer().sign(
    encode_publication(commit({"answer": "yes", "n": 1}, bytes).disclose({"n"})),
    type="publication", hashed=False, content_type="application/cbor",
    links={Relation.PUBLISHES: (HASHES[0],)},
)  # fmt: skip

UNREADABLE: Errors = (InputError,)
UNBELIEVED: Errors = (InputError, VerificationError, IndeterminateError)


def payloads(*types: StatementType) -> tuple[bytes, ...]:
    return tuple(s.payload for s in PARSED if s.header.type in types)


def text(data: bytes) -> str:
    """Read any bytes as text, also such as JSON can smuggle in."""
    return data.decode(errors="surrogateescape")


def cbor(data: bytes) -> None:
    value = dcbor.decode_deterministic(data, "item")
    assert dcbor.encode(value) == data


def envelope(data: bytes) -> None:
    fast = split_registered(data)
    slow = parse_sign1(data, "statement")
    if fast is not None:
        assert fast == (slow.protected, slow.payload, slow.signature)
        assert slow.unprotected == {}


def statement(data: bytes) -> None:
    parsed = parse_statement(data)
    assert parse_statement(parsed.entry) == parsed
    key = next((s for s in PARSED if s.header.key_id == parsed.header.key_id), None)
    if key is not None:
        parsed.verify_signature(parse_did_key(key.header.issuer))


def erasure(data: bytes) -> None:
    assert parse_erasure(replace(ERASING, payload=data)).encode() == data


def publication(data: bytes) -> None:
    _, shown = parse_publication(replace(PUBLISHING, payload=data))
    assert encode_publication(shown) == data


def header(data: bytes) -> None:
    try:
        parsed = parse_header(data)
    finally:
        assert _verdict(parse_header_again, data) == _verdict(parse_header, data)
    ours = parse_header(encode_header(parsed))  # with what we always say
    assert parse_header(encode_header(ours)) == ours


def _verdict(parse: Callable[[bytes], Header], data: bytes) -> Header | str:
    try:
        return parse(data)
    except InputError as error:
        return str(error)


def receipt(data: bytes) -> None:
    parsed = parse_receipt(data)
    assert parse_receipt(parsed.encode()) == parsed
    parsed.root(HASHES[0])


def note(data: bytes) -> None:
    parsed = parse_note(data)
    assert parsed.encode() == data
    parse_checkpoint(parsed.text)
    verify_note(parsed, [LOG_KEY])


def proof_text(data: bytes) -> None:
    parsed = parse_tlog_proof(data)
    assert parse_tlog_proof(parsed.encode()) == parsed


def letters(data: bytes) -> None:
    for read in (lambda t: b64.decode(t, "x"), lambda t: b64.decode_url(t, "x"), base58.decode):
        try:
            read(text(data))
        except InputError:
            continue


def merkle(data: bytes) -> None:
    """Sizes, index and hashes of any length, from bytes."""
    size1, size2, width = (int.from_bytes(data[a : a + 8], signed=True) for a in (0, 8, 16))
    step = 32 if width % 4 else max(1, width % 40)
    hashes = [data[at : at + step] for at in range(24, len(data), step)]
    one, two, *proof = [*hashes, b"", b""]
    for check in (
        lambda: root_from_inclusion(one, size1, size2, proof[:-2]),
        lambda: verify_inclusion(one, size1, size2, proof[:-2], two),
        lambda: verify_consistency(size1, one, size2, two, proof[:-2]),
    ):
        try:
            check()
        except ProofError:
            continue


def disclosure(data: bytes) -> None:
    salt, shown = OPEN.salt, dcbor.decode(data, "fields")
    if not isinstance(shown, dict):
        return
    fields = {str(name): OpenField(salt, value) for name, value in shown.items()}
    whole = Disclosure(salt, field_digests(fields), fields)
    payload = payload_commitment(salt, whole.digests)
    assert verify_disclosure(whole, payload) == {n: f.value for n, f in fields.items()}
    verify_disclosure(Disclosure(salt, OPEN.digests, fields), payload)


def trust(data: bytes) -> None:
    policy = parse_trust(data)
    policy.fulfilled(set())
    policy.fulfilled(set(policy.witnesses.values()))


def evidence(data: bytes) -> None:
    bundle = parse_evidence(data)
    assert parse_evidence(bundle.encode()) == bundle
    report = examine(data, TRUST, any_signer=True)
    if report.verdict is not Verdict.VERIFIED:
        report.raise_unless_verified()


def evidence_part(data: bytes) -> None:
    """One part of a valid bundle replaced: two bytes say which statement and which part of it."""
    which, what, data = data[:1] or b"\0", data[1:2] or b"\0", data[2:]
    content = json.loads(BUNDLE)
    members = content["statements"]
    member, new = members[which[0] % len(members)], b64.encode_url(data)
    parts: list[tuple[dict[str, Any], str]] = [(member, "entry"), (member, "receipt")]
    parts += [(member, "leaves"), (content, "checkpoint")]
    opened = member.get("content", {})
    parts += [(opened, "salt")] + [(field, "value") for field in opened.get("shown", {}).values()]
    parts += [(row, name) for row in member.get("rows", ()) for name in ("salt", "record", "path")]
    where, name = parts[what[0] % len(parts)]
    where[name] = new
    evidence(json.dumps(content).encode())


def policy(data: bytes) -> None:
    try:
        found = read_policy(json.loads(data))
    except (ValueError, RecursionError):  # whoever hands JSON in has parsed it
        found = parse_policy_payload(data)
    again: RegistrationPolicy = read_policy(found.content())
    assert again == found


def rules(data: bytes) -> None:
    """Admit, and apply what is admitted, as the sequencer does."""
    parsed = parse_statement(data)
    state = LedgerState(now=2_000_000_000)
    state.apply(GENESIS, 0)
    record = operator_record(parse_genesis(GENESIS.payload))
    state.keys[parsed.header.issuer, parsed.header.key_id] = (0, record)
    state.policy = RegistrationPolicy((Rule(frozenset("*"), kinds=frozenset(IssuerKind)),))
    if decide(Candidate(parsed, signed=True), state, lambda _: None) is None:
        state.apply(parsed, 1)


def key_life(data: bytes) -> None:
    """Read, check and take in what is said of a key, as sequencer and verifier do."""
    said = parse_key_statement(data)
    again: KeyStatement = parse_key_statement(said.encode())
    assert again == said
    chains = KeyChains(origin=ORIGIN)
    for index, known in enumerate((*payloads(StatementType.KEY), *KEY_LIFE)):
        chains.apply(parse_key_statement(known), index)
    try:
        chains.check(said, 100)
    finally:
        chains.apply(said, 100)


def history(data: bytes) -> None:
    """Read a history of did:webvh; what is none is tried as more of one that is known."""
    try:
        read_history(HISTORY.did, None, data, data, 2_000_000_000)
    except UNBELIEVED:
        before = read_history(HISTORY.did, None, HISTORY.lines, None, 2_000_000_000)
        read_history(HISTORY.did, before, data, None, 2_000_000_000)


def web_document(data: bytes) -> None:
    """Read any bytes as a document of did:web, and any JSON as what is canonical."""
    value = parse_json(data, "it")
    assert canonical(parse_json(canonical(value), "it")) == canonical(value)
    if isinstance(value, dict):
        signing_keys(value, "did:web:example.com")


def delegation(data: bytes) -> None:
    assert parse_delegation(data).encode() == data


def approval(data: bytes) -> None:
    assert parse_approval(data).encode() == data


def assertion(data: bytes) -> None:
    """One part of a valid assertion replaced: the first byte says which; nothing else verifies."""
    which, data = data[:1] or b"\0", data[1:]
    parts = [SIGNED.authenticator_data, SIGNED.client_data, SIGNED.signature]
    unchanged = parts[which[0] % 3] == data
    parts[which[0] % 3] = data
    for parse in (parse_authenticator_data, parse_client_data):
        with suppress(InputError):
            parse(data)
    verify_assertion(Assertion(*parts), PASSKEY.public, Asked(HASHES[1], RP_ID, (PAGE,)))
    assert unchanged or which[0] % 3 == SIGNATURE  # which anybody can turn into a second one


def attestation(data: bytes) -> None:
    parse_authenticator_data(parse_attestation(data))


def preimage(data: bytes) -> None:
    assert parse_preimage(data).encode() == data


def record(data: bytes) -> None:
    values = dcbor.decode(data, "fields")
    if isinstance(values, dict):
        for kind in KINDS:
            try:
                found = kind.read(values)
            except InputError:
                continue
            assert kind.read(found.values()) == found


def tile(data: bytes) -> None:
    path = text(data)
    assert tile_path(parse_tile_path(path)) == path


def entries(data: bytes) -> None:
    assert encode_bundle(parse_bundle(data)) == data


def _subclasses(kind: type[records.Record]) -> list[type[records.Record]]:
    return [sub for direct in kind.__subclasses__() for sub in (direct, *_subclasses(direct))]


def _vkey(data: bytes) -> None:
    key = parse_vkey(text(data))
    assert key.encode() == text(data)


def _cose_key(data: bytes) -> None:
    key = parse_cose_key(data)
    assert parse_cose_key(key.encode()) == key


def _did(data: bytes) -> None:
    key = parse_did_key(text(data))
    assert key.did() == text(data)


KINDS = _subclasses(records.Record)
GENESIS: SignedStatement = next(s for s in PARSED if s.header.type == StatementType.GENESIS)
_KEY = parse_genesis(GENESIS.payload).receipt_key
ORIGIN = parse_genesis(GENESIS.payload).origin
_FIELDS: dict[str, Any] = {"outcome": "accept", "reason": "plausible", "shown": [1, {"a": b"b"}]}
_OPEN = {name: OpenField(HASHES[0], value) for name, value in _FIELDS.items()}
OPEN = Disclosure(HASHES[0], field_digests(_OPEN), {})
_PARTS = tuple(
    bytes((at, part)) + data
    for at, member in enumerate(parse_evidence(BUNDLE).members)
    for part, data in enumerate((member.entry, member.receipt))
)
_PROOF = TlogProof(3, tuple(HASHES), parse_note(NOTE), b"extra")
_MERKLE = (3).to_bytes(8) + (5).to_bytes(8) + (1).to_bytes(8) + b"".join(HASHES)

HISTORY = Controller().create().append()
WEB_DOCUMENT = json.dumps(document_of("did:web:example.com", Issuer().signer)).encode()
FETCHED = tuple(
    FetchedDocument(
        issuer=did, kind=IssuerKind.ORGANISATION, fetched_at=1_800_000_000, media_type=type_,
        certificate=bytes(32), content=content,
    ).encode()
    for did, type_, content in (
        ("did:web:example.com", "application/json", WEB_DOCUMENT),
        (HISTORY.did, "text/jsonl", HISTORY.lines),
    )
)  # fmt: skip
_WALLET = Wallet().bound(Issuer())
EVIDENCE = (*FETCHED, _WALLET.encode(), AccountEnd(issuer="a", address=_WALLET.address).encode())
_DELEGATIONS = (
    Delegation(
        principal="did:key:z6MkP", agent="did:key:z6MkA", types=frozenset({"action", "inference"}),
        not_after=2_000_000_000, depth=2, purpose="billing",
    ).encode(),
    Revocation(bytes(32)).encode(),
)  # fmt: skip
PASSKEY = Authenticator(key=ec.derive_private_key(7, ec.SECP256R1()))
SIGNATURE = 2
SIGNED = PASSKEY.get(HASHES[1])
_APPROVAL = Approval(
    origin=ORIGIN, action="release", targets=tuple(HASHES), content=HASHES[0], nonce=HASHES[1],
    expiry=2_000_000_000,
)  # fmt: skip
PURE = (
    Target("cbor", cbor, UNREADABLE, (dcbor.encode(_FIELDS), *payloads(StatementType.POLICY))),
    Target("envelope", envelope, UNREADABLE, (STATEMENTS[0], RECEIPT)),
    Target("statement", statement, (InputError, SignatureError), STATEMENTS),
    Target("header", header, UNREADABLE, tuple(s.protected for s in PARSED)),
    Target("receipt", receipt, (InputError, ProofError), (RECEIPT,)),
    Target("note", note, (InputError, SignatureError), (NOTE,)),
    Target("vkey", _vkey, UNREADABLE, (LOG_KEY.encode().encode(),)),
    Target("cose-key", _cose_key, UNREADABLE, (_KEY.encode(),)),
    Target("did-key", _did, UNREADABLE, (PARSED[0].header.issuer.encode(),)),
    Target("tlog-proof", proof_text, UNREADABLE, (*vectors("*.tlog-proof"), _PROOF.encode())),
    Target("letters", letters, UNREADABLE, (b"AAAA", b"-_-_", b"z6Mk")),
    Target("merkle", merkle, (), (_MERKLE, _MERKLE[:24])),
    Target("batch", lambda d: parse_batch(d).encode() == d, UNREADABLE,
           tuple(s.payload for s in PARSED if "batch" in (s.header.content_type or ""))),
    Target("erasure", erasure, UNREADABLE, (ERASING.payload,)),
    Target("publication", publication, UNREADABLE, (PUBLISHING.payload,)),
    Target("genesis", parse_genesis, UNREADABLE, (GENESIS.payload,)),
    Target("key-record", lambda d: parse_key_record(d).verify_possession(ORIGIN),
           (InputError, SignatureError), payloads(StatementType.KEY)),
    Target("key-life", key_life, UNBELIEVED,
           (*payloads(StatementType.KEY), *KEY_LIFE, *EVIDENCE,
            PASSKEY.passkey("did:key:z6MkP").encode())),
    Target("history", history, UNBELIEVED,
           (HISTORY.lines, *HISTORY.lines.splitlines(keepends=True))),
    Target("web-document", web_document, UNREADABLE, (WEB_DOCUMENT, HISTORY.lines)),
    Target("address", lambda d: write_address(parse_address(text(d))), UNREADABLE,
           (b"0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf",)),
    Target("wallet", lambda d: recover(*parse_wallet_signature(text(d)), "text"),
           (InputError, SignatureError), (Wallet().sign("text").hex().encode() + b"1b",)),
    Target("web-did", lambda d: parse_web_did(text(d)), UNREADABLE,
           (b"did:web:example.com%3A8443:a%20b", HISTORY.did.encode())),
    Target("delegation", delegation, UNREADABLE, _DELEGATIONS),
    Target("approval", approval, UNREADABLE, (_APPROVAL.encode(), _APPROVAL.decline().encode())),
    Target("assertion", assertion, (InputError, ApprovalError),
           (b"\0" + SIGNED.authenticator_data, b"\1" + SIGNED.client_data,
            b"\2" + SIGNED.signature, b"\0" + PASSKEY.made())),
    Target("attestation", attestation, UNREADABLE, (PASSKEY.make(HASHES[1]).attestation,)),
    Target("preimage", preimage, UNREADABLE, (Preimage(HASHES[0], _OPEN).encode(),)),
    Target("heartbeat", parse_heartbeat, UNREADABLE, payloads(StatementType.HEARTBEAT)),
    Target("disclosure", disclosure, (InputError, CommitmentError), (dcbor.encode(_FIELDS),)),
    Target("trust-policy", trust, UNREADABLE, vectors("trust.policy")),
    Target("evidence", evidence, UNBELIEVED, (BUNDLE,)),
    Target("evidence-part", evidence_part, UNBELIEVED, _PARTS),
    Target("registration-policy", policy, UNREADABLE, payloads(StatementType.POLICY)),
    Target("rules", rules, (InputError, RefusedError), STATEMENTS),
    Target("record", record, UNREADABLE, (dcbor.encode(_FIELDS),)),
    Target("tile-path", tile, UNREADABLE, (b"tile/0/x001/x234/067.p/8", b"tile/entries/000")),
    Target("entries", entries, UNREADABLE, (encode_bundle([b"a", b"bc", b""]),)),
)  # fmt: skip
