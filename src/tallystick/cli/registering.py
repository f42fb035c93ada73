"""`tally register` and `tally batch`: statements and rows into the ledger."""

import csv
import json
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tallystick.cli.session import Session, find_id, parse_id, pass_session
from tallystick.errors import InputError, TallystickError

if TYPE_CHECKING:
    from tallystick.cli.remote import Placed
    from tallystick.identity import SoftwareSigner
    from tallystick.ledger import Registered, Submission

_NUMBER: Final = frozenset("0123456789+-.eE")


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--as", "issuer", metavar="NAME", help="Sign a new statement with this key.")
@click.option("--type", "type_", metavar="TYPE", help="Type of the new statement.")
@click.option("--subject", help="What it is about; random by default.")
@click.option(
    "--field",
    "fields",
    multiple=True,
    metavar="NAME=VALUE",
    help="Content; VALUE is JSON or text, @FILE takes a file's bytes. Goes to the vault.",
)
@click.option(
    "--link",
    "links",
    multiple=True,
    metavar="RELATION=ID",
    help="Point to another statement, by id or index.",
)
@click.option("--model", metavar="SHA256", help="Digest of the model that was used.")
@pass_session
def register(
    session: Session,
    files: tuple[Path, ...],
    issuer: str | None,
    type_: str | None,
    subject: str | None,
    fields: tuple[str, ...],
    links: tuple[str, ...],
    model: str | None,
) -> None:
    """Register signed statements from FILES (COSE_Sign1), or sign and register a new one."""
    from tallystick.ledger import Submission

    if issuer:
        submission = _new(session, issuer, type_, subject, fields, links, model)
        submissions = [submission]
    elif files:
        submissions = [Submission(file.read_bytes()) for file in files]
    else:
        raise InputError("give files with signed statements, or --as NAME to sign a new one")
    _register(session, submissions)


@click.command()
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--as", "issuer", required=True, metavar="NAME", help="Sign with this key.")
@click.option(
    "--select",
    "selected",
    multiple=True,
    metavar="BATCH[:POSITIONS]",
    help="Instead of a file: rows that are registered, such as ID:0-99,120.",
)
@pass_session
def batch(session: Session, file: Path | None, issuer: str, selected: tuple[str, ...]) -> None:
    """Register all rows of FILE (CSV or JSON lines) under one signature.

    Each row gets a salted commitment of its own; the rows go to the vault.
    """
    if (file is None) == (not selected):
        raise InputError("give either a file with rows, or --select")
    if file is not None:
        submission = _batch_of_file(session, issuer, file)
    else:
        submission = _batch_of_selection(session, issuer, selected)
    _register(session, [submission])


def _new(
    session: Session,
    issuer: str,
    type_: str | None,
    subject: str | None,
    fields: tuple[str, ...],
    links: tuple[str, ...],
    model: str | None,
) -> "Submission":
    from tallystick.evidence import sign_fields

    if not type_ or not fields:
        raise InputError("a new statement needs --type and at least one --field")
    return sign_fields(
        session.signer(issuer),
        type_,
        dict(_field(text) for text in fields),
        issued_at=int(time.time()),
        links=_links(session, links),
        model=parse_id(model) if model else None,
        subject=subject or uuid.uuid4().urn,
    )


def _batch_of_file(session: Session, issuer: str, file: Path) -> "Submission":
    from tallystick.evidence import encode_row
    from tallystick.evidence.committing import PIECE_ROWS, RowCommitter
    from tallystick.ledger import Rows

    records = [encode_row(row) for row in read_rows(file)]
    processes = os.cpu_count() or 1 if len(records) > 4 * PIECE_ROWS else 1
    with RowCommitter(processes) as committer:
        committed = committer.commit(records)
    rows = Rows(committed.salts, records)
    return _batch(session.signer(issuer), committed.leaves, {}, rows)


def _batch_of_selection(session: Session, issuer: str, selected: tuple[str, ...]) -> "Submission":
    leaves, sources = b"", []
    with session.reader() as ledger:
        for text in selected:
            source, _, positions = text.partition(":")
            statement = ledger.get(find_id(ledger, source)).statement
            known = ledger.leaves(statement)
            chosen = _positions(positions, len(known) // 32)
            leaves += b"".join(known[at * 32 : at * 32 + 32] for at in chosen)
            sources.append(statement.id)
    return _batch(session.signer(issuer), leaves, {"derived_from": tuple(sources)}, None)


def _batch(
    signer: "SoftwareSigner", leaves: bytes, links: dict[str, tuple[bytes, ...]], rows: Any
) -> "Submission":
    from tallystick.evidence import sign_batch
    from tallystick.ledger import Submission

    if not leaves:
        raise InputError("there are no rows")
    statement = sign_batch(signer, leaves, issued_at=int(time.time()), links=links)
    return Submission(statement.entry, leaves=leaves, rows=rows)


def _register(session: Session, submissions: "list[Submission]") -> None:
    """Register, give each answer, and fail for the first that was refused."""
    with session.ledger() as ledger:
        answers = ledger.register(submissions)
    errors = [answer for answer in answers if isinstance(answer, TallystickError)]
    session.give_all(_results(answers))
    if errors:
        raise errors[0]
    session.say(f"registered {len(answers)} of {len(answers)}")


def _results(
    answers: "Iterable[Registered | Placed | TallystickError]",
) -> Iterator[tuple[dict[str, Any], str]]:
    for answer in answers:
        if isinstance(answer, TallystickError):
            reason = getattr(answer, "reason", None)
            yield {"error": answer.code, "reason": reason, "detail": str(answer)}, "refused"
        else:
            data = {"id": answer.id.hex(), "index": answer.index, "existed": answer.existed}
            yield data, answer.id.hex()


def read_rows(file: Path) -> Iterator[dict[str, Any]]:
    """Read rows from CSV or JSON lines; numbers in CSV become numbers.

    Raises:
        InputError: A line that is no row; the message names it.
    """
    if file.suffix == ".csv":
        with file.open(newline="") as lines:
            for row in csv.DictReader(lines, strict=True):
                yield {name: _number(value) for name, value in row.items()}
        return
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{file}, line {number} is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise InputError(f"{file}, line {number} must be an object")
        yield row


def _number(text: str) -> Any:
    if text and set(text) <= _NUMBER:
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
    return text


def _field(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise InputError(f"a field is NAME=VALUE, got {text!r}")
    if value.startswith("@"):
        return name, Path(value[1:]).read_bytes()
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _links(session: Session, texts: tuple[str, ...]) -> dict[str, tuple[bytes, ...]]:
    links: dict[str, tuple[bytes, ...]] = {}
    if not texts:
        return links
    with session.reader() as ledger:
        for text in texts:
            relation, separator, target = text.partition("=")
            if not separator:
                raise InputError(f"a link is RELATION=ID, got {text!r}")
            links[relation] = (*links.get(relation, ()), find_id(ledger, target))
    return links


def _positions(text: str, count: int) -> Iterator[int]:
    if not text:
        yield from range(count)
        return
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not first.isdigit() or (last and not last.isdigit()) or int(last or first) >= count:
            raise InputError(f"positions are such as 0-99,120 below {count}, got {part!r}")
        yield from range(int(first), int(last or first) + 1)
