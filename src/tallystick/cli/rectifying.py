"""`tally rectify`: say it right, and leave the wrong content to nobody who learns from it."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.arguments import find_id
from tallystick.cli.batches import positions_of, sign_rows
from tallystick.cli.registering import read_about, read_fields, submit
from tallystick.cli.rowfiles import read_rows
from tallystick.cli.session import Session, pass_session
from tallystick.errors import InputError

if TYPE_CHECKING:
    from tallystick.identity import Signer
    from tallystick.ledger import Submission
    from tallystick.ledger.erasures import Targets
    from tallystick.statement import SignedStatement

_SUPERSEDED = "superseded"


@click.command()
@click.argument("statement", metavar="STATEMENT[:POSITIONS]")
@click.option("--as", "issuer", required=True, metavar="NAME", help="Sign with this key.")
@click.option("--field", "fields", multiple=True, metavar="NAME=VALUE", help="All of the content.")
@click.option(
    "--rows",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the right rows, as many as POSITIONS.",
)
@click.option("--about", metavar="REF", help="Whom the content is about; stays in the vault.")
@click.option("--purpose", metavar="P", help="What it is kept for, with --about.")
@click.option(
    "--old",
    type=click.Choice(["erase", "restrict"]),
    required=True,
    help="What becomes of the content that was wrong.",
)
@click.option(
    "--reason", default="other", show_default=True,
    help="Why it is erased, as for `tally erase`; public.",
)  # fmt: skip
@pass_session
def rectify(
    session: Session,
    /,
    statement: str,
    issuer: str,
    fields: tuple[str, ...],
    file: Path | None,
    old: str,
    reason: str,
    **about: str | None,
) -> None:
    """Register right content in the place of STATEMENT's, or of rows of a batch.

    The new statement names the old one by `supersedes`. Loaders then yield the new content only.
    Nothing is registered if the wrong content may not be erased, as while it must be kept.
    """
    from tallystick.ledger.foreseen import check_admitted

    if bool(fields) == (file is not None):
        raise InputError("give either --field, for a statement, or --rows, for rows of a batch")
    whom = read_about(about["about"], about["purpose"])
    session.need_ledger()
    name, _, positions = statement.partition(":")
    with session.reader() as ledger:
        wrong = ledger.get(find_id(ledger, name)).statement
        operator = ledger.at(0).statement.header.issuer
    signer = session.signer(issuer)
    right: Submission
    targets: Targets
    if file is not None:
        right, targets = _rows(signer, wrong, positions, file, whom)
    else:
        right, targets = replace(_fields(signer, wrong, fields), about=whom), {wrong.id: None}
    _check_may(signer, wrong, operator)
    with session.reader() as ledger:
        leaving = _leave(session, ledger, targets, old, reason)
        check_admitted(ledger, leaving, int(time.time()))
    submit(session, [right])  # first, and alone: what was wrong must not go if this is refused
    submit(session, leaving)


def _check_may(signer: "Signer", wrong: "SignedStatement", operator: str) -> None:
    if signer.issuer not in {wrong.header.issuer, operator}:
        raise InputError(
            f"statement {wrong.id.hex()} is rectified by {wrong.header.issuer}, who signed it, or "
            f"by the operator, not by {signer.issuer}",
            advice="say what you know in a statement of your own, with `--link refutes=ID`",
        )


def _fields(signer: "Signer", wrong: "SignedStatement", fields: tuple[str, ...]) -> "Submission":
    from tallystick.evidence import sign_fields

    header = wrong.header
    if not header.hashed or header.type is None:
        raise InputError(f"statement {wrong.id.hex()} is public as a whole, or without a type")
    return sign_fields(
        signer,
        header.type,
        read_fields(fields),
        issued_at=int(time.time()),
        links={**header.links, "supersedes": (wrong.id,)},
        model=header.model,
        subject=header.subject,
    )


def _rows(
    signer: "Signer",
    wrong: "SignedStatement",
    positions: str,
    file: Path,
    whom: Any,
) -> "tuple[Submission, Targets]":
    from tallystick.evidence import encode_row
    from tallystick.ledger import batch_of

    batch = batch_of(wrong)
    if batch is None or not positions:
        raise InputError("--rows rectifies rows of a batch: name them, such as ID:0-9,12")
    chosen = frozenset(positions_of(positions, batch.rows))
    records = [encode_row(row) for row in read_rows(file, text=False)]
    if len(records) != len(chosen):
        raise InputError(f"{file} has {len(records)} rows, and {len(chosen)} are rectified")
    subjects = None if whom is None else [whom.subject] * len(records)
    purpose = "" if whom is None else whom.purpose
    # Not all of the old batch is replaced, only what this one says was wrong in it.
    links: dict[str, tuple[bytes, ...]] = {"supersedes": (wrong.id,), "refutes": (wrong.id,)}
    return sign_rows(signer, records, subjects, purpose, links), {wrong.id: chosen}


def _leave(
    session: Session, ledger: Any, targets: "Targets", old: str, reason: str
) -> "list[Submission]":
    """Sign what keeps everybody, or only AI, from the content that was wrong."""
    from tallystick.cli.erasing import reason_of
    from tallystick.cli.targets import operator_or
    from tallystick.ledger import sign_erasures
    from tallystick.ledger.derived import with_derived
    from tallystick.ledger.erasures import check_content
    from tallystick.ledger.marking import sign_marks
    from tallystick.statement.governance import StatementType

    check_content(ledger, targets)
    operator, now = operator_or(session, None), int(time.time())
    if old == "erase":
        return sign_erasures(operator, with_derived(ledger, targets), reason_of(reason), now)
    return sign_marks(operator, StatementType.RESTRICTION, targets, _SUPERSEDED, now)
