"""`tally recorder`: record calls in an application, and forward what was recorded."""

import signal
from pathlib import Path

import click

from tallystick.cli.session import Session, pass_session


@click.group()
def recorder() -> None:
    """Record calls in an application, and forward what was recorded."""


@recorder.command()
@click.argument("name")
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder to make; the application's TALLYSTICK_RECORDER.",
)
@click.option("--url", default="http://127.0.0.1:8471", show_default=True, help="The service.")
@click.option("--public-name", help="Name on the ledger, for ever; never a person's.")
@click.option(
    "--fail-open",
    is_flag=True,
    help="Let calls go on where nothing can be recorded, and count them.",
)
@pass_session
def create(
    session: Session, name: str, folder: Path, url: str, public_name: str | None, *, fail_open: bool
) -> None:  # fmt: skip
    """Make a recorder: its folder, its key, and its right to register what it records.

    The folder holds a passphrase that opens its keys; it may be moved to the application's
    machine as a whole.
    """
    from tallystick.cli.keys import is_registered
    from tallystick.ledger import read_card
    from tallystick.ledger.assembly import read_state
    from tallystick.recorder.making import allow, finish_recorder, make_recorder
    from tallystick.recorder.place import Place

    session.need_ledger()
    card, record = make_recorder(
        Place(folder), read_card(session.home), name=name, url=url, public_name=public_name,
        fail_open=fail_open,
    )  # fmt: skip
    with session.reader() as reader:
        policy = read_state(reader.index, reader.snapshot).policy
        known = is_registered(reader, card.issuer)
    with session.ledger() as ledger:
        if not known:
            ledger.register_key(record)
        ledger.set_policy(allow(policy, card.issuer))
    finish_recorder(Place(folder), card)
    session.say(f"applications record with TALLYSTICK_RECORDER={folder.absolute()}")
    session.give({"issuer": card.issuer, "folder": str(folder)}, card.issuer)


@recorder.command()
@click.argument("folder", type=click.Path(path_type=Path), envvar="TALLYSTICK_RECORDER")
@click.option(
    "--until-idle",
    is_flag=True,
    help="End when no application is left and everything is registered.",
)
@pass_session
def run(session: Session, folder: Path, *, until_idle: bool) -> None:
    """Sign and register what applications record, until interrupted.

    An application starts this itself where it does not run.
    """
    from tallystick.recorder.making import open_forwarder
    from tallystick.recorder.place import Place

    forwarder = open_forwarder(Place(folder))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: forwarder.stop())
    import logging

    logging.basicConfig(level=logging.INFO)
    session.say(f"forwarding what is recorded in {folder}")
    forwarder.run(until_idle=until_idle)


@recorder.command()
@click.argument("folder", type=click.Path(path_type=Path), envvar="TALLYSTICK_RECORDER")
@pass_session
def status(session: Session, folder: Path) -> None:
    """Show what waits, and whether a forwarder runs. Reads nothing of the contents."""
    from tallystick.recorder.making import look
    from tallystick.recorder.place import Place

    found = look(Place(folder))
    session.give(found, "\n".join(f"{name:<12} {value}" for name, value in found.items()))
