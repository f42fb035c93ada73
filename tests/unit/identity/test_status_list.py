"""Status lists: what a list says of a credential, and why it is not believed."""

import os
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.errors import (
    CredentialError,
    EncodingError,
    IndeterminateError,
    InputError,
    TallystickError,
)
from tallystick.identity import generate, jws, status_list
from tallystick.identity.credentials import Content, Expected, issue, present, verify
from tallystick.identity.status_list import (
    LEEWAY_SECONDS,
    TYPE,
    Reference,
    Status,
    StatusList,
    named_list,
    parse_reference,
    verify_list,
)
from tallystick.statement import b64

NOW, URI, PLACE = 1_790_000_000, "https://clinic.example/status/1", 413
ISSUER, HOLDER, STRANGER = generate(), generate(), generate()
ANYTHING = StatusList.empty(URI, 1000)


def judged(*tokens: str, place: int = PLACE, now: int = NOW) -> float | None:
    """Present a credential with a place in the list, and verify it with these lists."""
    content = Content(
        type="urn:example:role", claims={"role": "radiologist"}, holder=HOLDER.public,
        issued_at=NOW, status=Reference(URI, place),
    )  # fmt: skip
    text = issue(content, ISSUER, os.urandom)
    shown = present(text, {"role"}, HOLDER, "aud", "n", now)
    expected = Expected(
        issuers={ISSUER.public.did(): ISSUER.public}, audience="aud", nonce="n",
        status_lists=tokens,
    )  # fmt: skip
    return verify(shown, expected, now).status_at


def reason(*tokens: str, **changes: Any) -> str | None:
    with pytest.raises(CredentialError) as refused:
        judged(*tokens, **changes)
    return refused.value.reason


def signed(status: Status = Status.VALID, at: int = NOW, ends: int | None = None) -> str:
    return ANYTHING.with_status(PLACE, status).sign(ISSUER, at, ends)


def forged(signer: Any = ISSUER, typ: str = TYPE, **changes: Any) -> str:
    """Sign a token of which some members are others."""
    listed = {"bits": 2, "lst": b64.encode_url(zlib.compress(bytes(250)))}
    payload = {"sub": URI, "iat": NOW, "status_list": listed, **changes}
    kept = {name: value for name, value in payload.items() if value is not None}
    return jws.sign({"typ": typ}, kept, signer)


def test_a_valid_credential_says_as_of_when(monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(signed(at=NOW - 5)) == NOW - 5
    with pytest.raises(IndeterminateError, match="not at hand"):
        judged()
    other = replace(ANYTHING, uri="https://clinic.example/status/2").sign(ISSUER, NOW)
    with pytest.raises(IndeterminateError):
        judged(other)
    assert judged(other, signed()) == NOW


def test_what_the_newest_list_says_counts() -> None:
    assert reason(signed(Status.REVOKED)) == "credential.revoked"
    assert reason(signed(Status.SUSPENDED)) == "credential.suspended"
    assert reason(signed(at=NOW - 9), signed(Status.REVOKED)) == "credential.revoked"
    assert judged(signed(Status.SUSPENDED, at=NOW - 9), signed()) == NOW
    three = replace(ANYTHING, data=b"\xff" * 250).sign(ISSUER, NOW)
    assert reason(three) == "credential.status"


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (lambda: forged(STRANGER), "status-list"),
        (lambda: forged(typ="dc+sd-jwt"), "status-list"),
        (lambda: signed(ends=NOW - LEEWAY_SECONDS), "status-expired"),
        (lambda: forged(iat=NOW - 100, ttl=40), "status-expired"),
    ],
)
def test_a_list_that_is_not_to_be_believed_is_refused(
    token: Callable[[], str], expected: str
) -> None:
    assert reason(token()) == f"credential.{expected}"
    assert judged(token(), signed()) == NOW


def test_a_list_of_the_future_is_not_passed_over() -> None:
    future = forged(iat=NOW + LEEWAY_SECONDS + 1)
    assert reason(future) == reason(future, signed()) == "credential.status-expired"


def test_lists_hold_up_to_their_end() -> None:
    assert judged(signed(ends=NOW - LEEWAY_SECONDS + 1)) == NOW
    assert judged(forged(iat=NOW - 100, ttl=41)) == NOW - 100
    assert judged(forged(iat=NOW - 100, ttl=1000, exp=NOW + 1)) == NOW - 100
    assert reason(forged(exp=0)) == "credential.status-expired"


def test_a_place_beyond_the_list_is_refused() -> None:
    assert judged(signed(), place=999) == NOW
    assert reason(signed(), place=1000) == "credential.status-index"
    with pytest.raises(CredentialError):
        ANYTHING.with_status(-1, Status.REVOKED)


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": None}, {"sub": "no uri"}, {"iat": None}, {"iat": "1"}, {"exp": True},
        {"status_list": None}, {"status_list": {"bits": 3, "lst": ""}},
        {"status_list": {"bits": 2, "lst": 7}}, {"status_list": {"bits": 2, "lst": "AAAA"}},
        {"status_list": {"bits": 2, "lst": b64.encode_url(zlib.compress(bytes(99))[:-6])}},
    ],
)  # fmt: skip
def test_what_is_no_status_list_is_said(changes: dict[str, Any]) -> None:
    with pytest.raises(EncodingError):
        verify_list(forged(**changes), ISSUER.public, URI, NOW)


def test_a_list_that_would_fill_the_memory_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_list, "SIZE_MAX", 249)
    with pytest.raises(EncodingError, match="more than 249 bytes"):
        verify_list(forged(), ISSUER.public, URI, NOW)
    monkeypatch.setattr(status_list, "TOKEN_LETTERS_MAX", 10)
    with pytest.raises(EncodingError, match="at most 10 letters"):
        named_list(forged())


@pytest.mark.parametrize(
    "status",
    [{"status_list": 1}, {"status_list": {"uri": URI}},
     {"status_list": {"uri": URI, "idx": -1}}, {"status_list": {"uri": URI, "idx": True}},
     {"status_list": {"uri": "x", "idx": 1}}],
)  # fmt: skip
def test_a_status_that_names_no_place_is_said(status: Any) -> None:
    with pytest.raises(EncodingError):
        parse_reference(status)


@pytest.mark.parametrize("status", [None, 1, {}, {"other": 1}])
def test_a_status_that_is_told_otherwise_is_not_passed_over(status: Any) -> None:
    with pytest.raises(IndeterminateError, match="not known here"):
        parse_reference(status)


def test_lists_that_cannot_be_are_not_made() -> None:
    for uri, size in (("x", 1), (URI, 0), (URI, status_list.SIZE_MAX + 1)):
        with pytest.raises(InputError):
            StatusList.empty(uri, size)
    with pytest.raises(InputError, match="1 bit cannot say suspended"):
        StatusList(URI, bytes(2), 1).with_status(3, Status.SUSPENDED)


@pytest.mark.parametrize(
    ("bits", "lst", "expected"),
    [
        # draft-ietf-oauth-status-list, section 4.1 and 4.2
        (1, "eNrbuRgAAhcBXQ", [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]),
        (2, "eNo76fITAAPfAgc", [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]),
    ],
)
def test_the_examples_of_the_draft_are_read(bits: int, lst: str, expected: list[int]) -> None:
    token = forged(status_list={"bits": bits, "lst": lst})
    read = verify_list(token, ISSUER.public, URI, NOW)

    assert [read.value(at) for at in range(read.size)] == expected


@given(st.sampled_from([1, 2, 4, 8]), st.lists(st.tuples(st.integers(0, 99), st.integers(0, 2))))
def test_what_is_set_is_read_and_nothing_else_changes(
    bits: int, steps: list[tuple[int, int]]
) -> None:
    statuses, known = StatusList(URI, bytes(-(-100 * bits // 8)), bits), dict[int, int]()
    for place, value in steps:
        if value < 1 << bits:
            statuses = statuses.with_status(place, Status(value))
            known[place] = value
    read = verify_list(statuses.sign(ISSUER, NOW), ISSUER.public, URI, NOW)

    assert [read.value(at) for at in range(100)] == [known.get(at, 0) for at in range(100)]


def test_the_newest_list_decides_also_where_an_older_one_counts_longer() -> None:
    older, newer = signed(ends=NOW + 10_000), signed(Status.REVOKED, NOW + 100, NOW + 200)
    for tokens in ((older, newer), (newer, older)):
        assert reason(*tokens, now=NOW + 150) == "credential.revoked"
        assert reason(*tokens, now=NOW + 5000) == "credential.revoked"
    over = signed(at=NOW + 100, ends=NOW + 200)
    assert reason(signed(), over, now=NOW + 5000) == "credential.status-expired"


def test_of_lists_of_one_moment_all_must_agree() -> None:
    valid, revoked = signed(), signed(Status.REVOKED)
    assert reason(valid, revoked) == reason(revoked, valid) == "credential.revoked"


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**400), 10**400), st.floats(allow_nan=False),
    st.text(max_size=5), st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip


@given(
    name=st.sampled_from(["sub", "iat", "exp", "ttl", "status_list", "bits", "lst", "typ", "alg"]),
    odd=ODD,
)
def test_whatever_stands_in_a_list_ends_in_our_errors(name: str, odd: Any) -> None:
    listed = {"bits": 2, "lst": b64.encode_url(zlib.compress(bytes(250)))}
    payload: dict[str, Any] = {"sub": URI, "iat": NOW, "status_list": listed}
    header: dict[str, Any] = {"typ": TYPE}
    (header if name in {"typ", "alg"} else listed if name in listed else payload)[name] = odd
    try:
        token = jws.sign(header, payload, ISSUER)
    except (ValueError, EncodingError):
        return  # what JSON cannot say
    with suppress(CredentialError, EncodingError):
        verify_list(token, ISSUER.public, URI, NOW)
    with suppress(TallystickError):
        judged(token)
