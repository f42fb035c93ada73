"""Checks of what else is registered: data, models, evaluations, decisions, marks, anomalies."""

from collections.abc import Callable
from typing import Final

from tallystick.lawmap.answer import (
    Answer,
    Evidence,
    does_not,
    either,
    listed,
    not_applicable,
    unseen,
)
from tallystick.lawmap.checks.check import Check
from tallystick.lawmap.seen import Seen, day
from tallystick.lawmap.walk import DAY, KEEP_DAYS

EVALUATION_DAYS_MAX: Final = 365
"""An evaluation that is older says little of a system that is in use."""
INCIDENT_DAYS_MAX: Final = 15
"""Longest time to report a serious incident that is neither a death nor widespread."""


def datasets_registered(seen: Seen) -> Answer:
    """Look for data sets."""
    kind = seen.kind("dataset")
    evidence = kind.evidence("dataset statements")
    return either(
        kind.number, f"{kind.number} data sets are registered, row by row",
        "no data set is registered", evidence,
    )  # fmt: skip


def models_name_data(seen: Seen) -> Answer:
    """Look whether models name the data that they were trained on."""
    kind, rowless = seen.kind("model"), seen.rowless
    if not kind.number:
        return does_not("no model is registered", kind.evidence("model statements"))
    return either(
        not rowless.number,
        f"each of {kind.number} models names a registered data set that it used",
        f"{rowless.number} of {kind.number} models name no registered data set",
        kind.evidence("model statements"), rowless.evidence("models without data"),
    )  # fmt: skip


def evaluated_lately(seen: Seen) -> Answer:
    """Look for an evaluation of this year."""
    kind = seen.kind("evaluation")
    evidence = kind.evidence("evaluation statements")
    if kind.last_at is None:
        return does_not("no evaluation is registered", evidence)
    days = (seen.at - kind.last_at) // DAY
    return either(
        days <= EVALUATION_DAYS_MAX, f"the newest evaluation is of {day(kind.last_at)}",
        f"the newest evaluation is of {day(kind.last_at)}, {days} days ago", evidence,
    )  # fmt: skip


def people_decide(seen: Seen) -> Answer:
    """Look for decisions that people signed."""
    kind = seen.kind("decision")
    people = seen.decided_by.get("person", 0)
    signers = listed(f"{who} {number}" for who, number in sorted(seen.decided_by.items()))
    by = Evidence("decisions by who signed", signers or "none")
    return either(
        people, f"{people} of {kind.number} decisions are signed by a person's own key",
        "no decision is signed by a person's own key" if kind.number
        else "no decision is registered", kind.evidence("decision statements"), by,
    )  # fmt: skip


def decisions_name_proposal(seen: Seen) -> Answer:
    """Look whether decisions name what they decided on."""
    kind, loose = seen.kind("decision"), seen.undecided_on
    if not kind.number:
        return not_applicable("no decision is registered")
    return either(
        not loose.number, f"each of {kind.number} decisions names what it decided on",
        f"{loose.number} of {kind.number} decisions name nothing that they decided on",
        loose.evidence("decisions that link to nothing"),
    )  # fmt: skip


def incidents_in_time(seen: Seen) -> Answer:
    """Look how long after an anomaly its report was registered."""
    reports = seen.documents.get("incident-report")
    if reports is None:
        return unseen("no incident report is registered; whether one was due cannot be seen",
                      seen.kind("anomaly").evidence("anomaly statements"))  # fmt: skip
    late = [(at, days) for at, days in seen.reported if days > INCIDENT_DAYS_MAX]
    evidence = Evidence("anomaly at index, days until its report", listed(
        f"{at}: {days}" for at, days in late or seen.reported) or "none")  # fmt: skip
    if not seen.reported:
        return unseen("no incident report links to the anomaly that it reports",
                      reports.evidence("incident reports"))  # fmt: skip
    return either(
        not late, f"reports followed their anomalies within {INCIDENT_DAYS_MAX} days",
        f"{len(late)} reports came more than {INCIDENT_DAYS_MAX} days after their anomaly",
        reports.evidence("incident reports"), evidence,
    )  # fmt: skip


def _kept(type_: str) -> Callable[[Seen], Answer]:
    """Return a check that nothing of a type was erased before its time."""
    most = KEEP_DAYS[type_]

    def kept(seen: Seen) -> Answer:
        if not seen.kind(type_).number:
            return not_applicable(f"no {type_} is registered")
        early = seen.early.get(type_, ())
        where = listed(f"{at}: {days}" for at, days in early) or "none"
        return either(
            not early, f"no content of type {type_} was erased within {most} days of its issue",
            f"{len(early)} contents of type {type_} were erased within {most} days of their issue",
            Evidence("erasure at index, days that content was kept", where),
        )  # fmt: skip

    return kept


def _registered(*types: str) -> Callable[[Seen], Answer]:
    """Return a check that something of a type is registered; several names mean the same."""

    def registered(seen: Seen) -> Answer:
        kind = seen.kind(*types)
        evidence = kind.evidence(f"{' or '.join(types)} statements")
        return either(kind.number, f"{kind.number} are registered", "none is registered", evidence)

    return registered


CHECKS: Final = (
    Check("datasets-registered", "Data sets are registered, each row provable alone",
          datasets_registered, "register rows: `tally batch FILE --as NAME`"),
    Check("models-name-data", "Models name the registered data that they were trained on",
          models_name_data, "link the model to its data: `tally register --link used=ID`"),
    Check("evaluated-lately", "A model was evaluated within a year", evaluated_lately,
          "register an evaluation: `tally register --type evaluation`"),
    Check("people-decide", "People decide, under keys of their own", people_decide,
          "register decisions as a person: `tally keys create NAME --kind person`"),
    Check("decisions-name-proposal", "Each decision names the proposal that it decided on",
          decisions_name_proposal, "link it: `tally register --link decided_on=ID`"),
    Check("content-marked", "Content that AI made is marked", _registered("content-mark"),
          "mark outputs where they are made, and register each mark as `content-mark`"),
    Check("anomalies-registered", "Anomalies are registered", _registered("anomaly"),
          "register what goes wrong: `tally register --type anomaly`"),
    Check("changes-registered", "Changes of what evidence rests on are registered",
          _registered("change"), "register changes: `tally register --type change`"),
    Check("incidents-in-time", "Reports of incidents follow in time", incidents_in_time,
          "link the report to its anomaly: `tally register --subject incident-report --link …`"),
    Check("logs-kept", "Records of calls are kept for six months at least", _kept("inference"),
          "do not erase calls before their time, unless a person's right demands it"),
    Check("decisions-kept", "Records of decisions are kept for three years", _kept("decision"),
          "do not erase decisions before their time, unless a person's right demands it"),
    Check("documents-kept", "Documents are kept for ten years", _kept("document"),
          "do not erase documents before their time"),
)  # fmt: skip
