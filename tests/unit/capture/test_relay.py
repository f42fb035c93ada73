"""What is kept of an answer, and where a stream says that it is done: for every way to cut it."""

from hashlib import sha256
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from tallystick.capture.relay import Kept, StreamEnd

lines = st.sampled_from(
    [b'data: {"choices":[]}\n\n', b": comment\n", b"data: x\r\n\r\n", b"data: [DON", b"\n",
     b"xdata: [DONE]\n", b"data: [DONE", b"data:[DON\n", b"\r"]
)  # fmt: skip
endings = st.sampled_from([b"", b"\n\n", b"\r\n\r\n", b"\n\n: after\n"])
streams = st.lists(lines, max_size=8).map(b"".join)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


def through(end: StreamEnd, parts: list[bytes]) -> bytes:
    return b"".join(end.cut(part) for part in parts)


@given(
    streams,
    endings,
    st.lists(st.integers(0)),
)
@example(b"data: x\n\n", b"\n\n", list(range(60)))
def test_all_before_done_passes_and_nothing_after_however_it_is_cut(
    before: bytes, after: bytes, cuts: list[int]
) -> None:
    fresh_line = b"" if before.endswith((b"\n", b"\r")) or not before else b"\n"
    data = before + fresh_line + b"data: [DONE]" + after
    end = StreamEnd()

    passed = through(end, pieces(data, cuts))

    all_before = len(StreamEnd().cut(data))
    assert all_before <= len(passed) < all_before + len(b"data: [DONE]")
    assert end.held
    assert passed + end.held == data
    assert not any(line.startswith((b"data: [DONE]", b"data:[DONE]")) for line in _lines(passed))


@given(streams, st.lists(st.integers(0)))
def test_a_stream_that_never_says_done_passes_whole(data: bytes, cuts: list[int]) -> None:
    safe = data.replace(b"[DON", b"[don")
    end = StreamEnd()

    assert through(end, pieces(safe, cuts)) == safe
    assert end.held is None


@given(st.binary(max_size=400), st.lists(st.integers(0)), st.integers(1, 400))
def test_what_is_kept_is_the_beginning_and_the_digest_of_all(
    data: bytes, cuts: list[int], most: int
) -> None:
    kept = Kept(most)

    for part in pieces(data, cuts):
        kept.add(part)

    assert kept.data() == data[:most]
    assert kept.kept_bytes == len(kept.data())
    assert kept.total_bytes == len(data)
    assert kept.whole == (len(data) <= most)
    fields = kept.fields()
    assert fields["response"] == data[:most]
    if not kept.whole:
        assert fields["response_bytes"] == len(data)
        assert fields["response_sha256"] == sha256(data).digest()


def test_memory_stays_bounded_however_long_a_stream_is() -> None:
    kept, end = Kept(1000), StreamEnd()
    event = b'data: {"choices":[]}\n\n'

    for _ in range(20_000):
        end.cut(event)
        kept.add(event)

    assert kept.total_bytes == 20_000 * len(event)
    assert sum(map(len, kept._parts)) == 1000
    assert len(end._tail) < 20


def _lines(data: bytes) -> list[bytes]:
    return data.replace(b"\r", b"\n").split(b"\n")
