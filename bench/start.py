"""How long the command takes to start: a person waits for it each time.

python -m bench.start
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.machine import machine
from bench.report import spread, tell, timed

TIMES = 30
TARGET_MS = 150
COMMANDS = (["--version"], ["--help"], ["verify", "--help"], ["up", "--help"])
TALLY = Path(sys.executable).parent / "tally"


def main() -> None:
    commands = {"python -c pass": [sys.executable, "-c", "pass"]}
    commands |= {f"tally {' '.join(c)}": [str(TALLY), *c] for c in COMMANDS}
    rows = [{"command": name, **_measure(command)} for name, command in commands.items()]
    tell("start", rows, {"machine": machine(), "target_p50_ms": TARGET_MS, "start": rows})


def _measure(command: list[str]) -> dict[str, Any]:
    def start() -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=30)

    start()  # compiles what was not compiled yet
    return spread([timed(start) for _ in range(TIMES)])


if __name__ == "__main__":
    main()
