"""How long the command takes to start: a person waits for it each time.

python -m bench.start
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.installed import as_installed
from bench.machine import machine
from bench.report import spread, tell, timed

TIMES = 30
TARGET_MS = 150
COMMANDS = (["--version"], ["--help"], ["verify", "--help"], ["up", "--help"])
TALLY = Path(sys.executable).parent / "tally"


def main() -> None:
    commands = {"python -c pass": [sys.executable, "-c", "pass"]}
    commands |= {f"tally {' '.join(c)}": [str(TALLY), *c] for c in COMMANDS}
    with as_installed() as environment:
        rows = [{"command": n, **_measure(c, environment)} for n, c in commands.items()]
    tell("start", rows, {"machine": machine(), "target_p50_ms": TARGET_MS, "start": rows})


def _measure(command: list[str], environment: Mapping[str, str]) -> dict[str, Any]:
    """Start a command often; its processor time tells more than the clock where others run."""

    def start() -> None:
        # Without a timeout: with one, Python looks every 50 ms whether the process has ended.
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)

    start()  # compiles what was not compiled yet
    before = os.times()
    found = spread([timed(start) for _ in range(TIMES)])
    after = os.times()
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    return {**found, "processor_ms": round(1000 * used / TIMES, 1)}


if __name__ == "__main__":
    main()
