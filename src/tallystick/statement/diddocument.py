"""Which keys a DID document lets sign statements.

A key counts if the document names it, itself or by reference, for `assertionMethod`, if it is of a
curve that statements are signed with, and if nobody else controls it. All other keys of a document
are passed over: they are for other uses.

Source:
    W3C Controlled Identifiers 1.0, sections 2.2 and 2.3; W3C DID Core 1.0, section 5.
"""

from typing import Any, Final

from tallystick.errors import EncodingError
from tallystick.statement import b64
from tallystick.statement.keys import KeyKind, PublicKey, parse_did_key

KEYS_MAX: Final = 64
"""Verification methods that are looked at."""
_COORDINATE_BYTES: Final = 32


def check_document(document: Any, did: str) -> dict[str, Any]:
    """Return a document if it is that of a DID.

    Raises:
        EncodingError: It is another one's, or none.
    """
    if not isinstance(document, dict):
        raise EncodingError("a DID document is an object")
    if document.get("id") != did:
        raise EncodingError(f"the document is of {document.get('id')!r:.100}, expected {did!r}")
    return document


def signing_keys(document: dict[str, Any], did: str) -> tuple[PublicKey, ...]:
    """Return the keys that may sign statements as `did`, each once, in the document's order.

    Raises:
        EncodingError: The document is not well-formed, or a key that counts is not.
    """
    methods = _list(document, "verificationMethod")
    known = {_absolute(m.get("id"), did): m for m in methods if isinstance(m, dict)}
    keys: dict[PublicKey, None] = {}
    for named in _list(document, "assertionMethod"):
        method = known.get(_absolute(named, did)) if isinstance(named, str) else named
        key = _key(method, did) if isinstance(method, dict) else None
        if key is not None:
            keys[key] = None
    return tuple(keys)


def _list(document: dict[str, Any], name: str) -> list[Any]:
    value = document.get(name, [])
    if not isinstance(value, list) or len(value) > KEYS_MAX:
        raise EncodingError(f"{name!r} of a DID document is an array of at most {KEYS_MAX}")
    return value


def _absolute(name: Any, did: str) -> Any:
    return did + name if isinstance(name, str) and name.startswith("#") else name


def _key(method: dict[str, Any], did: str) -> PublicKey | None:
    if method.get("controller", did) != did:
        return None
    multibase, jwk = method.get("publicKeyMultibase"), method.get("publicKeyJwk")
    if isinstance(multibase, str) and method.get("type") in {
        "Multikey", "Ed25519VerificationKey2020",
    }:  # fmt: skip
        return _multikey(multibase)
    return _jwk(jwk) if isinstance(jwk, dict) else None


def _multikey(text: str) -> PublicKey | None:
    """Read a Multikey; None for one of another kind, such as an RSA key."""
    try:
        return parse_did_key(f"did:key:{text}")
    except EncodingError:
        return None


def _jwk(jwk: dict[str, Any]) -> PublicKey | None:
    match jwk.get("kty"), jwk.get("crv"):
        case "OKP", "Ed25519":
            return PublicKey(KeyKind.ED25519, _coordinate(jwk, "x"))
        case "EC", "P-256":
            return PublicKey(KeyKind.P256, b"\x04" + _coordinate(jwk, "x") + _coordinate(jwk, "y"))
    return None


def _coordinate(jwk: dict[str, Any], name: str) -> bytes:
    text = jwk.get(name)
    data = b64.decode_url(text, f"{name} of a JWK") if isinstance(text, str) else b""
    if len(data) != _COORDINATE_BYTES:
        raise EncodingError(f"{name} of a JWK must have {_COORDINATE_BYTES} bytes, got {len(data)}")
    return data
