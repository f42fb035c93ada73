"""Evidence of an issuer's keys: what documents name, and what follows what."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tallystick.errors import (
    EncodingError,
    IndeterminateError,
    KeyChainError,
    KeyEndedError,
    VersionError,
)
from tallystick.identity import Signer, generate
from tallystick.identity.jwk import encode as jwk
from tallystick.statement import KeyKind, dcbor
from tallystick.statement.diddocument import signing_keys
from tallystick.statement.fetched import FetchedDocument, read_fetched
from tallystick.statement.governance import IssuerKind, KeyRecord, possession_bytes
from tallystick.statement.keychain import KeyChains
from tallystick.statement.keylife import Reason, parse_key_statement
from tallystick.verify.statement import RegisteredKeys
from tests.histories import Controller, document_of
from tests.keylives import next_key, recovery, revocation, rotation
from tests.ledgers import ORIGIN, START, Issuer

DID = "did:web:example.com"


def fetched(*signers: Signer, **changed: Any) -> FetchedDocument:
    """Return evidence that names keys."""
    said = FetchedDocument(
        issuer=DID,
        kind=IssuerKind.ORGANISATION,
        fetched_at=START,
        media_type="application/did+json",
        certificate=bytes(32),
        content=json.dumps(document_of(DID, *signers)).encode(),
    )
    return replace(said, **changed)


def history(
    controller: Controller, content: bytes | None = None, **changed: Any
) -> FetchedDocument:
    content = controller.lines if content is None else content
    said = fetched(issuer=controller.did, media_type="text/jsonl", content=content)
    return replace(said, **changed)


def chains(*said: FetchedDocument) -> KeyChains:
    known = KeyChains(origin=ORIGIN, operator="did:key:operator")
    for index, one in enumerate(said, start=1):
        known.check(one, index)
        known.apply(one, index)
    return known


def kid(signer: Signer) -> bytes:
    return signer.public.thumbprint()


# --- documents


@pytest.mark.parametrize("kind", list(KeyKind))
@pytest.mark.parametrize("written", ["multikey", "jwk", "embedded", "relative"])
def test_a_key_counts_however_it_is_written(kind: KeyKind, written: str) -> None:
    signer = generate(kind)
    document = document_of(DID, signer)
    [method] = document["verificationMethod"]
    if written == "jwk":
        del method["publicKeyMultibase"]
        method.update(type="JsonWebKey", publicKeyJwk=jwk(signer.public))
    elif written == "embedded":
        document["verificationMethod"], document["assertionMethod"] = [], [method]
    elif written == "relative":
        method["id"] = "#key-0"
        document["assertionMethod"] = ["#key-0", f"{DID}#key-0"]

    assert signing_keys(document, DID) == (signer.public,)


@pytest.mark.parametrize(
    "changed",
    [
        {"controller": "did:web:example.org"},
        {"type": "RsaVerificationKey2018"},
        {"publicKeyMultibase": "zunknown"},
        {"publicKeyMultibase": 7},
        {"id": "did:web:example.com#other"},
        {"publicKeyMultibase": None, "publicKeyJwk": {"kty": "EC", "crv": "P-384"}},
    ],
)
def test_a_key_of_another_use_is_passed_over(changed: dict[str, Any]) -> None:
    document = document_of(DID, generate())
    document["verificationMethod"][0].update(changed)

    assert signing_keys(document, DID) == ()


def test_a_key_that_is_not_for_statements_is_passed_over() -> None:
    document = document_of(DID, generate())
    document["assertionMethod"] = [7]
    document["verificationMethod"].append("x")

    assert signing_keys(document, DID) == ()
    del document["assertionMethod"], document["verificationMethod"]
    assert signing_keys(document, DID) == ()


@pytest.mark.parametrize(
    "changed",
    [
        {"assertionMethod": "x"},
        {"verificationMethod": {}},
        {"assertionMethod": ["x"] * 65},
        {"assertionMethod": [{"publicKeyJwk": {"kty": "OKP", "crv": "Ed25519", "x": "AA"}}]},
        {"assertionMethod": [{"publicKeyJwk": {"kty": "OKP", "crv": "Ed25519"}}]},
    ],
)
def test_a_document_that_is_not_well_formed_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(EncodingError):
        signing_keys({**document_of(DID, generate()), **changed}, DID)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"content": b"[]"}, "is an object"),
        ({"content": b"{}"}, "the document is of None"),
        ({"media_type": "text/html"}, "served as 'text/html'"),
    ],
)
def test_a_file_that_is_no_document_is_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(EncodingError, match=words):
        read_fetched(fetched(generate(), **changed), None)
    with pytest.raises(KeyChainError, match=words) as refused:
        chains(fetched(generate(), **changed))
    assert refused.value.reason == "key.document"


# --- payloads


def test_evidence_is_read_as_it_is_written() -> None:
    for said in (fetched(generate()), history(Controller().create(), after=3, witness=b"[]")):
        assert parse_key_statement(said.encode()) == said


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"issuer": 7}, "'issuer' must be text"),
        ({"issuer": "did:key:z6Mk"}, "expected did:web"),
        ({"kind": "robot"}, "kind must be one of"),
        ({"kind": "person"}, "signs under a pseudonym"),
        ({"media_type": None}, "'media_type' must be text"),
        ({"fetched_at": -1}, "'fetched_at' must be in"),
        ({"fetched_at": True}, "'fetched_at' must be in"),
        ({"fetched_at": 253_402_300_800}, "'fetched_at' must be in"),
        ({"certificate": b"x"}, "'certificate' must be 32 bytes"),
        ({"content": "x"}, "'content' must be bytes"),
        ({"content": bytes(60_001)}, "at most 60000"),
        ({"witness": "x"}, "'witness' must be bytes"),
        ({"after": 1}, "no entries before it"),
        ({"witness": b""}, "no entries before it"),
        ({"action": "magic"}, "'action' must be"),
    ],
)
def test_a_payload_that_is_none_is_refused(changed: dict[str, Any], words: str) -> None:
    members = dcbor.decode(fetched(generate()).encode(), "it")

    with pytest.raises(EncodingError, match=words):
        parse_key_statement(dcbor.encode({**members, **changed}))


def test_a_version_that_is_not_known_is_named() -> None:
    members = dcbor.decode(fetched(generate()).encode(), "it")

    for version in (4, 3.0, True):
        with pytest.raises(VersionError, match="reads 1 to 3"):
            parse_key_statement(dcbor.encode({**members, "version": version}))


# --- what follows what


def test_keys_begin_and_end_with_the_evidence() -> None:
    old, both, new = generate(), generate(), generate()

    known = chains(fetched(old, both), fetched(both, new, fetched_at=START + 1))

    ended = known.end_of(DID, kid(old))
    assert ended is not None
    assert (ended.last, ended.reason) == (2, "removed")
    assert known.keys_of(DID) == [kid(old), kid(both), kid(new)]
    assert known.end_of(DID, kid(both)) is known.end_of(DID, kid(new)) is None
    assert known.records[DID, kid(both)][0] == 1
    assert known.named[DID, kid(both)][0] == 2
    assert "as the operator of the log fetched it at 2026-09-21T" in known.named[DID, kid(new)][1]


def test_a_key_that_has_ended_does_not_begin_again() -> None:
    old, new = generate(), generate()

    known = chains(fetched(old), fetched(new), fetched(old))

    assert known.end_of(DID, kid(old)) is not None


def test_a_history_goes_on_in_parts_and_ends_all_keys_when_it_is_deactivated() -> None:
    controller = Controller().create()
    parts = [history(controller)]
    length = len(controller.lines)
    controller.append(deactivated=True)
    parts.append(history(controller, controller.lines[length:], after=1))

    known = chains(*parts)

    ended = known.end_of(controller.did, kid(controller.signer))
    assert ended is not None
    assert ended.reason == "deactivated"
    assert (
        "named by its history, verified here"
        in known.named[controller.did, kid(controller.signer)][1]
    )
    with pytest.raises(KeyChainError, match="is deactivated, nothing follows"):
        known.check(history(controller, controller.lines, after=2), 9)


def test_a_verifier_says_how_a_key_ended_that_signed_later() -> None:
    old, controller = generate(), Controller().create()
    known = RegisteredKeys(chains(fetched(old), fetched(generate()), history(controller)))
    length = len(controller.lines)
    controller.append(deactivated=True)
    known.add(history(controller, controller.lines[length:], after=1), 4)

    assert known.find(DID, kid(old), 2).basis.endswith("it ended at index 2, removed")
    with pytest.raises(KeyEndedError, match=r"document of did:web:example\.com named it no more"):
        known.find(DID, kid(old), 3)
    with pytest.raises(KeyEndedError, match="was deactivated at index 4"):
        known.find(controller.did, kid(controller.signer), 5)


def test_a_verifier_says_where_a_key_was_named_again() -> None:
    signer = generate()

    known = RegisteredKeys(chains(fetched(signer), fetched(signer, fetched_at=START + 9)))

    assert known.find(DID, kid(signer), 3).basis.endswith("served there then (entry 2)")


def test_evidence_that_does_not_follow_is_refused() -> None:
    controller = Controller().create()
    known = chains(fetched(generate()), history(controller))
    refused = [
        (fetched(generate(), fetched_at=START - 1), "before what is registered"),
        (fetched(generate(), kind=IssuerKind.AI), "registered as organisation, got ai"),
        (history(controller), "1 entries of the history are registered, got 0"),
        (history(controller, b"{}\n", after=1), "entry 2 of the history"),
    ]

    for said, words in refused:
        with pytest.raises(KeyChainError, match=words) as error:
            known.check(said, 9)
        assert error.value.reason == "key.document"
    with pytest.raises(IndeterminateError, match="after entry 2, and here 1 are known"):
        known.check(history(controller, after=2), 9)


def test_a_first_document_names_a_key() -> None:
    with pytest.raises(KeyChainError, match="names no key that signs statements"):
        chains(fetched())
    with pytest.raises(KeyChainError, match="is deactivated"):
        chains(history(Controller().create().append(deactivated=True)))


def test_a_later_document_may_name_none() -> None:
    signer = generate()

    known = chains(fetched(signer), fetched())

    assert known.end_of(DID, kid(signer)) is not None


def test_keys_of_a_document_change_by_the_document_only() -> None:
    signer = generate(issuer=DID)
    issuer = Issuer(signer=signer)
    known = chains(fetched(signer))
    first = replace(issuer.record(), issuer=DID)

    for said in (rotation(issuer, next_key(issuer), first=first), recovery(issuer, generate())):
        with pytest.raises(KeyChainError, match="those that its document names"):
            known.check(said, 9)


def test_a_record_of_a_key_for_a_did_of_the_web_is_refused() -> None:
    signer = generate()
    claim = possession_bytes(ORIGIN, DID, IssuerKind.ORGANISATION, None)
    record = KeyRecord(issuer=DID, key=signer.public, kind=IssuerKind.ORGANISATION, name=None,
                       possession=signer.sign(claim))  # fmt: skip

    with pytest.raises(KeyChainError, match="those that its document names"):
        KeyChains(origin=ORIGIN).check(record, 9)


def test_such_a_key_is_revoked_as_any_other() -> None:
    signer = generate(issuer=DID)
    known = chains(fetched(signer))
    said = revocation(Issuer(signer=signer), Reason.LOST)
    known.check(said, 9)
    known.apply(said, 9)

    known.apply(fetched(signer), 10)

    ended = known.end_of(DID, kid(signer))
    assert ended is not None
    assert ended.reason == "lost"


def test_a_document_takes_no_key_from_anybody() -> None:
    other = Issuer()
    known = chains(fetched(other.signer))

    known.check(other.record(), 5)
    known.check_newcomer(other.record())
    known.apply(other.record(), 5)

    assert known.records[other.did, kid(other.signer)][0] == 5
