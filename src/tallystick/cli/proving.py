"""`tally prove` and `tally export`: proofs to hand to others."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.cli.arguments import find_id
from tallystick.cli.printing import readable
from tallystick.cli.session import Session, pass_session
from tallystick.errors import InputError

if TYPE_CHECKING:
    from tallystick.ledger import LedgerReader

_OUTPUT = click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    help="File to write; - for standard output.",
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
    words = f"index {proof.found.index}, {len(data)} bytes"
    _write(session, path, data, words, {"index": proof.found.index})


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

    if withhold and fields:
        raise InputError("give either --withhold, which shows nothing, or --field, not both")
    shown = Shown(content=not withhold, fields=frozenset(fields) or None, rows=rows)
    with session.reader(with_keys=True) as ledger:
        subject = find_id(ledger, statement)
        _check_fields(ledger, subject, fields)
        bundle = build_bundle(ledger, subject, shown)
    path = output or Path(f"{statement[:16]}.tally.json")
    count = len(bundle.members)
    words = f"the statement and {count - 1} others it rests on"
    _write(session, path, bundle.encode(), words, {"statements": count})


def _check_fields(ledger: "LedgerReader", subject: bytes, fields: tuple[str, ...]) -> None:
    """Refuse fields that the statement does not have: a typing error would show nothing."""
    if not fields:
        return
    known = ledger.vault.get(subject).values()
    if unknown := [name for name in fields if name not in known]:
        raise InputError(
            f"the statement has no field {', '.join(map(repr, unknown))}",
            advice=f"it has: {', '.join(map(readable, known))}",
        )


def _write(session: Session, path: Path, data: bytes, words: str, facts: dict[str, object]) -> None:
    """Write a proof; onto standard output it is the only thing there."""
    if str(path) == "-":
        click.echo(data, nl=False)
        session.say(f"wrote {words}")
        return
    path.write_bytes(data)
    session.say(f"wrote {path}: {words}")
    session.give({**facts, "file": str(path)}, str(path))
