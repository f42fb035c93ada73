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
@click.option(
    "--generate-passphrase",
    is_flag=True,
    help="Make a random passphrase, and keep it in the ledger's folder.",
)
@pass_session
def init(
    session: Session, origin: str, allow: tuple[str, ...], *, generate_passphrase: bool
) -> None:
    """Make a new, empty ledger.

    Its registration policy is empty at first and refuses everything: allow something with --allow
    or later with `tally policy allow`.
    """
    from tallystick.cli.policies import rules_from
    from tallystick.ledger import create

    home, rules = session.home, rules_from(allow)
    if generate_passphrase:
        session.generate_passphrase()
    card = create(
        home,
        origin,
        session.passphrase(new=True),
        clock=lambda: int(time.time()),
        policy=rules,
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
