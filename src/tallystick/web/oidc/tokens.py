"""What ID tokens and access tokens must say to be believed.

`now` is seconds since 1970, `skew` how far the provider's clock may be off ours, in seconds.

Source:
    OpenID Connect Core 1.0, sections 2 and 3.1.3.7; RFC 9068, sections 2 and 4.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tallystick.statement import b64
from tallystick.web.oidc.keys import Keys, read_token
from tallystick.web.problems import SignInError

FRESH_SECONDS_MAX: Final = 600
"""Between the making of an ID token and its use: it comes straight from the provider."""
SUBJECT_LETTERS_MAX: Final = 255
_TIME_MAX: Final = 2**53
_AT_JWT: Final = frozenset({"at+jwt", "application/at+jwt"})
_HASHES: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "256": hashlib.sha256,
    "384": hashlib.sha384,
    "512": hashlib.sha512,
}
"""By the end of an algorithm's name; Ed25519 hashes by SHA-512 itself."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What all tokens of a provider must fit.

    Attributes:
        issuer: Who made them.
        skew: How far the provider's clock may be off.
    """

    issuer: str
    skew: int


def read_id_token(
    token: str,
    keys: Keys,
    expected: Expected,
    *,
    client: str,
    nonce: str,
    now: float,
    access_token: str | None = None,
) -> dict[str, Any]:
    """Return the claims of an ID token that was made for this very sign-in.

    Args:
        token: Not believed.
        keys: Of the provider.
        expected: What all its tokens fit.
        client: What the provider calls this service.
        nonce: What was sent along when the sign-in began.
        now: By our clock.
        access_token: What came with it; the token may say which one that is.

    Raises:
        SignInError: `reason` says which rule it breaks.
    """
    header, claims = read_token(token, keys)
    if str(header.get("typ", "JWT")).upper() != "JWT":
        raise SignInError(f"the ID token is a {header['typ']!r:.40}", reason="oidc.type")
    _check_common(claims, expected, client, now)
    if _audience(claims) != [client]:
        raise SignInError(
            "the ID token is for others beside this service, who could use it, too",
            reason="oidc.audience",
        )
    if claims.get("azp", client) != client:
        raise SignInError(
            f"the ID token was given to {claims['azp']!r:.80}, and we are {client!r:.80}",
            reason="oidc.party",
        )
    if now - _time(claims, "iat") > FRESH_SECONDS_MAX + expected.skew:
        raise SignInError("the ID token was made long ago", reason="oidc.too-old")
    said = claims.get("nonce")
    if not isinstance(said, str) or not hmac.compare_digest(said.encode(), nonce.encode()):
        raise SignInError("the ID token is of another sign-in (nonce)", reason="oidc.nonce")
    _check_access_token(claims, str(header["alg"]), access_token)
    return claims


def read_access_token(
    token: str, keys: Keys, expected: Expected, *, audience: str, now: float
) -> dict[str, Any]:
    """Return the claims of an access token in the form of RFC 9068.

    Raises:
        SignInError: `reason` says which rule it breaks.
    """
    header, claims = read_token(token, keys)
    if str(header.get("typ")).lower() not in _AT_JWT:
        raise SignInError(
            f"the token is a {header.get('typ')!r:.40}, expected an access token (at+jwt)",
            reason="oidc.type",
            advice="send the access token, not the ID token",
        )
    _check_common(claims, expected, audience, now)
    for name in ("client_id", "jti"):
        if not isinstance(claims.get(name), str):
            raise SignInError(f"the access token has no {name}", reason="oidc.claims")
    return claims


def _check_common(claims: Mapping[str, Any], expected: Expected, audience: str, now: float) -> None:
    """Check who made a token, for whom, when, and about whom."""
    if claims.get("iss") != expected.issuer:
        raise SignInError(
            f"the token is of {claims.get('iss')!r:.200}, expected {expected.issuer[:200]!r}",
            reason="oidc.issuer",
        )
    if audience not in _audience(claims):
        raise SignInError(
            f"the token is for {claims.get('aud')!r:.200}, expected {audience[:200]!r}",
            reason="oidc.audience",
        )
    _check_times(claims, expected.skew, now)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_LETTERS_MAX:
        raise SignInError(
            f"the token's sub must be 1 to {SUBJECT_LETTERS_MAX} letters", reason="oidc.claims"
        )


def _check_times(claims: Mapping[str, Any], skew: int, now: float) -> None:
    if (late := now - _time(claims, "exp") - skew) >= 0:
        raise SignInError(
            f"the token expired {late + skew:.0f} s ago; clocks may differ by {skew} s",
            reason="oidc.expired",
        )
    for name in ("iat", "nbf"):
        early = _time(claims, name, default=0 if name == "nbf" else None) - now
        if early > skew:
            raise SignInError(
                f"the token counts only in {early:.0f} s ({name}); clocks may differ by {skew} s",
                reason="oidc.too-early",
            )


def _time(claims: Mapping[str, Any], name: str, default: float | None = None) -> float:
    found = claims.get(name, default)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < _TIME_MAX:
        raise SignInError(f"the token's {name} is no time: {found!r:.40}", reason="oidc.claims")
    return found


def _audience(claims: Mapping[str, Any]) -> list[Any]:
    found = claims.get("aud")
    return found if isinstance(found, list) else [found]


def _check_access_token(
    claims: Mapping[str, Any], algorithm: str, access_token: str | None
) -> None:
    said = claims.get("at_hash")
    if said is None or access_token is None:
        return
    whole = _HASHES.get(algorithm[-3:], hashlib.sha512)(access_token.encode()).digest()
    if said != b64.encode_url(whole[: len(whole) // 2]):
        raise SignInError(
            "the ID token is of another access token (at_hash)", reason="oidc.access-token"
        )
