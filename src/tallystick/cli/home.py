"""`tally init`: a new ledger in a folder."""

import time

import click

from tallystick.cli.session import Session, pass_session


@click.command()
@click.option(
    "--origin",
    default="localhost/main",
    show_default=True,
    help="Name of the log, <host>/<name>; never changed.",
)
@click.option(
    "--allow",
    multiple=True,
    metavar="TYPE=WHO",
    help="Who may register a type: a kind (person, organisation, machine, ai) or a DID.",
)
@pass_session
def init(session: Session, origin: str, allow: tuple[str, ...]) -> None:
    """Make a new, empty ledger.

    Its registration policy is empty at first and refuses everything: allow something with --allow
    or later with `tally policy allow`.
    """
    from tallystick.cli.policies import rules_from
    from tallystick.ledger import create

    home = session.home
    card = create(
        home,
        origin,
        session.passphrase(new=True),
        clock=lambda: int(time.time()),
        policy=rules_from(allow),
    )
    session.say(f"made the ledger {origin} in {home.root}")
    session.say(f"whoever verifies it needs {home.trust}")
    session.give(
        {
            "home": str(home.root),
            "origin": origin,
            "checkpoint_key": card.checkpoint_key,
            "genesis": card.genesis,
        },
        card.checkpoint_key,
    )
