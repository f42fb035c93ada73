"""A load generator for OpenAI-compatible gateways on loopback, as light as Python allows.

Open loop (`--rate`): requests are due at a constant rate, wait for a free connection if they
must, and their latency counts from the moment they were *due*. Closed loop (no `--rate`): each
client sends its next request when the last one is answered.

    python -m bench.gateway.load --url http://127.0.0.1:8080 --clients 16 --rate 700 --stream

prints one JSON object. Requests that were never answered count with the time they had waited
when they were given up: leaving them out would flatter a server that cannot keep up.
"""

import argparse
import asyncio
import contextlib
import gc
import ipaddress
import json
import resource
import time
from collections import deque
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

import uvloop

from bench.gateway.answers import AnswerShape
from bench.gateway.client import Connection, Exchange, Outcome
from bench.gateway.figures import NS_PER_S
from bench.gateway.pacing import Schedule
from bench.gateway.result import report
from bench.gateway.ticks import ticking

CLIENTS_MAX = 1024
RATE_MAX = 20_000
SECONDS_MAX = 120.0
REQUESTS_MAX = 1_000_000
RECONNECTS_MAX = 1000

_LEAD_NS = 50_000_000  # between connecting and the first request


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSettings:
    """One cell of load.

    Attributes:
        rate_per_s: Requests due per second over all clients; 0 means a closed loop.
        seconds: Time that is measured.
        warmup_s: Time before, under the same load, not measured.
        drain_s: Time the last requests get after the end.
    """

    url: str
    clients: int
    rate_per_s: int
    stream: bool
    seconds: float
    warmup_s: float
    drain_s: float
    prompt_bytes: int
    answer_bytes: int
    parts: int
    key: str

    def check(self) -> None:
        """Refuse what is not bounded or not on this machine."""
        host = urlsplit(self.url).hostname or ""
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"load goes to loopback addresses only, not to {host}")
        if not 1 <= self.clients <= CLIENTS_MAX or not 0 <= self.rate_per_s <= RATE_MAX:
            raise ValueError(f"at most {CLIENTS_MAX} clients and {RATE_MAX} requests per second")
        if not 0 < self.seconds + self.warmup_s + self.drain_s <= SECONDS_MAX:
            raise ValueError(f"at most {SECONDS_MAX} s in all")
        if self.rate_per_s * (self.seconds + self.warmup_s) > REQUESTS_MAX:
            raise ValueError(f"at most {REQUESTS_MAX} requests")


class Run:
    """Owns the connections, the requests that wait for one, and all outcomes."""

    def __init__(self, settings: LoadSettings) -> None:
        parts = urlsplit(settings.url)
        shape = AnswerShape(text_bytes=settings.answer_bytes, parts=settings.parts)
        self.settings = settings
        self.host, self.port = parts.hostname or "", parts.port or 80
        self.exchange = Exchange.chat(
            parts.netloc,
            shape,
            prompt_bytes=settings.prompt_bytes,
            stream=settings.stream,
            key=settings.key,
        )
        self.schedule: Schedule | None = None
        self.idle: deque[Connection] = deque()
        self.open: set[Connection] = set()
        self.backlog: deque[int] = deque()
        self.outcomes: list[Outcome] = []
        self.connecting: set[asyncio.Task[None]] = set()
        self.reconnects = 0
        self.end_ns = 0
        self.drained = asyncio.Event()

    async def connect(self) -> None:
        """Open one more connection and let it take the longest waiting request."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(self.exchange, self.finished, self.lost), self.host, self.port
        )
        self.open.add(connection)
        self.free(connection)

    async def reconnect(self) -> None:
        """Connect again; where the server is gone, the requests it leaves end unfinished."""
        with contextlib.suppress(OSError):
            await self.connect()

    def free(self, connection: Connection) -> None:
        """Give a connection its next request, or lay it aside."""
        now_ns = time.monotonic_ns()
        if self.backlog:
            connection.send(self.backlog.popleft())
        elif self.schedule is None and now_ns < self.end_ns and len(self.outcomes) < REQUESTS_MAX:
            connection.send(now_ns)
        else:
            self.idle.append(connection)
            self.notice_end(now_ns)

    def tick(self) -> None:
        """Send what is due, or queue it where all connections are busy."""
        assert self.schedule is not None  # noqa: S101
        for due_ns in self.schedule.take_due(time.monotonic_ns()):
            if self.idle:
                self.idle.popleft().send(due_ns)
            else:
                self.backlog.append(due_ns)

    def finished(self, connection: Connection, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        if outcome.error not in {"reset", "protocol"}:
            self.free(connection)

    def lost(self, connection: Connection) -> None:
        """Replace a connection that the server closed, a bounded number of times."""
        self.open.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)
        self.reconnects += 1
        if self.drained.is_set() or self.reconnects > RECONNECTS_MAX:
            return
        task = asyncio.get_running_loop().create_task(self.reconnect())
        self.connecting.add(task)
        task.add_done_callback(self.connecting.discard)

    def notice_end(self, now_ns: int) -> None:
        if now_ns >= self.end_ns > 0 and len(self.idle) == len(self.open):
            self.drained.set()

    def give_up(self) -> None:
        """Count what is still out or was never sent as unfinished."""
        now_ns = time.monotonic_ns()
        self.drained.set()
        for connection in self.open:
            connection.finished = lambda _, outcome: self.outcomes.append(outcome)
            connection.fail("unfinished")
            connection.transport.abort()
        self.outcomes += [Outcome(due, 0, 0, now_ns, 0, "unfinished") for due in self.backlog]


async def generate(settings: LoadSettings) -> dict[str, object]:
    """Run one cell and return its report."""
    run = Run(settings)
    await asyncio.gather(*(run.connect() for _ in range(settings.clients)))
    gc.freeze()
    gc.disable()
    cpu_before = _cpu_s()
    start_ns = time.monotonic_ns() + _LEAD_NS
    measure_ns = start_ns + int(settings.warmup_s * NS_PER_S)
    run.end_ns = measure_ns + int(settings.seconds * NS_PER_S)
    with contextlib.ExitStack() as stack:
        _start(run, start_ns, stack)
        await asyncio.sleep((run.end_ns - time.monotonic_ns()) / NS_PER_S)
        run.notice_end(time.monotonic_ns())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(run.drained.wait(), settings.drain_s)
    wall_s = (time.monotonic_ns() - start_ns) / NS_PER_S
    cpu_share = (_cpu_s() - cpu_before) / wall_s
    run.give_up()
    figures = report(run.outcomes, measure_ns=measure_ns, end_ns=run.end_ns)
    own = {"reconnects": run.reconnects, "generator_cpu_share": cpu_share, "wall_s": wall_s}
    return {"settings": asdict(settings), **figures, **own}


def _start(run: Run, start_ns: int, stack: contextlib.ExitStack) -> None:
    settings = run.settings
    if not settings.rate_per_s:
        for connection in list(run.idle):
            run.idle.remove(connection)
            connection.send(time.monotonic_ns())
        return
    count = int(settings.rate_per_s * (settings.warmup_s + settings.seconds))
    run.schedule = Schedule(start_ns, settings.rate_per_s, count)
    stack.enter_context(ticking(start_ns, NS_PER_S // settings.rate_per_s, run.tick))


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def parse_settings(arguments: list[str] | None = None) -> LoadSettings:
    """Read the command line; see `LoadSettings` for units."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", required=True, help="http://127.0.0.1:PORT of the gateway")
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--rate", type=int, default=0, help="requests per second, 0: closed loop")
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--warmup", type=float, default=1)
    parser.add_argument("--drain", type=float, default=5)
    parser.add_argument("--prompt-bytes", type=int, default=4096)
    parser.add_argument("--answer-bytes", type=int, default=4096)
    parser.add_argument("--parts", type=int, default=32, help="content events of a stream")
    parser.add_argument("--key", default="sk-bench")
    args = parser.parse_args(arguments)
    settings = LoadSettings(
        url=args.url,
        clients=args.clients,
        rate_per_s=args.rate,
        stream=args.stream,
        seconds=args.seconds,
        warmup_s=args.warmup,
        drain_s=args.drain,
        prompt_bytes=args.prompt_bytes,
        answer_bytes=args.answer_bytes,
        parts=args.parts,
        key=args.key,
    )
    settings.check()
    return settings


def main() -> None:
    print(json.dumps(uvloop.run(generate(parse_settings()))))


if __name__ == "__main__":
    main()
