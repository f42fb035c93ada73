"""A service that does nothing: how soon it is ready, what it occupies, how soon it ends.

python -m bench.service
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.machine import machine
from bench.peers.process import free_port
from bench.report import tell

TIMES = 5
READY_SECONDS_MAX = 30
SETTLE_SECONDS = 2
TALLY = Path(sys.executable).parent / "tally"


def main() -> None:
    """Measure and print JSON."""
    kinds = {"service alone": ["--no-small-lm"], "with gateway and small-lm": []}
    rows = [{"service": name, **_measure(options)} for name, options in kinds.items()]
    targets = {"ready_s": 1.0, "pss_mib": 80}
    tell("service", rows, {"machine": machine(), "targets": targets, "service": rows})


def _measure(options: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "TALLYSTICK_HOME": folder}
        _run(["--generate-passphrase", *options], environment)  # makes the ledger
        found = [_run(options, environment) for _ in range(TIMES)]
    return {name: round(statistics.median(one[name] for one in found), 3) for name in found[0]}


def _run(options: list[str], environment: dict[str, str]) -> dict[str, float]:
    port = free_port()
    began = time.perf_counter()
    with subprocess.Popen(
        [TALLY, "up", "--port", str(port), *options],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        ready = ready_at(port) - began
        time.sleep(SETTLE_SECONDS)
        occupied, processes = _occupied(process.pid)
        ending = time.perf_counter()
        process.terminate()
        process.wait(READY_SECONDS_MAX)
        ended = time.perf_counter() - ending
    return {"ready_s": ready, "pss_mib": occupied, "processes": processes, "end_s": ended}


def ready_at(port: int) -> float:
    url, until = f"http://127.0.0.1:{port}/readyz", time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < until:
        with suppress(OSError), urllib.request.urlopen(url, timeout=1):
            return time.perf_counter()
        time.sleep(0.005)
    raise TimeoutError(f"not ready within {READY_SECONDS_MAX} s")


def _occupied(pid: int) -> tuple[float, int]:
    """Return the memory of a process and those it started, shared pages by their share, in MiB."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    pids = [pid, *map(int, children)]
    lines = [
        line for one in pids for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
    ]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024, len(pids)


if __name__ == "__main__":
    main()
