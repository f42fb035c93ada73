"""How the statements of a bundle hang together: links, models, and rows taken from rows."""

from collections.abc import Iterator, Mapping

from tallystick.errors import EncodingError
from tallystick.statement import Relation, parse_batch
from tallystick.statement.labels import BATCH_MEDIA_TYPE
from tallystick.verify.bundle import split_hashes
from tallystick.verify.erased import check_retraining
from tallystick.verify.report import Check, Verdict
from tallystick.verify.statement import VerifiedStatement

Statements = Mapping[bytes, VerifiedStatement]


def check_coherence(statements: Statements) -> Iterator[Check]:
    """Check what verified statements say of one another.

    A link to a later entry is a contradiction: nobody can name the id of what is not yet written
    and be earlier in the log, unless the log was reordered.
    """
    for statement in statements.values():
        for relation, targets in statement.statement.header.links.items():
            yield from _check_relation(statement, relation, targets, statements)
        yield from _check_model(statement, statements)
        yield from _check_rows(statement, statements)
        yield from _check_row_root(statement, statements)
    yield from check_retraining(statements)


def _check_relation(
    statement: VerifiedStatement, relation: str, targets: tuple[bytes, ...], statements: Statements
) -> Iterator[Check]:
    for target in targets:
        found = statements.get(target)
        if found is None and relation == Relation.ERASES:
            continue  # what else is erased has nothing to do with this bundle
        where = f"{_name(statement)} {relation} {target.hex()[:12]}…"
        if found is None:
            detail = f"{where}: that statement is not in the bundle"
            yield Check("link", Verdict.NOT_CHECKED, detail, statement.statement.id)
        elif found.index >= statement.index:
            detail = f"{where}: it is registered later, at index {found.index}"
            yield Check("link", Verdict.FAILED, detail, statement.statement.id, "verification.link")
        else:
            detail = f"{_name(statement)} {relation} {_name(found)}"
            yield Check("link", Verdict.VERIFIED, detail, statement.statement.id)


def _check_model(statement: VerifiedStatement, statements: Statements) -> Iterator[Check]:
    digest = statement.statement.header.model
    if digest is None or statement.statement.header.type == "model":
        return
    for other in statements.values():
        header = other.statement.header
        if header.type == "model" and header.model == digest:
            detail = f"{_name(statement)} names the model registered at index {other.index}"
            yield Check("model", Verdict.VERIFIED, detail, statement.statement.id)
            return
    detail = f"{_name(statement)}: its model {digest.hex()[:12]}… is not in the bundle"
    yield Check("model", Verdict.NOT_CHECKED, detail, statement.statement.id)


def _check_rows(statement: VerifiedStatement, statements: Statements) -> Iterator[Check]:
    """Check that a selection of rows holds only rows of the batches it says it is taken from."""
    sources = statement.statement.header.links.get(Relation.DERIVED_FROM, ())
    known = [statements[source] for source in sources if source in statements]
    complete = len(known) == len(sources) and all(source.leaves for source in known)
    if not statement.leaves or not known or not complete:
        return
    allowed = {leaf for source in known for leaf in split_hashes(source.leaves)}
    taken = split_hashes(statement.leaves)
    foreign = [position for position, leaf in enumerate(taken) if leaf not in allowed]
    names = " and ".join(_name(source) for source in known)
    if foreign:
        detail = f"{_name(statement)}: row {foreign[0]} is none of the rows of {names}"
        yield Check("rows", Verdict.FAILED, detail, statement.statement.id, "verification.rows")
    else:
        detail = f"{_name(statement)}: each of its {len(taken)} rows is a row of {names}"
        yield Check("rows", Verdict.VERIFIED, detail, statement.statement.id)


def _check_row_root(statement: VerifiedStatement, statements: Statements) -> Iterator[Check]:
    """Check that the row root which content names is that of a batch the statement links to."""
    root, used = statement.values.get("row_root"), statement.statement.header.links
    known = [statements[t] for t in used.get(Relation.USED, ()) if t in statements]
    batches = [(batch, found) for batch in known if (found := _batch_root(batch)) is not None]
    if root is None or not batches:
        return
    for batch, found in batches:
        if found == root:
            detail = f"{_name(statement)} names the row root of {_name(batch)}"
            yield Check("rows", Verdict.VERIFIED, detail, statement.statement.id)
            return
    detail = f"{_name(statement)}: its row root is that of none of the batches it used"
    yield Check("rows", Verdict.FAILED, detail, statement.statement.id, "verification.rows")


def _batch_root(statement: VerifiedStatement) -> bytes | None:
    """Return the row root of a batch statement, None for others and for what is none after all."""
    header = statement.statement.header
    if header.hashed or header.content_type != BATCH_MEDIA_TYPE:
        return None
    try:
        return parse_batch(statement.statement.payload).root
    except EncodingError:
        return None


def _name(statement: VerifiedStatement) -> str:
    return f"{statement.statement.header.type or 'statement'} at index {statement.index}"
