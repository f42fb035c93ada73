"""`tally erase`: destroy content, and register that it was."""

import time
from typing import TYPE_CHECKING

import click

from tallystick.cli.registering import submit
from tallystick.cli.session import Session, pass_session
from tallystick.cli.targets import check_targets_given, operator_or, read_targets
from tallystick.errors import ConflictError, InputError

if TYPE_CHECKING:
    from tallystick.identity import Signer
    from tallystick.ledger import Submission
    from tallystick.ledger.erasures import Targets
    from tallystick.ledger.reader import LedgerReader
    from tallystick.statement import ErasureReason


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


def _tell_of_published(session: Session, ledger: "LedgerReader", targets: "Targets") -> None:
    from tallystick.ledger import publications_of

    if shown := [found.index for one in targets for found in publications_of(ledger, one)]:
        session.say(f"published at index {', '.join(map(str, shown))}: that stays in the log")


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
    from tallystick.ledger import check_targets
    from tallystick.ledger.marking import without_held

    why = reason_of(reason)
    with session.reader(with_keys=True) as ledger:
        targets = read_targets(ledger, statements, about, purpose)
        check_targets(ledger, targets)
        targets = _with_derived(session, ledger, _with_requests(session, ledger, targets))
        if except_held:
            left = without_held(ledger, targets)
            if left != targets:
                session.say("something is under a hold, and stays: see `tally holds list`")
            targets = left
        _tell_of_published(session, ledger, targets)
    return _apart(session, operator_or(session, issuer), targets, why, about)


def _with_requests(session: Session, ledger: "LedgerReader", targets: "Targets") -> "Targets":
    from tallystick.ledger.contested import with_requests

    every = with_requests(ledger, targets)
    if more := [str(ledger.get(one).index) for one in every if one not in targets]:
        session.say(f"what was asked of it goes with it, and the answers: {', '.join(more)}")
    return every


def _with_derived(session: Session, ledger: "LedgerReader", targets: "Targets") -> "Targets":
    from tallystick.ledger.derived import with_derived

    every = with_derived(ledger, targets)
    if more := [str(ledger.get(one).index) for one in every if every[one] != targets.get(one, ())]:
        session.say(f"the same rows go in batches that were taken from them: {', '.join(more)}")
    return every


def _apart(
    session: Session,
    signer: "Signer",
    targets: "Targets",
    why: "ErasureReason",
    about: str | None,
) -> "list[Submission]":
    """Sign erasures; whose pseudonyms are whose, each apart, for one statement would link them."""
    from tallystick.cli.persons import PURPOSE
    from tallystick.ledger import sign_erasures

    now, bindings = int(time.time()), {}
    if about is not None:
        with session.reader(with_keys=True) as ledger:
            known = ledger.vault.about(about, PURPOSE)
        bindings = {one: at for one, at in targets.items() if one in known}
    rest = {one: at for one, at in targets.items() if one not in bindings}
    signed = sign_erasures(signer, rest, why, now)
    return signed + [
        part for one in bindings for part in sign_erasures(signer, {one: None}, why, now)
    ]


def erase_each(session: Session, targets: list[bytes], reason: str) -> None:
    """Erase the content of statements, each by a statement of its own, as the operator."""
    from tallystick.ledger import sign_erasures

    why, signer = reason_of(reason), operator_or(session, None)
    now = int(time.time())
    signed = [one for target in targets for one in sign_erasures(signer, {target: None}, why, now)]
    submit(session, signed)
    _scrub_spool(session)


def reason_of(text: str | None) -> "ErasureReason":
    """Return what somebody gave as a reason to erase.

    Raises:
        InputError: None of those that there are.
    """
    from tallystick.statement import ErasureReason

    if text not in set(ErasureReason):
        raise InputError(
            f"--reason must be one of {', '.join(ErasureReason)}; got {text or 'none'!r:.40}"
        )
    return ErasureReason(text)


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
