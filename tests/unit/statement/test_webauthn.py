"""What a passkey signs: each part is checked, and each way to be wrong has its reason."""

from contextlib import suppress
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given
from hypothesis import strategies as st

from tallystick.errors import ApprovalError, EncodingError
from tallystick.statement import dcbor
from tallystick.statement.webauthn import (
    AUTHENTICATOR_DATA_BYTES_MAX,
    CLIENT_DATA_BYTES_MAX,
    Asked,
    Assertion,
    parse_authenticator_data,
    parse_client_data,
    verify_assertion,
)
from tests.passkeys import HAS_EXTENSIONS, HAS_KEY, PAGE, PRESENT, RP_ID, VERIFIED, Authenticator

CHALLENGE = bytes(range(32))
ASKED = Asked(CHALLENGE, RP_ID, (PAGE,))
P256 = Authenticator()
ED25519 = Authenticator(key=ed25519.Ed25519PrivateKey.generate())


@pytest.mark.parametrize("passkey", [P256, ED25519], ids=["es256", "ed25519"])
def test_what_a_passkey_signed_is_accepted(passkey: Authenticator) -> None:
    verify_assertion(passkey.get(CHALLENGE), passkey.public, ASKED)

    extended = passkey.but(
        flags=PRESENT | VERIFIED | HAS_EXTENSIONS, extensions=cbor2.dumps({"credProtect": 2})
    )
    verify_assertion(extended.get(CHALLENGE), passkey.public, ASKED)


@pytest.mark.parametrize("passkey", [P256, ED25519], ids=["es256", "ed25519"])
def test_any_changed_byte_is_refused(passkey: Authenticator) -> None:
    whole = passkey.get(CHALLENGE)
    for at in range(len(whole.authenticator_data)):
        changed = bytearray(whole.authenticator_data)
        changed[at] ^= 1
        said = Assertion(bytes(changed), whole.client_data, whole.signature)
        with pytest.raises((ApprovalError, EncodingError)):
            verify_assertion(said, passkey.public, ASKED)
    for at in range(len(whole.signature)):
        signature = bytearray(whole.signature)
        signature[at] ^= 1
        said = Assertion(whole.authenticator_data, whole.client_data, bytes(signature))
        with pytest.raises(ApprovalError):
            verify_assertion(said, passkey.public, ASKED)


@pytest.mark.parametrize(
    "signature", [b"", bytes(64), bytes(73), b"\x30\x06\x02\x01\xff\x02\x01\x01"]
)
def test_what_is_no_der_signature_is_refused(signature: bytes) -> None:
    whole = P256.get(CHALLENGE)

    with pytest.raises(ApprovalError) as caught:
        verify_assertion(
            Assertion(whole.authenticator_data, whole.client_data, signature), P256.public, ASKED
        )

    assert caught.value.reason == "approval.signature"


def test_another_key_did_not_sign_it() -> None:
    with pytest.raises(ApprovalError, match="did not sign this"):
        verify_assertion(P256.get(CHALLENGE), Authenticator().public, ASKED)


def test_an_assertion_holds_no_new_key() -> None:
    data = P256.made()
    said = P256.client_data("webauthn.get", CHALLENGE)

    with pytest.raises(EncodingError, match="no new key"):
        verify_assertion(Assertion(data, said, b""), P256.public, ASKED)


def test_the_key_of_a_passkey_that_was_made_is_read() -> None:
    for passkey in (P256, ED25519):
        assert parse_authenticator_data(passkey.made()).key == passkey.public


def with_key(key: Any) -> bytes:
    return P256.data(bytes(16) + (2).to_bytes(2) + b"id" + cbor2.dumps(key))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "must have 37"),
        (bytes(36), "must have 37"),
        (bytes(AUTHENTICATOR_DATA_BYTES_MAX + 1), "must have 37"),
        (P256.data() + b"x", "belong to nothing"),
        (P256.but(flags=0x10).data(), "backed up"),
        (P256.but(flags=HAS_KEY).data(), "ends before the key"),
        (P256.but(flags=HAS_KEY).data() + bytes(18), "ends before the key"),
        (P256.but(flags=HAS_KEY).data() + bytes(16) + b"\xff\xff" + bytes(40), "ends before"),
        (P256.but(flags=HAS_EXTENSIONS).data() + b"\x01", "must be a map"),
        (P256.but(flags=HAS_EXTENSIONS).data() + b"\x81", "not one strict CBOR item"),
        (with_key(1), "must be a map"),
        (with_key({1: 2, 3: -7, -1: 2, -2: bytes(32), -3: bytes(32)}), "COSE_Key must be"),
        (with_key({**P256.public.cose_key(), 3: -8}), "with the algorithm -8"),
        (with_key(P256.public.cose_key()), "with the algorithm None"),
    ],
)
def test_authenticator_data_that_is_none_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(EncodingError, match=words):
        parse_authenticator_data(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not JSON"),
        (b"[" * 4000, "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"type": "a", "type": "b"}', "two members"),
        (b" " * (CLIENT_DATA_BYTES_MAX + 1), "at most"),
        (P256.but(said={"challenge": 1}).client_data("webauthn.get", CHALLENGE), "must be text"),
        (P256.but(said={"challenge": "a="}).client_data("webauthn.get", CHALLENGE), "base64url"),
        (P256.but(said={"origin": ...}).client_data("webauthn.get", CHALLENGE), "'origin'"),
        (P256.but(said={"type": None}).client_data("webauthn.get", CHALLENGE), "'type'"),
        (P256.but(said={"crossOrigin": 0}).client_data("webauthn.get", CHALLENGE), "true or false"),
    ],
)
def test_client_data_that_is_none_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(EncodingError, match=words):
        parse_client_data(data)


def test_members_that_browsers_may_add_are_passed_over() -> None:
    said = P256.but(said={"other_keys_can_be_added_here": "…"})

    assert parse_client_data(said.client_data("webauthn.get", CHALLENGE)).origin == PAGE


@given(st.binary(max_size=300))
def test_hostile_bytes_raise_our_error_and_no_other(data: bytes) -> None:
    for parse in (parse_authenticator_data, parse_client_data):
        try:
            parse(data)
        except EncodingError:
            continue
    with suppress(EncodingError):
        parse_authenticator_data(P256.but(flags=HAS_KEY | HAS_EXTENSIONS).data() + data)


@given(st.binary(max_size=100))
def test_no_bytes_but_the_passkeys_are_its_signature(data: bytes) -> None:
    whole = P256.get(CHALLENGE)
    with pytest.raises(ApprovalError, match="did not sign this"):
        verify_assertion(
            Assertion(whole.authenticator_data, whole.client_data, data), P256.public, ASKED
        )


MEMBERS = st.sampled_from(["type", "challenge", "origin", "crossOrigin"])
VALUES = st.one_of(st.text(), st.integers(), st.booleans(), st.none())


@given(st.dictionaries(MEMBERS, VALUES))
def test_hostile_members_raise_our_errors_and_no_others(said: dict[str, Any]) -> None:
    data = P256.but(said=said)
    try:
        verify_assertion(data.get(CHALLENGE), P256.public, ASKED)
    except (ApprovalError, EncodingError):
        return
    assert said.items() <= {
        "type": "webauthn.get", "origin": PAGE, "crossOrigin": False,
    }.items()  # fmt: skip


def test_an_item_is_decoded_in_front_of_others() -> None:
    assert dcbor.decode_first(b"\x01\x02\x03", "item") == (1, b"\x02\x03")
