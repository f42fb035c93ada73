"""Files of frames: what was written is read, what was changed is not, and a cut ends them."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.errors import DamagedError, LimitError
from tallystick.recorder import frames
from tallystick.recorder.frames import FrameReader, FrameWriter, is_written

KEY = X25519PrivateKey.from_private_bytes(b"f" * 32)
PRIVATE, PUBLIC = KEY.private_bytes_raw(), KEY.public_key().public_bytes_raw()
PROCESS = b"p" * 16
FEW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def written(path: Path, *bodies: bytes) -> list[int]:
    """Write frames; return where each of them ends, and first where they begin."""
    path.unlink(missing_ok=True)
    writer = FrameWriter(path, PUBLIC, PROCESS)
    ends = [writer.bytes]
    for body in bodies:
        writer.write(body)
        ends.append(writer.bytes)
    writer.sync()
    writer.close()
    return ends


def read(path: Path, private: bytes = PRIVATE) -> list[bytes]:
    return [frame.body for frame in FrameReader(path, private).read(10**6)]


@FEW
@given(bodies=st.lists(st.binary(max_size=300), max_size=8))
def test_what_is_written_is_read(tmp_path: Path, bodies: list[bytes]) -> None:
    written(tmp_path / "f", *bodies)

    assert read(tmp_path / "f") == bodies


def test_nothing_lies_there_in_clear(tmp_path: Path) -> None:
    written(tmp_path / "f", b"a secret of somebody")

    assert b"secret" not in (tmp_path / "f").read_bytes()
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_cut_ends_with_the_last_whole_frame(tmp_path: Path) -> None:
    path = tmp_path / "f"
    begin, first, second = written(path, b"one", b"two")
    data = path.read_bytes()
    for end in range(begin, second):
        path.write_bytes(data[:end])
        assert read(path) == ([] if end < first else [b"one"])


def test_a_file_that_has_only_just_been_begun_is_read_later(tmp_path: Path) -> None:
    path = tmp_path / "f"
    [begin] = written(path)
    data = path.read_bytes()
    for end in range(begin):
        path.write_bytes(data[:end])
        with pytest.raises(BlockingIOError):
            FrameReader(path, PRIVATE)


@FEW
@given(at=st.integers(0), bit=st.integers(0, 7))
def test_a_change_anywhere_is_noticed(tmp_path: Path, at: int, bit: int) -> None:
    path = tmp_path / "f"
    bodies = [b"one", b"two", b"three"]
    ends = written(path, *bodies)
    data = bytearray(path.read_bytes())
    at %= len(data)
    data[at] ^= 1 << bit
    path.write_bytes(data)
    got: list[bytes] = []

    # A length that was changed may claim more than there is: then it looks like a cut.
    with suppress(DamagedError, BlockingIOError):
        got.extend(frame.body for frame in FrameReader(path, PRIVATE).read(9))

    assert got == bodies[: sum(end <= at for end in ends[1:])]


def test_frames_cannot_be_left_out_or_change_places(tmp_path: Path) -> None:
    path = tmp_path / "f"
    begin, first, second, third = written(path, b"one", b"two", b"six")
    data = path.read_bytes()
    head, one, two, six = data[:begin], data[begin:first], data[first:second], data[second:third]
    for wrong in (one + six, two + one, one + one, two):
        path.write_bytes(head + wrong)
        with pytest.raises(DamagedError, match="left out or put elsewhere"):
            read(path)


def test_frames_of_another_file_are_no_frames_of_this_one(tmp_path: Path) -> None:
    begin, end = written(tmp_path / "f", b"one")
    written(tmp_path / "g", b"one")
    mixed = (tmp_path / "f").read_bytes()[:begin] + (tmp_path / "g").read_bytes()[begin:end]
    (tmp_path / "f").write_bytes(mixed)

    with pytest.raises(DamagedError):
        read(tmp_path / "f")


def test_only_the_forwarder_opens_it(tmp_path: Path) -> None:
    written(tmp_path / "f", b"one")

    with pytest.raises(DamagedError, match="another forwarder"):
        read(tmp_path / "f", b"x" * 32)


def test_another_file_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"something else entirely, and long enough for a head")

    with pytest.raises(DamagedError, match="no frames"):
        FrameReader(tmp_path / "f", PRIVATE)


def test_it_is_read_on_as_it_grows(tmp_path: Path) -> None:
    writer = FrameWriter(tmp_path / "f", PUBLIC, PROCESS)
    reader = FrameReader(tmp_path / "f", PRIVATE)
    for number in range(5):
        writer.write(b"%d" % number)
        [frame] = reader.read(9)
        assert (frame.body, frame.number) == (b"%d" % number, number)
    again = FrameReader(tmp_path / "f", PRIVATE)
    again.skip(3)

    assert [frame.number for frame in again.read(9)] == [3, 4]
    with pytest.raises(DamagedError):
        FrameReader(tmp_path / "f", PRIVATE).skip(6)


def test_it_shows_whether_somebody_writes(tmp_path: Path) -> None:
    writer = FrameWriter(tmp_path / "f", PUBLIC, PROCESS)
    writer.lock()

    assert is_written(tmp_path / "f")
    writer.close()
    writer.close()
    assert not is_written(tmp_path / "f")
    with pytest.raises(OSError, match="Bad file descriptor"):
        writer.write(b"into nobody's file")


def test_what_is_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "FRAME_BYTES_MAX", 10)
    writer = FrameWriter(tmp_path / "f", PUBLIC, PROCESS)

    with pytest.raises(LimitError, match="11 bytes"):
        writer.write(b"x" * 11)
    assert writer.write(b"x" * 10) == 0


def test_a_disk_that_takes_half_a_frame_has_taken_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = FrameWriter(tmp_path / "f", PUBLIC, PROCESS)
    writer.write(b"one")
    whole = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: whole(fd, data[: len(data) // 2]))
    with pytest.raises(OSError, match="took"):
        writer.write(b"two")
    monkeypatch.setattr(os, "write", whole)
    writer.write(b"three")

    assert read(tmp_path / "f") == [b"one", b"three"]
