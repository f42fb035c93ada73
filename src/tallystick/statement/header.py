"""The protected header of a signed statement: who says it, about what, in which order.

Everything in it is public and stays after erasure. `parse_header` reads; it believes nothing.

Source:
    RFC 9943 (CWT claims, kid), RFC 9995 (hash envelope), docs/reference/formats.md for the
    private labels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.errors import EncodingError
from tallystick.statement import dcbor
from tallystick.statement.labels import (
    SHA_256,
    Alg,
    Claim,
    Label,
    media_type,
)

HASH_BYTES: Final = 32
TEXT_MAX: Final = 2048
"""Longest issuer, subject or media type, in characters."""
EMITTER_BYTES: Final = 16
LINKS_MAX: Final = 256
"""Most statements that one statement may point to, per relation."""
UINT_MAX: Final = 2**63 - 1

_ALGORITHMS: Final = frozenset(map(int, Alg))

# Plain numbers: looking a member of an enum up costs as much as the dictionary.
_ALG, _CONTENT_TYPE, _KID = int(Label.ALG), int(Label.CONTENT_TYPE), int(Label.KID)
_CWT_CLAIMS, _TYP = int(Label.CWT_CLAIMS), int(Label.TYP)
_PAYLOAD_HASH_ALG = int(Label.PAYLOAD_HASH_ALG)
_PREIMAGE_CONTENT_TYPE = int(Label.PREIMAGE_CONTENT_TYPE)
_PAYLOAD_LOCATION = int(Label.PAYLOAD_LOCATION)
_TYPE, _EMITTER, _EPOCH = int(Label.TYPE), int(Label.EMITTER), int(Label.EPOCH)
_SEQ, _PREV, _LINKS = int(Label.SEQ), int(Label.PREV), int(Label.LINKS)
_MODEL, _ASSURANCE = int(Label.MODEL), int(Label.ASSURANCE)
_ISS, _SUB, _IAT = int(Claim.ISS), int(Claim.SUB), int(Claim.IAT)
_FORBIDDEN: Final = (int(Label.CRIT), int(Label.VDS))

_Rule = tuple[Any, int, int, str]
"""Type of a member, least and most value or length, and that in words."""
_NUMBER: Final[_Rule] = (int, -(2**64), 2**64, "")
_UNSIGNED: Final[_Rule] = (int, 0, UINT_MAX, "be in 0..2**63-1")
_TEXT: Final[_Rule] = (str, 1, TEXT_MAX, f"have 1..{TEXT_MAX} letters")
_OCTETS: Final[_Rule] = (bytes, 1, TEXT_MAX, f"have 1..{TEXT_MAX} bytes")
_DIGEST: Final[_Rule] = (bytes, HASH_BYTES, HASH_BYTES, f"have {HASH_BYTES} bytes")
_MAP: Final[_Rule] = (dict, 0, 2**32, "")

_MEMBERS: Final[Mapping[int, _Rule]] = {
    _ALG: _NUMBER,
    _KID: _OCTETS,
    _CWT_CLAIMS: _MAP,
    _PAYLOAD_HASH_ALG: _NUMBER,
    _PAYLOAD_LOCATION: _TEXT,
    _TYPE: _TEXT,
    _EMITTER: _OCTETS,
    _EPOCH: _UNSIGNED,
    _SEQ: _UNSIGNED,
    _PREV: _DIGEST,
    _LINKS: _MAP,
    _MODEL: _DIGEST,
    _ASSURANCE: _TEXT,
}
_CLAIMS: Final[Mapping[int, _Rule]] = {_ISS: _TEXT, _SUB: _TEXT, _IAT: _UNSIGNED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """Place of a statement in what one emitter wrote, so that gaps can be proven.

    Attributes:
        emitter: 16 random bytes that name the process that wrote it.
        epoch: Counts the starts of that process.
        seq: Counts its statements, from zero in each epoch.
        prev: Id of the statement before; None for the first of an epoch.
    """

    emitter: bytes
    epoch: int
    seq: int
    prev: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A protected header, parsed and not yet believed.

    Attributes:
        algorithm: COSE number of the signature algorithm.
        key_id: RFC 9679 thumbprint, as bytes.
        issuer: Who signs, a DID for our own statements.
        subject: What the statement is about; random for people.
        issued_at: The issuer's claim, seconds since 1970; None where it makes none.
        type: Statement type, such as `inference`; None for statements of other products.
        typ: Media type of the statement, if it has one.
        content_type: Media type of the preimage, or of the inline payload.
        hashed: The payload is the SHA-256 of a preimage that is kept elsewhere.
        location: Hint where the preimage is, if any.
        sequence: Place among the emitter's statements, if it numbers them.
        links: Ids of other statements, by relation.
        model: SHA-256 of the model that was used, if one was.
        assurance: How strongly the originator is known, if there is one.
    """

    algorithm: int
    key_id: bytes
    issuer: str
    subject: str
    issued_at: int | None
    type: str | None
    typ: str | None = None
    content_type: str | None = None
    hashed: bool = True
    location: str | None = None
    sequence: Sequence | None = None
    links: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    model: bytes | None = None
    assurance: str | None = None


def parse_header(protected: bytes) -> Header:
    """Parse a protected header.

    Who the issuer is, and whether anything here is true, is not checked. Labels that are not
    known are left alone: the bytes are kept verbatim, and what is signed is the bytes.

    Raises:
        EncodingError: A member is missing, has the wrong type, or contradicts another one; or the
            header demands an extension that is not understood.
    """
    members = dcbor.decode(protected, "protected header")
    if not isinstance(members, dict):
        raise EncodingError("protected header must be a map")
    for label in _FORBIDDEN:
        if label in members:
            raise EncodingError(
                f"a statement must not have header {label} ({Label(label).name.lower()})"
            )
    _check(members, _MEMBERS)
    claims: dict[Any, Any] = _required(members, _CWT_CLAIMS)
    _check(claims, _CLAIMS)
    get = members.get
    header = Header(
        algorithm=_algorithm(members),
        key_id=_required(members, _KID),
        issuer=_required(claims, _ISS),
        subject=_required(claims, _SUB),
        issued_at=claims.get(_IAT),
        type=get(_TYPE),
        typ=_media(get(_TYP)),
        content_type=_content_type(members),
        hashed=_hashed(members),
        location=get(_PAYLOAD_LOCATION),
        sequence=_sequence(members),
        links=_links(get(_LINKS)),
        model=get(_MODEL),
        assurance=get(_ASSURANCE),
    )
    if header.type is not None and header.typ != media_type(header.type):
        raise EncodingError(f"typ must be {media_type(header.type)!r}, got {header.typ!r}")
    return header


def _check(members: dict[Any, Any], rules: Mapping[Any, _Rule]) -> None:
    """Check types and sizes in one pass: this is on the path of every statement.

    A member that is null counts as absent.
    """
    for label, value in members.items():
        if type(label) is not int and type(label) is not str:
            raise EncodingError(f"a header label must be a number or text, got {label!r:.60}")
        rule = rules.get(label) if value is not None else None
        if rule is None:
            continue
        kind, least, most, words = rule
        if type(value) is not kind:
            raise EncodingError(f"header {label} must be {kind.__name__}, got {value!r:.60}")
        size = value if kind is int else len(value)
        if not least <= size <= most:
            raise EncodingError(f"header {label} must {words}, got {size}")


def _required(members: dict[Any, Any], label: int) -> Any:
    value = members.get(label)
    if value is None:
        raise EncodingError(f"header {label} is missing")
    return value


def _algorithm(members: dict[Any, Any]) -> int:
    algorithm: int = _required(members, _ALG)
    if algorithm not in _ALGORITHMS:
        names = ", ".join(f"{alg.value}" for alg in Alg)
        raise EncodingError(f"signature algorithm must be one of {names}, got {algorithm}")
    return algorithm


def _media(value: object) -> str | None:
    """Read `typ`: text, or the number of a registered CoAP content format (RFC 9596)."""
    if value is None:
        return None
    if isinstance(value, str) and 0 < len(value) <= TEXT_MAX:
        return value
    if type(value) is int:
        return f"coap:{value}"
    raise EncodingError(f"header {Label.TYP} must be text or a number, got {value!r:.60}")


def _hashed(members: dict[Any, Any]) -> bool:
    algorithm = members.get(_PAYLOAD_HASH_ALG)
    if algorithm is None:
        return False
    if algorithm != SHA_256:
        raise EncodingError(f"payload hash must be SHA-256 ({SHA_256}), got {algorithm}")
    if _CONTENT_TYPE in members:
        raise EncodingError("a hash envelope must not have header 3 (content type)")
    return True


def _content_type(members: dict[Any, Any]) -> str | None:
    hashed = members.get(_PAYLOAD_HASH_ALG) is not None
    return _media(members.get(_PREIMAGE_CONTENT_TYPE if hashed else _CONTENT_TYPE))


def _sequence(members: dict[Any, Any]) -> Sequence | None:
    get = members.get
    emitter, epoch, seq, prev = get(_EMITTER), get(_EPOCH), get(_SEQ), get(_PREV)
    if emitter is None and epoch is None and seq is None and prev is None:
        return None
    if emitter is None or epoch is None or seq is None or len(emitter) != EMITTER_BYTES:
        raise EncodingError(f"emitter ({EMITTER_BYTES} bytes), epoch and seq stand together")
    if (prev is None) != (seq == 0):
        raise EncodingError(f"prev must be absent at seq 0 and present after it, seq is {seq}")
    return Sequence(emitter=emitter, epoch=epoch, seq=seq, prev=prev)


def _links(value: dict[Any, Any] | None) -> dict[str, tuple[bytes, ...]]:
    links: dict[str, tuple[bytes, ...]] = {}
    for relation, targets in (value or {}).items():
        if not isinstance(relation, str) or not isinstance(targets, list):
            raise EncodingError("links must map a relation to an array of statement ids")
        if not 0 < len(targets) <= LINKS_MAX:
            raise EncodingError(
                f"{relation!r:.40} must link 1..{LINKS_MAX} statements, got {len(targets)}"
            )
        if not all(isinstance(t, bytes) and len(t) == HASH_BYTES for t in targets):
            raise EncodingError(f"a link must be a {HASH_BYTES}-byte statement id")
        links[relation] = tuple(targets)
    return links
