"""Turns: fair, bounded, and nothing is computed for those who have gone."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from tallystick.endpoint.problems import ProblemError
from tallystick.endpoint.turns import PIECES_AHEAD_MAX, Stream, Turns


class Counting:
    """Gives numbers; `log` shows in which order several of these were given turns."""

    def __init__(self, name: str, count: int, log: list[str] | None = None) -> None:
        self.name, self.count, self.at = name, count, 0
        self.log = [] if log is None else log
        self.done = False

    def step(self) -> int | None:
        self.log.append(self.name)
        self.at += 1
        self.done = self.at == self.count
        return self.at


class Failing(Counting):
    def step(self) -> int | None:
        if super().step() == 3:
            raise LookupError("a defect")
        return self.at


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 20))


async def read(stream: Stream) -> list[int]:
    with stream:
        return [piece async for piece in stream]


async def settle() -> None:
    await asyncio.sleep(0.1)


def test_all_pieces_come_in_order() -> None:
    async def test() -> None:
        assert await read(Turns().open(Counting("a", 500))) == list(range(1, 501))

    run(test())


def test_nobody_waits_for_more_than_a_step_of_each_other() -> None:
    async def test() -> None:
        turns, log = Turns(), list[str]()
        streams = [turns.open(Counting(name, 30, log)) for name in "abcd"]
        await asyncio.gather(*map(read, streams))

        first = log.index("d")  # from here on all are under way, until the first of them ends
        last = min(len(log) - 1 - log[::-1].index(name) for name in "abcd")
        shared = log[first : last + 1]
        assert all(len(set(shared[at : at + 4])) == 4 for at in range(len(shared) - 4))

    run(test())


def test_whoever_is_not_read_pauses_and_holds_up_nobody() -> None:
    async def test() -> None:
        turns = Turns()
        slow = Counting("slow", 1000)
        with turns.open(slow) as waiting:
            await read(turns.open(Counting("fast", 1000)))
            await settle()
            assert slow.at == PIECES_AHEAD_MAX

            assert [piece async for piece in waiting] == list(range(1, 1001))

    run(test())


def test_so_many_may_be_under_way_and_no_more() -> None:
    async def test() -> None:
        turns = Turns(streams_max=2)
        streams = [turns.open(Counting("a", 9)) for _ in range(2)]
        with pytest.raises(ProblemError, match="2 answers are under way"):
            turns.open(Counting("b", 9))
        streams[0].close()
        assert len(await read(turns.open(Counting("b", 9)))) == 9
        streams[1].close()
        assert turns.under_way == 0

    run(test())


def test_nothing_more_is_computed_once_a_stream_is_closed() -> None:
    async def test() -> None:
        work = Counting("a", 10**9)
        with Turns().open(work) as stream:
            async for piece in stream:
                if piece == 5:
                    break
        await settle()
        stopped = work.at
        await settle()
        assert work.at == stopped

    run(test())


def test_a_reader_that_waits_learns_that_its_stream_was_closed() -> None:
    async def test() -> None:
        blocked = threading.Event()
        work = Counting("a", 5)
        work.step = lambda: blocked.wait(20) or None  # type: ignore[method-assign]
        stream = Turns().open(work)
        reading = asyncio.ensure_future(read(stream))
        await settle()
        stream.close()
        assert await reading == []
        blocked.set()

    run(test())


def test_a_defect_ends_one_answer_and_no_other() -> None:
    async def test() -> None:
        turns = Turns()
        good = asyncio.ensure_future(read(turns.open(Counting("good", 100))))
        with pytest.raises(LookupError, match="a defect"):
            await read(turns.open(Failing("bad", 100)))
        assert len(await good) == 100
        assert turns.under_way == 0

    run(test())


def test_no_thread_is_left_when_there_is_nothing_to_do() -> None:
    async def test() -> None:
        await read(Turns().open(Counting("a", 3)))
        await asyncio.sleep(1.5)
        names = [thread.name for thread in threading.enumerate()]
        assert "endpoint-turns" not in names

    run(test())
