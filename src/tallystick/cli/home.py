"""`tally init`: a new ledger in a folder."""

import time
from typing import TYPE_CHECKING

import click

from tallystick.cli.options import new_ledger_options
from tallystick.cli.session import Session, pass_session
from tallystick.errors import InputError

if TYPE_CHECKING:
    from tallystick.ledger import Home, RegistrationPolicy
    from tallystick.ledger.creation import Card


@click.command()
@click.option(
    "--origin",
    default="localhost/main",
    show_default=True,
    help="Name of the log, <host>/<name>; never changed.",
)
@new_ledger_options
@pass_session
def init(
    session: Session,
    origin: str,
    allow: tuple[str, ...],
    keys_in: str | None,
    *,
    private: bool,
    generate_passphrase: bool,
) -> None:
    """Make a new, empty ledger.

    Its registration policy is empty at first and refuses everything: allow something with --allow
    or later with `tally policy allow`.
    """
    from dataclasses import replace

    from tallystick.cli.policies import rules_from

    home, rules = session.home, replace(rules_from(allow), private=private)
    card = make_ledger(session, origin, rules, keys_in, generate=generate_passphrase)
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


def make_ledger(
    session: Session,
    origin: str,
    policy: "RegistrationPolicy | None" = None,
    keys_in: str | None = None,
    *,
    generate: bool,
) -> "Card":
    """Make a ledger; a passphrase that was generated for it goes again if that fails.

    Raises:
        ConflictError: There is a ledger already. No passphrase is made then.
        EncodingError: The origin is malformed. Nor then.
    """
    from tallystick.ledger import create
    from tallystick.statement import check_origin

    home = session.home
    check_origin(origin)
    _refuse_existing(home)
    passphrase = session.generate_passphrase() if generate else session.passphrase(new=True)
    try:
        return create(
            home,
            origin,
            passphrase,
            clock=lambda: int(time.time()),
            policy=policy,
            keys_in=keys_in,
        )
    except BaseException:
        if generate and not (home.data / "ledger.json").exists():
            (home.root / "passphrase").unlink(missing_ok=True)
        raise


def _refuse_existing(home: "Home") -> None:
    from tallystick.ledger.creation import refuse_existing

    refuse_existing(home)
    if home.root.exists() and not home.root.is_dir():
        raise InputError(f"{home.root} is no folder")
