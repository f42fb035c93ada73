"""`tally persons sign-in|end-sign-in|sign-ins`: which registered person it is who signs in."""

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from tallystick.cli.acts import record
from tallystick.cli.arguments import check_did
from tallystick.cli.reading import moment
from tallystick.cli.session import Session, pass_session
from tallystick.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from tallystick.capture.bindings import Bindings

SUBJECT_LETTERS_MAX: Final = 255


@click.command("sign-in")
@click.argument("did")
@click.argument("subject")
@pass_session
def sign_in(session: Session, did: str, subject: str) -> None:
    """Let whoever signs in as SUBJECT (- reads it from standard input) be the registered DID.

    SUBJECT is what the provider calls the person, its claim sub; they see it on the page of
    sign-in. It is kept here as a keyed digest only. They then see what is given to the parties of a
    statement, as with an API key of that DID. That something was bound is recorded, in codes only.
    """
    from tallystick.cli.persons import labels_of
    from tallystick.statement.administration import Act

    session.need_ledger()
    provider = session.sources().settings().oidc_issuer
    if provider is None:
        raise InputError("nobody signs in here: oidc_issuer is not set")
    subject = sys.stdin.readline().rstrip("\n") if subject == "-" else subject
    if not 0 < len(subject) <= SUBJECT_LETTERS_MAX or not subject.isprintable():
        raise InputError(f"a subject has 1 to {SUBJECT_LETTERS_MAX} printable letters")
    _check_registered(session, did)
    with session.reader(with_keys=True) as ledger:
        labels = labels_of(ledger, did)
        label = labels[-1].statement.id.hex() if labels else None
        known = _open(session, ledger.api_secret)
    made = known.draft(provider, subject, did, label, now=int(time.time()))
    record(session, Act.SIGN_IN_BOUND, made.id)
    known.add(made)
    session.say(f"whoever {provider} calls so is {did} here")
    session.give({"id": made.id, "did": did}, made.id)


@click.command("end-sign-in")
@click.argument("did")
@pass_session
def end_sign_in(session: Session, did: str) -> None:
    """Forget who signs in as DID; a running service learns of it within a second."""
    from tallystick.statement.administration import Act

    gone = _open(session, b"").remove(did)
    for one in gone:
        record(session, Act.SIGN_IN_UNBOUND, one.id)
    session.say(f"nobody signs in as {did} any more")
    session.give({"ids": [one.id for one in gone]}, " ".join(one.id for one in gone))


@click.command("sign-ins")
@pass_session
def list_sign_ins(session: Session) -> None:
    """List who signs in as whom, by DID; what the provider calls them is not known here."""
    session.give_all(_rows(_open(session, b"")))


def forget_erased(session: Session, targets: list[bytes]) -> None:
    """Forget who signs in as a person whose name was erased."""
    if session.home.bindings.exists() and (gone := _open(session, b"").forget(targets)):
        session.say(f"{gone} of them signed in here, and that is forgotten, too")


def _rows(known: "Bindings") -> Iterator[tuple[dict[str, Any], str]]:
    for one in known.known():
        data = {"id": one.id, "did": one.did, "at": one.created_at}
        yield data, f"{one.id}  {moment(one.created_at)}  {one.did}"


def _check_registered(session: Session, did: str) -> None:
    from tallystick.cli.key_life import read_chains

    check_did(did)
    if not read_chains(session).keys_of(did):
        raise NotFoundError(f"{did} is not registered here", advice="see `tally persons add`")


def _open(session: Session, secret: bytes) -> "Bindings":
    from tallystick.capture.bindings import Bindings

    return Bindings(session.home.bindings, secret)
