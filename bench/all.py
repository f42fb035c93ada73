"""Run every bench in turn and keep what they say: `make bench`.

    python -m bench.all                     all of them, about three quarters of an hour
    python -m bench.all start bundle        these only
    python -m bench.all --quick             all of them, small, to see that they run

Writes bench/results/DATE-COMMIT.json. Peers must be installed: `sh bench/peers/setup.sh`. Nothing
else should run meanwhile; each result holds the load average that it began with.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.machine import ROOT, commit, machine

PYTHON = sys.executable
GATEWAY = (
    f"{PYTHON} -m bench.gateway.ours --port {{port}} --upstream {{upstream}} --data {{folder}}"
)
FULL: dict[str, list[str]] = {
    "start": ["bench.start"],
    "service": ["bench.service"],
    "bundle": ["bench.bundle"],
    "rows": ["bench.rows"],
    "journal_layouts": ["bench.journal_layouts"],
    "log_append": ["bench.log_append", "compare"],
    "http_register": ["bench.http_register"],
    "http_register_numbered": ["bench.http_register", "--numbered"],
    "subscribers": ["bench.subscribers"],
    "webhooks": ["bench.webhooks"],
    "gateway": ["bench.gateway.compare", "--gateway", f"ours={GATEWAY}"],
    "small_lm": ["bench.gateway.small_lm"],
    "endurance": ["bench.endurance"],
    "growth": ["bench.growth", "--sizes", "1e4,1e5,1e6,1e7"],
}
QUICK: dict[str, list[str]] = {
    "log_append": ["--rounds", "1", "--seconds", "1"],
    "http_register": ["--rounds", "1", "--statements", "10000"],
    "http_register_numbered": ["--rounds", "1", "--statements", "10000"],
    "subscribers": ["--subscribers", "20", "--rate", "100", "--seconds", "3"],
    "webhooks": ["--seconds", "3"],
    "gateway": ["--rounds", "1", "--seconds", "1", "--workers", "1"],
    "small_lm": ["--rounds", "1", "--tokens", "40"],
    "endurance": ["--minutes", "2"],
    "growth": ["--sizes", "1e4,1e5"],
}
"""What `--quick` adds; the last of two equal options counts."""
SECONDS_MAX = 2 * 3600
_FOLDER = frozenset(
    {"journal_layouts", "log_append", "http_register", "subscribers", "endurance", "growth"}
)
_SETTLE_SECONDS = 5


def run(name: str, folder: Path, *, quick: bool) -> dict[str, Any]:
    """Run one bench in a process of its own; its table goes to standard error as it comes."""
    out = folder / f"{name}.json"
    command = [PYTHON, "-m", *FULL[name], *(QUICK.get(name, []) if quick else [])]
    if FULL[name][0].rpartition(".")[2] in _FOLDER:
        command += ["--folder", str(folder)]
    if name == "gateway":
        command += ["--out", str(out)]
    print(f"\n== {name}: {' '.join(command)}", file=sys.stderr, flush=True)
    began = time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=SECONDS_MAX, check=False
    )
    found: dict[str, Any] = {"command": command[1:], "seconds": round(time.monotonic() - began)}
    if done.returncode:
        return {**found, "failed": done.returncode}
    if out.exists():
        print(done.stdout, file=sys.stderr)
    return {**found, "result": json.loads(out.read_text() if out.exists() else done.stdout)}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FULL))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--folder", type=Path, help="on the disk to measure")
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "results")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - FULL.keys():
        parser.error(f"there is no bench {min(unknown)!r}; there are {', '.join(FULL)}")
    whole: dict[str, Any] = {"machine": machine(), "quick": chosen.quick, "benches": {}}
    for name in chosen.names or FULL:
        with tempfile.TemporaryDirectory(dir=chosen.folder, prefix="tally-bench-") as folder:
            whole["benches"][name] = run(name, Path(folder), quick=chosen.quick)
        time.sleep(_SETTLE_SECONDS)
    path = keep(whole, chosen.out)
    print(f"\nwritten to {path}", file=sys.stderr)
    failed = [name for name, found in whole["benches"].items() if "failed" in found]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def keep(whole: dict[str, Any], folder: Path) -> Path:
    """Write the results under date and commit."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{datetime.now(UTC):%Y-%m-%d}-{commit()}.json"
    path.write_text(json.dumps(whole, indent=1) + "\n")
    return path


if __name__ == "__main__":
    sys.exit(main())
