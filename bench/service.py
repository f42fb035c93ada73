"""A service that does nothing: how soon it is ready, what it occupies, how soon it ends.

python -m bench.service                                       an empty ledger
python -m bench.service --entries 1e4,1e7 --folder DISK       and some that grew; made if need be
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.growth_home import PASSPHRASE, Clock, Growing, make_home
from bench.installed import as_installed
from bench.machine import machine
from bench.made import Prechecked
from bench.peers.process import free_port
from bench.report import tell

KINDS = {"service alone": ["--no-small-lm"], "with gateway and small-lm": []}
TIMES = 5
READY_SECONDS_MAX = 30
SETTLE_SECONDS = 2
TALLY = Path(sys.executable).parent / "tally"


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--entries", default="", help="of ledgers that grew, such as 1e4,1e7")
    parser.add_argument("--folder", type=Path, help="where they lie, and stay")
    chosen = parser.parse_args()
    grown = [(size, chosen.folder / f"entries-{size}") for size in sizes(chosen.entries)]
    for size, home in grown:
        _grow(home, size)
    with as_installed() as environment:
        rows = [{"service": n, "entries": 0, **_new(o, environment)} for n, o in KINDS.items()]
        for size, home in grown:
            for name, options in KINDS.items():
                found = _measure(home, options, environment)
                rows.append({"service": name, "entries": size, **found})
    targets = {"ready_s": 1.0, "pss_mib": 80}
    tell("service", rows, {"machine": machine(), "targets": targets, "service": rows})


def sizes(text: str) -> list[int]:
    """Return how large ledgers shall be; none where nothing is said."""
    return [int(float(size)) for size in text.split(",") if size]


def _new(options: list[str], environment: Mapping[str, str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        _run(["--generate-passphrase", *options], Path(folder), environment)  # makes the ledger
        return _measure(Path(folder), options, environment)


def _grow(home: Path, size: int) -> None:
    if not home.exists():
        make_home(home)
        (home / "passphrase").write_bytes(PASSPHRASE)
        (home / "passphrase").chmod(0o600)
    Growing(home, Clock(), Prechecked()).to(size)


def _measure(home: Path, options: list[str], environment: Mapping[str, str]) -> dict[str, Any]:
    """Return medians; beside the clock the shortest and the processor time, for others may run."""
    _run(options, home, environment)  # what happens once: compiling, keys of gateway and model
    found = [_run(options, home, environment) for _ in range(TIMES)]
    medians = {name: statistics.median(one[name] for one in found) for name in found[0]}
    medians["ready_least_s"] = min(one["ready_s"] for one in found)
    return {name: round(value, 3) for name, value in medians.items()}


def _run(options: list[str], home: Path, environment: Mapping[str, str]) -> dict[str, float]:
    port, environment = free_port(), {**environment, "TALLYSTICK_HOME": str(home)}
    began = time.perf_counter()
    with subprocess.Popen(
        [TALLY, "up", "--port", str(port), *options],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        ready = ready_at(port) - began
        used = _processor_seconds(process.pid)
        time.sleep(SETTLE_SECONDS)
        occupied, processes = _occupied(process.pid)
        ending = time.perf_counter()
        process.terminate()
        process.wait(READY_SECONDS_MAX)
        ended = time.perf_counter() - ending
    return {
        "ready_s": ready,
        "ready_processor_s": used,
        "pss_mib": occupied,
        "processes": processes,
        "end_s": ended,
    }


def ready_at(port: int) -> float:
    url, until = f"http://127.0.0.1:{port}/readyz", time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < until:
        with suppress(OSError), urllib.request.urlopen(url, timeout=1):
            return time.perf_counter()
        time.sleep(0.005)
    raise TimeoutError(f"not ready within {READY_SECONDS_MAX} s")


def children_of(pid: int) -> list[int]:
    """Return the processes that any thread of a process started."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(one) for each in threads for one in (each / "children").read_text().split()]


def _processor_seconds(pid: int) -> float:
    """Return what a process has used, in itself and for the system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _occupied(pid: int) -> tuple[float, int]:
    """Return the memory of a process and those it started, shared pages by their share, in MiB."""
    pids = [pid, *children_of(pid)]
    lines = [
        line for one in pids for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
    ]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024, len(pids)


if __name__ == "__main__":
    main()
