"""What recording costs a program, and how fast a forwarder registers what was recorded.

python -m bench.recorder                     beside ai-audit-trail, where it is installed

A call is 4 kB asked and 4 kB answered, in the thread of the program: for us the intent and the
outcome, in the hands of the operating system; for the peer, which keeps them in memory, its
receipt. Then a service and a forwarder are started, and what was recorded is registered.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.machine import machine
from bench.peers.process import ROOT, free_port
from bench.report import spread, tell
from bench.service import TALLY, ready_at

BYTES = 4000
PEER = ROOT / ".oracles" / "peers" / "audit_trail" / "bin" / "python"
PEER_SCRIPT = ROOT / "bench" / "peers" / "audit_trail" / "peer.py"
PROGRAM = """
import json, sys, time, tallystick
calls, size, pause_s = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
@tallystick.record(model="m")
def answer(question): return reply
@tallystick.record(model="m", durable=True)
def safely(question): return reply
question, reply = "q" * size, "a" * size
def spent(function, calls):
    times = []
    for _ in range(calls):
        began = time.perf_counter(); function(question); times.append(time.perf_counter() - began)
        if pause_s: time.sleep(pause_s)
    return times
spent(answer, 20)
print(json.dumps({"times_s": spent(answer, calls), "durable_s": spent(safely, calls // 20)}))
"""


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, default=20_000)
    chosen = parser.parse_args()
    parent = ROOT / "bench" / "out"
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent) as name:
        folder = Path(name)
        environment = _made(folder)
        rows = [*_calls(environment, chosen.calls)]
        if PEER.exists():
            found = _run([str(PEER), str(PEER_SCRIPT), str(chosen.calls), str(BYTES)], environment)
            rows.append({"what": "ai-audit-trail, in memory", **spread(found["times_s"])})
        forwarded = _forwarded(folder, environment)
    tell("recorder", [*rows, forwarded],
         {"machine": machine(), "targets": {"p50_ms": 0.05, "p99_ms": 0.5}, "calls": rows,
          "forwarder": forwarded})  # fmt: skip


def _made(folder: Path) -> dict[str, str]:
    """Make a ledger and a recorder; return what programs are started with."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
    environment = {**clean, "TALLYSTICK_HOME": str(folder / "home")}
    url = f"http://127.0.0.1:{free_port()}"
    for arguments in (
        ["init", "--origin", "localhost/bench", "--generate-passphrase"],
        ["recorder", "create", "bench", "--to", str(folder / "recorder"), "--url", url],
    ):
        subprocess.run(
            [TALLY, "-q", *arguments], check=True, env=environment, stdout=subprocess.DEVNULL
        )
    return {**environment, "TALLYSTICK_RECORDER": str(folder / "recorder"), "BENCH_URL": url}


def _calls(environment: dict[str, str], calls: int) -> Iterator[dict[str, Any]]:
    """Record with no forwarder beside, as another core would have it, then with pauses."""
    lock = Path(environment["TALLYSTICK_RECORDER"], "forwarder.lock")
    with _held(lock):
        for what, many, pause_s in (("one after the other", calls, 0.0), ("paced", 2000, 0.002)):
            program = [sys.executable, "-c", PROGRAM, str(many), str(BYTES), str(pause_s)]
            found = _run(program, environment)
            yield {"what": f"recorded, {what}", **spread(found["times_s"])}
            yield {"what": f"recorded on disk, {what}", **spread(found["durable_s"])}


@contextmanager
def _held(lock: Path) -> Iterator[None]:
    """Keep programs from starting a forwarder: it is measured by itself."""
    from tallystick.log import WriterLock

    held = WriterLock(lock)
    try:
        yield
    finally:
        held.release()


def _forwarded(folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    port = environment["BENCH_URL"].rpartition(":")[2]
    service = subprocess.Popen(
        [TALLY, "-q", "up", "--port", port, "--no-small-lm"], env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        ready_at(int(port))
        began = time.perf_counter()
        subprocess.run(
            [TALLY, "-q", "recorder", "run", "--until-idle", folder / "recorder"],
            env=environment, check=True, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        seconds = time.perf_counter() - began - 5  # which it waits before it ends
        done = subprocess.run(
            [TALLY, "recorder", "status", "--json"],
            env=environment, check=True, capture_output=True,
        )  # fmt: skip
    finally:
        service.terminate()
        service.wait(30)
    registered = json.loads(done.stdout)["registered"]
    return {"what": "forwarded: statements signed, durable, registered", "n": registered,
            "per_s": round(registered / seconds)}  # fmt: skip


def _run(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(command, check=True, env=environment, capture_output=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
