"""Answers of any upstream are read as far as they can be, and never raise."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.capture.answer import CHOICES_MAX, Answer, read_answer, read_stream
from tallystick.evidence import Outcome
from tallystick.statement import commit
from tests.unit.capture.model_api import USAGE, completion, events, text_of

ASKED: Any = {"messages": [{"role": "user", "content": "x\u2028y"}], "n": 2}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)  # fmt: skip
names = st.sampled_from(
    ["id", "model", "choices", "data", "usage", "error", "index", "message", "delta", "content",
     "finish_reason", "text", "total_tokens"]
)  # fmt: skip
shaped = st.recursive(
    values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=6),
    max_leaves=20,
)


def recordable(answer: Answer) -> None:
    """Check that an outcome can be made of it."""
    outcome = Outcome(status="ok", response=b"", duration_ms=1.0, **answer.fields())
    commit(outcome.values(), bytes)


@given(st.binary(max_size=300))
def test_hostile_bytes_raise_nothing(body: bytes) -> None:
    recordable(read_answer(body))
    recordable(read_stream(body))


@given(st.dictionaries(names, shaped, max_size=8))
def test_any_json_in_the_shape_of_an_answer_can_be_recorded(body: dict[str, Any]) -> None:
    data = json.dumps(body).encode()

    recordable(read_answer(data))
    recordable(read_stream(b"data: " + data + b"\n\n"))


def test_a_stream_and_a_whole_answer_read_alike() -> None:
    whole, stream = read_answer(completion(ASKED)), read_stream(b"".join(events(ASKED)))

    assert whole.fields() | {"usage": None} == stream.fields()
    assert whole.fields()["answer"] == text_of(ASKED, 0)
    assert (whole.readable, stream.readable, stream.done) == (True, True, True)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_line_end_of_server_sent_events_is_understood(end: bytes) -> None:
    asked = {**ASKED, "stream_options": {"include_usage": True}}

    answer = read_stream(b"".join(events(asked)).replace(b"\n", end))

    assert answer.complete
    assert answer.fields()["answer"] == text_of(ASKED, 0)
    assert answer.usage == USAGE


def test_a_stream_without_a_last_blank_line_still_counts() -> None:
    assert read_stream(b'data: {"choices":[]}\n\ndata: [DONE]').done


def test_a_stream_is_complete_when_every_choice_has_its_reason() -> None:
    *chunks, _ = events(ASKED)

    assert read_stream(b"".join(chunks)).complete
    assert not read_stream(b"".join(chunks[:-1])).complete
    assert not read_stream(b"").complete


def test_text_among_parts_is_put_together() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, "odd", {"text": 5}, {"text": "b"}]
    body = {"choices": [{"message": {"content": parts}}]}

    assert read_answer(json.dumps(body).encode()).fields()["answer"] == "ab"


def test_no_more_choices_are_read_than_there_may_be() -> None:
    choices = [{"index": n, "message": {"content": "x"}} for n in range(CHOICES_MAX + 1)]

    answer = read_answer(json.dumps({"choices": choices}).encode())

    assert len(answer.texts) == CHOICES_MAX


def test_usage_keeps_counts_and_drops_what_is_none() -> None:
    usage = {
        "total_tokens": 3,
        "cost": 0.5,
        "note": "x",
        "huge": 2**70,
        "details": {"a": 1, "b": "c"},
    }
    body = json.dumps({"choices": [], "usage": usage}).encode()

    assert read_answer(body).usage == {"total_tokens": 3, "cost": 0.5, "details": {"a": 1}}


def test_an_error_in_words_is_kept_short() -> None:
    assert read_answer(b'{"error":{"message":"no"}}').error == "no"
    assert read_answer(b'{"error":"no"}').error == "no"
    assert len(read_answer(json.dumps({"error": "x" * 5000}).encode()).error or "") == 1000
