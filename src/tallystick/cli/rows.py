"""`tally rows`: what a model may be trained on."""

import json
from pathlib import Path

import click

from tallystick.cli.session import Session, find_id, pass_session
from tallystick.errors import VerificationError


@click.command()
@click.argument("batches", nargs=-1, required=True, metavar="BATCH...")
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write rows there instead of to standard output.",
)
@pass_session
def rows(session: Session, batches: tuple[str, ...], output: Path | None) -> None:
    """Write the rows that verify as JSON lines, and name those that do not.

    BATCH is the id or index of a batch statement.
    Exits with 1 if any row was refused.
    """
    from tallystick.evidence import load_rows
    from tallystick.verify import parse_policy

    trust = parse_policy(session.home.trust.read_bytes())
    with session.reader(with_keys=True) as ledger:
        loaded = load_rows(ledger, [find_id(ledger, batch) for batch in batches], trust)
    lines = "".join(json.dumps(row.values, default=bytes.hex) + "\n" for row in loaded.rows)
    if output:
        output.write_text(lines)
    else:
        click.echo(lines, nl=False)
    session.say(f"{len(loaded.rows)} rows verify, {len(loaded.refused)} are refused")
    if loaded.refused:
        first = loaded.refused[0]
        raise VerificationError(f"batch {first.batch.hex()[:16]}…: {first.error}")
