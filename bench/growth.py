"""How everything grows with the log: rates, times, memory and bytes at 10^4 to 10^7 entries.

    python -m bench.growth --sizes 1e4,1e5,1e6,1e7 --folder /var/tmp

One ledger grows from size to size through `Ledger.register`, in batches of 2048, with all that
admission does: rules, search for retries, journal, tiles, index. Left out are making statements
and checking their signatures (`bench.made`). At each size the ledger is copied, opened in a fresh
process, measured, and thrown away, so that measuring does not make it grow. The page cache is
warm. About 15 minutes and 8 GiB for 10^7 entries on two cores.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.growth_at import PASSES
from bench.growth_home import Clock, Growing, clone, make_home, stored_bytes
from bench.limits import limits
from bench.machine import machine
from bench.made import Prechecked
from bench.report import tell


def grow(folder: Path, sizes: list[int]) -> list[dict[str, Any]]:
    """Grow one ledger from size to size and measure it at each."""
    home, rows = folder / "home", []
    make_home(home)
    for size in sizes:
        built = _child("build", home, size)
        row: dict[str, Any] = {"size": built["size"], "build": built}
        row["bytes"] = stored_bytes(home)
        for name in PASSES:
            at = clone(home, folder / "at")
            row[name] = _child(name, at, size)
            shutil.rmtree(at)
        rows.append(row)
        print(json.dumps(row), file=sys.stderr, flush=True)
    return rows


def _child(what: str, home: Path, size: int) -> Any:
    """Run one step in a fresh process, as after a restart."""
    command = [sys.executable, "-m", "bench.growth", "--step", what]
    command += ["--folder", str(home), "--sizes", str(size)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one line per figure and one column per size."""
    lines = [
        ("log append /s", "log", "append_per_s"),
        ("log append p99 ms", "log", "append_p99_ms"),
        ("log append peak MiB", "log", "peak_mib"),
        ("register /s", "register", "per_s"),
        ("register p99 ms", "register", "p99_ms"),
        ("register peak MiB", "register", "peak_mib"),
        ("lone register to receipt p50 ms", "lone", "p50_ms"),
        ("lone register to receipt p99 ms", "lone", "p99_ms"),
        ("receipts /s", "read", "receipts_per_s"),
        ("open s", "read", "open_s"),
        ("open to read s", "reader", "open_s"),
        ("build /s", "build", "per_s"),
        ("build peak MiB", "build", "peak_mib"),
        ("bytes beyond entries", "bytes", "log_beyond_entries"),
        ("bytes beyond entries, with index", "bytes", "with_index"),
        ("fsck s", "fsck", "seconds"),
    ]
    found = [{"": name, **{_of(r): r[part][key] for r in rows}} for name, part, key in lines]
    for name in rows[0]["read"]["queries"]:
        for part in ("p50_ms", "p99_ms"):
            label = f"{name} {part.replace('_', ' ')}"
            found.append({"": label, **{_of(r): r["read"]["queries"][name][part] for r in rows}})
    return found


def _of(row: dict[str, Any]) -> str:
    return f"{row['size']:,}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", default="1e4,1e5,1e6,1e7")
    parser.add_argument("--folder", type=Path, help="on the disk to measure")
    parser.add_argument("--step", choices=["build", *PASSES], help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    sizes = sorted(int(float(text)) for text in chosen.sizes.split(","))
    if chosen.step == "build":
        growing = Growing(chosen.folder, Clock(), Prechecked())
        print(json.dumps(growing.to(sizes[0])))
        return
    if chosen.step:
        print(json.dumps(PASSES[chosen.step](chosen.folder)))
        return
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=chosen.folder, prefix="tally-growth-") as name:
        folder = Path(name)
        about = {"machine": machine(), "limits": limits(folder)}
        rows = grow(folder, sizes)
    seconds = round(time.perf_counter() - began)
    tell("growth", table(rows), {**about, "seconds": seconds, "growth": rows})


if __name__ == "__main__":
    main()
