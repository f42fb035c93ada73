"""`tally verify` of an answer to an access request."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tallystick.cli.printing import readable
from tallystick.cli.session import Session

if TYPE_CHECKING:
    from tallystick.verify import TrustPolicy

_EXIT: Final = {"verified": 0, "failed": 1, "indeterminate": 3}


def verify_archive(session: Session, file: Path, trust: "TrustPolicy", basis: str) -> int:
    """Verify an archive, and say what came out; return the exit code."""
    from tallystick.verify import NOT_PROVEN, Verdict
    from tallystick.verify.access import examine_archive

    with session.progress("Verifying records") as step:
        report = examine_archive(file, trust, step)
    checks = [*report.answer.checks, *report.checks]
    not_proven = (*NOT_PROVEN, "that this is all that is kept about the person")
    data = {
        "verdict": str(report.verdict),
        "answer": report.answer.subject.hex(),
        "records": report.records,
        "trust": basis,
        "checks": [
            {"what": c.what, "verdict": str(c.verdict), "detail": c.detail, "code": c.code}
            for c in checks
        ],
        "not_proven": not_proven,
    }
    bad = [c for c in checks if c.verdict in {Verdict.FAILED, Verdict.INDETERMINATE}]
    signed = [c.detail for c in report.checks if c.what == "answer" and c not in bad]
    lines = [f"{c.verdict:<13} {readable(c.what)}: {readable(c.detail)}" for c in bad]
    lines.append(f"{report.verdict.upper()}  {report.answer.subject.hex()}")
    lines += [f"  signed  {readable(words)}" for words in signed]
    lines += [f"  records {report.records} about the person verify", f"  trust   {basis}"]
    session.give(data, "\n".join(lines))
    if not session.as_json:
        session.say("not proven: " + "; ".join(not_proven))
    return _EXIT[report.verdict]
