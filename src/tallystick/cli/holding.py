"""`tally holds`, `tally restrict`, `tally unrestrict`: keep content, and keep AI from it."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.arguments import check_did, find_id
from tallystick.cli.printing import readable
from tallystick.cli.registering import submit
from tallystick.cli.session import Session, pass_session
from tallystick.cli.targets import check_targets_given, operator_or, read_targets
from tallystick.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from tallystick.ledger.marks import Marked

_ABOUT = click.option("--about", metavar="REF", help="All that is kept about this subject.")
_PURPOSE = click.option("--purpose", metavar="P", help="Only what is kept for this, with --about.")
_AS = click.option("--as", "issuer", metavar="NAME", help="Sign with this key; else the operator.")
_LIFTERS = click.option(
    "--lifter", "lifters", multiple=True, metavar="DID", help="Who else may lift it."
)
_ALL = click.option("--all", "lifted", is_flag=True, help="Those that were lifted, too.")
_STATEMENTS = click.argument("statements", nargs=-1, metavar="[STATEMENT[:POSITIONS]]...")


@click.group()
def holds() -> None:
    """Place, lift and list legal holds: what is held cannot be erased."""


@holds.command("place")
@_STATEMENTS
@_ABOUT
@_PURPOSE
@click.option("--reason", help="litigation, investigation, authority, audit or other; public.")
@_LIFTERS
@_AS
@pass_session
def place_hold(
    session: Session, /, statements: tuple[str, ...], issuer: str | None, **wanted: Any
) -> None:
    """Keep the content of STATEMENTs, or all about a subject, from being erased.

    STATEMENT is an id or index; of a batch, BATCH:0-9,12 holds these rows only.
    """
    _place(session, "hold", statements, issuer, **wanted)


@holds.command("lift")
@click.argument("marks", nargs=-1, required=True, metavar="HOLD...")
@_AS
@pass_session
def lift_hold(session: Session, marks: tuple[str, ...], issuer: str | None) -> None:
    """Lift holds, named by the id or index of the statement that placed them."""
    _lift(session, "hold", marks, issuer)


@holds.command("list")
@_ALL
@pass_session
def list_holds(session: Session, *, lifted: bool) -> None:
    """List holds, newest first: index, state, reason, id, and what they hold."""
    _list(session, "hold", lifted=lifted)


@click.command()
@_STATEMENTS
@_ABOUT
@_PURPOSE
@click.option(
    "--reason",
    help="accuracy-contested, unlawful, needed-for-claims, objection-pending, superseded or other; "
    "public.",
)
@click.option("--list", "listing", is_flag=True, help="List restrictions instead.")
@_ALL
@_LIFTERS
@_AS
@pass_session
def restrict(
    session: Session,
    /,
    statements: tuple[str, ...],
    issuer: str | None,
    *,
    listing: bool,
    lifted: bool,
    **wanted: Any,
) -> None:
    """Keep AI from reading the content of STATEMENTs, or all about a subject.

    Loaders leave it out and say so. It stays in the vault, and all proofs verify.
    """
    if listing:
        _list(session, "restriction", lifted=lifted)
    else:
        _place(session, "restriction", statements, issuer, **wanted)


@click.command()
@click.argument("marks", nargs=-1, metavar="[RESTRICTION]...")
@_ABOUT
@_AS
@pass_session
def unrestrict(
    session: Session, marks: tuple[str, ...], about: str | None, issuer: str | None
) -> None:
    """Lift RESTRICTIONs, or those of all that is kept about a subject."""
    if bool(marks) == (about is not None):
        raise InputError("give either restrictions, or --about REF")
    if about is not None:
        marks = _about(session, about)
    _lift(session, "restriction", marks, issuer)


def _about(session: Session, about: str) -> tuple[str, ...]:
    """Return the restrictions that stand and name something that is kept about a subject."""
    with session.reader(with_keys=True) as ledger:
        found = {
            mark.id.hex(): mark.index
            for target in ledger.vault.about(about)
            for mark in ledger.marks.naming(target, "restriction")
            if mark.lifted is None
        }
    if not found:
        raise NotFoundError("no restriction stands on anything that is kept about that")
    return tuple(sorted(found, key=lambda one: found[one]))


def _place(
    session: Session,
    type_: str,
    statements: tuple[str, ...],
    issuer: str | None,
    *,
    about: str | None,
    purpose: str | None,
    reason: str | None,
    lifters: tuple[str, ...],
) -> None:
    from tallystick.ledger.erasures import check_content
    from tallystick.ledger.marking import sign_marks
    from tallystick.statement.governance import StatementType
    from tallystick.statement.marks import REASONS

    check_targets_given(statements, about, purpose)
    if reason not in REASONS[type_]:
        known = ", ".join(REASONS[type_])
        raise InputError(f"--reason must be one of {known}; got {reason or 'none'!r:.40}")
    named = [check_did(one) or "" for one in lifters]
    session.need_ledger()
    with session.reader(with_keys=True) as ledger:
        targets = read_targets(ledger, statements, about, purpose)
        check_content(ledger, targets)
    signer, now = operator_or(session, issuer), int(time.time())
    submit(session, sign_marks(signer, StatementType(type_), targets, reason, now, named))


def _lift(session: Session, type_: str, marks: tuple[str, ...], issuer: str | None) -> None:
    from tallystick.ledger.marking import sign_lifting
    from tallystick.statement.governance import StatementType

    session.need_ledger()
    with session.reader() as ledger:
        named = list(dict.fromkeys(find_id(ledger, one) for one in marks))
    signer = operator_or(session, issuer)
    submit(session, sign_lifting(signer, StatementType(type_), named, int(time.time())))


def _list(session: Session, type_: str, *, lifted: bool) -> None:
    with session.reader() as ledger:
        session.give_all(_rows(ledger.marks.all(type_), lifted=lifted))


def _rows(found: "Iterator[Marked]", *, lifted: bool) -> Iterator[tuple[dict[str, Any], str]]:
    for one in found:
        if lifted or one.lifted is None:
            yield _as_data(one), _line(one)


def _as_data(one: "Marked") -> dict[str, Any]:
    return {
        "id": one.id.hex(),
        "index": one.index,
        "state": "stands" if one.lifted is None else "lifted",
        "reason": one.mark.reason,
        "issuer": one.issuer,
        "lifters": list(one.mark.lifters),
        "marked": {
            target.hex(): None if positions is None else sorted(positions)
            for target, positions in one.mark.marked.items()
        },
        "lifted_at_index": one.lifted,
    }


def _line(one: "Marked") -> str:
    state = "stands" if one.lifted is None else f"lifted at {one.lifted}"
    first, *others = one.mark.marked
    more = f" and {len(others)} more" if others else ""
    return (
        f"{one.index:>8}  {state:<14} {readable(one.mark.reason):<18} {one.id.hex()[:16]}…  "
        f"{first.hex()[:16]}…{more}"
    )
