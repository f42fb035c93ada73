"""JSON Web Signatures in compact form, by the keys that sign statements.

Two algorithms, each for one kind of key: nothing in a token chooses how it is verified.

Source:
    RFC 7515 (JWS), RFC 8725 (best practices), RFC 8037 and RFC 9864 (EdDSA, Ed25519).
"""

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from tallystick.errors import EncodingError, SignatureError
from tallystick.identity.signer import Signer
from tallystick.statement import PublicKey, b64
from tallystick.statement.keys import KeyKind

_NAMES: Final = {KeyKind.ED25519: ("EdDSA", "Ed25519"), KeyKind.P256: ("ES256",)}
"""Values of `alg` by kind of key; the first is written."""
_PARTS: Final = 3


def sign(header: Mapping[str, Any], payload: Mapping[str, Any], signer: Signer) -> str:
    """Sign a payload.

    Args:
        header: Protected; `alg` is added.
        payload: JSON.
        signer: Whose key.

    Raises:
        EncodingError: A value is not JSON.
    """
    full = {"alg": _NAMES[signer.public.kind][0], **header}
    signed = f"{_encode(full)}.{_encode(payload)}"
    return f"{signed}.{b64.encode_url(signer.sign(signed.encode()))}"


def verify(
    token: str, key: PublicKey, types: Collection[str] | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Check a token, and return its header and payload.

    Args:
        token: Not believed.
        key: Whose signature is expected; its kind says by which algorithm.
        types: Values of `typ` that are accepted; None where the caller looks at it.

    Raises:
        EncodingError: Not a JWS, or one that demands what is not known here.
        SignatureError: Another algorithm than the key's, another type, or not signed by it.
    """
    header, payload, signed, signature = _parse(token)
    algorithm, type_ = header.get("alg"), header.get("typ")
    if not isinstance(algorithm, str) or algorithm not in _NAMES[key.kind]:
        names = " or ".join(_NAMES[key.kind])
        raise SignatureError(f"alg must be {names} for this key, got {algorithm!r:.40}")
    if types is not None and (not isinstance(type_, str) or type_ not in types):
        raise SignatureError(f"typ must be {' or '.join(sorted(types))}, got {type_!r:.60}")
    if "crit" in header:
        raise EncodingError("the token demands extensions (crit), and none is known here")
    key.verify(signature, signed)
    return header, payload


def peek(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and payload, unverified: to find out which key to verify with.

    Raises:
        EncodingError: Not a JWS.
    """
    header, payload, _, _ = _parse(token)
    return header, payload


def parse_json(data: bytes, what: str) -> Any:
    """Parse JSON strictly: UTF-8, no member twice, numbers as JSON has them.

    Raises:
        EncodingError: Not such JSON.
    """
    try:
        return json.loads(data, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise EncodingError(f"{what} is not JSON: {error}") from error


def _parse(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    parts = token.split(".")
    if len(parts) != _PARTS:
        raise EncodingError(f"a JWS has {_PARTS} parts, got {len(parts)}")
    header, payload = (
        parse_json(b64.decode_url(part, name), name)
        for part, name in zip(parts, ("header", "payload"), strict=False)
    )
    if not isinstance(header, dict) or not isinstance(payload, dict):
        raise EncodingError("header and payload of a token must be objects")
    signature = b64.decode_url(parts[2], "signature")
    return header, payload, f"{parts[0]}.{parts[1]}".encode(), signature


def _encode(value: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return b64.encode_url(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise EncodingError(f"not JSON: {error}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member stands in it twice")
    return members


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")
