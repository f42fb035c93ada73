"""Step 4: the model answers through the gateway, and a doctor decides about one answer."""

from tallystick.capture import ApiKeys, originator_of
from tallystick.cli.demo.asking import Asked, ask, wait_for
from tallystick.cli.demo.story import DOCTOR, Story
from tallystick.evidence import sign_fields
from tallystick.statement import Relation
from tallystick.statement.governance import IssuerKind, StatementType


def ask_all(story: Story, url: str) -> list[Asked]:
    """Let a doctor ask about every held-out case, through the gateway."""
    doctor = story.make_issuer(DOCTOR, IssuerKind.PERSON).public.did()
    keys = ApiKeys(story.ledger.home.api_keys, story.ledger.api_secret)
    token, _ = keys.create(originator_of(story.ledger, doctor), now=story.ledger.clock())
    story.stage.done("made an API key that stands for the doctor", f"keys api create {DOCTOR}")
    cases = [*story.north.held_out, *story.south.held_out]
    asked = list(ask(url, token, cases))
    right = sum(one.right for one in asked)
    last = wait_for(story.ledger, asked[-1].outcome)
    story.stage.done(
        f"the model answered {len(asked)} prompts, {right} of them rightly; each prompt, "
        f"answer, parameter and originator is registered, up to index {last.index}",
        "find --type inference",
    )
    story.facts.shown["asked"], story.facts.shown["right"] = len(asked), right
    return asked


def decide(story: Story, asked: list[Asked]) -> None:
    """Let the doctor decide about one answer: a wrong one, if there is any."""
    one = next((a for a in asked if not a.right), asked[0])
    outcome = "accept" if one.right else "override"
    story.stage.note(f"asked: … {one.case.question()[-60:]}")
    story.stage.note(f"answered: {one.answer}")
    answered = wait_for(story.ledger, one.outcome)
    submission = sign_fields(
        story.issuers.signer(DOCTOR),
        StatementType.DECISION,
        {
            "outcome": outcome,
            "reason": f"the tissue was examined: {one.case.diagnosis}",
            "shown": one.answer,
        },
        issued_at=story.ledger.clock(),
        links={Relation.DECIDED_ON: (answered.statement.id,)},
    )
    registered = story.ledger.register_one(submission)
    story.facts.asked, story.facts.decision = one, registered.id
    story.stage.done(
        f"the doctor decided: {outcome}, for {one.case.name} is {one.case.diagnosis}; "
        f"registered at index {registered.index}",
        f"register --as {DOCTOR} --type decision --field outcome={outcome} … "
        f"--link decided_on={answered.index}",
    )
