"""Encoding headers from pieces: the bytes of a deterministic map, and nothing unreadable."""

from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.errors import EncodingError
from tallystick.statement import Header, Sequence, encode_header, parse_header
from tallystick.statement.header import LINKS_MAX, TEXT_MAX, UINT_MAX
from tallystick.statement.header_encoding import encode_and_read
from tallystick.statement.labels import FIELDS_MEDIA_TYPE, media_type

_DIGEST = st.binary(min_size=32, max_size=32)
_TEXT = st.text(min_size=1, max_size=30)
_RELATIONS = st.sampled_from(["used", "generated_by", "derived_from", "acted_for", "x"])


@st.composite
def _headers(draw: st.DrawFn) -> Header:
    seq = draw(st.integers(0, UINT_MAX))
    place = Sequence(
        emitter=draw(st.binary(min_size=16, max_size=16)),
        epoch=draw(st.integers(0, 300)),
        seq=seq,
        prev=draw(_DIGEST) if seq else None,
    )
    type_ = draw(st.none() | st.sampled_from(["inference", "model", "x"]))
    hashed = draw(st.booleans())
    return Header(
        algorithm=-8,
        key_id=draw(_DIGEST),
        issuer=draw(_TEXT),
        subject=draw(_TEXT),
        issued_at=draw(st.none() | st.integers(0, UINT_MAX)),
        type=type_,
        typ=media_type(type_) if type_ else draw(st.none() | st.just("application/x+cose")),
        content_type=FIELDS_MEDIA_TYPE if hashed else draw(st.none() | _TEXT),
        hashed=hashed,
        location=draw(st.none() | _TEXT),
        sequence=draw(st.none() | st.just(place)),
        links=draw(st.dictionaries(_RELATIONS, st.lists(_DIGEST, min_size=1).map(tuple))),
        model=draw(st.none() | _DIGEST),
        assurance=draw(st.none() | _TEXT),
    )


def _sorted(value: Any) -> Any:
    """Sort maps as RFC 8949, section 4.2.1, says: bytewise by their encoded keys."""
    if not isinstance(value, dict):
        return value
    members = sorted(value.items(), key=lambda member: cbor2.dumps(member[0]))
    return {key: _sorted(member) for key, member in members}


@given(header=_headers())
def test_it_is_a_deterministic_map_that_reads_back_as_it_was(header: Header) -> None:
    protected = encode_header(header)

    assert cbor2.dumps(_sorted(cbor2.loads(protected))) == protected
    assert parse_header(protected) == header
    for _ in range(2):  # read whole, then known
        assert encode_and_read(header) == (protected, header)


def _header(**changes: Any) -> Header:
    members: dict[str, Any] = {
        "algorithm": -8,
        "key_id": b"k" * 32,
        "issuer": "did:key:zExample",
        "subject": "urn:example:1",
        "issued_at": 1_790_000_000,
        "type": "inference",
        "typ": media_type("inference"),
        "content_type": FIELDS_MEDIA_TYPE,
        "sequence": Sequence(emitter=b"e" * 16, epoch=0, seq=1, prev=b"p" * 32),
        "links": {"used": (b"u" * 32,)},
        **changes,
    }
    return Header(**members)


def _place(seq: int, prev: bytes | None) -> Sequence:
    return Sequence(emitter=b"e" * 16, epoch=0, seq=seq, prev=prev)


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": ""},
        {"subject": "x" * (TEXT_MAX + 1)},
        {"subject": "\ud800"},
        {"issued_at": UINT_MAX + 1},
        {"issued_at": 2**64},
        {"issued_at": -1},
        {"sequence": _place(UINT_MAX + 1, b"p" * 32)},
        {"sequence": _place(0, b"p" * 32)},
        {"sequence": _place(2, None)},
        {"sequence": _place(2, b"short")},
        {"links": {"used": ()}},
        {"links": {"used": (b"short",)}},
        {"links": {"used": (b"u" * 32,) * (LINKS_MAX + 1)}},
        {"model": b"short"},
        {"issuer": ""},
        {"algorithm": -257},
        {"typ": "application/other"},
    ],
)
def test_what_no_reader_accepts_is_not_encoded_to_be_signed(changes: dict[str, Any]) -> None:
    for _ in range(2):
        encode_and_read(_header())  # its pieces are known

    for _ in range(2):
        with pytest.raises(EncodingError):
            encode_and_read(_header(**changes))


def test_what_is_left_to_be_understood_is_returned_as_it_reads() -> None:
    for _ in range(2):
        _, read = encode_and_read(_header(typ=None, content_type=None))

        assert (read.typ, read.content_type) == (media_type("inference"), FIELDS_MEDIA_TYPE)
