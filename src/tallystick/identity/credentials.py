"""Credentials: an issuer says of a holder, whose key it names, what the holder may show in part.

    text = issue(Content(type, claims, holder), signer, random=os.urandom)
    shown = present(text, {"role"}, holder, audience, nonce, now)
    verified = verify(shown, Expected(issuers={did: key}, audience=..., nonce=...), now)

Offline: whoever verifies brings the issuers' keys and a clock. What is refused, by `reason`:

| reason | |
|---|---|
| `credential.issuer` | signed by nobody whose credentials are expected here |
| `credential.type` | of another type than expected |
| `credential.expired`, `.not-yet` | outside its time |
| `credential.holder` | not bound to a key, or not presented by its holder |
| `credential.audience`, `.nonce` | presented to somebody else, or for another request |
| `credential.stale` | the presentation is old, or from the future |
| `credential.changed` | something was added to what the holder signed, or left out of it |
| `credential.revoked`, …  | see `tallystick.identity.status_list` |
| `credential.hidden` | what must stand open is hidden, or what was asked for is not shown |
| `credential.excess` | more is shown than what was asked for |

That a nonce is used once is for whoever gave it out to see to.

Source:
    RFC 9901, sections 4.3 and 7.3 (key binding); draft-ietf-oauth-sd-jwt-vc, sections 3.2 and 3.4.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final

from tallystick.errors import (
    CredentialError,
    EncodingError,
    IndeterminateError,
    InputError,
    TallystickError,
)
from tallystick.identity import jwk, jws, sd_jwt
from tallystick.identity.signer import Signer
from tallystick.identity.status_list import (
    SECONDS_MAX,
    Reference,
    StatusList,
    check_status,
    named_list,
    parse_reference,
    signed_list,
)
from tallystick.statement import PublicKey, b64

TYPES: Final = frozenset({"dc+sd-jwt", "vc+sd-jwt"})
"""Values of `typ`; the second is what earlier drafts said."""
BINDING: Final = "kb+jwt"
OPEN: Final = frozenset({"iss", "nbf", "exp", "cnf", "vct", "vct#integrity", "status"})
"""Claims that are never hidden."""
LEEWAY_SECONDS: Final = 60
"""How far clocks may differ."""
PRESENTATION_SECONDS_MAX: Final = 300
"""How old a presentation may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a credential says.

    Attributes:
        type: Name of its type, a URN or URL (`vct`).
        claims: All of which the holder may leave out later.
        holder: Key that presents it.
        issued_at: Seconds since 1970.
        expires_at: Seconds since 1970; None for ever.
        valid_from: Seconds since 1970; None from the beginning.
        status: Place in a list of its issuer that may revoke it later.
    """

    type: str
    claims: Mapping[str, Any]
    holder: PublicKey
    issued_at: int
    expires_at: int | None = None
    valid_from: int | None = None
    status: Reference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What whoever verifies asks for.

    Attributes:
        issuers: Keys of those whose credentials count, by DID.
        audience: Who they are themselves, as they told the holder.
        nonce: What they gave the holder for this one time.
        types: Types that count; None for any.
        claims: Names of claims that must be shown.
        status_lists: Status list tokens that are at hand, not believed.
        only: Refuse what shows more than these, so that it is neither seen nor kept.
    """

    issuers: Mapping[str, PublicKey]
    audience: str
    nonce: str
    types: Collection[str] | None = None
    claims: Collection[str] = ()
    status_lists: Collection[str] = ()
    only: bool = False


@dataclass(frozen=True, slots=True)
class VerifiedCredential:
    """A credential that was presented by its holder, to us, now.

    Attributes:
        issuer: DID of who signed it.
        type: Of the credential.
        holder: Key that presented it.
        claims: What is shown, apart from what the format itself needs.
        disclosed: Names of those claims that the holder could have left out.
        hidden: How many more there may be; issuers may add decoys.
        expires_at: Seconds since 1970; None for ever.
        status_at: When the list was made that says it is valid; None where it names no list.
    """

    issuer: str
    type: str
    holder: PublicKey
    claims: Mapping[str, Any]
    disclosed: frozenset[str]
    hidden: int
    expires_at: int | None = field(default=None)
    status_at: float | None = field(default=None)


def issue(content: Content, signer: Signer, random: Callable[[int], bytes]) -> str:
    """Sign a credential.

    Args:
        content: What it says.
        signer: The issuer's key; its `did:key` becomes `iss`.
        random: Source of salts.

    Raises:
        InputError: A claim has a name that the format uses itself.
    """
    if wrong := (OPEN | {"iat"}) & set(content.claims):
        raise InputError(f"{min(wrong)!r} is set by the credential itself, not as a claim")
    times = {"exp": content.expires_at, "nbf": content.valid_from}
    members = {
        "iss": signer.public.did(),
        "iat": content.issued_at,
        "vct": content.type,
        "cnf": {"jwk": jwk.encode(content.holder)},
        **{name: at for name, at in times.items() if at is not None},
        **({} if content.status is None else {"status": content.status.claim()}),
        **content.claims,
    }
    header = {"typ": "dc+sd-jwt"}
    return sd_jwt.issue(members, set(content.claims), signer, header, random).encode()


def present(
    text: str, reveal: Collection[str], holder: Signer, audience: str, nonce: str, now: int
) -> str:
    """Show some claims of a credential to one audience, once.

    Args:
        text: The credential, as it was issued.
        reveal: Names of claims to be shown.
        holder: Key that the credential is bound to.
        audience: Who is to see it.
        nonce: What they gave out for this.
        now: Seconds since 1970.

    Raises:
        EncodingError: Not a credential.
        NotFoundError: There is no such claim.
        CredentialError: It is bound to another key.
    """
    issued = sd_jwt.parse(text)
    _, payload = jws.peek(issued.token)
    if _holder(payload) != holder.public:
        raise CredentialError(
            "the credential is bound to another key", reason="credential.holder",
            advice="present it with the key that it was issued for",
        )  # fmt: skip
    shown = sd_jwt.present(issued, reveal)
    said = {"iat": now, "aud": audience, "nonce": nonce, "sd_hash": _digest(shown)}
    return replace(shown, binding=jws.sign({"typ": BINDING}, said, holder)).encode()


def verify(text: str, expected: Expected, now: int) -> VerifiedCredential:
    """Check a presentation.

    Args:
        text: Not believed.
        expected: By whoever verifies.
        now: Seconds since 1970.

    Raises:
        EncodingError: Not a credential.
        SignatureError: A signature does not match the issuer's or the holder's key.
        CredentialError: It does not show what it is presented for; `reason` says why.
        IndeterminateError: It names a list of revoked credentials that is not at hand.
    """
    shown = sd_jwt.parse(text)
    issuer = _issuer(shown, expected)
    verified = sd_jwt.verify(shown, expected.issuers[issuer], TYPES)
    claims = verified.claims
    if wrong := verified.disclosed & OPEN:
        raise _refused("hidden", f"{min(wrong)!r} must stand open, and was hidden")
    _check_type(claims.get("vct"), expected)
    _check_time(claims, now)
    holder = _holder(claims)
    _check_binding(shown, holder, expected, now)
    if missing := set(expected.claims) - set(claims):
        raise _refused("hidden", f"the claim {min(missing)!r} was asked for, and is not shown")
    if expected.only and (more := verified.disclosed - set(expected.claims)):
        raise _refused("excess", f"the claim {min(more)!r} is shown, and was not asked for")
    status_at = _check_status(claims, expected, issuer, now) if "status" in claims else None
    own = {k: v for k, v in claims.items() if k not in OPEN | {"iat"}}
    return VerifiedCredential(
        issuer, claims["vct"], holder, own, verified.disclosed, verified.hidden, claims.get("exp"),
        status_at,
    )  # fmt: skip


def _check_status(claims: Mapping[str, Any], expected: Expected, issuer: str, now: int) -> float:
    """Return when the newest list was made that says that the credential is valid."""
    reference = parse_reference(claims["status"])
    tokens = [one for one in expected.status_lists if named_list(one) == reference.uri]
    if not tokens:
        raise IndeterminateError(
            f"the credential names the list {reference.uri:.200}, which is not at hand",
            advice="get the list of revoked ones from its issuer, and hand it in",
        )
    lists, faults = list[StatusList](), list[TallystickError]()
    for token in tokens:
        try:
            lists.append(signed_list(token, expected.issuers[issuer], reference.uri))
        except (CredentialError, EncodingError) as error:
            faults.append(error)  # what a stranger signed may lie beside the issuer's
    if not lists:
        raise faults[0]
    # The newest decides, also where an older one counts longer; of one moment there may be several.
    at = max(one.issued_at for one in lists)
    newest = [one for one in lists if one.issued_at == at]
    for one in newest:
        check_status(reference, one)
    max(newest, key=lambda one: math.inf if one.ends_at is None else one.ends_at).check_time(now)
    return at


def _issuer(shown: sd_jwt.SdJwt, expected: Expected) -> str:
    """Return who says to have signed it, if that is one of those expected."""
    _, payload = jws.peek(shown.token)
    issuer = payload.get("iss")
    if not isinstance(issuer, str) or issuer not in expected.issuers:
        raise _refused("issuer", f"no credential of {issuer!r:.80} is expected here")
    return issuer


def _check_type(seen: Any, expected: Expected) -> None:
    if not isinstance(seen, str) or not seen:
        raise EncodingError(f"vct must be text, got {seen!r:.40}")
    if expected.types is not None and seen not in expected.types:
        raise _refused("type", f"expected {' or '.join(sorted(expected.types))}, got {seen!r:.80}")


def _check_time(claims: Mapping[str, Any], now: int) -> None:
    ends, begins = _time(claims, "exp"), _time(claims, "nbf")
    if ends is not None and now >= ends + LEEWAY_SECONDS:
        raise _refused("expired", f"the credential ended {now - ends:.0f} s ago")
    if begins is not None and now < begins - LEEWAY_SECONDS:
        raise _refused("not-yet", f"the credential begins in {begins - now:.0f} s")


def _check_binding(shown: sd_jwt.SdJwt, holder: PublicKey, expected: Expected, now: int) -> None:
    """Accept only what the holder signed for us, just now, over exactly what is shown."""
    if not shown.binding:
        raise _refused("holder", "the holder did not sign that it is presented")
    _, said = jws.verify(shown.binding, holder, {BINDING})
    if said.get("aud") != expected.audience:
        raise _refused("audience", f"presented to {said.get('aud')!r:.80}")
    if said.get("nonce") != expected.nonce:
        raise _refused("nonce", "presented for another request: the nonce is not the one given")
    made = _time(said, "iat")
    if made is None or not now - PRESENTATION_SECONDS_MAX <= made <= now + LEEWAY_SECONDS:
        raise _refused("stale", f"presented at {made}, and now it is {now}")
    if said.get("sd_hash") != _digest(shown):
        raise _refused("changed", "what is shown is not what the holder signed")


def _holder(claims: Mapping[str, Any]) -> PublicKey:
    confirmation = claims.get("cnf")
    if not isinstance(confirmation, dict) or "jwk" not in confirmation:
        raise _refused("holder", "the credential is bound to no key (cnf.jwk)")
    return jwk.parse(confirmation["jwk"])


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a point in time, seconds since 1970."""
    value = claims.get(name)
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not abs(value) < SECONDS_MAX:
        raise EncodingError(f"{name} must be a number of seconds, got {value!r:.40}")
    return float(value)


def _digest(shown: sd_jwt.SdJwt) -> str:
    return b64.encode_url(sha256(shown.bound.encode()).digest())


def _refused(reason: str, words: str) -> CredentialError:
    return CredentialError(words, reason=f"credential.{reason}")
