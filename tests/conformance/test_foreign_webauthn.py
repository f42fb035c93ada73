"""py_webauthn, which other people wrote, accepts what we accept of a passkey, and refuses the rest.

Where we are stricter, `STRICTER` says so: a page in a frame of another origin, or a browser that
does not say, is nothing that PROTOCOL section 6 lets approve.
"""

import json
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from tallystick.errors import ApprovalError, EncodingError
from tallystick.identity.attestation import CREATE, verify_made
from tallystick.statement import b64
from tallystick.statement.webauthn import Asked, Assertion, verify_assertion
from tests.passkeys import HAS_EXTENSIONS, PAGE, PRESENT, RP_ID, VERIFIED, Authenticator

webauthn = pytest.importorskip("webauthn", reason="py_webauthn comes with requirements/dev.txt")

CHALLENGE = bytes(range(32))
ASKED = Asked(CHALLENGE, RP_ID, (PAGE,))
P256 = Authenticator()
ED25519 = Authenticator(key=ed25519.Ed25519PrivateKey.generate())
EXTENDED = {
    "flags": PRESENT | VERIFIED | HAS_EXTENSIONS, "extensions": cbor2.dumps({"credProtect": 2})
}  # fmt: skip
VARIANTS: dict[str, dict[str, Any]] = {
    "right": {},
    "extensions": EXTENDED,
    "another page": {"page": "http://localhost:1"},
    "another relying party": {"rp_id": "evil.example"},
    "nobody touched it": {"flags": VERIFIED},
    "nobody was verified": {"flags": PRESENT},
    "of another kind": {"said": {"type": "payment.get"}},
    "another challenge": {"said": {"challenge": b64.encode_url(bytes(32))}},
    "backed up and not eligible": {"flags": PRESENT | VERIFIED | 0x10},
    "backed up": {"flags": PRESENT | VERIFIED | 0x18},
    "in a frame": {"said": {"crossOrigin": True}},
    "a frame or not": {"said": {"crossOrigin": ...}},
}
STRICTER = {"in a frame", "a frame or not", "backed up and not eligible"}


def ours(assertion: Assertion, passkey: Authenticator) -> bool:
    try:
        verify_assertion(assertion, passkey.public, ASKED)
    except (ApprovalError, EncodingError):
        return False
    return True


def cose_key(passkey: Authenticator) -> bytes:
    algorithm = -7 if passkey.public.kind.value == "p256" else -8
    return cbor2.dumps({**passkey.public.cose_key(), 3: algorithm})


def theirs(assertion: Assertion, passkey: Authenticator) -> bool:
    said = {
        "id": "AAAA", "rawId": "AAAA", "type": "public-key",
        "response": {
            "authenticatorData": b64.encode_url(assertion.authenticator_data),
            "clientDataJSON": b64.encode_url(assertion.client_data),
            "signature": b64.encode_url(assertion.signature),
        },
    }  # fmt: skip
    try:
        done = webauthn.verify_authentication_response(
            credential=said, expected_challenge=CHALLENGE, expected_rp_id=RP_ID,
            expected_origin=PAGE, credential_public_key=cose_key(passkey),
            credential_current_sign_count=0, require_user_verification=True,
        )  # fmt: skip
    except Exception:  # noqa: BLE001 - it raises what its libraries raise, too
        return False
    return bool(done.user_verified)


@pytest.mark.parametrize("passkey", [P256, ED25519], ids=["es256", "ed25519"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_both_say_the_same_of_an_assertion(passkey: Authenticator, variant: str) -> None:
    assertion = passkey.but(**VARIANTS[variant]).get(CHALLENGE)

    verdicts = ours(assertion, passkey), theirs(assertion, passkey)

    if variant in STRICTER:
        assert not verdicts[0]
    else:
        assert verdicts[0] is verdicts[1]
        assert verdicts[0] is (variant in {"right", "extensions", "backed up"})


@pytest.mark.parametrize("passkey", [P256, ED25519], ids=["es256", "ed25519"])
def test_both_refuse_every_changed_byte(passkey: Authenticator) -> None:
    whole = passkey.get(CHALLENGE)
    for name in ("authenticator_data", "client_data", "signature"):
        data = getattr(whole, name)
        for at in range(0, len(data), 7):
            changed = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
            parts = {n: getattr(whole, n) for n in Assertion.__dataclass_fields__}
            assertion = Assertion(**{**parts, name: changed})
            assert not ours(assertion, passkey), (name, at)
            assert not theirs(assertion, passkey), (name, at)


@pytest.mark.parametrize("passkey", [P256, ED25519], ids=["es256", "ed25519"])
def test_both_read_the_same_key_out_of_a_passkey_that_was_made(passkey: Authenticator) -> None:
    made = passkey.make(CHALLENGE)
    said = {
        "id": "AAAA", "rawId": "AAAA", "type": "public-key",
        "response": {
            "attestationObject": b64.encode_url(made.attestation),
            "clientDataJSON": b64.encode_url(made.client_data),
        },
    }  # fmt: skip

    key = verify_made(made.attestation, made.client_data, Asked(CHALLENGE, RP_ID, (PAGE,), CREATE))
    done = webauthn.verify_registration_response(
        credential=json.dumps(said), expected_challenge=CHALLENGE, expected_rp_id=RP_ID,
        expected_origin=PAGE, require_user_verification=True,
    )  # fmt: skip

    assert key == passkey.public
    assert done.credential_public_key == cose_key(passkey)
