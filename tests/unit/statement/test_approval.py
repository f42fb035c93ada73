"""Approvals as statements: what they must hold, whose passkey counts where, and what they cover."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.errors import ApprovalError, EncodingError
from tallystick.statement import Relation, SignedStatement, dcbor
from tallystick.statement.approval import (
    APPROVAL_TAG,
    TARGETS_MAX,
    Approval,
    Approved,
    Enrolled,
    check_covered,
    check_in_time,
    covers,
    is_approval,
    parse_approval,
    verify_approval,
)
from tallystick.statement.commitment import OpenField, Preimage, parse_preimage
from tallystick.statement.keychain import End
from tests.ledgers import ORIGIN, START, Issuer
from tests.passkeys import Authenticator

PERSON, SERVICE, PASSKEY = Issuer(), Issuer(), Authenticator()
TARGET, REGISTERED = b"t" * 32, b"r" * 32
APPROVAL = Approval(
    origin=ORIGIN, action="decision", targets=(TARGET,), content=b"c" * 32, nonce=b"n" * 32,
    expiry=START + 900,
)  # fmt: skip
BY = Enrolled(REGISTERED, 5, PASSKEY.passkey(PERSON.did))
LINKS = {Relation.ACTED_FOR: (REGISTERED,), Relation.DECIDED_ON: (TARGET,)}


def said(**changes: Any) -> SignedStatement:
    members = {"type": "approval", "links": LINKS, "subject": APPROVAL.subject(), **changes}
    return SERVICE.sign(**members)


def fields(approval: Approval = APPROVAL, **changes: Any) -> dict[str, Any]:
    assertion = PASSKEY.get(approval.challenge())
    return {
        "approval": approval.encode(),
        "authenticator_data": assertion.authenticator_data,
        "client_data": assertion.client_data,
        "signature": assertion.signature,
        "credential": BY.passkey.digest(ORIGIN),
        **changes,
    }


def reason(
    statement: SignedStatement, index: int = 9, by: Enrolled | None = BY, **changes: Any
) -> str:
    with pytest.raises(ApprovalError) as caught:
        verify_approval(statement, index, fields(**changes), by, ORIGIN)
    return caught.value.reason


def test_an_approval_names_its_passkey_and_its_targets() -> None:
    approved = verify_approval(said(), 9, fields(), BY, ORIGIN)

    assert approved.by.passkey.issuer == PERSON.did
    assert approved.approval == APPROVAL


def test_each_thing_that_is_wrong_with_an_approval_has_its_reason() -> None:
    other = Approval(
        origin="localhost/other", action="decision", targets=(TARGET,), content=b"c" * 32,
        nonce=b"n" * 32, expiry=START,
    )  # fmt: skip
    ended = Enrolled(REGISTERED, 5, BY.passkey, End(8, 8, "lost", None))
    later = Enrolled(REGISTERED, 9, BY.passkey)
    twice = Enrolled(REGISTERED, 5, Authenticator().passkey(PERSON.did))
    elsewhere = {**LINKS, Relation.DECIDED_ON: (bytes(32),)}

    assert reason(said(), approval=other) == "approval.log"
    assert reason(said(links=elsewhere)) == "approval.target"
    assert reason(said(subject="urn:tallystick:approval:00")) == "approval.nonce"
    assert reason(said(), by=None) == "approval.unknown"
    assert reason(said(), by=ended) == "approval.revoked"
    assert reason(said(), by=later) == "approval.revoked"
    assert reason(said(), by=twice) == "approval.credential"
    assert reason(said(), client_data=fields(APPROVAL.decline())["client_data"]) == (
        "approval.challenge"
    )
    assert reason(said(), signature=b"") == "approval.signature"


def test_a_passkey_that_ended_later_counts_until_then() -> None:
    ended = Enrolled(REGISTERED, 5, BY.passkey, End(9, 12, "compromised", None))

    assert verify_approval(said(), 9, fields(), ended, ORIGIN).by is ended


def test_a_field_that_is_missing_or_no_bytes_is_refused() -> None:
    for wrong in ({}, {**fields(), "signature": "text"}):
        with pytest.raises(EncodingError, match="must be bytes"):
            verify_approval(said(), 9, wrong, BY, ORIGIN)


def test_an_approval_comes_in_time_or_too_late() -> None:
    check_in_time(APPROVAL, APPROVAL.expiry - 1)
    with pytest.raises(ApprovalError, match="the approval ended"):
        check_in_time(APPROVAL, APPROVAL.expiry)


def test_an_approval_covers_the_very_statement_and_no_other() -> None:
    approved = Approved(bytes(32), 9, APPROVAL, BY)
    decided = {"links": {Relation.DECIDED_ON: (TARGET,)}}

    exact = SERVICE.sign(APPROVAL.content, type="decision", **decided)
    assert covers(approved, exact)
    check_covered(approved, exact)
    for other in (
        SERVICE.sign(APPROVAL.content, type="action", **decided),
        SERVICE.sign(b"x" * 32, type="decision", **decided),
        SERVICE.sign(APPROVAL.content, type="decision"),
        SERVICE.sign(APPROVAL.content, type=None),
    ):
        assert not covers(approved, other)
        with pytest.raises(ApprovalError, match="with other content or targets"):
            check_covered(approved, other)
    refused = Approved(bytes(32), 9, APPROVAL.decline(), BY)
    assert not covers(refused, exact)


def test_what_only_has_the_type_is_no_approval_by_passkey() -> None:
    assert is_approval(said())
    assert not is_approval(said(subject="urn:uuid:1"))
    assert not is_approval(said(type="decision"))


def test_a_document_is_read_as_it_was_written() -> None:
    for approval in (APPROVAL, APPROVAL.decline()):
        assert parse_approval(approval.encode()) == approval
    assert APPROVAL.decline().declined
    assert APPROVAL.decline().subject() == APPROVAL.subject()
    assert APPROVAL.decline().challenge() != APPROVAL.challenge()


MEMBERS = [APPROVAL_TAG, ORIGIN, "release", [TARGET], b"c" * 32, b"n" * 32, 5]


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, "tallystick/approval/2"), (1, ""), (1, 5), (2, ""), (2, "Release"), (2, "a" * 41),
        (2, "decline:decline:a"), (3, None), (3, ["text"]), (3, [[]]), (3, [b"short"]),
        (3, [TARGET] * 2), (3, [bytes((n,)) * 32 for n in range(TARGETS_MAX + 1)]),
        (4, b""), (4, None), (5, b"n" * 31), (6, -1), (6, 2**53 + 1), (6, True), (6, 1.5),
    ],
)  # fmt: skip
def test_a_document_with_a_wrong_member_is_refused(at: int, value: Any) -> None:
    parse_approval(dcbor.encode(MEMBERS))
    with pytest.raises(EncodingError):
        parse_approval(dcbor.encode([*MEMBERS[:at], value, *MEMBERS[at + 1 :]]))


@given(st.binary(max_size=200))
def test_hostile_documents_raise_our_error_and_no_other(data: bytes) -> None:
    for parse in (parse_approval, parse_preimage):
        with pytest.raises(EncodingError):
            parse(data)


def test_content_is_read_as_it_was_written() -> None:
    content = Preimage(bytes(32), {"a": OpenField(b"s" * 32, [1, {"b": None}])})

    assert parse_preimage(content.encode()) == content


@pytest.mark.parametrize("value", [1, [b"", []], [b"", {"a": 1}], [b"", {1: [b"", 1]}]])
def test_content_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(EncodingError, match="content"):
        parse_preimage(dcbor.encode(value))
