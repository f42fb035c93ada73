"""`tally persons sign-in|end-sign-in|sign-ins`: which registered person it is who signs in."""

import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import click

from tallystick.cli.acts import record
from tallystick.cli.arguments import check_did
from tallystick.cli.reading import moment
from tallystick.cli.session import Session, pass_session
from tallystick.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from tallystick.capture.bindings import Bindings
    from tallystick.ledger import LedgerReader

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
        label = _label(ledger, did)
        known = _open(session, ledger.api_secret)
    known.check_room(provider, subject)
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
    from tallystick.cli.noting import note
    from tallystick.ledger.acts import keep
    from tallystick.statement.administration import Act, AdminAct

    known, now = _open(session, b""), int(time.time())
    acts = [AdminAct(act=Act.SIGN_IN_UNBOUND, target=one.id, at=now)
            for one in known.known() if one.did == did]  # fmt: skip
    for act in acts:
        keep(session.home, act)  # before what it is about is gone
    gone = known.remove(did)
    for act in acts:
        note(session, act)
    session.say(f"nobody signs in as {did} any more")
    session.give({"ids": [one.id for one in gone]}, " ".join(one.id for one in gone))


@click.command("sign-ins")
@pass_session
def list_sign_ins(session: Session) -> None:
    """List who signs in as whom, by DID; what the provider calls them is not known here."""
    session.give_all(_rows(_open(session, b"")))


def forget_erased(session: Session, targets: list[bytes], dids: tuple[str, ...]) -> None:
    """Forget who signs in as a person whose names were erased."""
    if session.home.bindings.exists() and (gone := _open(session, b"").forget(targets, dids)):
        session.say(f"{gone} of them signed in here, and that is forgotten, too")


def _label(ledger: "LedgerReader", did: str) -> str | None:
    """Return the label that names a person, by which erasing the name is noticed.

    Raises:
        ErasedError: The name was erased.
    """
    from tallystick.cli.persons import newest_name
    from tallystick.vault import unsafe_unrecorded

    with suppress(NotFoundError), unsafe_unrecorded():  # only which label it is
        return newest_name(ledger, did).statement.id.hex()
    return None


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
