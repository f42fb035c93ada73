"""`tally search`: filters saved under a name."""

from typing import TYPE_CHECKING

import click

from tallystick.cli.filters import filter_options, read_filters
from tallystick.cli.printing import short
from tallystick.cli.session import Session, pass_session
from tallystick.errors import InputError

if TYPE_CHECKING:
    from tallystick.ledger.searches import Filters, Searches


@click.group()
def search() -> None:
    """Save searches under a name, for `tally find`, `tally watch` and webhooks."""


@search.command("save")
@click.argument("name")
@filter_options
@pass_session
def save(session: Session, /, name: str, **wanted: str | None) -> None:
    """Save the filters that are given as the search NAME."""
    searches = _searches(session)
    filters = read_filters(session, wanted)
    if not filters.given():
        raise InputError("a search needs a filter", advice="such as --in-name-of DID")
    searches.save(name, filters)
    session.say(f"saved; look with `tally find --saved {name}`")
    session.give({"name": name, **filters.given()}, name)


@search.command("list")
@pass_session
def list_searches(session: Session) -> None:
    """List all saved searches."""
    found = _searches(session).all()
    session.give_all(
        ({"name": name, **filters.given()}, f"{name:<20} {in_words(filters)}")
        for name, filters in sorted(found.items())
    )


@search.command("show")
@click.argument("name")
@pass_session
def show(session: Session, name: str) -> None:
    """Show what the search NAME asks for."""
    given = _searches(session).get(name).given()
    lines = [f"{option:<12} {short(value)}" for option, value in given.items()]
    session.give({"name": name, **given}, "\n".join(lines))


@search.command("remove")
@click.argument("name")
@pass_session
def remove(session: Session, name: str) -> None:
    """Forget the search NAME; webhooks that were made from it stay as they are."""
    _searches(session).remove(name)
    session.give({"name": name}, name)


def in_words(filters: "Filters") -> str:
    """Return filters on one line."""
    given = filters.given().items()
    return " ".join(f"--{name.replace('_', '-')} {short(value)}" for name, value in given) or "all"


def _searches(session: Session) -> "Searches":
    from tallystick.ledger.searches import Searches

    session.need_ledger()
    return Searches(session.home.searches)
