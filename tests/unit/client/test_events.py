"""Server-sent events are read the same however they are cut, and in bounded memory."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.client import events
from tallystick.client.events import Event, EventReader
from tallystick.errors import EncodingError, LimitError, TallystickError

STREAM = (
    b": hello\n\nretry: 1000\n\nid: 7\nevent: statement\ndata: {\ndata: }\n\n"
    b"data:no space\r\n\r\nevent: end\r\rid: 9\rdata\r\r"
)
FOUND = [
    Event("statement", "{\n}", 7),
    Event("message", "no space", None),
    Event("message", "", 9),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_however_it_is_cut(cuts: list[int]) -> None:
    reader = EventReader()
    places = [0, *sorted(cuts), len(STREAM)]

    found = [e for a, b in itertools.pairwise(places) for e in reader.feed(STREAM[a:b])]
    found += reader.feed(b"\n")  # until then the last carriage return could be half of a line end

    assert found == FOUND


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_raise_our_errors_only(pieces: list[bytes]) -> None:
    reader = EventReader()
    try:
        for piece in pieces:
            for event in reader.feed(piece):
                assert event.last is None or event.last >= 0
    except TallystickError:
        pass


def test_events_have_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "EVENT_BYTES_MAX", 100)
    fits = b"data: " + b"x" * 94 + b"\n\n"

    assert [len(event.data) for event in EventReader().feed(fits)] == [94]
    with pytest.raises(LimitError):
        list(EventReader().feed(b"x" + fits))
    with pytest.raises(LimitError):
        list(EventReader().feed(b"data: x\n" * 20))
    with pytest.raises(LimitError):
        list(EventReader().feed(b"x" * 101))


def test_comments_without_end_take_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "EVENT_BYTES_MAX", 100)
    reader = EventReader()

    for _ in range(100):
        assert list(reader.feed(b": nothing new\n\n: nothing new\n")) == []


@pytest.mark.parametrize("last", ["", "-1", "01", "1.5", "x", "9" * 19, "\u0663"])
def test_an_id_that_is_no_index_is_refused(last: str) -> None:
    with pytest.raises(EncodingError, match="index"):
        list(EventReader().feed(f"id: {last}\ndata: x\n\n".encode()))
