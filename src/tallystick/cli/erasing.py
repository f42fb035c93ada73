"""`tally erase`: destroy content, and register that it was."""

import time
from typing import TYPE_CHECKING

import click

from tallystick.cli.registering import submit
from tallystick.cli.session import Session, pass_session
from tallystick.cli.targets import check_targets_given, operator_or, read_targets
from tallystick.errors import ConflictError, InputError

if TYPE_CHECKING:
    from tallystick.ledger import Submission


@click.command()
@click.argument("statements", nargs=-1, metavar="[STATEMENT[:POSITIONS]]...")
@click.option("--about", metavar="REF", help="Erase all that is kept about this subject.")
@click.option("--purpose", metavar="P", help="Only what is kept for this, with --about.")
@click.option(
    "--reason",
    help="consent-withdrawn, objection, retention, unlawful, court-order or other; public.",
)
@click.option("--as", "issuer", metavar="NAME", help="Sign with this key; else the operator does.")
@click.option("--except-held", is_flag=True, help="Leave out what is under a hold.")
@click.option("--pending", is_flag=True, help="Only carry out what is registered already.")
@pass_session
def erase(
    session: Session,
    statements: tuple[str, ...],
    about: str | None,
    purpose: str | None,
    reason: str | None,
    issuer: str | None,
    *,
    except_held: bool,
    pending: bool,
) -> None:
    """Destroy the content of STATEMENTs, or all about a subject, and register that.

    STATEMENT is an id or index; of a batch, BATCH:0-9,12 erases these rows only. What is erased
    cannot be brought back. Proofs still verify; bundles say that the content was erased.
    """
    session.need_ledger()
    if pending:
        with session.ledger():  # opening it carries out what is due; a running service has
            session.say("what is registered as erased is erased")
        _scrub_spool(session)
        return
    check_targets_given(statements, about, purpose)
    submissions = _signed(
        session, statements, about, purpose, reason, issuer, except_held=except_held
    )
    submit(session, submissions)
    _scrub_spool(session)


def _signed(
    session: Session,
    statements: tuple[str, ...],
    about: str | None,
    purpose: str | None,
    reason: str | None,
    issuer: str | None,
    *,
    except_held: bool,
) -> "list[Submission]":
    from tallystick.ledger import check_targets, sign_erasures
    from tallystick.ledger.marking import without_held
    from tallystick.statement import ErasureReason

    if reason not in set(ErasureReason):
        raise InputError(
            f"--reason must be one of {', '.join(ErasureReason)}; got {reason or 'none'!r:.40}"
        )
    with session.reader(with_keys=True) as ledger:
        targets = read_targets(ledger, statements, about, purpose)
        check_targets(ledger, targets)
        if except_held:
            left = without_held(ledger, targets)
            if left != targets:
                session.say("something is under a hold, and stays: see `tally holds list`")
            targets = left
    signer = operator_or(session, issuer)
    return sign_erasures(signer, targets, ErasureReason(reason), int(time.time()))


def _scrub_spool(session: Session) -> None:
    """Overwrite what a gateway spooled, unless one runs or has not registered it yet."""
    from tallystick.capture.spool import scrub
    from tallystick.log import WriterLock

    try:
        lock = WriterLock(session.home.lock)
    except ConflictError:
        left = "stop the service"
        scrubbed = not any(session.home.spool.glob("journal/*"))
    else:
        try:
            scrubbed = not scrub(session.home.spool)
        finally:
            lock.release()
        left = "start the gateway once, so that it registers what is there"
    if not scrubbed:
        session.say(
            "the gateway's spool may still hold copies, encrypted under the vault's key: "
            f"{left}, and run `tally erase --pending`"
        )
