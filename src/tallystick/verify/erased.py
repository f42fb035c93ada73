"""What registered erasure statements of a bundle say about the rest of it.

`erased` is said only where such a statement is in the bundle and verified; it shows that its
issuer declares the content erased, not that no copy exists.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from tallystick.errors import EncodingError
from tallystick.statement import Relation, parse_batch, parse_erasure
from tallystick.statement.erasure import Positions
from tallystick.statement.labels import BATCH_MEDIA_TYPE
from tallystick.verify.bundle import split_hashes
from tallystick.verify.report import Check, Verdict
from tallystick.verify.statement import VerifiedStatement

Statements = Mapping[bytes, VerifiedStatement]
CONTENT: str = "content"


def say_erased(checks: Sequence[Check], statements: Statements) -> Iterator[Check]:
    """Say of content that is not supplied that it is erased, where a verified statement does."""
    declared = erasures(statements)
    for check in checks:
        by = declared.get(check.statement or b"", [])
        closed = check.what == CONTENT and check.verdict is Verdict.NOT_CHECKED
        if closed and by and by[0][1] is None:
            one = statements[check.statement or b""]
            where = f"{one.statement.header.type or 'statement'} at index {one.index}"
            yield replace(check, detail=f"{where}: {declaration(by[0][0])}")
        else:
            yield check
    for target, by in declared.items():
        batch = statements[target]
        if _is_batch(batch):
            for erasing, positions in by:
                what = "all rows" if positions is None else _rows(len(positions))
                detail = f"batch at index {batch.index}: {what} {declaration(erasing)}"
                yield Check(CONTENT, Verdict.NOT_CHECKED, detail, target)


def erasures(
    statements: Statements,
) -> dict[bytes, list[tuple[VerifiedStatement, Positions | None]]]:
    """Return what verified statements erase among the others, by the statement that is erased."""
    found: dict[bytes, list[tuple[VerifiedStatement, Positions | None]]] = {}
    for statement in statements.values():
        try:
            said = parse_erasure(statement.statement)
        except EncodingError:
            continue  # no erasure
        for target, positions in said.erased.items():
            other = statements.get(target)
            if other is not None and other.index < statement.index:
                found.setdefault(target, []).append((statement, positions))
    return found


def check_retraining(statements: Statements) -> Iterator[Check]:
    """Say of models that rows they were trained on are erased since."""
    declared = erasures(statements)
    for statement in statements.values():
        if statement.statement.header.type != "model":
            continue
        used = [
            statements[one]
            for one in statement.statement.header.links.get(Relation.USED, ())
            if one in statements
        ]
        count = sum(_erased_among(batch, statements, declared) for batch in used)
        if count:
            detail = (
                f"model at index {statement.index}: retrain-due, {_rows(count)} that it used "
                f"{'is' if count == 1 else 'are'} erased"
            )
            yield Check("retraining", Verdict.NOT_CHECKED, detail, statement.statement.id)


def _erased_among(
    batch: VerifiedStatement,
    statements: Statements,
    declared: Mapping[bytes, list[tuple[VerifiedStatement, Positions | None]]],
) -> int:
    """Count the rows of a batch that are erased, there or in the batches they are taken from."""
    leaves = split_hashes(batch.leaves)
    gone = _gone(batch, declared)
    for source in batch.statement.header.links.get(Relation.DERIVED_FROM, ()):
        if source in statements:
            gone |= _gone(statements[source], declared)
    return sum(leaf in gone for leaf in leaves)


def _gone(
    batch: VerifiedStatement,
    declared: Mapping[bytes, list[tuple[VerifiedStatement, Positions | None]]],
) -> set[bytes]:
    """Return the leaves of a batch's own erased rows."""
    leaves = split_hashes(batch.leaves)
    gone: set[bytes] = set()
    for _, positions in declared.get(batch.statement.id, ()):
        at = range(len(leaves)) if positions is None else positions
        gone |= {leaves[position] for position in at if position < len(leaves)}
    return gone


def _is_batch(statement: VerifiedStatement) -> bool:
    header = statement.statement.header
    if header.hashed or header.content_type != BATCH_MEDIA_TYPE:
        return False
    try:
        return parse_batch(statement.statement.payload).rows > 0
    except EncodingError:
        return False


def declaration(erasing: VerifiedStatement) -> str:
    """Return in words what a verified erasure says: why, who says so, and where."""
    issuer, reason = erasing.issuer, parse_erasure(erasing.statement).reason
    who = issuer.name or issuer.issuer
    return f"erased ({reason}), as {who} declared at index {erasing.index}"


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"
