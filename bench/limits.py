"""What the machine can do at most: every figure is also given as a share of one of these."""

import os
import statistics
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from tallystick.identity import fastest_equation, generate
from tallystick.log import PosixDisk

SECONDS_EACH = 1.0


def limits(folder: Path) -> dict[str, float]:
    """Measure hashes, signature checks and syncs, on one core and on the disk of `folder`."""
    return {
        "sha256_65_bytes_per_s": _hashes(),
        "ed25519_checks_per_s": _checks(),
        "fdatasync_p50_ms": _syncs(folder),
    }


def rate(step: Callable[[], object], seconds: float = SECONDS_EACH, chunk: int = 1) -> float:
    """Repeat a step for some seconds and return how often per second it ran."""
    count, began = 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        for _ in range(chunk):
            step()
        count += chunk
    return count / passed


def _hashes() -> float:
    data = os.urandom(65)
    return rate(lambda: sha256(data).digest(), chunk=1000)


def _checks() -> float:
    signer, equation, message = generate(), fastest_equation(), os.urandom(300)
    signature, public = signer.sign(message), signer.public.raw
    return rate(lambda: equation(public, signature, message), chunk=50)


def _syncs(folder: Path) -> float:
    folder.mkdir(parents=True, exist_ok=True)
    file = PosixDisk().block_file(folder / "sync", 1 << 20)
    times = []
    for number in range(500):
        began = time.perf_counter()
        file.pwrite(b"x" * 4096, number % 200 * 4096)
        file.datasync()
        times.append(1000 * (time.perf_counter() - began))
    file.close()
    return statistics.median(times)
