"""`tally prove` and `tally export`: proofs to hand to others."""

from pathlib import Path

import click

from tallystick.cli.session import Session, find_id, pass_session

_OUTPUT = click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="File to write."
)


@click.command()
@click.argument("statement")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["receipt", "tlog-proof"]),
    default="receipt",
    show_default=True,
)
@_OUTPUT
@pass_session
def prove(session: Session, statement: str, format_: str, output: Path | None) -> None:
    """Write the proof that STATEMENT (an id or index) is registered.

    A receipt is a COSE_Sign1 (RFC 9942); a tlog-proof is text that tools of the C2SP family read.
    """
    from tallystick.statement import TlogProof, parse_note

    with session.reader(with_keys=True) as ledger:
        proof = ledger.prove(find_id(ledger, statement))
    if format_ == "receipt":
        data, suffix = proof.receipt, "receipt.cose"
    else:
        note = parse_note(proof.checkpoint)
        data, suffix = TlogProof(proof.found.index, proof.path, note).encode(), "tlog-proof"
    path = output or Path(f"{statement[:16]}.{suffix}")
    path.write_bytes(data)
    session.say(f"wrote {path}: index {proof.found.index}, {len(data)} bytes")
    session.give({"index": proof.found.index, "file": str(path)}, str(path))


@click.command()
@click.argument("statement")
@click.option("--withhold", is_flag=True, help="Show no content, only commitments.")
@click.option("--field", "fields", multiple=True, help="Show only these fields of the subject.")
@click.option("--rows", is_flag=True, help="Show every row of the batches it rests on.")
@_OUTPUT
@pass_session
def export(
    session: Session,
    statement: str,
    fields: tuple[str, ...],
    output: Path | None,
    *,
    withhold: bool,
    rows: bool,
) -> None:
    """Write the evidence bundle of STATEMENT (an id or index), to be verified offline."""
    from tallystick.evidence import Shown, build_bundle

    shown = Shown(content=not withhold, fields=frozenset(fields) or None, rows=rows)
    with session.reader(with_keys=True) as ledger:
        bundle = build_bundle(ledger, find_id(ledger, statement), shown)
    path = output or Path(f"{statement[:16]}.tally.json")
    path.write_bytes(bundle.encode())
    count = len(bundle.members)
    session.say(f"wrote {path}: the statement and {count - 1} others it rests on")
    session.give({"file": str(path), "statements": count}, str(path))
