"""What people asked of decisions, what came of it, and that nothing under appeal was erased.

The rules are those of admission, checked again by whoever was not there: only a person answers a
review, and content is not erased between an appeal and its end. What is not in the bundle cannot
be seen here: an appeal that it leaves out, or a withdrawal.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tallystick.errors import EncodingError
from tallystick.statement import Relation, parse_erasure
from tallystick.statement.appeal import ANSWERS, Asked, Replied, Withdrawn, read_reply, read_request
from tallystick.statement.approval import Approved, is_approval
from tallystick.statement.governance import IssuerKind, StatementType
from tallystick.verify.approval import is_supplied
from tallystick.verify.report import Check, Verdict
from tallystick.verify.statement import VerifiedStatement

CODE: Final = "verification.appeal"
Statements = Mapping[bytes, VerifiedStatement]
Behind = Callable[[VerifiedStatement], Approved | None]


@dataclass(slots=True)
class _Request:
    said: VerifiedStatement
    asked: Asked
    ended: VerifiedStatement | None = None

    @property
    def name(self) -> str:
        return f"{self.said.statement.header.type} at index {self.said.index}"

    def is_open_at(self, index: int) -> bool:
        return self.said.index < index and (self.ended is None or index < self.ended.index)


def check_appeals(statements: Statements, behind: Behind) -> Iterator[Check]:
    """Check every request in a bundle, every answer, and every erasure beside them.

    Args:
        statements: Verified.
        behind: Returns the verified approval that covers a statement; None where none does.
    """
    requests = {
        one.statement.id: _Request(one, asked)
        for one in statements.values()
        if isinstance(asked := read_request(one.statement), Asked)
    }
    for one in sorted(statements.values(), key=lambda one: one.index):
        said, reply = read_request(one.statement), read_reply(one.statement)
        if isinstance(said, Withdrawn):
            yield from _check_withdrawal(requests.get(said.request), one)
        elif reply is not None:
            yield from _check_reply(requests.get(reply.request), one, reply, statements, behind)
    for request in requests.values():
        yield _say(request, statements)
    yield from _check_erasures([*requests.values()], statements)


def _check_reply(
    request: _Request | None,
    one: VerifiedStatement,
    reply: Replied,
    statements: Statements,
    behind: Behind,
) -> Iterator[Check]:
    checks = [*_check_end(request, one, ANSWERS[one.statement.header.type or ""])]
    if one.statement.header.type == StatementType.REVIEW:
        checks.append(_check_human(one, statements, behind))
    new = None if reply.decision is None else statements.get(reply.decision)
    if request is not None and new is not None:
        old = request.asked.decision
        if old not in new.statement.header.links.get(Relation.SUPERSEDES, ()):
            detail = (
                f"{_name(one)} names {_name(new)} as the new decision, which supersedes another"
            )
            checks.append(Check("review", Verdict.FAILED, detail, one.statement.id, CODE))
    yield from _end(request, one, checks)


def _check_withdrawal(request: _Request | None, one: VerifiedStatement) -> Iterator[Check]:
    checks = [*_check_end(request, one, frozenset({one.statement.header.type or ""}))]
    if request is not None and one.issuer.issuer != request.said.issuer.issuer:
        detail = f"{request.name} is withdrawn at index {one.index} by somebody who did not ask it"
        checks.append(Check("appeal", Verdict.FAILED, detail, one.statement.id, CODE))
    yield from _end(request, one, checks)


def _end(request: _Request | None, by: VerifiedStatement, checks: list[Check]) -> Iterator[Check]:
    """Note what ended a request; what breaks a rule does not end it."""
    if request is not None and not any(o.verdict is Verdict.FAILED for o in checks):
        request.ended = by
    yield from checks


def _check_end(
    request: _Request | None, by: VerifiedStatement, types: frozenset[str]
) -> Iterator[Check]:
    """Check that a request is of a type that this ends, and has not ended."""
    if request is None:
        return  # the link says that it is not in the bundle
    if request.said.statement.header.type not in types:
        detail = f"{_name(by)} ends {' or '.join(sorted(types))}, and names the {request.name}"
        yield Check("appeal", Verdict.FAILED, detail, by.statement.id, CODE)
    elif request.ended is not None:
        detail = f"{request.name} ended at index {request.ended.index}, and again at {by.index}"
        yield Check("appeal", Verdict.FAILED, detail, by.statement.id, CODE)


def _check_human(one: VerifiedStatement, statements: Statements, behind: Behind) -> Check:
    if one.issuer.kind is IssuerKind.PERSON:
        detail = f"{_name(one)} is signed by a person"
        return Check("review", Verdict.VERIFIED, detail, one.statement.id)
    if behind(one) is not None:
        detail = f"{_name(one)} was approved by a person with a passkey"
        return Check("review", Verdict.VERIFIED, detail, one.statement.id)
    acted_for = one.statement.header.links.get(Relation.ACTED_FOR, ())
    known = [statements[target] for target in acted_for if target in statements]
    if any(is_approval(other.statement) and not is_supplied(other) for other in known):
        detail = f"{_name(one)} names an approval whose content is not supplied"
        return Check("review", Verdict.NOT_CHECKED, detail, one.statement.id)
    kind = "nobody known" if one.issuer.kind is None else str(one.issuer.kind)
    detail = f"{_name(one)} is signed by {kind}, and no person answers for it"
    return Check("review", Verdict.FAILED, detail, one.statement.id, CODE)


def _say(request: _Request, statements: Statements) -> Check:
    decision = statements.get(request.asked.decision)
    what = "a decision that is not in the bundle" if decision is None else _name(decision)
    if request.ended is None:
        became = "nothing in the bundle answers it"
    elif read_reply(request.ended.statement) is None:
        became = f"withdrawn at index {request.ended.index}"
    else:
        became = f"answered by {_name(request.ended)}"
    detail = f"{request.name} is about {what}; {became}"
    return Check("appeal", Verdict.VERIFIED, detail, request.said.statement.id)


def _check_erasures(requests: list[_Request], statements: Statements) -> Iterator[Check]:
    appeals = [o for o in requests if o.said.statement.header.type == StatementType.APPEAL]
    for one in statements.values():
        try:
            erased = parse_erasure(one.statement).erased
        except EncodingError:
            continue  # no erasure
        for target in erased:
            for appeal in appeals:
                if appeal.asked.keeps(target) and appeal.is_open_at(one.index):
                    yield _erased_early(appeal, one, target)


def _erased_early(appeal: _Request, one: VerifiedStatement, target: bytes) -> Check:
    """Say that content was erased before an appeal had ended, as far as its end is known."""
    detail = f"{_name(one)} erases {target.hex()[:12]}…, which the {appeal.name} is about"
    if appeal.ended is None:
        detail += ": no statement in the bundle had ended that"
        return Check("appeal", Verdict.INDETERMINATE, detail, one.statement.id, CODE)
    detail += f": that ended at index {appeal.ended.index} only"
    return Check("appeal", Verdict.FAILED, detail, one.statement.id, CODE)


def _name(one: VerifiedStatement) -> str:
    return f"{one.statement.header.type or 'statement'} at index {one.index}"
