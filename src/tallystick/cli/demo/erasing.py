"""Step 6: two patients withdraw their consent, their content is erased, and proofs still verify."""

from tallystick.cli.demo.checking import count_verified
from tallystick.cli.demo.story import Story
from tallystick.evidence import Shown, build_bundle
from tallystick.ledger import check_targets, sign_erasures
from tallystick.ledger.creation import OPERATOR
from tallystick.ledger.erasures import Targets
from tallystick.statement import ErasureReason
from tallystick.verify import examine


def erase_cases(story: Story) -> None:
    """Erase the case that the doctor decided about, and one that the model learned from."""
    asked = story.asked
    name, learned = asked.case.name, story.north.training[0].name
    said: Targets = dict.fromkeys((asked.intent, asked.outcome, story.facts.decision))
    indexes = " ".join(str(story.ledger.get(one).index) for one in said)
    index = _erase(story, {**story.ledger.vault.about(name), **said})
    story.stage.done(
        f"the patient of {name} withdraws consent: row, question, answer and decision are erased; "
        f"registered at index {index}",
        f"erase --about {name} --reason consent-withdrawn; tally erase {indexes} --reason …",
    )
    index = _erase(story, story.ledger.vault.about(learned))
    story.stage.done(
        f"so does the patient of {learned}, from which the model learned, at index {index}",
        f"erase --about {learned} --reason consent-withdrawn",
    )


def verify_what_remains(story: Story) -> None:
    """Make the answer's bundle again, and verify it as a stranger would."""
    bundle = build_bundle(story.ledger, story.asked.outcome, Shown(rows=True))
    report = examine(bundle.encode(), story.trust)
    report.raise_unless_verified()
    rows = sum(len(member.rows) for member in bundle.members)
    due = [check.detail for check in report.checks if check.what == "retraining"]
    story.facts.shown |= {"rows_left": rows, "retraining": due}
    story.stage.done(
        f"a new bundle verifies: {count_verified(report)} checks, none failed; it shows {rows} "
        "rows, and says of the rest that it was erased",
        f"export {story.ledger.get(story.asked.outcome).index} --rows",
    )
    for one in due:
        story.stage.note(one)
    story.stage.note("who was given the earlier bundle still has what it shows")


def _erase(story: Story, targets: Targets) -> int:
    """Register that content is erased, which erases it; return the index."""
    check_targets(story.ledger, targets)
    operator = story.ledger.keys.signer(OPERATOR)
    [submission] = sign_erasures(
        operator, targets, ErasureReason.CONSENT_WITHDRAWN, story.ledger.clock()
    )
    return story.ledger.register_one(submission).index
