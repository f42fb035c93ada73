"""Checks of what people can ask for: that content about them is apart, found, erased, corrected.

Features are looked for by the types of statements that they register, also those of later
releases: their absence shows as what is not done, and a log that has them is read right.
"""

from collections.abc import Callable
from typing import Final

from tallystick.lawmap.answer import Answer, Evidence, does, either, not_applicable, unseen
from tallystick.lawmap.checks.check import Check
from tallystick.lawmap.seen import Seen
from tallystick.lawmap.walk import ABOUT_CASES, MONTH_DAYS

MONTH_SECONDS: Final = MONTH_DAYS * 86_400
_TYPES: Final = {
    "access-answered": ("access-answer",),
    "reads-recorded": ("access",),
    "restriction-obeyed": ("restriction",),
    "appeals-taken": ("appeal",),
    "explanations-given": ("explanation",),
    "reviews-by-people": ("review",),
    "holds-registered": ("hold",),
    "retention-ruled": ("retention",),
    "passkey-approvals": ("approval",),
}
"""Which types of statements show that something is done. The one place to add a name to."""


def content_off_ledger(seen: Seen) -> Answer:
    """Look for content that stands in public for ever."""
    kind = seen.open_payloads
    return either(
        not kind.number, "statements commit to their content with a salt, and do not show it",
        f"{kind.number} statements show their content to everybody, for ever",
        kind.evidence("statements with open content"),
    )  # fmt: skip


def subjects_random(seen: Seen) -> Answer:
    """Look for public names of cases that somebody chose."""
    kind = seen.named_subjects
    return either(
        not kind.number, "statements about cases have a random subject, or a key's",
        f"{kind.number} statements about cases have a subject that somebody chose, which is public "
        "for ever", kind.evidence("statements with a chosen subject"),
    )  # fmt: skip


def content_names_subject(seen: Seen) -> Answer:
    """Look for content that no reference to a person leads to."""
    kind = seen.nameless
    if not any(seen.kind(type_).number for type_ in ABOUT_CASES):
        return not_applicable("nothing about anybody's case is registered")
    return either(
        not kind.number, "all content about cases names whom it is about, or is gone",
        f"{kind.number} contents about cases name nobody: what they hold about a person is found "
        "by its statement only", kind.evidence("statements whose content names nobody"),
    )  # fmt: skip


def erasures_carried_out(seen: Seen) -> Answer:
    """Look whether all that is said to be erased is."""
    kind = seen.kind("erasure")
    if seen.last_erasure is None:
        return unseen("no erasure is registered; whether anybody asked for one cannot be seen")
    applied = seen.stored.applied
    return either(
        applied is not None and applied >= seen.last_erasure,
        f"{kind.number} erasures are registered and carried out; {seen.stored.erased} contents "
        "are gone from the vault", "an erasure is registered and not carried out",
        kind.evidence("erasure statements"),
        Evidence("last one carried out, at index", "none" if applied is None else str(applied)),
    )  # fmt: skip


def rectified(seen: Seen) -> Answer:
    """Look for statements that supersede others."""
    kind = seen.superseded
    if not kind.number:
        return unseen("no statement supersedes another; whether anybody asked cannot be seen",
                      kind.evidence("statements that supersede"))  # fmt: skip
    return does(f"{kind.number} statements supersede earlier ones, which stay as evidence",
                kind.evidence("statements that supersede"))  # fmt: skip


def people_answered(seen: Seen) -> Answer:
    """Look for people who waited longer than a month, or still do."""
    late, waiting = seen.answered_late, seen.waiting
    if not seen.asked.number:
        return unseen("nobody asked about a decision here; who asked elsewhere cannot be seen")
    overdue = [place for place in waiting if place.at is not None
               and seen.at - place.at > MONTH_SECONDS]  # fmt: skip
    return either(
        not overdue and not late.number,
        f"{seen.asked.number} requests, none of which waited longer than {MONTH_DAYS} days",
        f"{len(overdue)} requests wait longer than {MONTH_DAYS} days, {late.number} were answered "
        "later than that", seen.asked.evidence("requests of people"),
        late.evidence("requests that were answered late"),
    )  # fmt: skip


def _registered(name: str) -> Callable[[Seen], Answer]:
    types = _TYPES[name]

    def registered(seen: Seen) -> Answer:
        kind = seen.kind(*types)
        return either(
            kind.number, f"{kind.number} are registered",
            f"no statement of type {' or '.join(types)} is registered",
            kind.evidence(f"{' or '.join(types)} statements"),
        )  # fmt: skip

    return registered


CHECKS: Final = (
    Check("content-off-ledger", "Content about people is not on the ledger", content_off_ledger,
          "register content as fields, which are committed to and kept in the vault"),
    Check("subjects-random", "No public name leads to a person's case", subjects_random,
          "leave --subject out: it is random then"),
    Check("content-names-subject", "Content is found by whom it is about", content_names_subject,
          "name a reference when registering: `--about REF`, and `--subject-column` for rows"),
    Check("erasures-carried-out", "What is said to be erased is destroyed", erasures_carried_out,
          "`tally erase --pending`"),
    Check("rectified", "Corrections are registered as such", rectified,
          "register the corrected statement with `--link supersedes=ID`"),
    Check("access-answered", "Requests of people for their data are registered and answered",
          _registered("access-answered"), "`tally persons export REF --to FILE`"),
    Check("people-answered", "People who ask about a decision are answered within a month",
          people_answered, "`tally appeals list`, then `tally appeals answer`"),
    Check("reads-recorded", "Reading personal content is itself recorded",
          _registered("reads-recorded"), "register reads: `tally register --type access`"),
    Check("restriction-obeyed", "Content can be restricted, and that is registered",
          _registered("restriction-obeyed"), "stop the processing by hand, and register that"),
    Check("appeals-taken", "People can contest a decision, and that is registered",
          _registered("appeals-taken"), "hand out receipts with their codes: `tally appeals code`"),
    Check("explanations-given", "Decisions are explained to whom they are about",
          _registered("explanations-given"), "`tally appeals answer --explanation`"),
    Check("reviews-by-people", "Human beings look at contested decisions again",
          _registered("reviews-by-people"), "`tally appeals answer --outcome`"),
    Check("holds-registered", "Legal holds keep content from being erased",
          _registered("holds-registered"), "tell whoever may erase what must not be"),
    Check("retention-ruled", "How long content is kept is ruled and registered",
          _registered("retention-ruled"), "erase by hand when it is time: `tally erase`"),
    Check("passkey-approvals", "People approve with a device of their own",
          _registered("passkey-approvals"), "register approvals: `tally register --type approval`"),
)  # fmt: skip
