"""What others say of a statement, and is false, counts for nothing, and spoils nothing.

A bundle also holds what came later: approvals, decisions, erasures and publications that name its
subject, and what those rest on in turn. Anybody whom a policy lets register such a type can write
a false one; an earlier release admitted approvals that no passkey gave. If that made the bundle
fail, whoever dislikes a statement could keep everybody from believing it. So only what the subject
itself rests on decides the verdict; of the rest, what does not hold is shown with its reason.

Signatures, receipts, content and rows are judged for every statement alike: that they do not
match is no word of another issuer, because nobody can register that; the bundle is damaged.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from tallystick.statement import Relation
from tallystick.statement.governance import StatementType
from tallystick.verify.report import Check, Verdict
from tallystick.verify.statement import VerifiedStatement

Statements = Mapping[bytes, VerifiedStatement]
_SPOILS = frozenset({Verdict.FAILED, Verdict.INDETERMINATE})


def disregard(checks: Iterable[Check], statements: Statements, subject: bytes) -> Iterator[Check]:
    """Yield checks; those that spoil only what others said become what does not count.

    Args:
        checks: Of what verified statements say of each other.
        statements: Verified.
        subject: Id of the statement that the bundle is about.
    """
    believed = rests_on(subject, statements)
    for check in checks:
        others = check.statement in statements and check.statement not in believed
        if others and check.verdict in _SPOILS:
            words = f"does not count, and is disregarded: {check.detail}"
            yield replace(check, verdict=Verdict.NOT_CHECKED, detail=words)
        else:
            yield check


def rests_on(subject: bytes, statements: Statements) -> set[bytes]:
    """Return the subject and all that it rests on: what it names, its model, and so on."""
    models = {
        one.statement.header.model: id_
        for id_, one in statements.items()
        if one.statement.header.type == StatementType.MODEL
    }
    found: set[bytes] = set()
    waiting = [subject]
    while waiting:
        one = waiting.pop()
        if one in found or one not in statements:
            continue
        found.add(one)
        header = statements[one].statement.header
        for relation, targets in header.links.items():
            waiting += targets if relation != Relation.ERASES else ()
        if header.model in models:
            waiting.append(models[header.model])
    return found
