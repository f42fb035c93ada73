"""`tally fsck`, `rebuild-index`, `backup`, `restore`: what an operator does."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.session import Session, pass_session
from tallystick.errors import DamagedError

if TYPE_CHECKING:
    from tallystick.log import Damage


@click.command()
@click.option("--deep", is_flag=True, help="Also check every statement and its signature.")
@pass_session
def fsck(session: Session, *, deep: bool) -> None:
    """Check every file of the ledger against every other, and name what is wrong."""
    from tallystick.ledger.maintenance import check, check_statements

    with session.progress("Checking files") as step:
        report = check(session.home, step)
    damage = list(report.damage)
    if deep and not damage:
        with session.progress("Checking statements") as step:
            damage = list(check_statements(session.home, step))
    session.give_all(_lines(damage))
    if damage:
        raise DamagedError(f"{len(damage)} of the ledger's parts are damaged")
    size = report.checkpoint.size if report.checkpoint else 0
    session.say(f"{size} entries: every file agrees with the signed checkpoint")
    if session.as_json:
        session.give({"size": size, "damage": []}, "")


@click.command("rebuild-index")
@pass_session
def rebuild_index(session: Session) -> None:
    """Build the index anew from the log."""
    from tallystick.ledger.maintenance import rebuild_index as rebuild

    with session.progress("Indexing") as step:
        size = rebuild(session.home, step)
    session.say(f"the index covers {size} entries")
    session.give({"size": size}, str(size))


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--without-content", is_flag=True, help="Leave the vault out.")
@pass_session
def backup(session: Session, folder: Path, *, without_content: bool) -> None:
    """Copy the ledger to FOLDER; into an earlier backup, only what is new.

    Keys are not copied. The ledger may be open meanwhile.
    """
    from tallystick.identity import KeyFile
    from tallystick.ledger.maintenance import backup as copy

    master = None
    if not without_content:
        master = KeyFile(session.home.service_keys, session.passphrase()).secret("vault")
    copied = copy(session.home, folder, master)
    session.say(f"{folder} holds {copied.size} entries, {copied.files} files were written")
    session.say("keep the key file elsewhere; the head folder does not belong into a backup")
    session.give({"size": copied.size, "files": copied.files}, str(copied.size))


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A checkpoint of this log that somebody else holds; repeatable.",
)
@click.option(
    "--unsafe-alone", is_flag=True, help="Nobody else ever saw a checkpoint or receipt of this log."
)
@pass_session
def restore(
    session: Session, folder: Path, checkpoints: tuple[Path, ...], *, unsafe_alone: bool
) -> None:
    """Bring the backup in FOLDER back, unless that would fork the log."""
    from tallystick.ledger.maintenance import rebuild_index as rebuild
    from tallystick.ledger.maintenance import restore as bring_back

    others = [path.read_bytes() for path in checkpoints]
    copied = bring_back(folder, session.home, others, unsafe_alone=unsafe_alone)
    with session.progress("Indexing") as step:
        rebuild(session.home, step)
    session.say(f"restored {copied.size} entries to {session.home.root}")
    if not session.home.service_keys.exists():
        session.say(f"put the key file back at {session.home.service_keys} to go on writing")
    session.give({"size": copied.size, "files": copied.files}, str(copied.size))


def _lines(damage: "list[Damage]") -> Iterator[tuple[dict[str, Any], str]]:
    for one in damage:
        data = {"path": one.path, "what": one.what, "index": one.index}
        yield data, f"{click.style('damaged', fg='red')}  {one.path}: {one.what}"
