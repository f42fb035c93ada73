"""Headers that differ from an earlier one only in what changes each time are read by its shape.

Nearly every header that an emitter writes is the one before it with another subject, issue time,
number and predecessor. What stands around those is compared, byte by byte, with a header that was
read whole; what changes is read at its place. Whatever does not fit exactly goes to
`parse_header`, which alone decides what is accepted: a shape only repeats its verdict. The offline
verifier does without.
"""

from dataclasses import dataclass, fields
from typing import Any, Final

import cbor2

from tallystick.statement.header import (
    HASH_BYTES,
    Header,
    Sequence,
    header_members,
    parse_header,
)
from tallystick.statement.labels import Label

ALIKE_MAX: Final = 8
"""Shapes that are kept for one key."""
KEYS_MAX: Final = 512
"""Keys whose shapes are kept; beyond, all are forgotten and learnt again."""
SEEN_MAX: Final = 4096
"""Keys that were seen once; a shape is learnt at the second time, so that strangers who come
with a new key each time cost nothing."""

_KEY_BYTES: Final = 38
"""Head of the map, algorithm and key id, in a header of ours."""
_TIME_HEAD: Final = b"\x06\x1a"
"""Claim 6, and the head of a number of four bytes."""
_CONSTANT: Final = tuple(
    field.name for field in fields(Header) if field.name not in {"subject", "issued_at", "sequence"}
)

_shapes: dict[bytes, tuple["Shape", ...]] = {}
_seen: dict[bytes, None] = {}


@dataclass(frozen=True, slots=True)
class Shape:
    """What stays the same in some headers.

    Attributes:
        before: Bytes up to the subject.
        middle: Bytes from behind the issue time to the number, or to the end.
        between: Bytes from behind the number to the predecessor; None where nothing is numbered.
        after: Bytes behind the predecessor.
        place: Emitter and epoch, where statements are numbered.
        constant: All other members.
    """

    before: bytes
    middle: bytes
    between: bytes | None
    after: bytes
    place: tuple[bytes, int]
    constant: dict[str, Any]

    def read(self, data: bytes) -> Header | None:
        """Read a header of this shape; None if it is not exactly of this shape."""
        found = self._subject(data)
        if found is None:
            return None
        subject, time, at = found
        if self.between is None:
            if data[at:] != self.middle:
                return None
            return Header(subject=subject, issued_at=time, **self.constant)
        sequence = self._sequence(data, at)
        if sequence is None:
            return None
        return Header(subject=subject, issued_at=time, sequence=sequence, **self.constant)

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

    def _sequence(self, data: bytes, at: int) -> Sequence | None:
        assert self.between is not None  # noqa: S101 - the caller looked
        if not data.startswith(self.middle, at):
            return None
        seq, at = _number(data, at + len(self.middle))
        if seq == 0 or not data.startswith(self.between, at):
            return None
        at += len(self.between)
        prev = data[at : at + HASH_BYTES]
        if len(prev) != HASH_BYTES or data[at + HASH_BYTES :] != self.after:
            return None
        return Sequence(emitter=self.place[0], epoch=self.place[1], seq=seq, prev=prev)


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

    Only headers in our own deterministic form have one, with issue time, and without links, which
    would differ each time.
    """
    place = header.sequence
    if header.issued_at is None or header.links or (place and place.prev is None):
        return None
    before, middle, *rest = _pieces(header)
    between, after = (rest[0], b"".join(rest[1:])) if rest else (None, b"")
    if not middle:
        return None
    constant = {name: getattr(header, name) for name in _CONSTANT}
    where = (place.emitter, place.epoch) if place else (b"", 0)
    shape = Shape(before, middle, between, after, where, constant)
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


def _pieces(header: Header) -> list[bytes]:
    """Encode a header without what changes: the pieces around subject and time, seq and prev."""
    members = header_members(header)
    pieces = [bytes((0xA0 | len(members),))]
    for label, value in members.items():
        pieces[-1] += cbor2.dumps(label)
        if label == Label.CWT_CLAIMS:
            pieces[-1] += b"\xa3\x01" + cbor2.dumps(header.issuer) + b"\x02"
            pieces.append(b"")
        elif label == Label.SEQ:
            pieces.append(b"")
        elif label == Label.PREV:
            pieces[-1] += b"\x58\x20"
            pieces.append(b"")
        else:
            pieces[-1] += cbor2.dumps(value)
    return pieces


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at `at`, and where it ends; 0 if it is none of few bytes."""
    head = data[at] if at < len(data) else 0
    if head < 0x18:
        return head, at + 1
    if head > 0x1A:
        return 0, at
    end = at + 1 + (1 << (head - 0x18))
    return int.from_bytes(data[at + 1 : end]), end
