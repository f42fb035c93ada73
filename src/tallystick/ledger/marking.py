"""Placing and lifting holds and restrictions, and what they leave of what was asked for."""

from collections.abc import Sequence

from tallystick.identity import Signer
from tallystick.ledger.erasures import Targets, parts_of
from tallystick.ledger.operator import inline_header
from tallystick.ledger.reading import Reads
from tallystick.ledger.submission import Submission
from tallystick.statement import Relation, sign_statement
from tallystick.statement.erasure import Positions
from tallystick.statement.governance import StatementType
from tallystick.statement.header import LINKS_MAX
from tallystick.statement.marks import Lifting, Mark


def sign_marks(
    signer: Signer,
    type_: StatementType,
    targets: Targets,
    reason: str,
    now: int,
    lifters: Sequence[str] = (),
) -> list[Submission]:
    """Sign the statements that mark content, as few as the limits of one allow.

    Args:
        signer: Who marks, and may lift it again.
        type_: `hold` or `restriction`.
        targets: What is marked.
        reason: Why; a code of that type.
        now: Seconds since 1970.
        lifters: DIDs of who else may lift it.
    """
    submissions = []
    for part in parts_of(targets):
        mark = Mark(reason=reason, lifters=tuple(lifters), marked=part)
        links = {Relation.DECIDED_ON: tuple(part)}
        header = inline_header(signer, type_, now, links=links)
        submissions.append(Submission(sign_statement(header, mark.encode(), signer.sign).entry))
    return submissions


def sign_lifting(
    signer: Signer, type_: StatementType, marks: Sequence[bytes], now: int
) -> list[Submission]:
    """Sign the statements that lift marks, given the statements that placed them."""
    submissions = []
    for at in range(0, len(marks), LINKS_MAX):
        some = tuple(marks[at : at + LINKS_MAX])
        header = inline_header(signer, type_, now, links={Relation.SUPERSEDES: some})
        payload = Lifting(lifted=some).encode()
        submissions.append(Submission(sign_statement(header, payload, signer.sign).entry))
    return submissions


def without_held(ledger: Reads, targets: Targets) -> dict[bytes, Positions | None]:
    """Return targets without what is under a hold now, or under an appeal."""
    left: dict[bytes, Positions | None] = {}
    for one, positions in targets.items():
        held, whole = kept_rows(ledger, one)
        if positions is not None and not whole:
            positions -= held  # noqa: PLW2901 - what is left of them
        if not whole and (positions or (positions is None and not held)):
            left[one] = positions
    return left


def kept_rows(ledger: Reads, statement_id: bytes) -> tuple[Positions, bool]:
    """Return which rows of a batch may not be erased now, and whether nothing of a statement."""
    held, whole = marked_rows(ledger, StatementType.HOLD, statement_id)
    return held, whole or is_appealed(ledger, statement_id)


def is_appealed(ledger: Reads, statement_id: bytes) -> bool:
    """Tell whether an open appeal is about a statement."""
    naming = ledger.appeals.naming(statement_id, StatementType.APPEAL)
    return any(one.ended is None for one in naming)


def marked_rows(ledger: Reads, type_: str, statement_id: bytes) -> tuple[Positions, bool]:
    """Return which rows of a batch are marked now, and whether all of a statement is."""
    rows: set[int] = set()
    for found in ledger.marks.naming(statement_id, type_):
        if found.lifted is None:
            positions = found.mark.marked[statement_id]
            if positions is None:
                return frozenset(), True
            rows |= positions
    return frozenset(rows), False
