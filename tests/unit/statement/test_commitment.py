"""Salted commitments: opened one by one, wrong ones named, nothing shown by accident."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tallystick.errors import CommitmentError, EncodingError
from tallystick.merkle import leaf_hash, tree_root
from tallystick.statement import (
    Batch,
    Disclosure,
    OpenField,
    Preimage,
    commit,
    parse_batch,
    row_data,
    row_leaf,
    row_leaves,
    verify_disclosure,
)
from tallystick.statement.commitment import FIELDS_MAX, commit_encoded
from tallystick.statement.dcbor import decode, decode_deterministic, encode
from tests.conftest import Entropy

VALUES = {"prompt": "is it benign?", "answer": "yes", "parameters": {"temperature": 0.5}}
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text()
    | st.binary()
    | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_all_fields_open(entropy: Callable[[int], bytes]) -> None:
    preimage = commit(VALUES, entropy)

    assert verify_disclosure(preimage.disclose(), preimage.commitment()) == VALUES
    assert preimage.values() == VALUES


def test_one_field_opens_alone(entropy: Callable[[int], bytes]) -> None:
    preimage = commit(VALUES, entropy)
    disclosure = preimage.disclose({"answer"})

    assert verify_disclosure(disclosure, preimage.commitment()) == {"answer": "yes"}
    assert set(disclosure.digests) == set(VALUES)
    assert b"benign" not in repr(disclosure).encode()


def test_equal_content_is_committed_to_differently(entropy: Callable[[int], bytes]) -> None:
    one, two = commit({"a": 1, "b": 1}, entropy), commit({"a": 1, "b": 1}, entropy)
    salts = [one.salt, two.salt, *(f.salt for p in (one, two) for f in p.fields.values())]

    assert one.commitment() != two.commitment()
    assert len(set(salts)) == len(salts)


def test_a_changed_value_is_named(entropy: Callable[[int], bytes]) -> None:
    preimage = commit(VALUES, entropy)
    shown = dict(preimage.fields)
    shown["answer"] = OpenField(shown["answer"].salt, "no")
    changed = dataclasses.replace(preimage.disclose(), shown=shown)

    with pytest.raises(CommitmentError, match="'answer' does not match"):
        verify_disclosure(changed, preimage.commitment())


def test_a_field_that_was_never_committed_to_is_refused(entropy: Callable[[int], bytes]) -> None:
    preimage = commit(VALUES, entropy)
    extra = {**preimage.fields, "extra": OpenField(b"s" * 32, 1)}

    with pytest.raises(CommitmentError, match="'extra'"):
        verify_disclosure(
            Disclosure(preimage.salt, preimage.disclose().digests, extra), preimage.commitment()
        )


def test_digests_cannot_be_exchanged(entropy: Callable[[int], bytes]) -> None:
    preimage = commit(VALUES, entropy)
    digests = {**preimage.disclose().digests, "answer": b"x" * 32}

    with pytest.raises(CommitmentError, match="field digests"):
        verify_disclosure(Disclosure(preimage.salt, digests, {}), preimage.commitment())


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"": 1},
        {"n" * 129: 1},
        {"a": object()},
        {"a": {1: 2, "b": 3}},
        {str(n): n for n in range(257)},
    ],
)
def test_content_without_one_meaning_is_refused(
    values: Any, entropy: Callable[[int], bytes]
) -> None:
    with pytest.raises(EncodingError):
        commit(values, entropy).commitment()


@given(json_values)
def test_values_have_one_encoding(value: Any) -> None:
    data = encode(value)

    assert encode(decode_deterministic(data, "value")) == data


@given(st.binary(max_size=64))
def test_hostile_cbor_raises_our_error_and_no_other(data: bytes) -> None:
    try:
        decode(data, "x")
    except EncodingError:
        return


@pytest.mark.parametrize(
    "data",
    [
        "1800",
        "a2613101613101",
        "a2026100016100",
        "f90000ff",
        "c001",
        "d81c81d81d00",
        "9fff",
        "5f4101ff",
        "81" * 20 + "00",
    ],
)
def test_cbor_with_two_meanings_or_none_is_refused(data: str) -> None:
    with pytest.raises(EncodingError):
        decode_deterministic(bytes.fromhex(data), "x")


def test_rows_are_leaves_that_cannot_be_entries(entropy: Callable[[int], bytes]) -> None:
    records = [bytes([n]) * length for n, length in enumerate((0, 1, 23, 24, 255, 256, 70_000))]
    salts, leaves = row_leaves(records, entropy)
    rows = list(zip([salts[at : at + 32] for at in range(0, len(salts), 32)], records, strict=True))

    assert leaves == b"".join(row_leaf(*row) for row in rows)
    assert leaves == b"".join(leaf_hash(row_data(*row)) for row in rows)
    assert all(row_data(s, r) == encode(["tallystick/row/1", s, r]) for s, r in rows)
    assert {row_data(*row)[0] for row in rows} == {0x83}


def test_a_batch_is_read_as_it_was_written(entropy: Callable[[int], bytes]) -> None:
    _, leaves = row_leaves([b"a", b"b", b"c"], entropy)
    batch = Batch(rows=3, root=tree_root(leaves), first_seq=9)

    assert parse_batch(batch.encode()) == batch


@pytest.mark.parametrize(
    "payload",
    [
        ["tallystick/batch/2", "tallystick/row/1", 1, b"r" * 32, b"s" * 32, 0],
        ["tallystick/batch/1", "other", 1, b"r" * 32, b"s" * 32, 0],
        ["tallystick/batch/1", "tallystick/row/1", 0, b"r" * 32, b"s" * 32, 0],
        ["tallystick/batch/1", "tallystick/row/1", 1, b"r", b"s" * 32, 0],
        ["tallystick/batch/1", "tallystick/row/1", 1, b"r" * 32, b"s" * 32, -1],
        ["tallystick/batch/1"],
        5,
    ],
)
def test_a_batch_of_another_shape_is_refused(payload: Any) -> None:
    with pytest.raises(EncodingError):
        parse_batch(encode(payload))


@given(st.dictionaries(st.text(min_size=1, max_size=40), json_values, min_size=1, max_size=40))
@example({f"field {n}": n for n in range(FIELDS_MAX)})
def test_encoding_each_value_once_gives_the_same_bytes(values: dict[str, Any]) -> None:
    made = commit_encoded(values, Entropy())

    salt, fields = decode(made.plain, "content")
    preimage = Preimage(salt, {name: OpenField(*field) for name, field in fields.items()})
    assert preimage.values() == values
    assert preimage.commitment() == made.commitment
    assert encode([salt, fields]) == made.plain
    assert len({salt, *(field.salt for field in preimage.fields.values())}) == len(values) + 1
