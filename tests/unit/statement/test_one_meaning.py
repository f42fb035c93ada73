"""What would have two meanings, or could not be read again, is neither read nor written."""

from typing import Any

import cbor2
import pytest

from tallystick.errors import EncodingError, InputError, SignatureError, VersionError
from tallystick.identity import generate
from tallystick.log.layout import parse_tile_path
from tallystick.statement import (
    KeyKind,
    PublicKey,
    b64,
    base58,
    dcbor,
    parse_batch,
    parse_cose_key,
    parse_did_key,
    parse_receipt,
    parse_vkey,
    row_data,
    row_leaf,
    row_leaves,
)
from tallystick.statement.cose import encode_sign1
from tallystick.statement.dcbor import bstr_head
from tallystick.statement.ed25519 import check_rule
from tallystick.statement.governance import (
    parse_genesis,
    parse_heartbeat,
    parse_key_record,
)
from tallystick.statement.header import parse_header
from tests.fuzz.pure import GENESIS, PARSED, RECEIPT


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "data", [b"\xd9\x03\xe8\x01", b"\xc2\x41\x01", b"\xa1\xd9\x03\xe8\x01\x01"]
)
def test_tags_are_refused_also_such_as_nobody_knows(data: bytes) -> None:
    with pytest.raises(EncodingError, match="semantic tag"):
        dcbor.decode(data, "item")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2**64, "must fit 64 bits"),
        (-(2**64) - 1, "must fit 64 bits"),
        ([{2**70: 1}], "must fit 64 bits"),
        ({1, 2}, "set has no plain CBOR form"),
        ({(1, 2): 3}, "nested too deeply"),
        ({"a": 1, 2: 3}, "must not mix text keys"),
        (nested(17), "nested too deeply"),
        (nested(5000), "nested too deeply"),
        ("\ud800", "no deterministic CBOR form"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(value: object, message: str) -> None:
    with pytest.raises(EncodingError, match=message):
        dcbor.encode(value)


@pytest.mark.parametrize("value", [2**64 - 1, -(2**64), nested(16), {1: {b"x": None}, -1: 2.5}])
def test_the_largest_and_deepest_is_read_as_it_was_written(value: object) -> None:
    assert dcbor.decode_deterministic(dcbor.encode(value), "item") == value


def test_heads_of_byte_strings_of_every_length() -> None:
    for length in (0, 23, 24, 255, 256, 65_535, 65_536, 70_000):
        assert bstr_head(length) == cbor2.dumps(bytes(length))[: -length or None]


def test_a_longer_salt_cannot_swallow_the_beginning_of_a_row() -> None:
    """A row that ends in a byte string: its end alone, behind a longer salt, hashes the same."""
    record = dcbor.encode({"name": "x", "note": b"only this part"})
    salts, leaves = row_leaves([record], bytes)
    rest = b"only this part"
    longer = salts + bstr_head(len(record)) + record[: -len(rest) - 1]

    with pytest.raises(EncodingError, match="salt of a row must have 32 bytes, got"):
        row_leaf(longer, rest)
    with pytest.raises(EncodingError, match="salt of a row"):
        row_data(longer, rest)
    assert row_leaf(salts, record) == leaves


def test_rows_of_different_lengths_have_the_same_leaves_one_by_one() -> None:
    records = [b"", b"a" * 23, b"b" * 24, b"c" * 300]
    salts, leaves = row_leaves(records, bytes)

    assert leaves == b"".join(
        row_leaf(salts[32 * n : 32 * n + 32], record) for n, record in enumerate(records)
    )


@pytest.mark.parametrize("rows", [True, 1.0, 0, 2**32 + 1])
def test_the_number_of_rows_is_a_whole_number(rows: Any) -> None:
    payload = ["tallystick/batch/1", "tallystick/row/1", rows, bytes(32), bytes(32), 0]

    with pytest.raises(EncodingError, match="batch"):
        parse_batch(dcbor.encode(payload))


def receipt_with(**changes: Any) -> bytes:
    tag = cbor2.loads(RECEIPT)
    protected, unprotected, payload, signature = tag.value
    header = cbor2.loads(protected)
    header.update({int(label): value for label, value in changes.get("header", {}).items()})
    for label in changes.get("as_float", ()):
        header[float(label)] = header.pop(label)
    protected = changes.get("protected", cbor2.dumps(header))
    if "proof" in changes:
        unprotected = {396: {-1: [cbor2.dumps(changes["proof"])]}}
    return encode_sign1(protected, dict(unprotected), payload, signature)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"header": {2: [1]}}, "a map without 'crit'"),
        ({"protected": b"\x80"}, "a map without 'crit'"),
        ({"header": {1: -8.0}}, "must not have floats, true or false"),
        ({"header": {395: True}}, "must not have floats"),
        ({"as_float": (1,)}, "must not have floats"),
        ({"proof": [True, 0, []]}, "must be .size, index"),
        ({"proof": [1, False, []]}, "must be .size, index"),
        ({"proof": [2, 0, [b"x" * 31]]}, "must be .size, index"),
    ],
)
def test_a_receipt_has_one_spelling_of_its_numbers(changes: Any, message: str) -> None:
    with pytest.raises(EncodingError, match=message):
        parse_receipt(receipt_with(**changes))


def payload(source: bytes, **changes: Any) -> bytes:
    members = {**dcbor.decode(source, "payload"), **changes}
    return dcbor.encode({name: value for name, value in members.items() if value != "absent"})


KEY = next(s.payload for s in PARSED if s.header.type == "key")
BEAT = next(s.payload for s in PARSED if s.header.type == "heartbeat")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"version": True}, VersionError, "has version True, this release reads 1"),
        ({"version": 1.0}, VersionError, r"has version 1\.0"),
        ({"version": 2}, VersionError, "has version 2"),
        ({"leaf_rule": "other"}, VersionError, "this release knows"),
        ({"origin": "a b"}, EncodingError, "without space or plus"),
        ({"origin": 5}, EncodingError, "'origin' must be text"),
        ({"receipt_key": "text"}, EncodingError, "'receipt_key' must be bytes"),
        ({"policy": []}, EncodingError, "'policy' must be a map"),
    ],
)
def test_a_genesis_of_another_shape_is_refused(
    changes: Any, error: type[InputError], message: str
) -> None:
    with pytest.raises(error, match=message):
        parse_genesis(payload(GENESIS.payload, **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "robot"}, "kind must be one of person, organisation, machine, ai"),
        ({"kind": "person", "name": "Ada"}, "a person must not be named"),
        ({"name": "x" * 201}, r"1\.\.200 letters"),
        ({"name": 5}, "'name' must be text"),
        ({"possession": None}, "'possession' must be bytes"),
    ],
)
def test_a_key_record_of_another_shape_is_refused(changes: Any, message: str) -> None:
    with pytest.raises(EncodingError, match=message):
        parse_key_record(payload(KEY, **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"state": "asleep"}, "state must be start, beat or end"),
        ({"time": -1}, "'time' must be a number"),
        ({"time": True}, "'time' must be a number"),
        ({"unknown_root": "absent"}, "'unknown_root' must be bytes"),
    ],
)
def test_a_heartbeat_of_another_shape_is_refused(changes: Any, message: str) -> None:
    with pytest.raises(EncodingError, match=message):
        parse_heartbeat(payload(BEAT, **changes))


def test_payloads_are_maps() -> None:
    with pytest.raises(EncodingError, match="heartbeat must be a map"):
        parse_heartbeat(b"\x80")
    with pytest.raises(EncodingError, match="protected header must be a map"):
        parse_header(b"\x80")


def test_the_media_type_may_be_a_registered_number_and_the_hash_may_be_null() -> None:
    members = {1: -8, 4: b"k", 15: {1: "did:x", 2: "urn:x"}, 16: 60, 258: None, 3: "text/plain"}

    header = parse_header(cbor2.dumps(members))

    assert (header.typ, header.hashed, header.content_type) == ("coap:60", False, "text/plain")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80", "COSE_Key must be a map"),
        (b"\xa1\x01\x01", "must be Ed25519 .* got kty 1, crv None"),
        (cbor2.dumps({1: 1, -1: 6, -2: b"short"}), "ed25519 key must have 32 bytes, got 5"),
        (cbor2.dumps({1: 2, -1: 1, -2: bytes(32), -3: bytes(32)}), "not a point of the curve"),
    ],
)
def test_bytes_that_are_no_key_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(EncodingError, match=message):
        parse_cose_key(data)


@pytest.mark.parametrize(
    ("did", "message"),
    [
        ("did:web:x", "expected did:key:z"),
        ("did:key:z" + base58.encode(b"\x99\x99" + bytes(32)), "unknown kind, multicodec 9999"),
        ("did:key:z" + base58.encode(b"\x80\x24" + bytes(33)), "not a point of the curve"),
        ("did:key:z" + "1" * 129, "129 letters, at most 128"),
        ("did:key:z0", "not a base58 letter"),
    ],
)
def test_text_that_is_no_did_key_is_refused(did: str, message: str) -> None:
    with pytest.raises(EncodingError, match=message):
        parse_did_key(did)


def test_signatures_of_another_length_are_refused_before_any_library_sees_them() -> None:
    p256 = generate(KeyKind.P256).public
    with pytest.raises(SignatureError, match="must have 64 bytes, got 63"):
        p256.verify(bytes(63), b"message")
    with pytest.raises(SignatureError, match="32 bytes and a signature 64, got 32 and 63"):
        PublicKey(KeyKind.ED25519, bytes(32)).verify(bytes(63), b"message")
    with pytest.raises(SignatureError, match="not canonically encoded"):
        check_rule(b"\xff" * 32, bytes(64))
    with pytest.raises(SignatureError, match="of small order"):
        check_rule(bytes(32), bytes(64))


def test_a_verifier_key_has_a_name_that_can_be_written() -> None:
    with pytest.raises(EncodingError, match="must be UTF-8"):
        parse_vkey("log\udcff+00000000+AQAA")


@pytest.mark.parametrize("kind", [1, 4])
def test_a_verifier_key_of_another_length_is_refused(kind: int) -> None:
    from tallystick.statement import VerifierKey

    with pytest.raises(EncodingError, match="has 32 bytes, got 31"):
        parse_vkey(VerifierKey("log", kind, bytes(31)).encode())


def test_base64_has_one_spelling() -> None:
    with pytest.raises(EncodingError, match="not canonical base64url"):
        b64.decode_url("AB", "x")
    with pytest.raises(EncodingError, match="not canonical base64"):
        b64.decode("AB==", "x")


def test_a_path_of_thousands_of_digits_is_no_tile() -> None:
    with pytest.raises(EncodingError, match="not the path of a tile"):
        parse_tile_path("tile/0/" + "x001/" * 2000 + "001")
