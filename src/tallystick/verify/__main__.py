"""`python -m tallystick.verify FILE --policy POLICY`: the verifier by itself.

For machines that have nothing of Tallystick but this package. `tally verify` says more.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tallystick.errors import IndeterminateError, TallystickError
from tallystick.statement import parse_vkey
from tallystick.verify import (
    NOT_PROVEN,
    Report,
    TrustPolicy,
    Verdict,
    examine,
    log_policy,
    parse_policy,
)

_EXIT = {Verdict.VERIFIED: 0, Verdict.FAILED: 1, Verdict.INDETERMINATE: 3}


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify one bundle; return 0 verified, 1 failed, 2 usage, 3 indeterminate."""
    parser = argparse.ArgumentParser(prog="tally-verify", description="Verify an evidence bundle.")
    parser.add_argument("file", type=Path)
    trust = parser.add_mutually_exclusive_group()
    trust.add_argument("--policy", type=Path, help="trust policy (C2SP tlog-policy)")
    trust.add_argument("--log", metavar="VKEY", help="believe this log alone")
    chosen = parser.parse_args(arguments)
    try:
        report = examine(chosen.file.read_bytes(), _trust(chosen.policy, chosen.log))
    except (TallystickError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return getattr(error, "exit_code", 2)
    sys.stdout.write("".join(f"{line}\n" for line in _lines(report)))
    return _EXIT[report.verdict]


def _trust(policy: Path | None, vkey: str | None) -> TrustPolicy:
    if policy is not None:
        return parse_policy(policy.read_bytes())
    if vkey is not None:
        return log_policy(parse_vkey(vkey))
    raise IndeterminateError("nobody says whose checkpoints to believe: give --policy or --log")


def _lines(report: Report) -> list[str]:
    checks = [f"{check.verdict:<13} {check.what}: {check.detail}" for check in report.checks]
    return [
        *checks,
        f"{report.verdict.upper()} {report.subject.hex()}",
        f"shown: {report.shown}",
        "not proven: " + "; ".join(NOT_PROVEN),
    ]


if __name__ == "__main__":
    sys.exit(main())
