"""Coverage-guided fuzzing of every entry point that reads bytes nobody vouches for.

    python -m tests.fuzz.run --seconds 60              all targets, one after the other
    python -m tests.fuzz.run --seconds 60 receipt note these

The time is for all targets together. Inputs that reach something new are kept in `.fuzz/NAME/`
and are where the next run begins. An input that breaks a target is written to `.fuzz/broken/`:
fix the defect, then move the input to `tests/fuzz/found/NAME/`, where every test run has it.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

WORK = Path(".fuzz")
BROKEN = WORK / "broken"
INPUT_BYTES_MAX = 20_000
MEMORY_MIB_MAX = 2048
CALL_SECONDS_MAX = 20
_RUNS = re.compile(r"Done (\d+) runs in (\d+) second")


def fuzz_one(name: str, seconds: int) -> None:
    """Fuzz one target in this process; ends the process."""
    import atheris

    with atheris.instrument_imports(include=["tallystick", "cbor2"]):
        from tests.fuzz.targets import TARGETS, found
    target, corpus = TARGETS[name], WORK / name
    corpus.mkdir(parents=True, exist_ok=True)
    BROKEN.mkdir(parents=True, exist_ok=True)
    for at, seed in enumerate([*target.seeds, *found(name)]):
        (corpus / f"seed-{at:03}").write_bytes(seed)
    options = {
        "max_total_time": seconds,
        "max_len": INPUT_BYTES_MAX,
        "rss_limit_mb": MEMORY_MIB_MAX,
        "timeout": CALL_SECONDS_MAX,
        "artifact_prefix": f"{BROKEN}/{name}-",
        "print_final_stats": 1,
        "verbosity": 0,
    }
    arguments = [f"-{option}={value}" for option, value in options.items()]
    atheris.Setup([sys.argv[0], *arguments, str(corpus)], target.accepts)
    atheris.Fuzz()


def fuzz_all(names: list[str], seconds: int) -> int:
    """Fuzz each target in a process of its own; return how many broke."""
    share, broken, executions = max(1, seconds // len(names)), 0, 0
    for name in names:
        command = [sys.executable, "-m", "tests.fuzz.run", "--only", name, "--seconds", str(share)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        ran = (
            int(match[1])
            if (match := re.search(r"number_of_executed_units: (\d+)", done.stderr))
            else 0
        )
        executions += ran
        sys.stdout.write(f"{name:20} {ran:9} inputs {ran / share:9.0f} /s\n")
        if done.returncode:
            broken += 1
            sys.stdout.write(done.stderr[-4000:] + "\n")
        sys.stdout.flush()
    sys.stdout.write(f"{executions} inputs for {len(names)} targets, {broken} broke\n")
    return broken


def main() -> int:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Fuzz entry points for bytes.")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--only", help="fuzz this target in this process")
    parser.add_argument("names", nargs="*")
    chosen = parser.parse_args()
    if chosen.only:
        fuzz_one(chosen.only, chosen.seconds)
        return 0
    from tests.fuzz.targets import TARGETS

    quick = [name for name, target in TARGETS.items() if not target.slow]
    return 1 if fuzz_all(chosen.names or quick, chosen.seconds) else 0


if __name__ == "__main__":
    sys.exit(main())
