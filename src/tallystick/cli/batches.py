"""`tally batch`: rows into the ledger, under one signature."""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.arguments import find_id
from tallystick.cli.registering import submit
from tallystick.cli.session import Session, pass_session
from tallystick.errors import EncodingError, InputError

if TYPE_CHECKING:
    from tallystick.identity import Signer
    from tallystick.ledger import Submission


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
@click.option("--text", is_flag=True, help="Keep all values of a CSV or TSV file as text.")
@click.option(
    "--subject-column",
    metavar="COLUMN",
    help="Column that says whom a row is about; rows of one subject can be erased together.",
)
@click.option("--purpose", default="", metavar="P", help="What the rows are kept for.")
@pass_session
def batch(
    session: Session,
    file: Path | None,
    issuer: str,
    selected: tuple[str, ...],
    subject_column: str | None,
    purpose: str,
    *,
    text: bool,
) -> None:
    """Register all rows of FILE under one signature: .csv, .tsv, else JSON lines; UTF-8.

    Each row gets a salted commitment of its own; the rows go to the vault. In .csv (commas) and
    .tsv (tabs), the first line names the columns, and what is written plainly as a number (7, 0.5)
    becomes one; 007, +5 or 1e5 stay text, and --text keeps everything text.
    """
    if (file is None) == (not selected):
        raise InputError("give either a file with rows, or --select")
    session.need_ledger()
    if file is not None:
        read = _read(file, subject_column, text=text)
        submission = sign_rows(session.signer(issuer), *read, purpose)
    else:
        submission = _of_selection(session, issuer, selected)
    submit(session, [submission])


def _read(
    file: Path, column: str | None, *, text: bool
) -> tuple[list[bytes], list[str | None] | None]:
    """Return encoded rows, and whom each is about where a column says so."""
    from tallystick.cli.rowfiles import read_rows
    from tallystick.evidence import encode_row

    records: list[bytes] = []
    subjects: list[str | None] = []
    for number, row in enumerate(read_rows(file, text=text), start=1):
        try:
            records.append(encode_row(row))
        except EncodingError as error:
            raise InputError(f"{file}, row {number}: {error}") from error
        if column is not None:
            if column not in row:
                raise InputError(f"{file}, row {number} has no column {column!r}")
            subjects.append(None if row[column] in {None, ""} else str(row[column]))
    return records, subjects if column is not None else None


def sign_rows(
    signer: "Signer",
    records: list[bytes],
    subjects: Sequence[str | None] | None,
    purpose: str,
    links: dict[str, tuple[bytes, ...]] | None = None,
) -> "Submission":
    """Sign encoded rows as a batch."""
    from tallystick.evidence.committing import PIECE_ROWS, RowCommitter
    from tallystick.ledger import Rows

    processes = os.cpu_count() or 1 if len(records) > 4 * PIECE_ROWS else 1
    with RowCommitter(processes) as committer:
        committed = committer.commit(records)
    rows = Rows(committed.salts, records, subjects, purpose)
    return _signed(signer, committed.leaves, links or {}, rows)


def _of_selection(session: Session, issuer: str, selected: tuple[str, ...]) -> "Submission":
    leaves, sources = b"", []
    with session.reader() as ledger:
        for text in selected:
            source, _, positions = text.partition(":")
            statement = ledger.get(find_id(ledger, source)).statement
            known = ledger.leaves(statement)
            chosen = positions_of(positions, len(known) // 32)
            leaves += b"".join(known[at * 32 : at * 32 + 32] for at in chosen)
            sources.append(statement.id)
    return _signed(session.signer(issuer), leaves, {"derived_from": tuple(sources)}, None)


def _signed(
    signer: "Signer", leaves: bytes, links: dict[str, tuple[bytes, ...]], rows: Any
) -> "Submission":
    from tallystick.evidence import sign_batch
    from tallystick.ledger import Submission

    if not leaves:
        raise InputError("there are no rows")
    statement = sign_batch(signer, leaves, issued_at=int(time.time()), links=links)
    return Submission(statement.entry, leaves=leaves, rows=rows)


def positions_of(text: str, count: int) -> Iterator[int]:
    """Read positions of rows, such as 0-99,120; none means all.

    Raises:
        InputError: Not that, or not below `count`.
    """
    if not text:
        yield from range(count)
        return
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not first.isdigit() or (last and not last.isdigit()) or int(last or first) >= count:
            raise InputError(f"positions are such as 0-99,120 below {count}, got {part!r}")
        yield from range(int(first), int(last or first) + 1)
