"""Headers that differ from an earlier one only in what changes each time are read by its shape.

Nearly every header that an emitter writes is the one before it with another subject, issue time,
number, predecessor and links. What stands around those is compared, byte by byte, with one that was
read whole; what changes is read at its place. Whatever does not fit exactly goes to
`parse_header`, which alone decides what is accepted: a shape only repeats its verdict. The offline
verifier does without.
"""

from dataclasses import dataclass, fields
from typing import Any, Final

from tallystick.statement.header import HASH_BYTES, Header, Sequence, parse_header
from tallystick.statement.header_encoding import header_pieces, link_openings

ALIKE_MAX: Final = 8
"""Shapes that are kept for one key."""
KEYS_MAX: Final = 512
"""Keys whose shapes are kept; beyond, all are forgotten and learnt again."""
SEEN_MAX: Final = 4096
"""Keys that were seen once; a shape is learnt at the second time, so that strangers who come
with a new key each time cost nothing."""

LINKS_MAX: Final = 8
"""Links in a header that has a shape; more would differ in their number each time."""

_LINK_HEAD: Final = b"\x58\x20"
_LINK_BYTES: Final = len(_LINK_HEAD) + HASH_BYTES
_KEY_BYTES: Final = 38
"""Head of the map, algorithm and key id, in a header of ours."""
_TIME_HEAD: Final = b"\x06\x1a"
"""Claim 6, and the head of a number of four bytes."""
_CONSTANT: Final = tuple(
    field.name
    for field in fields(Header)
    if field.name not in {"subject", "issued_at", "sequence", "links"}
)

_shapes: dict[bytes, tuple["Shape", ...]] = {}
_seen: dict[bytes, None] = {}


@dataclass(frozen=True, slots=True)
class Shape:
    """What stays the same in some headers.

    Attributes:
        before: Bytes up to the subject.
        middle: Bytes from behind the issue time to the number, or to the links.
        between: Bytes from behind the number to the predecessor; None where nothing is numbered.
        links: Relations in their order, each with the bytes before its ids, and how many it has.
        after: Bytes behind predecessor and links.
        place: Emitter and epoch, where statements are numbered.
        constant: All other members.
    """

    before: bytes
    middle: bytes
    between: bytes | None
    links: tuple[tuple[str, bytes, int], ...]
    after: bytes
    place: tuple[bytes, int]
    constant: dict[str, Any]

    def read(self, data: bytes) -> Header | None:
        """Read a header of this shape; None if it is not exactly of this shape."""
        found = self._subject(data)
        if found is None:
            return None
        subject, time, at = found
        if not data.startswith(self.middle, at):
            return None
        sequence, at = self._sequence(data, at + len(self.middle))
        links, at = self._links(data, at) if self.links and at else ({}, at)
        if not at or data[at:] != self.after:
            return None
        return Header(
            subject=subject, issued_at=time, sequence=sequence, links=links, **self.constant
        )

    def _subject(self, data: bytes) -> tuple[str, int, int] | None:
        """Return subject, issue time, and where the bytes behind them begin."""
        at = len(self.before)
        if len(data) < at + 2 or not data.startswith(self.before):
            return None
        length, begin = data[at] - 0x60, at + 1
        if length == 24:
            length, begin = data[at + 1], at + 2
        elif not 0 < length < 24:
            return None
        end = begin + length
        if length == 0 or data[end : end + 2] != _TIME_HEAD:
            return None
        try:
            subject = data[begin:end].decode()
        except UnicodeDecodeError:
            return None
        return subject, int.from_bytes(data[end + 2 : end + 6]), end + 6

    def _sequence(self, data: bytes, at: int) -> tuple[Sequence | None, int]:
        """Return the place that begins at `at`, and where it ends; 0 if it is none."""
        if self.between is None:
            return None, at
        seq, at = _number(data, at)
        end = at + len(self.between) + HASH_BYTES
        if seq == 0 or not data.startswith(self.between, at) or len(data) < end:
            return None, 0
        prev = data[end - HASH_BYTES : end]
        return Sequence(emitter=self.place[0], epoch=self.place[1], seq=seq, prev=prev), end

    def _links(self, data: bytes, at: int) -> tuple[dict[str, tuple[bytes, ...]], int]:
        """Return the links that begin at `at`, and where they end; 0 if they are others."""
        links: dict[str, tuple[bytes, ...]] = {}
        for relation, opening, count in self.links:
            if not data.startswith(opening, at):
                return links, 0
            begin, at = at + len(opening), at + len(opening) + _LINK_BYTES * count
            ids = [data[place : place + _LINK_BYTES] for place in range(begin, at, _LINK_BYTES)]
            if len(data) < at or not all(one.startswith(_LINK_HEAD) for one in ids):
                return links, 0
            links[relation] = tuple(one[len(_LINK_HEAD) :] for one in ids)
        return links, at


def parse_header_again(protected: bytes) -> Header:
    """Parse a protected header; the same as `parse_header`, and quicker for those like others.

    Raises:
        EncodingError: As `parse_header`.
    """
    key = protected[:_KEY_BYTES]
    known = _shapes.get(key, ())
    for shape in known:
        header = shape.read(protected)
        if header is not None:
            return header
    header = parse_header(protected)
    if len(known) < ALIKE_MAX:
        _remember(key, known, header, protected)
    return header


def learn(header: Header, protected: bytes) -> Shape | None:
    """Return the shape of a header that was read whole; None if it has none.

    Only headers in our own deterministic form have one, with issue time, and with few links.
    """
    place, counts = header.sequence, {name: len(ids) for name, ids in header.links.items()}
    if header.issued_at is None or (place and place.prev is None):
        return None
    if sum(counts.values()) > LINKS_MAX:
        return None
    parts = header_pieces(header)
    if not parts.middle:
        return None
    constant = {name: getattr(header, name) for name in _CONSTANT}
    where = (place.emitter, place.epoch) if place else (b"", 0)
    links = tuple((name, opening, counts[name]) for name, opening in link_openings(counts))
    shape = Shape(parts.before, parts.middle, parts.between, links, parts.after, where, constant)
    # It reads the header itself only if the pieces are exactly its bytes.
    return shape if shape.read(protected) == header else None


def _remember(key: bytes, known: tuple[Shape, ...], header: Header, protected: bytes) -> None:
    if key not in _seen:
        if len(_seen) >= SEEN_MAX:
            _seen.clear()
        _seen[key] = None
        return
    shape = learn(header, protected)
    if shape is not None:
        if len(_shapes) >= KEYS_MAX:
            _shapes.clear()
        _shapes[key] = (*known, shape)


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at `at`, and where it ends; 0 if it is none of few bytes."""
    head = data[at] if at < len(data) else 0
    if head < 0x18:
        return head, at + 1
    if head > 0x1A:
        return 0, at
    end = at + 1 + (1 << (head - 0x18))
    return int.from_bytes(data[at + 1 : end]), end
