"""Signed statements: one identity, verbatim parts, clear refusals."""

import dataclasses
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.errors import EncodingError, InputError, LimitError, SignatureError
from tallystick.identity import SoftwareSigner, generate
from tallystick.statement import (
    Alg,
    Assurance,
    Header,
    KeyKind,
    Label,
    Relation,
    Sequence,
    SignedStatement,
    parse_header,
    parse_statement,
    sign_statement,
)

SIGNER = SoftwareSigner(KeyKind.ED25519, bytes(range(32)))
PAYLOAD = b"p" * 32


def header(**changes: Any) -> Header:
    made = Header(
        algorithm=SIGNER.algorithm,
        key_id=SIGNER.public.thumbprint(),
        issuer=SIGNER.public.did(),
        subject="urn:uuid:00000000-0000-4000-8000-000000000000",
        issued_at=1_790_000_000,
        type="inference",
        sequence=Sequence(emitter=b"e" * 16, epoch=1, seq=7, prev=b"v" * 32),
        links={Relation.USED: (b"u" * 32,)},
        model=b"m" * 32,
        assurance=Assurance.API_KEY,
    )
    return dataclasses.replace(made, **changes)


def signed(**changes: Any) -> SignedStatement:
    return sign_statement(header(**changes), PAYLOAD, SIGNER.sign)


def with_members(**changes: Any) -> bytes:
    """Protected header with members set or (None) removed, by label name."""
    members = cbor2.loads(signed().protected)
    for name, value in changes.items():
        members[int(Label[name])] = value
    return cbor2.dumps({k: v for k, v in members.items() if v is not None})


def test_what_is_signed_is_read_again() -> None:
    statement = signed()

    assert parse_statement(statement.entry) == statement
    assert statement.header.typ == "application/vnd.tallystick.inference+cbor"
    assert statement.entry[:1] == b"\xd2"
    statement.verify_signature(SIGNER.public)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"hashed": False, "content_type": "application/cbor"},
        {"sequence": None, "model": None, "assurance": None, "issued_at": None, "type": None},
        {"location": "https://example/x", "links": dict.fromkeys(Relation, (b"x" * 32,))},
    ],
)
def test_headers_and_entries_are_deterministic_cbor(changes: Any) -> None:
    """Encoded without sorting: the order in the code must be the deterministic one."""
    statement = signed(**changes)
    members = cbor2.loads(statement.protected)

    assert cbor2.dumps(members, canonical=True) == statement.protected
    assert cbor2.dumps(cbor2.loads(statement.entry), canonical=True) == statement.entry


@pytest.mark.parametrize("kind", KeyKind)
def test_both_kinds_of_key_sign(kind: KeyKind) -> None:
    signer = generate(kind)
    statement = sign_statement(
        header(algorithm=signer.algorithm, key_id=signer.public.thumbprint()), PAYLOAD, signer.sign
    )

    statement.verify_signature(signer.public)
    with pytest.raises(SignatureError):
        statement.verify_signature(generate(kind).public)


def test_identity_does_not_depend_on_the_signature() -> None:
    signer = generate(KeyKind.P256)
    made = header(algorithm=Alg.ES256, key_id=signer.public.thumbprint())
    one, two = (sign_statement(made, PAYLOAD, signer.sign) for _ in range(2))

    assert one.signature != two.signature
    assert one.id == two.id


def test_an_unprotected_header_is_emptied_and_the_rest_kept_verbatim() -> None:
    statement = signed()
    body = [statement.protected, {4: b"hint"}, statement.payload, statement.signature]

    assert parse_statement(cbor2.dumps(cbor2.CBORTag(18, body))).entry == statement.entry


def test_a_header_in_another_order_is_kept_as_it_is() -> None:
    members = cbor2.loads(signed().protected)
    turned = cbor2.dumps(dict(reversed(members.items())))
    body = [turned, {}, PAYLOAD, SIGNER.sign(b"")]
    statement = parse_statement(cbor2.dumps(cbor2.CBORTag(18, body)))

    assert statement.protected == turned
    assert statement.header == signed().header
    assert statement.id != signed().id


def test_an_algorithm_of_another_kind_of_key_is_refused() -> None:
    with pytest.raises(SignatureError, match="algorithm -7 does not fit"):
        signed(algorithm=Alg.ES256).verify_signature(SIGNER.public)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ALG": None}, "header 1 is missing"),
        ({"ALG": -35}, "must be one of"),
        ({"ALG": True}, "header 1 must be int"),
        ({"KID": None}, "header 4 is missing"),
        ({"KID": b""}, "1..2048"),
        ({"CWT_CLAIMS": None}, "header 15 is missing"),
        ({"CWT_CLAIMS": {2: "s"}}, "header 1 is missing"),
        ({"CWT_CLAIMS": {1: "i", 2: ""}}, "1..2048"),
        ({"CWT_CLAIMS": {1: "i", 2: "s", 6: -1}}, r"0..2\*\*63-1"),
        ({"CWT_CLAIMS": {1: "i", 2: "s", 6: 1.5}}, "must be int"),
        ({"CRIT": [9]}, "must not have header 2"),
        ({"VDS": 1}, "must not have header 395"),
        ({"TYP": b"x"}, "must be text or a number"),
        ({"TYP": "application/json"}, "typ must be"),
        ({"PAYLOAD_HASH_ALG": -44}, "must be SHA-256"),
        ({"CONTENT_TYPE": "text/plain"}, "must not have header 3"),
        ({"EMITTER": b"short"}, "stand together"),
        ({"EPOCH": None}, "stand together"),
        ({"PREV": None}, "prev must be absent at seq 0"),
        ({"PREV": b"x"}, "32 bytes"),
        ({"LINKS": {"used": []}}, "1..256"),
        ({"LINKS": {"used": [b"x"]}}, "32-byte"),
        ({"LINKS": {1: [b"x" * 32]}}, "relation"),
        ({"MODEL": b"m"}, "32 bytes"),
        ({"CWT_CLAIMS": {1: "i", 2: "s", b"x": 1}}, "label must be a number or text"),
    ],
)
def test_a_header_that_breaks_the_format_is_refused(changes: Any, message: str) -> None:
    with pytest.raises(EncodingError, match=message):
        parse_header(with_members(**changes))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "tag 18"),
        (b"\x84", "tag 18"),
        (b"\xd2\x80", "must be"),
        (b"\xd2\x84\x40\xa0\xf6\x40", "detached"),
        (b"\xd2\x9f\x40\xa0\x40\x40\xff", "strict CBOR"),
        (b"\xd2\x84\x40\xa0\x40\x40\x00", "followed by 1 bytes"),
        (b"\xd2\x84\x40\xa0\x40\x40", "signature must have 64"),
        (b"\xd2\x84\x40\xa2\x01\x01\x01\x02\x40\x40", "strict CBOR"),
    ],
)
def test_bytes_that_are_no_statement_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(EncodingError, match=message):
        parse_statement(data)


def test_duplicate_and_indefinite_cbor_is_refused_in_the_protected_header() -> None:
    duplicate = b"\xa2\x01\x27\x01\x26"
    indefinite = b"\xbf\x01\x27\xff"
    for protected in (duplicate, indefinite):
        with pytest.raises(EncodingError, match="protected header is not one strict CBOR item"):
            parse_header(protected)


def test_the_largest_entry_fits_and_one_byte_more_does_not() -> None:
    inline = header(hashed=False, content_type="application/cbor")
    room = 65_535 - len(sign_statement(inline, b"x" * 60_000, SIGNER.sign).entry) + 60_000

    assert len(sign_statement(inline, b"x" * room, SIGNER.sign).entry) == 65_535
    with pytest.raises(LimitError, match="65536 bytes, at most 65535"):
        sign_statement(inline, b"x" * (room + 1), SIGNER.sign)
    with pytest.raises(LimitError, match="70000 bytes"):
        parse_statement(b"\xd2" * 70_000)


def test_a_hash_envelope_has_a_payload_of_one_digest() -> None:
    with pytest.raises(EncodingError, match="payload of 32 bytes"):
        parse_statement(sign_statement(header(), b"short", SIGNER.sign).entry)


@given(st.binary(max_size=300))
def test_hostile_bytes_raise_our_error_and_no_other(data: bytes) -> None:
    for hostile in (data, b"\xd2" + data, b"\xd2\x84" + data):
        with pytest.raises(InputError):
            parse_statement(hostile)


@given(st.integers(0, len(signed().entry) * 8 - 1))
def test_any_flipped_bit_is_noticed(bit: int) -> None:
    entry = bytearray(signed().entry)
    entry[bit // 8] ^= 1 << bit % 8
    try:
        statement = parse_statement(bytes(entry))
    except EncodingError:
        return
    with pytest.raises(SignatureError):
        statement.verify_signature(SIGNER.public)
