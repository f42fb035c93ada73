"""Canonical JSON: one text per value, and nothing that two readers read otherwise."""

import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.errors import EncodingError
from tallystick.statement.jcs import DEPTH_MAX, canonical, parse_json

RFC_8785_B: dict[str, str | None] = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "7fffffffffffffff": None,
    "7ff0000000000000": None,
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}
"""RFC 8785, appendix B."""


@pytest.mark.parametrize(("bits", "text"), RFC_8785_B.items())
def test_numbers_of_the_rfc_are_written_as_there(bits: str, text: str | None) -> None:
    [number] = struct.unpack(">d", bytes.fromhex(bits))

    if text is None:
        with pytest.raises(EncodingError, match="too large"):
            canonical(number)
    else:
        assert canonical(number).decode() == text


def test_names_are_in_the_order_of_16_bit_units() -> None:
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\x80", "\u00f6"]

    written = json.loads(canonical(dict.fromkeys(names)))

    assert list(written) == ["\r", "1", "\x80", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_texts_are_escaped_no_more_than_they_must() -> None:
    assert canonical('\u20ac$\x0f\nA\'B"\\\\"/\x7f') == (
        '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/\x7f"'.encode()
    )


def test_other_values_are_written_without_space() -> None:
    value: Any = {"b": [True, None, False, 1, {}], "a": []}

    assert canonical(value) == b'{"a":[],"b":[true,null,false,1,{}]}'


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b'{"a":1,"a":1}', "two members of the same name"),
        (b"NaN", "NaN is no JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[" * (DEPTH_MAX + 2) + b"]" * (DEPTH_MAX + 2), "nested more than"),
        (b'"\\ud800"', "surrogate"),
        (b'{"\\ud800":1}', "surrogate"),
        (b"9007199254740993", "another number"),
        (b"1" * 400, "too large"),
        (b"1e400", "too large"),
    ],
)
def test_what_is_read_otherwise_elsewhere_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(EncodingError, match=words):
        parse_json(data, "it")


def test_a_large_integer_is_a_double_where_it_is_written_like_one() -> None:
    assert parse_json(b"9007199254740992", "it") == 2.0**53
    assert canonical(parse_json(b"295147905179352830000", "it")) == b"295147905179352830000"
    with pytest.raises(EncodingError, match="got 54"):
        canonical(2**53)


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20,
))  # fmt: skip
def test_what_is_written_is_read_as_the_same_value(value: Any) -> None:
    try:
        written = canonical(value)
    except EncodingError as error:
        assert "surrogate" in str(error)  # noqa: PT017 - the only thing that may be wrong
        return

    assert _same(json.loads(written), value)
    assert canonical(parse_json(written, "it")) == written


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float | int) and isinstance(other, float | int):
        return math.isclose(one, other, rel_tol=0) or one == other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[n], other[n]) for n in one)
    return bool(one == other)
