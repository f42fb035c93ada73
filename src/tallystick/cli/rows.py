"""`tally rows`: what a model may be trained on."""

import json
from pathlib import Path

import click

from tallystick.cli.arguments import find_id
from tallystick.cli.session import Session, pass_session
from tallystick.errors import InputError, VerificationError


@click.command()
@click.argument("batches", nargs=-1, required=True, metavar="BATCH...")
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    help="Write rows there instead of to standard output.",
)
@click.option("--superseded", is_flag=True, help="The very rows of BATCH, also if put right since.")
@pass_session
def rows(
    session: Session, batches: tuple[str, ...], output: Path | None, *, superseded: bool
) -> None:
    """Write the rows that verify as JSON lines, and name those that do not.

    BATCH is the id or index of a batch statement; what took its place follows in its stead.
    Exits with 1 if any row was refused.
    """
    from tallystick.evidence import load_rows
    from tallystick.ledger import batch_of
    from tallystick.verify import parse_policy

    session.need_ledger()
    trust = parse_policy(session.home.trust.read_bytes())
    with session.reader(with_keys=True) as ledger:
        ids = [find_id(ledger, batch) for batch in batches]
        for batch, id_ in zip(batches, ids, strict=True):
            if batch_of(ledger.get(id_).statement) is None:
                raise InputError(f"{batch} is not a batch", advice="`tally find --type dataset`")
        loaded = load_rows(ledger, ids, trust, superseded=superseded)
    lines = "".join(json.dumps(row.values, default=bytes.hex) + "\n" for row in loaded.rows)
    if output and str(output) != "-":
        output.write_text(lines, encoding="utf-8")
    else:
        click.echo(lines, nl=False)
    session.say(f"{len(loaded.rows)} rows verify, {len(loaded.refused)} are refused")
    if loaded.restricted:
        session.say(f"{loaded.restricted} of these are restricted: see `tally restrict --list`")
    if loaded.superseded:
        session.say(f"{loaded.superseded} of these are superseded: others took their place")
    if loaded.refused:
        first = loaded.refused[0]
        raise VerificationError(f"batch {first.batch.hex()[:16]}…: {first.error}")
