"""The load generator must see what a gateway did to an answer."""

import pytest

from bench.gateway.answers import AnswerShape, completion, completion_events
from bench.gateway.client import Exchange, streamed_text

SHAPE = AnswerShape(text_bytes=1000, parts=7)
EVENTS = completion_events(SHAPE, with_usage=True)


def exchange(*, stream: bool) -> Exchange:
    return Exchange.chat("127.0.0.1:1", SHAPE, prompt_bytes=10, stream=stream, key="k")


def test_parts_of_a_stream_are_the_text_of_the_whole_answer() -> None:
    assert len(SHAPE.text) == 1000
    assert streamed_text(b"".join(EVENTS)) == SHAPE.text
    assert SHAPE.text.encode() in completion(SHAPE)


def test_honest_stream_is_accepted_with_its_count_of_events() -> None:
    assert exchange(stream=True).judge(b"".join(EVENTS), fully=True) == (len(EVENTS), "")


@pytest.mark.parametrize(
    ("flaw", "body", "word"),
    [
        ("closing event lost", EVENTS[:-1], "cut"),
        ("most events lost", [*EVENTS[:3], EVENTS[-1]], "events"),
        ("two events swapped", [*EVENTS[:3], EVENTS[4], EVENTS[3], *EVENTS[5:]], "text"),
        ("one event lost", EVENTS[:3] + EVENTS[4:], "text"),
        ("one event doubled", EVENTS[:3] + EVENTS[2:], "text"),
    ],
)
def test_damaged_stream_is_named_by_its_flaw(flaw: str, body: list[bytes], word: str) -> None:
    assert exchange(stream=True).judge(b"".join(body), fully=True)[1] == word


def test_plain_answer_with_another_text_is_refused() -> None:
    other = completion(AnswerShape(text_bytes=999))

    assert exchange(stream=False).judge(completion(SHAPE), fully=True) == (0, "")
    assert exchange(stream=False).judge(other, fully=True) == (0, "text")
