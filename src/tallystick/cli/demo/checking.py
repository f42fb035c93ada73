"""Step 5: anyone can verify an answer, and see what was tampered with."""

from pathlib import Path

from tallystick.cli.demo.story import Story
from tallystick.cli.demo.tamper import tamper_answer, tamper_log, tamper_row
from tallystick.evidence import Shown, build_bundle
from tallystick.ledger.maintenance import check
from tallystick.verify import Report, Verdict, examine, parse_bundle


def export(story: Story) -> Path:
    """Write the evidence bundle of one answer, down to the rows behind it."""
    bundle = build_bundle(story.ledger, story.asked.outcome, Shown(rows=True))
    index = story.ledger.get(story.asked.outcome).index
    path = story.ledger.home.root / "answer.tally.json"
    path.write_bytes(bundle.encode())
    story.stage.done(
        f"wrote {path.name}: the answer and the {len(bundle.members) - 1} statements it "
        f"rests on, {path.stat().st_size // 1024} KiB",
        f"export {index} --rows -o {path.name}",
    )
    return path


def verify(story: Story, path: Path) -> None:
    """Verify the bundle as a stranger would."""
    data = path.read_bytes()
    report = examine(data, story.trust)
    report.raise_unless_verified()
    rows = sum(len(member.rows) for member in parse_bundle(data).members)
    known = report.known[story.asked.intent]  # an intent names for whom the model is asked
    story.facts.shown |= {"checks": count_verified(report), "rows_verified": rows}
    story.facts.shown |= {"originator": known.principal, "assurance": known.assurance}
    story.stage.done(
        f"verified offline, from the answer to the {rows} rows that its clinics registered: "
        f"{count_verified(report)} checks, none failed",
        f"verify {path} --policy {story.ledger.home.trust}",
    )
    story.stage.note(f"answered for {known.principal}, the doctor, known by: {known.assurance}")


def count_verified(report: Report) -> int:
    """Count the checks that passed."""
    return sum(check.verdict is Verdict.VERIFIED for check in report.checks)


def tamper(story: Story, path: Path) -> None:
    """Change one byte of the ledger, of the answer, and of a row; see what is said."""
    with story.copy() as copy:
        where = tamper_log(copy.home.places().public)
        damage = check(copy.home).damage
    story.stage.refused(f"{where} changed: {damage[0].what}", "fsck")
    story.facts.shown["tampered"] = [damage[0].what]
    for changed in (
        tamper_answer(path.read_bytes(), story.asked.outcome),
        tamper_row(path.read_bytes()),
    ):
        report = examine(changed.data, story.trust)
        story.stage.refused(f"{changed.where} changed: {_failures(report)[0]}", "verify")
        story.facts.shown["tampered"].append(_failures(report)[0])


def _failures(report: Report) -> list[str]:
    return [check.detail for check in report.checks if check.verdict is Verdict.FAILED]
