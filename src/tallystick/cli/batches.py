"""`tally batch`: rows into the ledger, under one signature."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.registering import submit
from tallystick.cli.session import Session, find_id, pass_session
from tallystick.errors import EncodingError, InputError

if TYPE_CHECKING:
    from tallystick.identity import SoftwareSigner
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
@pass_session
def batch(
    session: Session, file: Path | None, issuer: str, selected: tuple[str, ...], *, text: bool
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
        submission = _of_file(session, issuer, file, text=text)
    else:
        submission = _of_selection(session, issuer, selected)
    submit(session, [submission])


def _of_file(session: Session, issuer: str, file: Path, *, text: bool) -> "Submission":
    from tallystick.evidence.committing import PIECE_ROWS, RowCommitter
    from tallystick.ledger import Rows

    records = list(_encoded(file, text=text))
    processes = os.cpu_count() or 1 if len(records) > 4 * PIECE_ROWS else 1
    with RowCommitter(processes) as committer:
        committed = committer.commit(records)
    rows = Rows(committed.salts, records)
    return _signed(session.signer(issuer), committed.leaves, {}, rows)


def _encoded(file: Path, *, text: bool) -> Iterator[bytes]:
    from tallystick.cli.rowfiles import read_rows
    from tallystick.evidence import encode_row

    for number, row in enumerate(read_rows(file, text=text), start=1):
        try:
            yield encode_row(row)
        except EncodingError as error:
            raise InputError(f"{file}, row {number}: {error}") from error


def _of_selection(session: Session, issuer: str, selected: tuple[str, ...]) -> "Submission":
    leaves, sources = b"", []
    with session.reader() as ledger:
        for text in selected:
            source, _, positions = text.partition(":")
            statement = ledger.get(find_id(ledger, source)).statement
            known = ledger.leaves(statement)
            chosen = _positions(positions, len(known) // 32)
            leaves += b"".join(known[at * 32 : at * 32 + 32] for at in chosen)
            sources.append(statement.id)
    return _signed(session.signer(issuer), leaves, {"derived_from": tuple(sources)}, None)


def _signed(
    signer: "SoftwareSigner", leaves: bytes, links: dict[str, tuple[bytes, ...]], rows: Any
) -> "Submission":
    from tallystick.evidence import sign_batch
    from tallystick.ledger import Submission

    if not leaves:
        raise InputError("there are no rows")
    statement = sign_batch(signer, leaves, issued_at=int(time.time()), links=links)
    return Submission(statement.entry, leaves=leaves, rows=rows)


def _positions(text: str, count: int) -> Iterator[int]:
    if not text:
        yield from range(count)
        return
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not first.isdigit() or (last and not last.isdigit()) or int(last or first) >= count:
            raise InputError(f"positions are such as 0-99,120 below {count}, got {part!r}")
        yield from range(int(first), int(last or first) + 1)
