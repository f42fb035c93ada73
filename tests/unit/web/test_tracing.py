"""W3C Trace Context: a valid field is continued, an invalid one begins a new trace."""

import re
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick import tracing

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
VALID = f"00-{TRACE}-{SPAN}-01".encode()


def test_a_valid_field_is_continued_with_a_part_of_our_own() -> None:
    trace = tracing.continued(VALID)

    assert (trace.trace_id, trace.parent_id, trace.flags) == (TRACE, SPAN, "01")
    assert re.fullmatch("[0-9a-f]{16}", trace.span_id)
    assert trace.span_id != SPAN
    assert trace.header() == f"00-{TRACE}-{trace.span_id}-01".encode()


@pytest.mark.parametrize(
    "field",
    [VALID, b" " + VALID + b" ", f"00-{TRACE}-{SPAN}-00".encode(), f"cc-{TRACE}-{SPAN}-03".encode(),
     f"cc-{TRACE}-{SPAN}-03-what-comes-later".encode()],
)  # fmt: skip
def test_later_versions_and_white_space_are_taken(field: bytes) -> None:
    assert tracing.continued(field).trace_id == TRACE


@pytest.mark.parametrize(
    "field",
    [
        None,
        b"",
        b"00",
        VALID.upper(),
        VALID + b"-more",
        f"ff-{TRACE}-{SPAN}-01".encode(),
        f"00-{'0' * 32}-{SPAN}-01".encode(),
        f"00-{TRACE}-{'0' * 16}-01".encode(),
        f"00-{TRACE[1:]}-{SPAN}-01".encode(),
        f"00-{TRACE}-{SPAN}".encode(),
        f"00-{TRACE}-{SPAN}-xy".encode(),
        f"cc-{TRACE}-{SPAN}-03more".encode(),
        f"cc-{TRACE}-{SPAN}-03-".encode() + b"x" * tracing.TRACEPARENT_BYTES_MAX,
    ],
)
def test_what_breaks_the_grammar_begins_a_new_trace(field: bytes | None) -> None:
    trace = tracing.continued(field)

    assert trace.trace_id != TRACE
    assert trace.parent_id is None
    assert re.fullmatch("[0-9a-f]{32}", trace.trace_id)


def test_the_longest_field_is_still_looked_at() -> None:
    start = f"cc-{TRACE}-{SPAN}-03-".encode()
    longest = start + b"x" * (tracing.TRACEPARENT_BYTES_MAX - len(start))

    assert tracing.continued(longest).trace_id == TRACE


@given(st.binary(max_size=80))
def test_hostile_bytes_never_raise_and_never_stand_in_ids(field: bytes) -> None:
    assert re.fullmatch(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}",
                        tracing.continued(field).header())  # fmt: skip


def test_a_trace_ends_with_its_block_and_threads_get_it_by_hand() -> None:
    seen: list[tracing.Trace | None] = []

    with tracing.following(VALID) as trace:
        work = tracing.carried(lambda: seen.append(tracing.current()))
        for target in (lambda: seen.append(tracing.current()), work):
            thread = Thread(target=target)
            thread.start()
            thread.join()

    assert seen == [None, trace]
    assert tracing.current() is None
