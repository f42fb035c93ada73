"""A provider's keys, and what a token is believed by: one of them, by an algorithm of the list.

The library checks signatures, but for those by Ed25519, which we check ourselves anyway. Which key,
which algorithm, and whether the two belong together is decided here, before it is asked. A token
names both, and is believed in neither.

Source:
    RFC 7517 (JWK), RFC 7518 (algorithms), RFC 8725 sections 3.1 and 3.2 (best practice).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jwk, jws
from joserfc.errors import JoseError

from tallystick.errors import EncodingError, SignatureError
from tallystick.identity import jwk as own_jwk
from tallystick.identity import jws as own_jws
from tallystick.statement import PublicKey, b64
from tallystick.web.problems import ProviderAwayError, SignInError

ALGORITHMS: Final[Mapping[str, tuple[str, str | None]]] = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "PS256": ("RSA", None),
    "PS384": ("RSA", None),
    "PS512": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}
"""What is accepted, with the kind and curve of its keys: no `none`, and nothing with a secret."""
RSA_BITS_MIN, RSA_BITS_MAX = 2048, 16_384
"""Shorter ones are weak; longer ones only cost time."""
KEYS_MAX: Final = 100
TOKEN_LETTERS_MAX: Final = 32 << 10


@dataclass(frozen=True, slots=True)
class Key:
    """One public key of a provider.

    Attributes:
        id: Its `kid`, None without one.
        kind: `kty` and `crv`.
        algorithm: The one that it is for; None if the provider does not say.
        public: As the library has it, or as we do.
    """

    id: str | None
    kind: tuple[str, str | None]
    algorithm: str | None
    public: jwk.Key | PublicKey

    def suits(self, algorithm: str) -> bool:
        """Tell whether tokens of an algorithm can be of this key."""
        kty, crv = ALGORITHMS[algorithm]
        fits = self.kind[0] == kty and (crv is None or self.kind[1] == crv)
        return fits and self.algorithm in {None, algorithm}


class Keys:
    """All keys of a provider that can be of use; never changed."""

    def __init__(self, keys: list[Key]) -> None:
        """Take them in the provider's order."""
        self._keys = keys

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)

    def __contains__(self, key_id: str) -> bool:
        return any(key.id == key_id for key in self._keys)

    def find(self, key_id: str | None, algorithm: str) -> Key | None:
        """Return the key that a token names; without a name, the only one that suits."""
        suits = [key for key in self._keys if key.suits(algorithm)]
        if key_id is not None:
            suits = [key for key in suits if key.id == key_id]
        return suits[0] if len(suits) == 1 else None


def parse_keys(found: dict[str, Any]) -> Keys:
    """Read a JWK set; keys of a kind or for a use that is not ours are passed over.

    Raises:
        ProviderAwayError: It is none, or holds no key that can be of use.
    """
    listed = found.get("keys")
    if not isinstance(listed, list) or len(listed) > KEYS_MAX:
        raise ProviderAwayError(f"the provider's keys are no list of at most {KEYS_MAX}")
    keys = [key for one in listed if isinstance(one, dict) and (key := _parse_key(one))]
    if not keys:
        kinds = ", ".join(ALGORITHMS)
        raise ProviderAwayError(
            f"none of the provider's {len(listed)} keys is for an algorithm of {kinds}"
        )
    return Keys(keys)


def _parse_key(one: dict[str, Any]) -> Key | None:
    kind = (str(one.get("kty")), str(one["crv"]) if "crv" in one else None)
    algorithm, key_id = one.get("alg"), one.get("kid")
    if one.get("use", "sig") != "sig" or not _is_known(kind):
        return None
    public = {name: value for name, value in one.items() if name in _PARTS}
    try:
        if kind[0] == "RSA" and not RSA_BITS_MIN <= _bits(public["n"]) <= RSA_BITS_MAX:
            return None
        key = own_jwk.parse(public) if kind[0] == "OKP" else jwk.JWKRegistry.import_key(public)
    except (JoseError, EncodingError, ValueError, TypeError, KeyError):
        return None
    return Key(
        key_id if isinstance(key_id, str) else None,
        kind,
        algorithm if isinstance(algorithm, str) else None,
        key,
    )


def _bits(modulus: Any) -> int:
    return int.from_bytes(b64.decode_url(str(modulus), "modulus")).bit_length()


_PARTS: Final = frozenset({"kty", "crv", "n", "e", "x", "y"})
"""The public parts; what else a key says of itself was looked at before."""


def _is_known(kind: tuple[str, str | None]) -> bool:
    return any(kind[0] == kty and crv in {None, kind[1]} for kty, crv in ALGORITHMS.values())


def named_key(token: str) -> tuple[str | None, str]:
    """Return key id and algorithm that a token names, and refuse what no token may be.

    Raises:
        SignInError: Not a JWT, or by an algorithm that is not accepted.
    """
    header = _header(token)
    algorithm, key_id = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise SignInError(
            f"the token's algorithm is {algorithm!r:.40}, expected one of {', '.join(ALGORITHMS)}",
            reason="oidc.algorithm",
        )
    if key_id is not None and not isinstance(key_id, str):
        raise SignInError("the token's key id is no text", reason="oidc.key")
    return key_id, algorithm


def read_token(token: str, keys: Keys) -> tuple[dict[str, Any], dict[str, Any]]:
    """Check a token's signature, and return its header and claims; the claims are not checked.

    Raises:
        SignInError: Not a JWT, not by an accepted algorithm, of no known key, or not signed by it.
    """
    key_id, algorithm = named_key(token)
    key = keys.find(key_id, algorithm)
    if key is None:
        named = "names no key" if key_id is None else f"names the key {key_id[:80]!r}"
        raise SignInError(
            f"the token {named}, and the provider has no such key for {algorithm}",
            reason="oidc.key",
        )
    header, claims = _peek(token)
    try:
        if isinstance(key.public, PublicKey):
            own_jws.verify(token, key.public, None)
        else:
            jws.deserialize_compact(token, key.public, algorithms=[algorithm])
    except (JoseError, SignatureError, ValueError, TypeError) as error:
        raise SignInError(
            f"the token is not signed by the provider: {error}", reason="oidc.signature"
        ) from error
    return header, claims


def _header(token: str) -> dict[str, Any]:
    header, _ = _peek(token)
    if "crit" in header:
        raise SignInError(
            "the token demands extensions (crit), and none is known here", reason="oidc.format"
        )
    return header


def _peek(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    if len(token) > TOKEN_LETTERS_MAX:
        raise SignInError(
            f"a token has at most {TOKEN_LETTERS_MAX} letters, got {len(token)}",
            reason="oidc.format",
        )
    try:
        return own_jws.peek(token)
    except EncodingError as error:
        raise SignInError(f"the token is no JWT: {error}", reason="oidc.format") from error
