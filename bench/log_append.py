"""Durable append in the log layer, beside Tessera; and how it grows to ten million entries.

    python -m bench.log_append compare            ours and Tessera in turn
    python -m bench.log_append grow --to 10000000 rates, receipts, opening and memory by size

An append is answered when the batch is synced and a signed checkpoint covers it. Bundles, tiles
and their checkpoint are written meanwhile, as the service does it, and are part of the time.
"""

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.limits import limits
from bench.machine import machine
from bench.peers.tessera.peer import measure
from tallystick.identity import SoftwareSigner, generate
from tallystick.log import EmbeddedLog, HalfwayStore, LogKey, Places, PosixDisk
from tallystick.statement import KeyKind, VerifierKey, receipt_header, sign_receipt

ENTRY_BYTES = 512
BATCH = 256
PUBLISH_SECONDS = 0.1
SIGNER = SoftwareSigner(KeyKind.ED25519, b"b" * 32)
KEY = LogKey(VerifierKey("localhost/bench", 1, SIGNER.public.raw), SIGNER.sign)


@contextmanager
def opened(folder: Path) -> Iterator[EmbeddedLog]:
    """Open a log that publishes by itself."""
    places = Places(folder / "log", folder / "journal", folder / "head")
    halfway = HalfwayStore(folder / "halfway", writable=True)
    log = EmbeddedLog(places, KEY, PosixDisk(), os.urandom, halfway)
    closing = threading.Event()

    def publish() -> None:
        while not closing.wait(PUBLISH_SECONDS):
            log.integrate()

    publisher = threading.Thread(target=publish)
    publisher.start()
    try:
        yield log
    finally:
        closing.set()
        publisher.join()
        log.close()


def append_for(log: EmbeddedLog, seconds: float, batch: int) -> dict[str, float]:
    """Append fresh batches for some seconds; integrate what is left within the measured time."""
    pool = os.urandom(ENTRY_BYTES * 4096)
    times, count, began = [], 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        entries = [_entry(pool, count + at) for at in range(batch)]
        at = time.perf_counter()
        log.append(entries)
        times.append(1000 * (time.perf_counter() - at))
        count += batch
    log.integrate()
    cuts = statistics.quantiles(times, n=100)
    rate = count / (time.perf_counter() - began)
    return {"per_s": rate, "p50_ms": cuts[49], "p99_ms": cuts[98], "max_ms": max(times)}


def _entry(pool: bytes, number: int) -> bytes:
    at = number % 4000 * ENTRY_BYTES
    return number.to_bytes(8) + pool[at + 8 : at + ENTRY_BYTES]


def ours(folder: Path, seconds: float, batch: int) -> dict[str, float]:
    """Measure a fresh log."""
    with opened(folder) as log:
        result = append_for(log, seconds, batch)
        size = log.snapshot.checkpoint.size
    stored = sum(p.stat().st_size for p in (folder / "log").rglob("*") if p.is_file())
    stored += (folder / "halfway").stat().st_size
    result["overhead_bytes_per_entry"] = stored / size - ENTRY_BYTES
    return result


def compare(folder: Path, rounds: int, seconds: float) -> dict[str, Any]:
    """Measure ours and Tessera in turn, so that the machine's moods hit both."""
    found: dict[str, list[Any]] = {}
    peers = {
        "tessera 512 adders, until index": ("throughput", 512, "index"),
        "tessera 2048 adders, until checkpoint": ("throughput", 2048, "checkpoint"),
        "tessera lone adder, until index": ("latency", 1, "index"),
        "tessera lone adder, until checkpoint": ("latency", 1, "checkpoint"),
    }
    for turn in range(rounds):
        for name, batch in (("ours batches of 256", BATCH), ("ours lone writer", 1)):
            found.setdefault(name, []).append(ours(folder / f"o{turn}{batch}", seconds, batch))
            shutil.rmtree(folder / f"o{turn}{batch}")
        for name, (preset, adders, until) in peers.items():
            place = folder / f"t{turn}{adders}{until}"
            place.mkdir()
            result = measure(place, preset=preset, adders=adders, until=until, seconds=seconds)  # type: ignore[arg-type]
            found.setdefault(name, []).append(result)
            shutil.rmtree(place, ignore_errors=True)
    return found


def grow(folder: Path, to: int) -> list[dict[str, Any]]:
    """Measure at 10^4, 10^5, … entries; each size in a fresh process, as after a restart."""
    rows, size = [], 0
    for exponent in range(4, 16):
        target = 10**exponent
        if target > to:
            break
        _fill(folder, target - size)
        size = target
        command = [sys.executable, "-m", "bench.log_append", "at", "--folder", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append(json.loads(done.stdout))
        size = rows[-1].pop("grown_to")
        print(json.dumps(rows[-1]), file=sys.stderr)
    return rows


def _fill(folder: Path, count: int) -> None:
    pool = os.urandom(ENTRY_BYTES * 4096)
    with opened(folder) as log:
        for first in range(0, count, 1024):
            batch = range(first, min(count, first + 1024))
            log.append([_entry(pool, number) for number in batch])


def at_size(folder: Path) -> dict[str, Any]:
    """Measure one log as it lies there: opening, receipts at random indexes, further appends."""
    began = time.perf_counter()
    with opened(folder) as log:
        opening = time.perf_counter() - began
        snapshot = log.snapshot
        size, signer = snapshot.checkpoint.size, generate()
        receipts = _receipts(snapshot, signer)
        before = _memory_mib()
        appended = append_for(log, 3, BATCH)
        return {
            "size": size,
            "open_s": round(opening, 4),
            "receipts_per_s": round(receipts),
            "append_per_s": round(appended["per_s"]),
            "append_p99_ms": round(appended["p99_ms"], 2),
            "peak_mib": round(_memory_mib()),
            "peak_mib_before_appending": round(before),
            "grown_to": log.snapshot.checkpoint.size,
        }


def _receipts(snapshot: Any, signer: SoftwareSigner, count: int = 3000) -> float:
    claim, key_id = snapshot.checkpoint, signer.public.thumbprint()
    chosen = [random.randrange(claim.size) for _ in range(count)]
    began = time.perf_counter()
    for index in chosen:
        protected = receipt_header(
            algorithm=signer.algorithm,
            key_id=key_id,
            origin=claim.origin,
            subject="urn:bench",
            size=claim.size,
            index=index,
        )
        path = snapshot.reader.inclusion_path(index)
        sign_receipt(protected, claim.root, claim.size, index, path, signer.sign)
    return count / (time.perf_counter() - began)


def _memory_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Run one of the measurements and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["compare", "grow", "at"])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--to", type=int, default=10**6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    chosen = parser.parse_args()
    if chosen.what == "at":
        print(json.dumps(at_size(chosen.folder)))
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder, about = Path(name), {"machine": machine(), "limits": limits(Path(name))}
        if chosen.what == "compare":
            result: Any = compare(folder, chosen.rounds, chosen.seconds)
        else:
            result = grow(folder, chosen.to)
    print(json.dumps({**about, chosen.what: result}, indent=1))


if __name__ == "__main__":
    main()
