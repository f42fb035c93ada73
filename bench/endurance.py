"""A service under constant load for a while: memory and open files must stay where they are.

python -m bench.endurance --minutes 30

AI calls, half of them streamed, go through the gateway of `tally up` to a load upstream, at a
constant rate, minute after minute; after each, memory and open files of all its processes are
looked at. The first minutes fill caches: what counts is the growth over the second half.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.gateway.targets import load_upstream
from bench.machine import machine
from bench.peers.process import ROOT, free_port
from bench.report import tell
from bench.service import READY_SECONDS_MAX, TALLY, children_of, ready_at

SEGMENT_SECONDS = 58
MINUTES_MAX = 120


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=int, default=30, choices=range(2, MINUTES_MAX + 1))
    parser.add_argument("--rate", type=int, default=100, help="calls per second")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--folder", type=Path, help="on the disk to use")
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=chosen.folder) as folder,
        load_upstream([]) as upstream,
    ):
        rows = _measure(Path(folder), upstream, chosen)
    half = len(rows) // 2
    grown = {
        name: rows[-1][name] - rows[half][name] for name in ("rss_mib", "open_files", "threads")
    }
    about = {"machine": machine(), "options": vars(chosen) | {"folder": None}}
    tell("endurance", rows, {**about, "grown_in_second_half": grown, "endurance": rows})
    print(f"grown in the second half: {json.dumps(grown)}", file=sys.stderr)


def _measure(home: Path, upstream: str, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    port = free_port()
    command = [str(TALLY), "up", "--port", str(port), "--upstream", f"{upstream}/v1"]
    with subprocess.Popen(
        [*command, "--generate-passphrase"],
        env={**os.environ, "TALLYSTICK_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            ready_at(port)
            kinds = itertools.cycle(([], ["--stream"]))
            return [
                {"minute": minute, **_load(port, chosen, next(kinds)), **_occupied(process.pid)}
                for minute in range(1, chosen.minutes + 1)
            ]
        finally:
            process.terminate()
            process.wait(READY_SECONDS_MAX)


def _load(port: int, chosen: argparse.Namespace, kind: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.gateway.load", "--url", f"http://127.0.0.1:{port}"]
    command += ["--clients", str(chosen.clients), "--rate", str(chosen.rate), *kind]
    command += ["--seconds", str(SEGMENT_SECONDS), "--warmup", "1"]
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=180
    )
    figures = json.loads(done.stdout)
    time.sleep(1)  # what was said is registered
    return {
        "per_s": round(figures["achieved_per_s"], 1),
        "p99_ms": round(figures["latency"]["p99_ms"], 1),
        "not_ok": sum(figures["errors"].values()),
    }


def _occupied(pid: int) -> dict[str, Any]:
    """Return what a process and those that it started occupy."""
    folders = [Path(f"/proc/{one}") for one in (pid, *children_of(pid))]
    status = [line for folder in folders for line in (folder / "status").read_text().splitlines()]

    def total(name: str) -> int:
        return sum(int(line.split()[1]) for line in status if line.startswith(name + ":"))

    return {
        "rss_mib": round(total("VmRSS") / 1024, 1),
        "threads": total("Threads"),
        "open_files": sum(len(os.listdir(folder / "fd")) for folder in folders),  # noqa: PTH208
    }


if __name__ == "__main__":
    main()
