"""Inline payloads that are malformed are refused in words, member by member."""

from dataclasses import replace
from typing import Any

import pytest

from tallystick.errors import EncodingError, VersionError
from tallystick.statement import dcbor
from tallystick.statement.delegation import (
    DEPTH_MAX,
    Delegation,
    Granted,
    fault_of,
    links_of,
    parse_delegation,
    read_delegation,
)
from tallystick.statement.erasure import parse_erasure
from tallystick.statement.keylife import parse_key_statement
from tallystick.statement.publication import encode_publication, parse_publication
from tallystick.statement.signed import SignedStatement
from tests.ledgers import Issuer

GRANT = {"version": 1, "principal": "did:a:b", "agent": "did:a:c", "types": ["inference"],
         "not_after": 9, "depth": 0}  # fmt: skip
ID = bytes(32)
REVOKED = {"version": 2, "action": "revoke", "issuer": "did:a:b", "key_id": ID,
           "reason": "compromised", "authorisation": b""}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"agent": "did:a:b"}, "nobody acts for themselves"),
        ({"agent": 7}, "must be a DID"),
        ({"agent": "did:" + "x" * 5000}, "letters"),
        ({"types": []}, "must be statement types"),
        ({"types": ["model", "inference"]}, "must be sorted"),
        ({"types": ["policy"]}, "cannot be delegated"),
        ({"not_after": -1}, "must be a number"),
        ({"purpose": "A B"}, "must be a code"),
        ({"more": 1}, "is not known"),
        ({"revokes": b"x"}, "is not known|statement id"),
    ],
)
def test_a_delegation_that_is_malformed(change: dict[str, Any], words: str) -> None:
    parse_delegation(dcbor.encode(GRANT))
    with pytest.raises(EncodingError, match=words):
        parse_delegation(dcbor.encode({**GRANT, **change}))


def test_a_revocation_names_a_statement() -> None:
    with pytest.raises(EncodingError, match="statement id"):
        parse_delegation(dcbor.encode({"version": 1, "revokes": b"x"}))


def test_what_an_older_release_called_a_delegation_grants_nothing() -> None:
    old = Issuer().sign(b"anything", type="delegation", hashed=False)

    assert read_delegation(old) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"action": "x"}, "'action' must be"),
        ({"reason": "x"}, "'reason' must be"),
        ({"until": -1}, "must be an index"),
        ({"until": 3, "reason": "ceased"}, "needs the reason compromised"),
        ({"authorisation": b"x"}, "does not say whose"),
        ({"authorisation": 7}, "must be bytes"),
        ({"issuer": 7}, "must be text"),
        ({"key_id": b"x"}, "must have"),
    ],
)
def test_what_is_said_of_a_key_and_malformed(change: dict[str, Any], words: str) -> None:
    parse_key_statement(dcbor.encode(REVOKED))
    with pytest.raises(EncodingError, match=words):
        parse_key_statement(dcbor.encode({**REVOKED, **change}))


def test_payloads_of_another_shape_or_version() -> None:
    for parse in (parse_key_statement, parse_delegation):
        with pytest.raises(EncodingError, match="must be a map"):
            parse(dcbor.encode([1]))
        with pytest.raises(VersionError):
            parse(dcbor.encode({"version": 9}))


def test_erased_rows_are_in_order_and_name_a_batch() -> None:
    one, other = bytes(32), bytes([1]) * 32
    for rows, words in (
        ([[other, [[0, 0]]], [one, [[0, 0]]]], "must be in order"),
        ([[b"x", [[0, 0]]]], "must be .batch id"),
    ):
        payload = dcbor.encode(["tallystick/erasure/1", "objection", rows])
        statement = Issuer().sign(
            payload, type="erasure", hashed=False, links={"erases": (one, other)}
        )
        with pytest.raises(EncodingError, match=words):
            parse_erasure(statement)


def test_a_chain_that_leads_back_to_itself_ends_as_one_with_a_missing_link() -> None:
    granted = Granted(ID, 1, "did:a:b", ID, parse_grant(), ID)

    links = list(links_of(granted, lambda _: granted))

    assert links[-1] is None
    assert len(links) == DEPTH_MAX + 2


def test_a_chain_out_of_order_or_passed_on_too_far_is_none() -> None:
    """Of a hostile log: admission refuses these, so only a verifier ever sees them."""
    later = Granted(ID, 9, "did:a:b", ID, parse_grant(), None)
    child = replace(parse_grant(), principal="did:a:c", agent="did:a:d")
    passed = Granted(bytes([1]) * 32, 3, "did:a:c", ID, child, ID)

    deep = fault_of(passed, "did:a:d", "inference", 0, 20, lambda _: replace(later, index=1))
    disordered = fault_of(passed, "did:a:d", "inference", 0, 20, lambda _: later)

    other = replace(later, index=1, delegation=replace(parse_grant(), agent="did:a:x"))
    foreign = fault_of(passed, "did:a:d", "inference", 0, 20, lambda _: other)

    faults = {"may be passed on 0 times": deep, "passes on a later one": disordered,
              "is not the agent": foreign}  # fmt: skip
    for words, fault in faults.items():
        assert fault is not None
        assert fault.reason == "chain"
        assert words in fault.words


def parse_grant() -> Delegation:
    said = parse_delegation(dcbor.encode(GRANT))
    assert isinstance(said, Delegation)
    return said


SHOWN = {"answer": [bytes(32), "yes"]}
PUBLISHED = ["tallystick/publication/1", bytes(32), {"reason": bytes(32)}, SHOWN]


def publication(payload: object, **changes: Any) -> SignedStatement:
    members = {"type": "publication", "hashed": False, "links": {"publishes": (ID,)}, **changes}
    return Issuer().sign(dcbor.encode(payload), **members)


def test_a_publication_shows_fields_of_one_statement() -> None:
    target, shown = parse_publication(publication(PUBLISHED))

    assert target == ID
    assert {name: one.value for name, one in shown.shown.items()} == {"answer": "yes"}
    assert shown.digests.keys() == {"answer", "reason"}
    assert encode_publication(shown) == dcbor.encode(PUBLISHED)


@pytest.mark.parametrize(
    ("at", "value", "words"),
    [
        (0, "tallystick/publication/2", "must be .'tallystick/publication/1'"),
        (1, b"short", "salt, digests"),
        (2, {"reason": b"short"}, "a name and its digest"),
        (2, {7: bytes(32)}, "a name and its digest"),
        (2, {"answer": bytes(32)}, "shown or withheld, not both"),
        (3, {}, "at least one open field"),
        (3, {"answer": [b"short", "yes"]}, "a salt of 32 bytes"),
        (3, {7: [bytes(32), "yes"]}, "a salt of 32 bytes"),
    ],
)
def test_a_publication_that_cannot_be_read(at: int, value: object, words: str) -> None:
    payload = [*PUBLISHED[:at], value, *PUBLISHED[at + 1 :]]
    with pytest.raises(EncodingError, match=words):
        parse_publication(publication(payload))


def test_what_is_no_publication() -> None:
    with pytest.raises(EncodingError, match="1 statement by 'publishes', got 0"):
        parse_publication(publication(PUBLISHED, links={}))
    for change in ({"type": "label"}, {"hashed": True}):
        with pytest.raises(EncodingError, match="its type and an inline payload"):
            parse_publication(publication(PUBLISHED, **change))
