"""Requests are read as far as needed; whatever else they hold is the upstream's business."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.capture.problems import ProblemError
from tallystick.capture.request import (
    MODEL_LETTERS_MAX,
    PARAMETER_BYTES_MAX,
    PARAMETER_DEPTH_MAX,
    parse_request,
)
from tallystick.evidence import Intent
from tallystick.statement import commit

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)  # fmt: skip


def recordable(body: bytes) -> dict[str, Any]:
    """Check that an intent can be made of a request; return its parameters."""
    request = parse_request(body)
    intent = Intent(
        operation="chat",
        request=request.body,
        model=request.model,
        parameters=request.parameters,
        upstream="u",
        started_ms=0,
    )
    commit(intent.values(), bytes)
    assert request.body == body
    return request.parameters


@given(st.binary(max_size=300))
def test_hostile_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        recordable(body)
    except ProblemError as error:
        assert (error.problem.status, error.problem.code) == (400, "invalid_json")  # noqa: PT017


@given(st.dictionaries(st.text(max_size=8), values, max_size=6))
def test_any_json_object_can_be_recorded_or_is_refused(members: dict[str, Any]) -> None:
    body = json.dumps(members).encode()
    try:
        parameters = recordable(body)
    except ProblemError as error:
        assert any(word in body for word in (b"NaN", b"Infinity", b"\\ud"))
        assert error.problem.code == "invalid_json"  # noqa: PT017
        return

    assert set(parameters) == set(members) - {"messages", "input"}


def test_the_input_is_no_parameter_and_all_else_is() -> None:
    request = parse_request(b'{"model":"m","messages":[1],"input":2,"user":"u","n":1}')

    assert request.parameters == {"model": "m", "user": "u", "n": 1}


@pytest.mark.parametrize(("depth", "plain"), [(PARAMETER_DEPTH_MAX, True), (9, False)])
def test_nesting_beyond_the_limit_is_kept_as_text(depth: int, *, plain: bool) -> None:
    value = "[" * depth + "]" * depth

    kept = parse_request(b'{"x":%b}' % value.encode()).parameters["x"]

    assert kept == (json.loads(value) if plain else value)


@pytest.mark.parametrize(
    ("number", "plain"),
    [(2**64 - 1, True), (2**64, False), (-(2**63), True), (-(2**63) - 1, False)],
)
def test_numbers_beyond_64_bits_are_kept_as_text(number: int, *, plain: bool) -> None:
    kept = parse_request(b'{"seed":%d}' % number).parameters["seed"]

    assert kept == (number if plain else str(number))


@pytest.mark.parametrize("body", [b'{"x":"\xff"}', b'{"x":{"y":"\xed\xa0\x80"}}', b'{"\xff":1}'])
def test_text_that_is_no_utf8_is_refused(body: bytes) -> None:
    with pytest.raises(ProblemError, match="JSON object"):
        parse_request(body)


@pytest.mark.parametrize("over", [0, 1])
def test_very_long_parameters_are_kept_as_text(over: int) -> None:
    text = "[" + "1," * ((PARAMETER_BYTES_MAX - 3) // 2) + " " * (1 + over) + "1]"
    assert len(text) == PARAMETER_BYTES_MAX + over

    kept = parse_request(b'{"x":%b}' % text.encode()).parameters["x"]

    assert kept == (text if over else json.loads(text))


def test_of_a_member_that_stands_twice_the_last_counts() -> None:
    request = parse_request(b'{"model":"a","model":"b"}')

    assert (request.model, request.parameters) == ("b", {"model": "b"})


def test_a_very_long_model_name_is_cut_where_it_is_looked_up() -> None:
    body = json.dumps({"model": "x" * (MODEL_LETTERS_MAX + 1)}).encode()

    request = parse_request(body)

    assert len(request.model) == MODEL_LETTERS_MAX
    assert len(request.parameters["model"]) == MODEL_LETTERS_MAX + 1


@pytest.mark.parametrize("body", [b'{"model":5}', b'{"model":null}', b"{}"])
def test_a_model_that_is_no_text_is_none(body: bytes) -> None:
    assert parse_request(body).model == ""


def test_deep_nesting_is_refused_or_kept_but_never_crashes() -> None:
    body = b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"

    with pytest.raises(ProblemError, match="JSON object"):
        parse_request(body)
