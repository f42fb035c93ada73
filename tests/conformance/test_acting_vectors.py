"""Vectors of delegations and handovers: our verdict, a second reading of the words of the format by
plain CBOR and Ed25519, and what other people's libraries say of the signatures."""

from base64 import b64decode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tallystick.statement import SignedStatement, parse_did_key, parse_statement
from tallystick.statement.delegation import Granted, granted_by, use_fault
from tallystick.statement.governance import parse_genesis
from tallystick.statement.handover import LogKeys, parse_handover
from tallystick.statement.keylife import parse_key_statement, registered_key
from tests.oracles import kit

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
FIRST = 20
"""Index of the first of them in the log that is thought of."""
NOW = 1_790_000_000
CHAIN = sorted((VECTORS / "delegations").glob("*.cbor"))
HANDOVERS = sorted((VECTORS / "handovers").glob("*.cbor"))
EXPECTED = {"05-act": None, "06-recorded": None, "08-too-late": "revoked"}
ISS, SUB, IAT = 1, 2, 6
LINKS = -70006


def entries() -> Iterator[tuple[int, str, SignedStatement]]:
    for index, path in enumerate(CHAIN, FIRST):
        yield index, path.stem, parse_statement(path.read_bytes())


# --- our verdict


def test_the_chain_holds_until_its_first_link_is_revoked() -> None:
    grants: dict[bytes, Granted] = {}
    holders: dict[bytes, str] = {}
    seen: dict[str, str | None] = {}
    for index, name, said in entries():
        if (grant := granted_by(said, index)) is not None:
            grants[said.id] = grant
        elif name == "01-key-helper":
            record = registered_key(parse_key_statement(said.payload))
            assert record is not None
            holders[said.id] = record.issuer
        elif name == "07-revocation":
            [first, _] = grants.values()
            grants[first.id] = Granted(
                first.id, first.index, first.issuer, first.key_id, first.delegation, first.parent,
                index, NOW,
            )  # fmt: skip
        elif name in EXPECTED:
            leaf = grants[said.header.links["acted_for"][-1]]
            fault = use_fault(leaf, said.header, NOW, index, grants.get, holders.get)
            seen[name] = fault.reason if fault else None

    assert seen == EXPECTED


def test_the_log_goes_over_to_other_keys() -> None:
    genesis = parse_genesis(parse_statement(_read("statements/genesis.cbor")).payload)
    keys = LogKeys.begin(genesis)
    for index, path in zip((40, 50), HANDOVERS, strict=True):
        said = parse_handover(parse_statement(path.read_bytes()).payload)
        assert said.encode() == parse_statement(path.read_bytes()).payload
        keys.check(said, index)
        keys.apply(said, index)

    terms = [(term.first, term.last, term.agreed) for term in keys.terms]
    assert terms == [(0, 41, True), (41, 45, True), (51, None, False)]


# --- a second reading: nothing below uses this project's code


def _opened(data: bytes) -> tuple[dict[Any, Any], bytes, bytes, bytes]:
    """Return header, payload, what is signed, and the signature of a COSE_Sign1."""
    protected, _, payload, signature = cbor2.loads(data).value
    signed = cbor2.dumps(["Signature1", protected, b"", payload], canonical=True)
    return cbor2.loads(protected), payload, signed, signature


def _id(data: bytes) -> bytes:
    """Return a statement's id: the digest of what is signed."""
    return sha256(_opened(data)[2]).digest()


def _ed25519(did: str) -> Ed25519PublicKey:
    """Read a did:key of Ed25519: base58 of 0xed01 and the key."""
    letters, number = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", 0
    for letter in did.removeprefix("did:key:z"):
        number = number * 58 + letters.index(letter)
    raw = number.to_bytes(34)
    assert raw[:2] == b"\xed\x01"
    return Ed25519PublicKey.from_public_bytes(raw[2:])


def _second_verdict(name: str) -> str | None:
    """Decide about an act as the words of the format say; the log ends before it."""
    known: dict[bytes, tuple[str, dict[str, Any], list[bytes]]] = {}
    revoked: set[bytes] = set()
    for path in CHAIN:
        header, payload, signed, signature = _opened(path.read_bytes())
        issuer, named = header[15][ISS], header.get(LINKS, {}).get("acted_for", [])
        _ed25519(issuer).verify(signature, signed)
        if path.stem == name:
            return _decided(issuer, header, named, known, revoked)
        if header[-70001] in {"delegation", "key"}:
            said = cbor2.loads(payload)
            known[_id(path.read_bytes())] = (issuer, said, named)
            revoked |= {said["revokes"]} if "revokes" in said else set()
    raise AssertionError(name)


def _decided(
    issuer: str, header: dict[Any, Any], named: list[bytes], known: Any, revoked: set[bytes]
) -> str | None:
    leaf = next(one for one in named if "agent" in known[one][1])
    called = {known[one][1]["issuer"] for one in named if "agent" not in known[one][1]}
    agent, type_, at, least = known[leaf][1]["agent"], header[-70001], leaf, -1
    if agent not in {issuer, *called}:
        return "not-yours"
    while True:
        signer, said, above = known[at]
        assert signer == said["principal"]
        if at in revoked:
            return "revoked"
        if header[15][IAT] >= said["not_after"] or type_ not in said["types"]:
            return "ended"
        assert said["depth"] > least
        if not above:
            return None
        at, least = above[0], said["depth"]
        assert known[at][1]["agent"] == said["principal"]


@pytest.mark.parametrize("name", EXPECTED)
def test_a_second_reading_comes_to_the_same_verdict(name: str) -> None:
    assert _second_verdict(name) == EXPECTED[name]


@pytest.mark.parametrize("path", HANDOVERS, ids=lambda path: path.stem)
def test_a_second_reading_finds_the_signatures_of_a_handover(path: Path) -> None:
    header, payload, signed, signature = _opened(path.read_bytes())
    _ed25519(header[15][ISS]).verify(signature, signed)
    said = cbor2.loads(payload)
    parts = ("origin", "previous", "checkpoint_key", "receipt_key", "reason", "until", "policy")
    claim = cbor2.dumps(["tallystick/handover/1", *(said[one] for one in parts)], canonical=True)

    _vkey(said["checkpoint_key"]).verify(said["possession"], claim)
    receipt = cbor2.loads(said["receipt_key"])
    Ed25519PublicKey.from_public_bytes(receipt[-2]).verify(said["receipt_possession"], claim)
    if said["reason"] == "rotated":
        _vkey(said["previous"]).verify(said["agreement"], claim)
    else:
        assert said["agreement"] == b""
    with pytest.raises(InvalidSignature):
        _vkey(said["checkpoint_key"]).verify(said["possession"], claim + b"x")


def _vkey(text: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(b64decode(text.split("+", 2)[2])[1:])


# --- other people's libraries


@pytest.mark.oracle
@pytest.mark.parametrize("path", CHAIN + HANDOVERS, ids=lambda path: path.stem)
def test_other_libraries_accept_the_signatures(path: Path) -> None:
    data = path.read_bytes()
    said = parse_statement(data)
    right = Ed25519PublicKey.from_public_bytes(parse_did_key(said.header.issuer).raw)
    wrong = Ed25519PublicKey.from_public_bytes(sha256(b"x").digest())

    for ask in (kit.ask_cose, kit.ask_pycose):
        assert ask(right, data).accepted
        assert not ask(wrong, data).accepted


def _read(name: str) -> bytes:
    return (VECTORS / name).read_bytes()
