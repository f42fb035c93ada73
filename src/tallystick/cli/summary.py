"""A verified bundle in a few lines: what, who, for whom, by which model, and who decided."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from tallystick.statement import Assurance, Relation
from tallystick.statement.approval import DECLINED, is_approval, parse_approval
from tallystick.statement.governance import StatementType
from tallystick.verify import Report, VerifiedStatement
from tallystick.verify.erased import declaration, erasures
from tallystick.verify.published import PUBLISHED

ID_LETTERS: Final = 12
"""Letters of a digest that are enough to recognise it by eye."""


def summarise(report: Report) -> Iterator[tuple[str, str]]:
    """Yield what a bundle's subject is, name and words; nothing if the subject did not verify."""
    subject = report.statements.get(report.subject)
    if subject is None:
        return
    header = subject.statement.header
    yield "what", f"{header.type or 'statement'} at index {subject.index}"
    yield "who", f"{_name(subject)} ({subject.issuer.basis})"
    if header.issued_at is not None:
        claimed = datetime.fromtimestamp(header.issued_at, UTC)
        yield "when", f"{claimed:%Y-%m-%d %H:%M:%S} UTC, says who signed"
    for erasing, _ in erasures(report.statements).get(report.subject, ()):
        yield "erased", declaration(erasing).removeprefix("erased ")
    for check in report.checks:
        if check.what == PUBLISHED and check.statement == report.subject:
            yield "public", check.detail.partition(": ")[2]
    yield from _originators(report, subject)
    yield from _models(report, subject)
    yield from _decisions(report)
    yield from _approvals(report)


def _name(verified: VerifiedStatement) -> str:
    return verified.issuer.name or verified.issuer.issuer


def _originators(report: Report, subject: VerifiedStatement) -> Iterator[tuple[str, str]]:
    """Say for whom an AI acted: its outcome says so itself, or the intent that it belongs to."""
    for said in (subject, *_linked(report, subject, Relation.GENERATED_BY)):
        assurance = said.statement.header.assurance
        known = report.known.get(said.statement.id)
        if known and known.principal and Relation.ACTED_FOR in said.statement.header.links:
            yield "for", f"{known.principal} (known by: {known.assurance}; {known.basis})"
            yield "agent", known.agent
            if (under := report.statements.get(known.delegation or b"")) is not None:
                yield "under", f"delegation {under.statement.id.hex()} at index {under.index}"
            return
        if assurance is not None:
            computed = known.assurance if known else Assurance.ASSERTED
            yield "for", f"nobody named (known by: {computed})"
            return


def _models(report: Report, subject: VerifiedStatement) -> Iterator[tuple[str, str]]:
    digest = subject.statement.header.model
    if digest is None:
        return
    for one in report.statements.values():
        header = one.statement.header
        if header.type == StatementType.MODEL and header.model == digest:
            rows = f", trained on {one.values['rows']} rows" if "rows" in one.values else ""
            name = one.values.get("name", "")
            yield "model", f"{name} {digest.hex()[:ID_LETTERS]}…{rows}".lstrip()
            return
    yield "model", f"{digest.hex()[:ID_LETTERS]}…, not registered in this bundle"


def _decisions(report: Report) -> Iterator[tuple[str, str]]:
    for one in report.statements.values():
        decided_on = one.statement.header.links.get(Relation.DECIDED_ON, ())
        if one.statement.header.type == StatementType.DECISION and report.subject in decided_on:
            outcome = one.values.get("outcome", "content not supplied")
            yield "decided", f"{outcome}, by {_approver(report, one)}, at index {one.index}"


def _approvals(report: Report) -> Iterator[tuple[str, str]]:
    """Say what people approved or declined about the subject, beside decisions."""
    for one in report.statements.values():
        decided_on = one.statement.header.links.get(Relation.DECIDED_ON, ())
        known = report.known.get(one.statement.id)
        if not is_approval(one.statement) or report.subject not in decided_on or known is None:
            continue
        if known.assurance is Assurance.PASSKEY:
            approval = parse_approval(one.values["approval"])
            word = "declined" if approval.declined else "approved"
            action = approval.action.removeprefix(DECLINED)
            yield "said", f"{action!r} {word} by {_approver(report, one)}, at index {one.index}"


def _approver(report: Report, one: VerifiedStatement) -> str:
    """Return who decided: the person whose passkey did, else who signed."""
    known = report.known.get(one.statement.id)
    if known is not None and known.assurance is Assurance.PASSKEY:
        return f"{known.principal} with a passkey"
    return _name(one)


def _linked(
    report: Report, verified: VerifiedStatement, relation: Relation
) -> Iterator[VerifiedStatement]:
    for target in verified.statement.header.links.get(relation, ()):
        if target in report.statements:
            yield report.statements[target]
