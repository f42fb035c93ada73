"""Public keys as JSON Web Keys.

Source:
    RFC 7517 (JWK), RFC 7518 section 6.2 (EC), RFC 8037 section 2 (OKP).
"""

from typing import Any, Final

from tallystick.errors import EncodingError
from tallystick.statement import PublicKey, b64
from tallystick.statement.keys import KeyKind

_COORDINATE_BYTES: Final = 32
_UNCOMPRESSED: Final = b"\x04"


def encode(key: PublicKey) -> dict[str, str]:
    """Return a key as a JWK."""
    if key.kind is KeyKind.ED25519:
        return {"kty": "OKP", "crv": "Ed25519", "x": b64.encode_url(key.raw)}
    x, y = key.raw[1 : 1 + _COORDINATE_BYTES], key.raw[1 + _COORDINATE_BYTES :]
    return {"kty": "EC", "crv": "P-256", "x": b64.encode_url(x), "y": b64.encode_url(y)}


def parse(jwk: Any) -> PublicKey:
    """Read a JWK; members beside the key itself are passed over.

    Raises:
        EncodingError: Not a key of a kind that is known here, or one with a private part.
    """
    if not isinstance(jwk, dict):
        raise EncodingError(f"a JWK must be an object, got {jwk!r:.40}")
    if "d" in jwk:
        raise EncodingError("the JWK holds a private key; only the public one may be handed out")
    match jwk.get("kty"), jwk.get("crv"):
        case "OKP", "Ed25519":
            return PublicKey(KeyKind.ED25519, _coordinate(jwk, "x"))
        case "EC", "P-256":
            return PublicKey(
                KeyKind.P256, _UNCOMPRESSED + _coordinate(jwk, "x") + _coordinate(jwk, "y")
            )
    raise EncodingError(
        f"a key must be OKP Ed25519 or EC P-256, got {jwk.get('kty')!r:.20} {jwk.get('crv')!r:.20}"
    )


def _coordinate(jwk: dict[str, Any], name: str) -> bytes:
    text = jwk.get(name)
    data = b64.decode_url(text, f"{name} of a JWK") if isinstance(text, str) else b""
    if len(data) != _COORDINATE_BYTES:
        raise EncodingError(f"{name} of a JWK must have {_COORDINATE_BYTES} bytes, got {len(data)}")
    return data
