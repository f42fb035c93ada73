"""Places: whether content lies where it may, and which upstreams are not asked for that reason."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from tallystick.cli.checks.finding import Finding, ok, problem, warning

if TYPE_CHECKING:
    from tallystick.ledger import Home
    from tallystick.web import Settings


def places(home: "Home", settings: "Settings") -> Iterator[Finding]:
    """Compare where content must stay with where the settings say that things lie.

    Raises:
        InputError: A setting names no place.
    """
    from tallystick.cli.gateways import gateway_settings
    from tallystick.vault.census import take_census
    from tallystick.vault.location import holds, parse_location

    here, kept_in = settings.data_location, take_census(home.vault).location
    for place in (here, settings.upstream_location):
        if place is not None:
            parse_location(place)
    chosen = replace(gateway_settings(settings), kept_in=kept_in)
    if kept_in is None:
        if here is not None:
            yield ok("place", f"this machine lies in {here}; content may lie anywhere")
        return
    if here is None or not holds(kept_in, here):
        seen = f"content must stay in {kept_in}, data_location is {here or 'none'}"
        mend = "set data_location to where this machine is"
        yield problem("place", seen, f"a place in {kept_in}", mend)
    else:
        yield ok("place", f"content must stay in {kept_in}, and this machine lies in {here}")
    for one in chosen.all_upstreams():
        if not chosen.may_send(one):
            where = one.location or "no declared place"
            seen = f"upstream {one.name} is not asked: it lies in {where}"
            mend = "set its location, or content_locations if there is a basis"
            yield warning("place", seen, f"a place in {kept_in}", mend)
