"""Reading by shape: quicker, and never another verdict or value than reading whole."""

import os
from collections.abc import Iterator
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.errors import EncodingError
from tallystick.ledger import shapes
from tallystick.ledger.shapes import Shape, learn, parse_header_again
from tallystick.statement import Header, Sequence, encode_header, parse_header

KEY = b"k" * 32
EMITTER = b"e" * 16


def header(**changes: Any) -> Header:
    members: dict[str, Any] = {
        "algorithm": -8,
        "key_id": KEY,
        "issuer": "did:key:zExample",
        "subject": "urn:example:1",
        "issued_at": 1_790_000_000,
        "type": "inference",
        **changes,
    }
    return Header(**members)


def numbered(seq: int, **changes: Any) -> Header:
    prev = os.urandom(32) if seq else None
    sequence = Sequence(emitter=EMITTER, epoch=3, seq=seq, prev=prev)
    return header(sequence=sequence, **changes)


KINDS = {
    "unnumbered": header(),
    "numbered": numbered(7),
    "model": numbered(70_000, model=b"m" * 32, assurance="key"),
    "inline": header(hashed=False, content_type="application/cbor"),
    "located": header(location="https://example.org/x", type="model"),
    "foreign": header(type=None, typ="application/example+cose", key_id=b"short"),
    "linked": numbered(9, links={"generated_by": (b"i" * 32,)}),
    "much linked": header(links={"used": (b"a" * 32, b"b" * 32), "acted_for": (b"c" * 32,)}),
    "late": header(issued_at=2**40),
}


def whole(protected: bytes) -> object:
    """Read whole; an error counts by what it says."""
    try:
        return parse_header(protected)
    except EncodingError as error:
        return str(error)


def again(protected: bytes) -> object:
    try:
        return parse_header_again(protected)
    except EncodingError as error:
        return str(error)


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Begin and end each test without shapes."""
    shapes._shapes.clear()
    shapes._seen.clear()
    yield
    shapes._shapes.clear()
    shapes._seen.clear()


def taught(protected: bytes) -> Shape:
    shape = learn(parse_header(protected), protected)
    assert shape is not None
    return shape


@pytest.mark.parametrize(
    "kind", ["unnumbered", "numbered", "model", "inline", "located", "linked", "much linked"]
)
def test_a_header_of_ours_has_a_shape_that_reads_it(kind: str) -> None:
    protected = encode_header(parse_header(encode_header(KINDS[kind])))

    assert taught(protected).read(protected) == parse_header(protected)


@pytest.mark.parametrize(
    "one",
    [
        header(issued_at=None),
        header(links={"used": (b"a" * 32,) * (shapes.LINKS_MAX + 1)}),
        numbered(0),
        header(issued_at=5),
        header(subject="u" * 300),
    ],
)
def test_a_header_that_is_not_like_the_next_has_no_shape(one: Header) -> None:
    protected = encode_header(one)

    assert learn(parse_header(protected), protected) is None


def test_links_to_other_statements_are_read_at_their_place() -> None:
    shape = taught(encode_header(KINDS["much linked"]))
    links = {"acted_for": (b"x" * 32,), "used": (b"y" * 32, b"z" * 32)}

    found = shape.read(encode_header(header(links=links)))

    assert found is not None
    assert found.links == links
    assert shape.read(encode_header(header(links={"used": (b"y" * 32, b"z" * 32)}))) is None
    assert shape.read(encode_header(header())) is None


def test_a_header_in_another_order_has_no_shape_and_is_read_all_the_same() -> None:
    members = cbor2.loads(encode_header(header()))
    protected = cbor2.dumps(dict(reversed(members.items())))

    assert learn(parse_header(protected), protected) is None
    assert parse_header_again(protected) == parse_header(protected)


def test_a_header_with_an_unknown_label_has_no_shape() -> None:
    protected = cbor2.dumps({**cbor2.loads(encode_header(header())), 99: 1})

    assert learn(parse_header(protected), protected) is None


@given(
    subject=st.text(min_size=1, max_size=300),
    issued_at=st.integers(0, 2**63 - 1),
    seq=st.integers(1, 2**63 - 1),
    kind=st.sampled_from(["unnumbered", "numbered", "model", "inline"]),
)
def test_the_next_header_of_an_emitter_reads_the_same_by_shape(
    subject: str, issued_at: int, seq: int, kind: str
) -> None:
    shape = taught(encode_header(KINDS[kind]))
    changes: dict[str, Any] = {"subject": subject, "issued_at": issued_at}
    first = KINDS[kind]
    constant = {
        name: getattr(first, name)
        for name in ("type", "hashed", "content_type", "model", "assurance")
    }
    following = numbered(seq, **constant, **changes)
    if first.sequence is None:
        following = header(**constant, **changes)
    protected = encode_header(following)

    found = shape.read(protected)

    usual = len(subject.encode()) < 256 and 2**16 <= issued_at < 2**32 and seq < 2**32
    assert found == parse_header(protected) if usual else found in (None, parse_header(protected))


_CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["set", "insert", "delete", "repeat"]),
        st.integers(0, 400),
        st.binary(min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=3,
)


def changed(data: bytes, changes: list[tuple[str, int, bytes]]) -> bytes:
    for how, place, new in changes:
        at = place % (len(data) + 1)
        if how == "set":
            data = data[:at] + new + data[at + len(new) :]
        elif how == "insert":
            data = data[:at] + new + data[at:]
        elif how == "delete":
            data = data[:at] + data[at + len(new) :]
        else:
            data = data[: at + 20] + data[at:]
    return data


@given(kind=st.sampled_from(sorted(KINDS)), changes=_CHANGES)
@settings(max_examples=1000, deadline=None)
def test_changed_bytes_get_the_same_verdict_and_value_as_read_whole(
    kind: str, changes: list[tuple[str, int, bytes]]
) -> None:
    protected = encode_header(KINDS[kind])
    for _ in range(3):  # the shape is known now
        parse_header_again(protected)
    mutated = changed(protected, changes)

    assert again(mutated) == whole(mutated)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_single_byte_set_and_every_cut_gets_the_same_verdict(kind: str) -> None:
    protected = encode_header(KINDS[kind])
    for _ in range(3):
        parse_header_again(protected)

    for at in range(len(protected)):
        assert again(protected[:at]) == whole(protected[:at])
        for value in (0, 1, 0x17, 0x18, 0x5F, 0x60, 0x77, 0x78, 0x79, 0xFF, protected[at] ^ 1):
            mutated = protected[:at] + bytes((value,)) + protected[at + 1 :]
            assert again(mutated) == whole(mutated)


def test_a_key_that_was_seen_once_only_is_not_remembered() -> None:
    for n in range(shapes.SEEN_MAX + 10):
        parse_header_again(encode_header(header(key_id=n.to_bytes(32))))

    assert shapes._shapes == {}
    assert len(shapes._seen) <= shapes.SEEN_MAX


def test_only_so_many_keys_and_shapes_are_remembered() -> None:
    for n in range(shapes.KEYS_MAX + 10):
        for _ in range(2):
            parse_header_again(encode_header(header(key_id=n.to_bytes(32))))
    for n in range(shapes.ALIKE_MAX + 10):
        for _ in range(2):
            parse_header_again(encode_header(header(type=f"kind-{n}")))

    assert len(shapes._shapes) <= shapes.KEYS_MAX
    assert max(map(len, shapes._shapes.values())) == shapes.ALIKE_MAX
