"""What an application says of its calls: before, afterwards, and whatever happens between."""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from pathlib import Path
from threading import Thread
from typing import Any, cast

import pytest

import tallystick
from tallystick.errors import InputError, MissingExtraError, NotFoundError, UnavailableError
from tallystick.recorder import handoff as handing_off
from tallystick.recorder.calls import as_json
from tallystick.recorder.frames import FrameReader, FrameWriter
from tallystick.recorder.handoff import Handoff
from tallystick.recorder.place import FOLDER
from tallystick.recorder.said import Asked, Closed, Ended, Missed, parse
from tallystick.vault import About
from tests.unit.recorder.recorders import Recorder, recorder_in, recording_in


@pytest.fixture(autouse=True)
def kept(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Handoff]:
    with recording_in(recorder, monkeypatch) as handoff:
        yield handoff


def pairs(recorder: Recorder) -> list[tuple[Asked, Ended]]:
    """Return calls that ended, in the order in which they began."""
    said = recorder.said()
    ended = {one.number: one for one in said if isinstance(one, Ended)}
    return [(one, ended[at]) for at, one in enumerate(said) if isinstance(one, Asked)]


def test_a_function_is_recorded_before_and_after(recorder: Recorder) -> None:
    @tallystick.record(model="m-1")
    def answer(question: str, *, words: int = 3) -> str:
        [asked] = recorder.said()
        assert isinstance(asked, Asked)
        return question.upper()

    assert answer("why", words=2) == "WHY"
    [(asked, ended)] = pairs(recorder)
    assert json.loads(asked.request) == {"question": "why", "words": 2}
    assert (asked.operation, asked.model) == ("chat", "m-1")
    assert asked.function.endswith("answer")
    assert (ended.status, ended.answer, ended.response) == ("ok", "WHY", b'"WHY"')
    assert ended.duration_ms >= 0
    assert answer.__name__ == "answer"


def test_an_error_is_recorded_and_raised(recorder: Recorder) -> None:
    @tallystick.record
    def fails() -> None:
        raise KeyError("nothing there")

    with pytest.raises(KeyError):
        fails()
    [(_, ended)] = pairs(recorder)
    assert (ended.status, ended.error, ended.response) == (
        "error",
        "KeyError: 'nothing there'",
        b"",
    )


def test_pieces_are_joined_also_if_nobody_waits_for_the_last(recorder: Recorder) -> None:
    @tallystick.record
    def speaks() -> Iterator[str]:
        yield from ("one ", "two ", "three")

    assert list(speaks()) == ["one ", "two ", "three"]
    some = speaks()
    next(some)
    some.close()  # type: ignore[attr-defined]
    (_, whole), (_, part) = pairs(recorder)
    assert (whole.status, whole.answer) == ("ok", "one two three")
    assert (part.status, part.answer) == ("cancelled", "one ")


def test_what_is_awaited_is_recorded_until_it_is_there(recorder: Recorder) -> None:
    @tallystick.record
    async def later(word: str) -> dict[str, str]:
        await asyncio.sleep(0.01)
        return {"said": word}

    @tallystick.record
    async def pieces() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    @tallystick.record
    async def for_ever() -> None:
        await asyncio.sleep(60)

    async def all_of_it() -> None:
        await asyncio.gather(later("x"), later("y"))
        assert [piece async for piece in pieces()] == ["a", "b"]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(for_ever(), 0.02)

    asyncio.run(all_of_it())
    found = pairs(recorder)
    assert [json.loads(ended.response) for _, ended in found[:2]] == [{"said": "x"}, {"said": "y"}]
    assert found[0][1].duration_ms >= 9
    assert found[2][1].answer == "ab"
    assert found[3][1].status == "cancelled"


def test_a_context_says_what_it_is_told(recorder: Recorder) -> None:
    parameters = {"temperature": 0.5, "seed": 2**70, "stop": ["a"], "top_p": float("nan")}
    with tallystick.recording(
        "execute_tool", {"city": "Wien"}, model="z", parameters=parameters, about=About("c1", "p"),
        durable=True,
    ) as call:  # fmt: skip
        call.answer, call.usage, call.model = [1, 2], {"input_tokens": 4}, "z-2"
    [(asked, ended)] = pairs(recorder)
    assert (asked.operation, asked.subject, asked.purpose) == ("execute_tool", "c1", "p")
    assert asked.parameters["seed"] == str(2**70)
    assert asked.parameters["stop"] == '["a"]'
    assert asked.parameters["top_p"] != asked.parameters["top_p"]  # it is still no number
    assert (ended.response, ended.answer, ended.usage) == (b"[1,2]", None, {"input_tokens": 4})
    assert (ended.model, ended.subject, ended.purpose) == ("z-2", "c1", "p")


def test_a_mask_decides_what_leaves_the_function(recorder: Recorder) -> None:
    def mask(value: Any) -> Any:
        return json.loads(json.dumps(value).replace("4111", "****"))

    @tallystick.record(mask=mask, about=lambda card: About(f"card-{card[-1]}"))
    def pay(card: str) -> str:
        return f"paid with {card}"

    assert pay("4111 1") == "paid with 4111 1"
    [(asked, ended)] = pairs(recorder)
    assert b"4111" not in asked.request + ended.response
    assert asked.subject == "card-1"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Why", "why"),
        ("a b", "a  b"),
        (float("nan"), None),
        (float("inf"), float("nan")),
        (2**64, 2.0**64),
        (2**70, 2**70 + 1),
        (b"x", b"y"),
        (b"x", "x"),
        ("é", "e\u0301"),
        ("\ud800", "?"),
    ],
)
def test_what_differs_is_recorded_differently(one: Any, other: Any) -> None:
    assert as_json({"asked": one}) != as_json({"asked": other})
    assert as_json({"asked": one}) == as_json({"asked": one})


def test_anything_can_be_recorded() -> None:
    class Odd:
        def __repr__(self) -> str:
            return "Odd()"

    assert json.loads(as_json({"a": Odd(), "b": {1, 2}, "c": Path("/x")}))["a"]["repr"] == "Odd()"


def test_many_threads_record_at_once(recorder: Recorder) -> None:
    @tallystick.record
    def double(number: int) -> int:
        return 2 * number

    def some(first: int) -> None:
        for number in range(first, first + 50):
            assert double(number) == 2 * number

    threads = [Thread(target=some, args=(1000 * n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    found = pairs(recorder)
    assert len(found) == 300
    for asked, ended in found:
        assert json.loads(ended.response) == 2 * json.loads(asked.request)["number"]


def test_a_file_that_has_grown_is_followed_by_another(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handing_off, "FILE_BYTES", 800)

    @tallystick.record
    def outer(number: int) -> int:
        return number if number == 0 else outer(number - 1)

    outer(12)
    files = [*recorder.place.calls.iterdir()]
    said = recorder.said()
    assert len(files) > 1
    assert sum(isinstance(one, Asked) for one in said) == 13
    assert sum(isinstance(one, Ended) for one in said) == 13
    outer(3)  # what has grown is closed once nothing in it is under way
    assert (
        sum(isinstance(one, Closed) for one in recorder.said())
        == len([*recorder.place.calls.iterdir()]) - 1
    )


def test_a_forked_process_has_a_file_of_its_own(recorder: Recorder) -> None:
    @tallystick.record
    def where() -> int:
        return os.getpid()

    where()
    child = os.fork()
    if not child:
        where()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    where()
    assert len([*recorder.place.calls.iterdir()]) == 2
    said = [one for one in recorder.said() if isinstance(one, Ended)]
    assert sorted(json.loads(one.response) for one in said) == sorted([os.getpid()] * 2 + [child])


def test_where_nothing_can_be_recorded_nothing_is_called(recorder: Recorder) -> None:
    recorder.place.calls.touch()  # a file in the folder's place

    @tallystick.record
    def never() -> None:
        raise AssertionError

    with pytest.raises(UnavailableError, match="cannot be recorded"):
        never()


def test_calls_that_went_on_without_a_record_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = recorder_in(tmp_path / "other", tmp_path / "open", fail_open=True)

    @tallystick.record
    def answer() -> int:
        return 1

    with recording_in(recorder, monkeypatch):
        recorder.place.calls.touch()
        assert [answer(), answer()] == [1, 1]
        recorder.place.calls.unlink()
        assert answer() == 1
    missed, _, _, _ = recorder.said()
    assert isinstance(missed, Missed)
    assert missed.passed == 2
    assert missed.since_ms <= missed.until_ms
    assert "File exists" in missed.reason


def test_a_disk_that_fails_in_the_middle_withholds_the_answer(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    @tallystick.record
    def answer() -> int:
        monkeypatch.setattr(os, "write", full)
        return 1

    with pytest.raises(UnavailableError, match="No space left"):
        answer()
    monkeypatch.undo()
    [asked] = recorder.said()
    assert isinstance(asked, Asked)


def test_without_a_recorder_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.delenv(FOLDER, raising=False)
    with pytest.raises(InputError, match=FOLDER):
        tallystick.recording("chat", "x")
    monkeypatch.setenv(FOLDER, str(tmp_path / "nowhere"))
    with pytest.raises(NotFoundError, match="no recorder in"):
        tallystick.recording("chat", "x")


def test_a_process_that_ends_says_so(recorder: Recorder, kept: Handoff) -> None:
    with tallystick.recording("chat", "x"):
        pass
    kept.close()
    kept.close()
    assert isinstance(recorder.said()[-1], Closed)


def test_a_package_that_the_forwarder_lacks_is_named_at_once(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h11", None)
    with pytest.raises(MissingExtraError, match="h11"):
        Handoff(recorder.place.root)


def test_a_forwarder_that_does_not_stay_is_started_less_and_less_often(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[float] = []

    class Ended:
        def __init__(self, *_: object, **__: object) -> None:
            started.append(time.monotonic())

        def poll(self) -> int:
            return 2

    monkeypatch.setattr(subprocess, "Popen", Ended)
    monkeypatch.setattr(handing_off, "LOOK_SECONDS", 0.02)
    handoff = Handoff(recorder.place.root)
    until = time.monotonic() + 0.7
    while time.monotonic() < until:
        handoff._have_forwarder()
        time.sleep(0.002)
    handoff.close()

    pauses = [later - earlier for earlier, later in itertools.pairwise(started)]
    assert 3 <= len(started) <= 7
    assert pauses == sorted(pauses)


def test_both_windows_are_as_they_are_stated(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[float] = []
    sync = FrameWriter.sync

    def noted(writer: FrameWriter) -> None:
        sync(writer)
        synced.append(time.monotonic())

    monkeypatch.setattr(FrameWriter, "sync", noted)
    with tallystick.recording("chat", "x", durable=True):
        assert synced  # on the disk before the call is made
    before = len(synced)
    with tallystick.recording("chat", "x"):
        said = time.monotonic()
        until = said + 20
        while len(synced) == before and time.monotonic() < until:
            time.sleep(0.001)
    assert said < synced[before]
    assert handing_off.SYNC_SECONDS <= 0.05  # and the disk has as long again for it


def test_arguments_are_named_however_they_are_given(recorder: Recorder) -> None:
    @tallystick.record
    def fixed(one: int, two: int = 2, *, three: int = 3) -> int:
        return one + two + three

    @tallystick.record
    def open_ended(one: int, *more: int, **named: int) -> int:
        return one + sum(more) + sum(named.values())

    fixed(1, three=4)
    fixed(two=5, one=1)
    open_ended(1, 2, 3, last=4)
    with pytest.raises(TypeError):
        fixed(1, four=4)  # type: ignore[call-arg]
    found = pairs(recorder)
    assert [json.loads(asked.request) for asked, _ in found] == [
        {"one": 1, "three": 4},
        {"one": 1, "two": 5},
        {"one": 1, "more": [2, 3], "named": {"last": 4}},
        {"one": 1, "four": 4},
    ]
    assert found[3][1].status == "error"


def test_the_quick_way_and_the_other_agree_on_what_json_has() -> None:
    plain = {"b": [1, 'é\u2028\x1f"\\', None, True], "a": {"y": -(2**63), "x": "z"}}
    slow = json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    assert json.loads(as_json(plain)) == plain
    assert as_json(plain) == slow.encode()


def test_files_change_while_many_threads_record(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handing_off, "FILE_BYTES", 600)

    @tallystick.record
    def double(number: int) -> int:
        return 2 * number

    threads = [Thread(target=lambda: [double(n) for n in range(150)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    files = [FrameReader(path, recorder.private()) for path in recorder.place.calls.iterdir()]
    said = [[parse(frame.body) for frame in file.read(10**6)] for file in files]
    begun = [sum(isinstance(one, Asked) for one in some) for some in said]
    ended = [sum(isinstance(one, Ended) for one in some) for some in said]
    assert begun == ended
    assert sum(begun) == 1200


def test_a_process_that_is_forked_in_a_call_ends_nobody_elses(
    recorder: Recorder, kept: Handoff, tmp_path: Path
) -> None:
    with tallystick.recording("chat", "x") as call:
        child = os.fork()
        if not child:
            try:
                victims = [(tmp_path / f"victim-{n}").open("wb") for n in range(20)]
                kept.end(call._said[0], Ended(0, "error", b"", None, 0.0))
                with tallystick.recording("chat", "in the child"):
                    os.fsync(victims[0].fileno())
            finally:
                os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
    assert [one.stat().st_size for one in tmp_path.glob("victim-*")] == [0] * 20
    assert [one.status for one in recorder.said() if isinstance(one, Ended)] == ["ok", "ok"]


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError


def circle() -> list[Any]:
    around: list[Any] = []
    around.append(around)
    return around


@pytest.mark.parametrize(
    "answer",
    [{(1, 2): 3}, {1: 2, "a": 3}, circle(), "\ud800", BaseException, Unshowable(), [Unshowable()],
     "x" * (3 << 20), float("nan"), {"a": Unshowable}],
)  # fmt: skip
def test_no_answer_is_lost_because_it_is_recorded(recorder: Recorder, answer: Any) -> None:
    @tallystick.record
    def gives() -> Any:
        return answer

    assert gives() is answer
    [(_, ended)] = pairs(recorder)
    assert ended.status == "ok"
    assert 0 < len(ended.response) < (2 << 20)


def test_nothing_that_is_said_beside_it_can_prevent_the_record(recorder: Recorder) -> None:
    def mask(value: Any) -> Any:
        if value == "answer":
            raise ZeroDivisionError
        return value

    class OddError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    usage: Any = {1: 2**70, "n": {"a": 1}}
    call = tallystick.recording("chat", "x", mask=mask)
    with call:
        call.answer, call.usage, call.model = "answer", usage, cast("str", 7)
        call.__exit__(OddError, OddError(), None)
        call._said = None
    [(_, ended)] = pairs(recorder)
    assert json.loads(ended.response) == {"masked": "the mask raised ZeroDivisionError"}
    assert ended.usage == {"1": str(2**70), "n": '{"a":1}'}
    assert (ended.error, ended.model) == ("OddError: ", "7")


def test_generators_are_what_they_were(recorder: Recorder) -> None:
    @tallystick.record
    def echo() -> Generator[str, str, int]:
        heard = yield "ready"
        try:
            heard = yield heard
        except KeyError:
            heard = yield "caught"
        return len(heard)

    @tallystick.record
    async def later() -> AsyncGenerator[str, str]:
        heard = yield "ready"
        yield heard

    async def talk() -> list[str]:
        speaking = later()
        return [await anext(speaking), await speaking.asend("b"), *[one async for one in speaking]]

    speaking = echo()
    assert [next(speaking), speaking.send("a"), speaking.throw(KeyError())] == [
        "ready",
        "a",
        "caught",
    ]
    with pytest.raises(StopIteration) as stopped:
        speaking.send("four")
    assert stopped.value.value == 4
    assert asyncio.run(talk()) == ["ready", "b"]
    (_, one), (_, two) = pairs(recorder)
    assert (one.status, one.answer, two.answer) == ("ok", "readyacaught", "readyb")


def test_a_forwarder_that_cannot_be_started_now_is_tried_again(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    def full(*_: object, **__: object) -> None:
        tries.append(1)
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(subprocess, "Popen", full)
    monkeypatch.setattr(handing_off, "LOOK_SECONDS", 0.01)
    handoff = Handoff(recorder.place.root)
    handoff.ask(Asked(0, "chat", b"x"))
    until = time.monotonic() + 20
    while len(tries) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    handoff.close()
    assert len(tries) >= 3
