"""Encode the protected header of a statement of ours, deterministically.

What all statements of one emitter have in common is encoded once: every call that a gateway
records is two headers.

Source:
    RFC 8949, section 4.2.1; docs/reference/formats.md for the private labels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import cbor2

from tallystick.errors import EncodingError
from tallystick.statement import dcbor
from tallystick.statement.header import (
    HASH_BYTES,
    LINKS_MAX,
    TEXT_MAX,
    UINT_MAX,
    Header,
    parse_header,
)
from tallystick.statement.labels import FIELDS_MEDIA_TYPE, SHA_256, Claim, Label, media_type

_TIME: Final = cbor2.dumps(int(Claim.IAT))
_LINKS: Final = cbor2.dumps(int(Label.LINKS))


@dataclass(slots=True, eq=False)
class HeaderPieces:
    """What stands around the members that differ from one statement to the next.

    Attributes:
        before: Bytes up to the subject.
        middle: Bytes from behind the issue time to the number, or to the end.
        between: Bytes from behind the number to the predecessor's head; None without a number.
        after: Bytes behind the predecessor and the links.
        read_back: Whether a header of these pieces was read back and said the same; None before.
    """

    before: bytes
    middle: bytes
    between: bytes | None
    after: bytes
    read_back: bool | None = None


def encode_header(header: Header) -> bytes:
    """Encode a header of ours; sizes are not checked, `parse_header` does.

    Raises:
        EncodingError: A member has no CBOR form.
    """
    return _encode(header, header_pieces(header))


def encode_and_read(header: Header) -> tuple[bytes, Header]:
    """Encode a header; return also what `parse_header` reads from these bytes.

    Nothing should be signed that no reader accepts. What headers have in common is read once; of
    the next one with the same pieces only what differs is checked.

    Raises:
        EncodingError: No reader would accept it.
    """
    parts = header_pieces(header)
    protected = _encode(header, parts)
    if parts.read_back and _fits(header):
        return protected, header
    read = parse_header(protected)
    if parts.read_back is None:
        parts.read_back = read == header
    return protected, read


def _fits(header: Header) -> bool:
    """Tell whether what differs from statement to statement is in its limits."""
    place, issued_at = header.sequence, header.issued_at
    return (
        0 < len(header.subject) <= TEXT_MAX
        and (issued_at is None or 0 <= issued_at <= UINT_MAX)
        and (place is None or 0 <= place.seq <= UINT_MAX)
        and (place is None or (place.prev is None) == (place.seq == 0))
        and all(
            0 < len(ids) <= LINKS_MAX and all(len(one) == HASH_BYTES for one in ids)
            for ids in header.links.values()
        )
    )


def _encode(header: Header, parts: HeaderPieces) -> bytes:
    try:
        return b"".join(_encoded(header, parts))
    except (ValueError, OverflowError) as error:
        raise EncodingError(f"a member of the header has no CBOR form: {error}") from error


def _encoded(header: Header, parts: HeaderPieces) -> list[bytes]:
    place = header.sequence
    encoded = [parts.before, dcbor.tstr(header.subject)]
    if header.issued_at is not None:
        encoded += (_TIME, dcbor.head(0, header.issued_at))
    encoded.append(parts.middle)
    if place is not None:
        encoded += (dcbor.head(0, place.seq), parts.between or b"")
        if place.prev is not None:
            encoded.append(place.prev)
    if header.links:
        for name, opening in link_openings({n: len(ids) for n, ids in header.links.items()}):
            encoded += (opening, *map(dcbor.bstr, header.links[name]))
    encoded.append(parts.after)
    return encoded


def link_openings(counts: Mapping[str, int]) -> tuple[tuple[str, bytes], ...]:
    """Return relations in their order, each with the bytes before its ids; empty without any.

    Args:
        counts: How many ids each relation has.
    """
    return _link_openings(tuple(counts.items()))


def header_pieces(header: Header) -> HeaderPieces:
    """Return what is the same in all headers like this one."""
    place = header.sequence
    return _pieces(
        int(header.algorithm),
        header.key_id,
        header.issuer,
        header.type and str(header.type),
        header.typ,
        header.content_type,
        header.hashed,
        header.location,
        header.model,
        header.assurance and str(header.assurance),
        header.issued_at is not None,
        bool(header.links),
        place and (place.emitter, place.epoch, len(place.prev or b"")),
    )


@lru_cache(maxsize=1024)
def _pieces(  # noqa: PLR0913, PLR0917 - positions make the cache's key
    algorithm: int,
    key_id: bytes,
    issuer: str,
    type_: str | None,
    typ: str | None,
    content_type: str | None,
    hashed: bool,  # noqa: FBT001
    location: str | None,
    model: bytes | None,
    assurance: str | None,
    timed: bool,  # noqa: FBT001
    linked: bool,  # noqa: FBT001
    place: tuple[bytes, int, int] | None,
) -> HeaderPieces:
    emitter, epoch, prev_bytes = place or (None, None, 0)
    # The labels stand in deterministic order: shorter encodings first, then bytewise.
    first = _Members()
    first.add(Label.ALG, algorithm)
    first.add(Label.CONTENT_TYPE, None if hashed else content_type)
    first.add(Label.KID, key_id)
    first.open(Label.CWT_CLAIMS)
    claims = dcbor.head(5, 3 if timed else 2) + b"\x01" + dcbor.tstr(issuer) + b"\x02"
    middle = _Members()
    middle.add(Label.TYP, typ or (media_type(type_) if type_ else None))
    middle.add(Label.PAYLOAD_HASH_ALG, SHA_256 if hashed else None)
    middle.add(Label.PREIMAGE_CONTENT_TYPE, (content_type or FIELDS_MEDIA_TYPE) if hashed else None)
    middle.add(Label.PAYLOAD_LOCATION, location)
    middle.add(Label.TYPE, type_)
    middle.add(Label.EMITTER, emitter)
    middle.add(Label.EPOCH, epoch)
    between, last = _Members(), _Members()
    if place is not None:
        middle.open(Label.SEQ)
    if prev_bytes:
        between.open(Label.PREV)
        between.data += dcbor.bstr_head(prev_bytes)
    last.add(Label.MODEL, model)
    last.add(Label.ASSURANCE, assurance)
    count = sum(part.count for part in (first, middle, between, last)) + linked
    before = dcbor.head(5, count) + first.data + claims
    return HeaderPieces(before, middle.data, between.data if place else None, last.data)


class _Members:
    """Members of a map, one behind the other."""

    def __init__(self) -> None:
        self.data, self.count = b"", 0

    def add(self, label: Label, value: Any) -> None:
        """Add a member, unless it has no value."""
        if value is not None:
            self.open(label)
            self.data += cbor2.dumps(value)

    def open(self, label: Label) -> None:
        """Add a label whose value follows."""
        self.data += cbor2.dumps(int(label))
        self.count += 1


@lru_cache(maxsize=256)
def _link_openings(counts: tuple[tuple[str, int], ...]) -> tuple[tuple[str, bytes], ...]:
    if not counts:
        return ()
    named = sorted(
        ((name, dcbor.tstr(str(name)) + dcbor.head(4, count)) for name, count in counts),
        key=lambda pair: (len(str(pair[0]).encode()), pair[1]),
    )
    opening = _LINKS + dcbor.head(5, len(named))
    return tuple((name, (b"" if at else opening) + head) for at, (name, head) in enumerate(named))
