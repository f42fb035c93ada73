"""Give what checks found: line by line for a person, as one object for a program."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from tallystick.cli.session import Session

if TYPE_CHECKING:
    from tallystick.cli.checks.finding import Finding


def give_findings(session: Session, found: "Iterable[Finding]") -> None:
    """Give findings as they come, then say how many are amiss.

    Raises:
        click.exceptions.Exit: With 1, because there is a problem.
    """
    from tallystick.cli.checks.finding import State, worst

    seen: list[Finding] = []
    for one in found:
        seen.append(one)
        if not session.as_json:
            click.echo(one.text())
    state = worst(seen)
    if session.as_json:
        checks = [one.data() for one in seen]
        session.give({"state": str(state), "checks": checks}, "")
    counts = {kind: sum(one.state is kind for one in seen) for kind in State}
    session.say(
        f"{counts[State.OK]} ok, {counts[State.WARNING]} warnings, {counts[State.PROBLEM]} problems"
    )
    if state is State.PROBLEM:
        raise click.exceptions.Exit(1)
