"""SD-JWT: a signed set of claims, any of which its holder may leave out.

    issued = issue(claims, {"given_name", "birthdate"}, signer, {"typ": "dc+sd-jwt"}, os.urandom)
    shown = present(issued, {"given_name"})
    claims = verify(shown, key, {"dc+sd-jwt"}).claims

Each hidden claim stands in the signed part as a salted digest, and beside it in clear as a
*disclosure*. Only members of the top level are hidden when issuing; whatever nesting others use is
read. Nothing here looks at a clock or knows who an issuer is: `tallystick.identity.credentials`
does.

Source:
    RFC 9901, sections 4 (format), 6 (issuing), 7.1 (verification), 7.2 (presentation).
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from tallystick.errors import EncodingError, InputError, LimitError, NotFoundError
from tallystick.identity import jws
from tallystick.identity.signer import Signer
from tallystick.statement import PublicKey, b64

SALT_BYTES: Final = 16
"""RFC 9901, section 9.3: at least 128 bit."""
BYTES_MAX: Final = 256 << 10
"""Longest SD-JWT that is read."""
DEPTH_MAX: Final = 16
"""Deepest nesting of claims that is read."""
DISCLOSURES_MAX: Final = 1000
SHA_256: Final = "sha-256"

_SD, _SD_ALG, _ELEMENT = "_sd", "_sd_alg", "..."
_RESERVED: Final = frozenset({_SD, _ELEMENT})


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One claim in clear.

    Attributes:
        text: As it travels.
        name: Of the claim; None for an element of an array.
        value: Of the claim.
    """

    text: str
    name: str | None
    value: Any

    @property
    def digest(self) -> str:
        """What stands for it in the signed part."""
        return b64.encode_url(sha256(self.text.encode()).digest())


@dataclass(frozen=True, slots=True)
class SdJwt:
    """An SD-JWT taken apart; nothing is verified.

    Attributes:
        token: The issuer's JWT.
        disclosures: What is shown beside it.
        binding: JWT of the holder at the end; empty without one.
    """

    token: str
    disclosures: tuple[Disclosure, ...]
    binding: str = ""

    @property
    def bound(self) -> str:
        """What the holder's JWT is about: everything before it."""
        return "".join(f"{part}~" for part in (self.token, *(d.text for d in self.disclosures)))

    def encode(self) -> str:
        """Return it as it travels."""
        return self.bound + self.binding


@dataclass(frozen=True, slots=True)
class Verified:
    """An SD-JWT whose signature and digests are right.

    Attributes:
        header: Of the issuer's JWT.
        claims: Signed openly and disclosed, together; digests are gone.
        disclosed: Names of members of the top level that were hidden and are shown.
        hidden: How many digests nothing was shown for; some may be decoys.
    """

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    disclosed: frozenset[str]
    hidden: int


def issue(
    claims: Mapping[str, Any],
    hidden: Collection[str],
    signer: Signer,
    header: Mapping[str, Any],
    random: Callable[[int], bytes],
) -> SdJwt:
    """Sign claims, some of them hidden.

    Args:
        claims: JSON values by name.
        hidden: Names of those that the holder may leave out later.
        signer: The issuer's key.
        header: Of the JWT; `alg` is added.
        random: Source of salts.

    Raises:
        InputError: A name to be hidden is no claim, or a claim has a reserved name.
    """
    if missing := set(hidden) - set(claims):
        raise InputError(f"there is no claim {min(missing)!r:.60} to be hidden")
    if wrong := ({*_RESERVED, _SD_ALG} & set(claims)):
        raise InputError(f"a claim cannot have the name {min(wrong)!r}")
    made = [_disclose(name, claims[name], random) for name in sorted(hidden)]
    payload = {name: value for name, value in claims.items() if name not in hidden}
    if made:
        # In the order of the digests: it must not tell which claim is which.
        payload |= {_SD: sorted(one.digest for one in made), _SD_ALG: SHA_256}
    return SdJwt(jws.sign(header, payload, signer), tuple(made))


def _disclose(name: str, value: Any, random: Callable[[int], bytes]) -> Disclosure:
    salt = b64.encode_url(random(SALT_BYTES))
    text = json.dumps([salt, name, value], ensure_ascii=False, separators=(",", ":"))
    return Disclosure(b64.encode_url(text.encode()), name, value)


def present(issued: SdJwt, names: Collection[str]) -> SdJwt:
    """Leave out all disclosures but those of some names; nothing is verified.

    Raises:
        NotFoundError: There is no disclosure of such a name.
    """
    if missing := set(names) - {one.name for one in issued.disclosures}:
        known = ", ".join(sorted(one.name for one in issued.disclosures if one.name)) or "none"
        raise NotFoundError(
            f"there is no disclosure of {min(missing)!r:.60}", advice=f"there are: {known}"
        )
    kept = tuple(one for one in issued.disclosures if one.name in names)
    return SdJwt(issued.token, kept)


def parse(text: str) -> SdJwt:
    """Take an SD-JWT apart, without believing anything.

    Raises:
        EncodingError: Not an SD-JWT.
        LimitError: Too long, or too many disclosures.
    """
    if len(text) > BYTES_MAX:
        raise LimitError(f"an SD-JWT has at most {BYTES_MAX} bytes, got {len(text)}")
    token, *rest = text.split("~")
    if not rest:
        raise EncodingError("an SD-JWT ends with ~ or with the JWT of its holder; got neither")
    if len(rest) > DISCLOSURES_MAX:
        raise LimitError(f"at most {DISCLOSURES_MAX} disclosures, got {len(rest) - 1}")
    return SdJwt(token, tuple(map(_parse_disclosure, rest[:-1])), rest[-1])


def _parse_disclosure(text: str) -> Disclosure:
    match jws.parse_json(b64.decode_url(text, "disclosure"), "disclosure"):
        case [str(), str(name), value]:
            if name in _RESERVED:
                raise EncodingError(f"a disclosure cannot have the name {name!r}")
            return Disclosure(text, name, value)
        case [str(), value]:
            return Disclosure(text, None, value)
    raise EncodingError("a disclosure must be an array of salt, name and value, or salt and value")


def verify(shown: SdJwt, key: PublicKey, types: Collection[str]) -> Verified:
    """Check the signature, and put the disclosed claims into their places.

    Args:
        shown: Nothing of it is believed.
        key: The issuer's.
        types: Values of `typ` that are accepted.

    Raises:
        EncodingError: Not an SD-JWT; a digest or a disclosure in it stands twice, a disclosure has
            no place, or would overwrite a claim.
        SignatureError: Not signed by that key.
    """
    header, payload = jws.verify(shown.token, key, types)
    if payload.get(_SD_ALG, SHA_256) != SHA_256:
        raise EncodingError(f"_sd_alg must be {SHA_256}, got {payload[_SD_ALG]!r:.40}")
    opened = _Opened(shown.disclosures)
    claims = opened.member(payload, 0)
    opened.check()
    return Verified(header, claims, frozenset(claims) - frozenset(payload), opened.hidden)


class _Opened:
    """Replaces digests by what was disclosed; each digest and each disclosure is used once."""

    def __init__(self, disclosures: Sequence[Disclosure]) -> None:
        self._by_digest = {one.digest: one for one in disclosures}
        if len(self._by_digest) < len(disclosures):
            raise EncodingError("a disclosure stands in it twice")
        self._seen = set[str]()
        self.hidden = 0

    def check(self) -> None:
        """Refuse what was shown and stands for nothing."""
        if unused := self._by_digest.keys() - self._seen:
            raise EncodingError(f"{len(unused)} disclosures belong to no digest that was signed")

    def member(self, value: Any, depth: int) -> Any:
        """Return a value with all that is disclosed within it."""
        if depth > DEPTH_MAX:
            raise LimitError(f"claims are nested more than {DEPTH_MAX} deep")
        if isinstance(value, dict):
            return self._object(value, depth)
        if isinstance(value, list):
            return [self.member(one, depth + 1) for one in self._elements(value)]
        return value

    def _object(self, value: dict[str, Any], depth: int) -> dict[str, Any]:
        digests = value.get(_SD, [])
        if not isinstance(digests, list):
            raise EncodingError("_sd must be an array of digests")
        if _ELEMENT in value:
            raise EncodingError("a member ... stands where it means nothing")
        shown = {k: self.member(v, depth + 1) for k, v in value.items() if k not in {_SD, _SD_ALG}}
        for one in filter(None, map(self._take, digests)):
            if one.name is None:
                raise EncodingError("a disclosure of an element stands for a member")
            if one.name in shown:
                raise EncodingError(f"a disclosure would overwrite the claim {one.name!r:.60}")
            shown[one.name] = self.member(one.value, depth + 1)
        return shown

    def _elements(self, values: list[Any]) -> Iterator[Any]:
        for value in values:
            if not (isinstance(value, dict) and _ELEMENT in value):
                yield value
                continue
            if len(value) != 1:
                raise EncodingError("an element with the member ... must have no other")
            one = self._take(value[_ELEMENT])
            if one is not None:
                if one.name is not None:
                    raise EncodingError("a disclosure of a member stands for an element")
                yield one.value

    def _take(self, digest: Any) -> Disclosure | None:
        """Return what was disclosed for a digest, once."""
        if not isinstance(digest, str):
            raise EncodingError(f"a digest must be text, got {digest!r:.40}")
        if digest in self._seen:
            raise EncodingError("a digest stands in it twice")
        self._seen.add(digest)
        one = self._by_digest.get(digest)
        self.hidden += one is None
        return one
