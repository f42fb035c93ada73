"""Many subscribers of one stream while statements arrive: is anything lost, does memory grow.

    python -m bench.subscribers --subscribers 100 --rate 500 --seconds 30

Starts the service as its users do, with 100 connections that read `GET /statements/stream` in a
process of their own, and registers pre-signed statements in small batches at a steady
rate from this process, all on the same cores. Every subscriber must get every statement
once and in order. The delay of a statement is from the moment when its registration was answered
until a subscriber has read its event; `answer_late_ms_max` says how far
registration itself fell behind its clock. With `--stuck`, some more subscribers never read at all.
"""

import argparse
import asyncio
import json
import multiprocessing
import re
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cbor2

from bench.http_register import cpu_seconds, prepare, served, sign_batches
from bench.machine import machine
from bench.report import spread
from tallystick.identity import generate

READ_BYTES = 1 << 18
PORTION = 5
"""Statements that are registered at once."""
SENDERS = 8
"""Connections that register."""
SETTLE_SECONDS = 5.0
END_SECONDS_MAX = 60.0
_EVENT = re.compile(rb"id: (\d+)\nevent: statement\n")


class Subscriber:
    """Reads one stream, and notes when each index came."""

    def __init__(self, first: int, last: int) -> None:
        """Expect every index from `first` to `last`."""
        self.next, self.last = first, last
        self.came: list[float] = []
        self.wrong: str | None = None

    async def follow(self, host: str, port: int, query: str) -> None:
        """Read until the last index has come."""
        reader, writer = await asyncio.open_connection(host, port, limit=READ_BYTES)
        ask = f"GET /statements/stream?since={self.next}{query} HTTP/1.1\r\nhost: {host}\r\n\r\n"
        writer.write(ask.encode())
        rest = b""
        while self.next <= self.last and self.wrong is None:
            data = await reader.read(READ_BYTES)
            if not data:
                self.wrong = f"the stream ended before {self.next}"
            rest = self._take(rest + data)
        writer.close()

    def _take(self, data: bytes) -> bytes:
        """Note all whole marks of events; return what may be the begin of one."""
        now, at = time.perf_counter(), 0
        for found in _EVENT.finditer(data):
            at, index = found.end(), int(found[1])
            if index != self.next:
                self.wrong = f"{index} came, {self.next} was to come"
                return b""
            self.came.append(now)
            self.next += 1
        return data[max(at, len(data) - 100) :]


def subscribe(url: str, count: int, first: int, last: int, query: str, pipe: Connection) -> None:
    """Run subscribers in this process and report what came to them."""
    subscribers = [Subscriber(first, last) for _ in range(count)]
    host = urlsplit(url)

    async def main() -> None:
        async with asyncio.timeout(pipe.recv()), asyncio.TaskGroup() as group:
            for one in subscribers:
                group.create_task(one.follow(host.hostname or "", host.port or 80, query))

    with suppress(TimeoutError):  # `wrong` and `next` tell
        asyncio.run(main())
    used = time.process_time()
    pipe.send(([(one.next, one.wrong, one.came) for one in subscribers], used))


async def register(
    url: str, batches: list[bytes], rate: float
) -> tuple[list[tuple[int, float]], float]:
    """Register batches at a steady rate; return when each index was answered, and the delay."""
    answered: list[tuple[int, float]] = []
    began = time.perf_counter()
    shares = [
        [(began + number * PORTION / rate, batches[number]) for number in numbers]
        for numbers in (range(at, len(batches), SENDERS) for at in range(SENDERS))
    ]
    late = await asyncio.gather(*(_register(url, share, answered) for share in shares))
    return sorted(answered), max(late)


async def _register(
    url: str, share: list[tuple[float, bytes]], answered: list[tuple[int, float]]
) -> float:
    """Register each batch at its time over one connection; return how late an answer was."""
    host, late = urlsplit(url), 0.0
    reader, writer = await asyncio.open_connection(host.hostname, host.port, limit=READ_BYTES)
    for due, body in share:
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        writer.write(
            b"POST /statements HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/cbor\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(body), body)
        )
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]
        results = json.loads(await reader.readexactly(length))["results"]
        now = time.perf_counter()
        answered += [(result["index"], now) for result in results]
        late = max(late, now - due)
    writer.close()
    return late


def resident_bytes(process: int) -> int:
    """Return what a process holds in memory now."""
    [line] = [
        line
        for line in Path(f"/proc/{process}/status").read_text().splitlines()
        if line.startswith("VmRSS")
    ]
    return int(line.split()[1]) * 1024


async def stuck(url: str, count: int) -> list[asyncio.StreamWriter]:
    """Subscribe to the whole log, and never read."""
    host, writers = urlsplit(url), []
    for _ in range(count):
        _, writer = await asyncio.open_connection(host.hostname, host.port, limit=1024)
        writer.write(
            b"GET /statements/stream?since=0&entries=1 HTTP/1.1\r\nhost: localhost\r\n\r\n"
        )
        writers.append(writer)
    return writers


def measure(folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """Serve, subscribe, register, compare."""
    signer = generate()
    prepare(folder, [signer])
    total = int(chosen.rate * chosen.seconds) // 100 * 100
    whole = sign_batches(signer.unsafe_secret(), total + chosen.warm, numbered=False)
    entries = [entry for batch in whole for entry in cbor2.loads(batch)]
    portions = [cbor2.dumps(entries[at : at + PORTION]) for at in range(0, len(entries), PORTION)]
    query = "&entries=1" if chosen.entries else ""
    with served(folder, chosen.workers) as (url, process):
        return _measure(url, process, portions, query, chosen)


def _measure(
    url: str, process: int, portions: list[bytes], query: str, chosen: argparse.Namespace
) -> dict[str, Any]:
    warm = portions[: chosen.warm // PORTION]
    warmed, _ = asyncio.run(register(url, warm, 1e9))
    first = warmed[-1][0] + 1
    measured = portions[len(warm) :]
    last = first + PORTION * len(measured) - 1
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    reading = context.Process(
        target=subscribe, args=(url, chosen.subscribers, first, last, query, there)
    )
    reading.start()
    here.send(chosen.seconds + END_SECONDS_MAX)
    time.sleep(SETTLE_SECONDS)  # all have subscribed
    memory, used = [resident_bytes(process)], cpu_seconds(process)

    began = time.perf_counter()
    answered, late = asyncio.run(_load(url, process, measured, memory, chosen))
    took = time.perf_counter() - began
    used = cpu_seconds(process) - used
    told, reading_used = here.recv()
    reading.join(END_SECONDS_MAX)
    memory.append(resident_bytes(process))
    return {
        **_compared(told, dict(answered), first, last),
        "subscribers": chosen.subscribers,
        "stuck": chosen.stuck,
        "statements": len(answered),
        "per_s": len(answered) / took,
        "answer_late_ms_max": 1000 * late,
        "service_cores": used / took,
        "reading_cores": reading_used / took,
        "memory_bytes": memory[0],
        "memory_growth_bytes": memory[-1] - memory[0],
        "memory_growth_first_half_bytes": memory[len(memory) // 2] - memory[0],
        "memory_growth_second_half_bytes": memory[-1] - memory[len(memory) // 2],
    }


async def _load(
    url: str, process: int, portions: list[bytes], memory: list[int], chosen: argparse.Namespace
) -> tuple[list[tuple[int, float]], float]:
    """Register at the rate that was chosen, beside those who never read."""
    writers = await stuck(url, chosen.stuck)
    watching = asyncio.create_task(_sample(process, memory))
    try:
        return await register(url, portions, chosen.rate)
    finally:
        watching.cancel()
        for writer in writers:
            writer.transport.abort()


async def _sample(process: int, memory: list[int]) -> None:
    while True:
        await asyncio.sleep(1)
        memory.append(resident_bytes(process))


def _compared(
    told: list[tuple[int, str | None, list[float]]],
    answered: dict[int, float],
    first: int,
    last: int,
) -> dict[str, Any]:
    """Say what is missing, and how long the rest took."""
    # A heartbeat of the log stands between the statements now and then: nobody was answered it.
    delays = [
        max(0.0, came - answered[index])
        for _, _, times in told
        for index, came in enumerate(times, start=first)
        if index in answered
    ]
    return {
        "complete": sum(wrong is None and at > last for at, wrong, _ in told),
        "lost": sum(max(0, last + 1 - at) for at, _, _ in told),
        "wrong": sorted({wrong for _, wrong, _ in told if wrong}),
        "delay": spread(delays) if delays else None,
        "delay_max_ms": 1000 * max(delays, default=0.0),
        "delay_mean_ms": 1000 * statistics.fmean(delays) if delays else None,
    }


def main() -> None:
    """Measure once and print JSON; fail where anything was lost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--subscribers", type=int, default=100)
    parser.add_argument("--rate", type=float, default=500, help="statements per second")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--warm", type=int, default=1000, help="statements before, not counted")
    parser.add_argument("--stuck", type=int, default=0, help="further subscribers who never read")
    parser.add_argument("--entries", action="store_true", help="events with the entries in them")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="on the disk to be measured")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder, prefix="tally-bench-") as folder:
        found = {"machine": machine(), **measure(Path(folder), chosen)}
    print(json.dumps(found, indent=1))
    if found["complete"] != chosen.subscribers:
        sys.exit("subscribers are not complete")


if __name__ == "__main__":
    main()
