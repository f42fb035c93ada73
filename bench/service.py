"""A service that does nothing: how soon it is ready, what it occupies, how soon it ends.

python -m bench.service                                       an empty ledger
python -m bench.service --entries 10000000 --folder DISK      and one that grew; made if need be
"""

import argparse
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

from bench.growth_home import PASSPHRASE, Clock, Growing, make_home
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
    parser.add_argument("--entries", type=int, default=0, help="of a ledger that grew")
    parser.add_argument("--folder", type=Path, help="where that lies, and stays")
    chosen = parser.parse_args()
    rows = [{"service": name, "entries": 0, **_new(options)} for name, options in KINDS.items()]
    if chosen.entries:
        home = chosen.folder / f"entries-{chosen.entries}"
        _grow(home, chosen.entries)
        for name, options in KINDS.items():
            rows.append({"service": name, "entries": chosen.entries, **_measure(home, options)})
    targets = {"ready_s": 1.0, "pss_mib": 80}
    tell("service", rows, {"machine": machine(), "targets": targets, "service": rows})


def _new(options: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        _run(["--generate-passphrase", *options], Path(folder))  # makes the ledger
        return _measure(Path(folder), options)


def _grow(home: Path, size: int) -> None:
    if not home.exists():
        make_home(home)
        (home / "passphrase").write_bytes(PASSPHRASE)
        (home / "passphrase").chmod(0o600)
    Growing(home, Clock(), Prechecked()).to(size)


def _measure(home: Path, options: list[str]) -> dict[str, Any]:
    _run(options, home)  # what happens once: keys of the gateway and the model
    found = [_run(options, home) for _ in range(TIMES)]
    return {name: round(statistics.median(one[name] for one in found), 3) for name in found[0]}


def _run(options: list[str], home: Path) -> dict[str, float]:
    port, environment = free_port(), {**os.environ, "TALLYSTICK_HOME": str(home)}
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
