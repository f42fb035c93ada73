"""What a passkey signs (WebAuthn): parse it, and check it against what was asked.

    assertion = Assertion(authenticator_data, client_data, signature)
    verify_assertion(assertion, key, Asked(challenge, rp_id, origins))   # returns or raises

An assertion signs authenticatorData ‖ SHA-256(clientDataJSON): no COSE structure, and so no
signature of a statement. It shows that the key signed this challenge for a page of that origin,
with the person present and verified by the authenticator. What the page displayed it does not
show, and its counter proves nothing: it is read past.

Reasons of `ApprovalError`:

    approval.type           the signature is not of an assertion
    approval.challenge      it answers another challenge
    approval.origin         it was made on a page of another origin
    approval.cross-origin   that page stood in a frame of another one
    approval.rp             it was made for another relying party
    approval.presence       nobody touched the authenticator
    approval.verification   the authenticator did not verify who did
    approval.signature      the signature does not match the key

Source:
    W3C Web Authentication Level 3, sections 5.8.1, 6.1 and 7.2; RFC 8812 for algorithms.
"""

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tallystick.errors import ApprovalError, EncodingError, SignatureError
from tallystick.statement import b64, dcbor
from tallystick.statement.keys import ALGORITHMS, KeyKind, PublicKey, public_key_from_cose

CLIENT_DATA_BYTES_MAX: Final = 4096
AUTHENTICATOR_DATA_BYTES_MAX: Final = 4096
SIGNATURE_BYTES_MAX: Final = 72
"""Of an ES256 signature in DER."""
RP_HASH_BYTES: Final = 32
CHALLENGE_BYTES: Final = 32

_HEAD_BYTES: Final = RP_HASH_BYTES + 5
_AAGUID_BYTES: Final = 16
_PRESENT, _VERIFIED, _ELIGIBLE, _BACKED_UP = 0x01, 0x04, 0x08, 0x10
_HAS_KEY, _HAS_EXTENSIONS = 0x40, 0x80
_NUMBER_BYTES: Final = 32
_ALGORITHM: Final = 3
"""Label of a COSE_Key, RFC 9052 section 7.1."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """What an authenticator answers, byte for byte.

    Attributes:
        authenticator_data: What the authenticator says.
        client_data: What the browser says, as JSON.
        signature: Over the first and the digest of the second; DER for ES256.
    """

    authenticator_data: bytes
    client_data: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """What an assertion must answer.

    Attributes:
        challenge: 32 bytes.
        rp_id: Name of the relying party, such as `log.example`.
        origins: Pages on which it may be made, such as `https://log.example`.
        type: `webauthn.get`, or `webauthn.create` while a passkey is made.
    """

    challenge: bytes
    rp_id: str
    origins: tuple[str, ...]
    type: str = "webauthn.get"


@dataclass(frozen=True, slots=True)
class AuthenticatorData:
    """What the authenticator says; not yet believed.

    Attributes:
        rp_hash: SHA-256 of the relying party's name.
        present: Somebody touched it.
        verified: It verified who, by PIN or body.
        key: The public key of a passkey that is being made; None in an assertion.
    """

    rp_hash: bytes
    present: bool
    verified: bool
    key: PublicKey | None


@dataclass(frozen=True, slots=True)
class ClientData:
    """What the browser says; not yet believed.

    Attributes:
        type: What was done.
        challenge: What was to be signed.
        origin: Of the page.
        cross_origin: Whether that page stood in a frame of another origin; None where the browser
            does not say.
    """

    type: str
    challenge: bytes
    origin: str
    cross_origin: bool | None


def parse_authenticator_data(data: bytes) -> AuthenticatorData:
    """Parse what an authenticator says.

    Raises:
        EncodingError: Not that, or with bytes that belong to nothing.
    """
    what = "authenticator data"
    if not _HEAD_BYTES <= len(data) <= AUTHENTICATOR_DATA_BYTES_MAX:
        raise EncodingError(
            f"{what} must have {_HEAD_BYTES} to {AUTHENTICATOR_DATA_BYTES_MAX} bytes, "
            f"got {len(data)}"
        )
    flags, rest, key = data[RP_HASH_BYTES], data[_HEAD_BYTES:], None
    if flags & _BACKED_UP and not flags & _ELIGIBLE:
        raise EncodingError(f"{what} says that a key is backed up which cannot be")
    if flags & _HAS_KEY:
        key, rest = _parse_attested(rest)
    if flags & _HAS_EXTENSIONS:
        extensions, rest = dcbor.decode_first(rest, f"extensions of {what}")
        if not isinstance(extensions, dict):
            raise EncodingError(f"extensions of {what} must be a map")
    if rest:
        raise EncodingError(f"{what} is followed by {len(rest)} bytes that belong to nothing")
    return AuthenticatorData(
        data[:RP_HASH_BYTES], bool(flags & _PRESENT), bool(flags & _VERIFIED), key
    )


def parse_client_data(data: bytes) -> ClientData:
    """Parse what a browser says.

    Raises:
        EncodingError: Not JSON with these members, each once and of its type.
    """
    if len(data) > CLIENT_DATA_BYTES_MAX:
        raise EncodingError(
            f"client data has {len(data)} bytes, at most {CLIENT_DATA_BYTES_MAX} allowed"
        )
    try:
        content = json.loads(data.decode(), object_pairs_hook=_unambiguous)
    except (ValueError, RecursionError) as error:
        raise EncodingError(f"client data is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise EncodingError("client data must be a JSON object")
    cross = content.get("crossOrigin")
    if cross is not None and not isinstance(cross, bool):
        raise EncodingError(f"client data: 'crossOrigin' must be true or false, got {cross!r:.40}")
    challenge = b64.decode_url(_text(content, "challenge"), "the challenge in client data")
    return ClientData(_text(content, "type"), challenge, _text(content, "origin"), cross)


def verify_assertion(assertion: Assertion, key: PublicKey, asked: Asked) -> None:
    """Accept only what `key` signed in answer to what was asked, by a person it verified.

    Whose key it is, and whether it was valid then, is not checked here.

    Args:
        assertion: What came.
        key: The passkey's public key.
        asked: What was asked.

    Raises:
        EncodingError: A part is malformed.
        ApprovalError: It does not; `reason` names the rule.
    """
    check_client_data(parse_client_data(assertion.client_data), asked)
    said = parse_authenticator_data(assertion.authenticator_data)
    if said.key is not None:
        raise EncodingError("an assertion holds no new key")
    check_authenticator_data(said, asked)
    signed = assertion.authenticator_data + sha256(assertion.client_data).digest()
    try:
        key.verify(_raw(assertion.signature, key), signed)
    except SignatureError as error:
        raise ApprovalError(
            f"the passkey did not sign this: {error}", reason="approval.signature"
        ) from error


def check_client_data(said: ClientData, asked: Asked) -> None:
    """Refuse what a browser says, if it is not of what was asked.

    Raises:
        ApprovalError: It is not; `reason` names the rule.
    """
    if said.type != asked.type:
        raise ApprovalError(
            f"the signature is of {said.type!r:.40}, expected {asked.type!r}",
            reason="approval.type",
        )
    if said.challenge != asked.challenge:
        raise ApprovalError(
            f"it answers the challenge {said.challenge.hex()[:16]}…, "
            f"asked was {asked.challenge.hex()[:16]}…",
            reason="approval.challenge",
        )
    if said.origin not in asked.origins:
        raise ApprovalError(
            f"it was made on a page of {said.origin!r:.120}, "
            f"expected one of {', '.join(asked.origins)}",
            reason="approval.origin",
        )
    if said.cross_origin is not False:
        seen = "crossOrigin is missing" if said.cross_origin is None else "crossOrigin is true"
        raise ApprovalError(
            f"the page stood in a frame of another origin, or the browser does not say: {seen}",
            reason="approval.cross-origin",
        )


def check_authenticator_data(said: AuthenticatorData, asked: Asked) -> None:
    """Refuse what an authenticator says, if it is for others or of nobody who was verified.

    Raises:
        ApprovalError: It is; `reason` names the rule.
    """
    if said.rp_hash != sha256(asked.rp_id.encode()).digest():
        raise ApprovalError(
            f"it was made for another relying party than {asked.rp_id}", reason="approval.rp"
        )
    if not said.present:
        raise ApprovalError("nobody touched the authenticator", reason="approval.presence")
    if not said.verified:
        raise ApprovalError(
            "the authenticator did not verify the person, by PIN or body",
            reason="approval.verification",
            advice="use an authenticator that asks for a PIN, a finger or a face",
        )


def _parse_attested(data: bytes) -> tuple[PublicKey, bytes]:
    """Read the new key out of what an authenticator says, past its own and the key's names."""
    at = _AAGUID_BYTES + 2
    at += int.from_bytes(data[_AAGUID_BYTES:at])
    if len(data) <= at:
        raise EncodingError("authenticator data ends before the key that it should hold")
    members, rest = dcbor.decode_first(data[at:], "the passkey's COSE_Key")
    key = public_key_from_cose(members)
    if members.get(_ALGORITHM) not in ALGORITHMS[key.kind]:
        raise EncodingError(
            f"a {key.kind.value} passkey with the algorithm {members.get(_ALGORITHM)!r:.20}, "
            f"expected one of {', '.join(str(int(one)) for one in ALGORITHMS[key.kind])}"
        )
    return key, rest


def _raw(signature: bytes, key: PublicKey) -> bytes:
    """Return a signature as the two numbers side by side, where it is in DER."""
    if key.kind is not KeyKind.P256:
        return signature
    if len(signature) > SIGNATURE_BYTES_MAX:
        raise SignatureError(
            f"an ES256 signature has at most {SIGNATURE_BYTES_MAX} bytes in DER, "
            f"got {len(signature)}"
        )
    try:
        r, s = decode_dss_signature(signature)
        return r.to_bytes(_NUMBER_BYTES) + s.to_bytes(_NUMBER_BYTES)
    except (ValueError, OverflowError) as error:
        raise SignatureError(f"not an ES256 signature in DER: {error}") from error


def _unambiguous(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that stands twice: two readers would see two things."""
    content = dict(members)
    if len(content) != len(members):
        raise ValueError("an object has two members of the same name")
    return content


def _text(content: dict[str, Any], name: str) -> str:
    value = content.get(name)
    if not isinstance(value, str):
        raise EncodingError(f"client data: {name!r} must be text, got {value!r:.40}")
    return value
