"""Run the Tessera bench program and return what it saw.

    figures = measure(folder, preset="throughput", adders=512, until="index", seconds=5)

`sh bench/peers/setup.sh tessera` builds it; README.md in `bench/peers` explains presets and
figures.
"""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Literal

from bench.peers.process import PEERS, PeerError

_BINARY = PEERS / "bin" / "tessera-bench"
_GRACE_S = 180.0  # fsck after the run, slowest disk seen


def measure(
    folder: Path,
    *,
    preset: Literal["defaults", "throughput", "latency"],
    adders: int,
    until: Literal["index", "checkpoint"],
    seconds: float = 5,
    warmup_s: float = 1,
    entry_bytes: int = 512,
) -> dict[str, Any]:
    """Append to a fresh log under `folder` and return the program's JSON object.

    Args:
        folder: On the disk to be measured; the log in it is removed again.
        preset: Tessera's options.
        adders: Adders at once; each waits for its entry before it adds the next.
        until: What an adder waits for: the durable index, or a published checkpoint over it.
        seconds: Time that is measured.
        warmup_s: Time before, not measured.
        entry_bytes: Length of one entry.

    Raises:
        PeerError: It is not built, or failed, or its log did not pass Tessera's own check.
    """
    if not _BINARY.exists():
        raise PeerError("not installed: sh bench/peers/setup.sh tessera")
    with tempfile.TemporaryDirectory(prefix="tessera-", dir=folder) as fresh:
        command = [str(_BINARY), f"-dir={fresh}/log", f"-preset={preset}", f"-adders={adders}"]
        command += [f"-until={until}", f"-for={seconds}s", f"-warmup={warmup_s}s"]
        command += [f"-entry-bytes={entry_bytes}"]
        timeout_s = seconds + warmup_s + _GRACE_S
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=timeout_s
        )
    if done.returncode != 0:
        raise PeerError(f"tessera-bench failed: {done.stderr.strip()}")
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures
