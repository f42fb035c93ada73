"""`tally migrate`: bring what an older release left to the formats of this one."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.session import Session, pass_session
from tallystick.errors import UnavailableError

if TYPE_CHECKING:
    from tallystick.ledger.formats import StoredFormat
    from tallystick.ledger.migration import Migrated


@click.command()
@click.option("--dry-run", is_flag=True, help="Show what would be done, and change nothing.")
@pass_session
def migrate(session: Session, *, dry_run: bool) -> None:
    """Bring files of an older release to the formats of this one; the originals are kept.

    The log itself never changes, and index and usage are made anew from it. Whatever kills this,
    run it again. A ledger of a newer release is refused.
    """
    from tallystick.ledger.migration import plan

    todo = plan(session.home)
    if dry_run:
        session.give_all(_lines(todo))
        session.say(f"{len(todo)} files would be migrated; nothing was changed")
        return
    done = _migrate(session)
    if done.folder is not None:
        from tallystick.cli import noting
        from tallystick.statement.administration import Act

        act = noting.done(Act.MIGRATED, done.size, size=done.size, files=len(done.files))
        noting.note(session, act)
    if done.folder is None:
        session.say(f"every file has the format of this release; {done.size} entries are whole")
    else:
        session.say(f"migrated {', '.join(done.files)}; {done.size} entries are whole")
        session.say(f"the originals lie in {done.folder}: delete it once you are sure that you")
        session.say("will not go back to the older release")
    folder = None if done.folder is None else str(done.folder)
    session.give({"files": done.files, "originals": folder, "size": done.size}, folder or "")


def _migrate(session: Session) -> "Migrated":
    from tallystick.ledger.migration import migrate as bring_up
    from tallystick.log import PosixDisk

    try:
        return bring_up(session.home, PosixDisk(), int(time.time()))
    except OSError as error:
        raise UnavailableError(
            f"{error.strerror or error}: {error.filename or session.home.root}",
            advice="each file is whole, old or new; make room, and run `tally migrate` again",
        ) from error


def _lines(todo: "list[StoredFormat]") -> Iterator[tuple[dict[str, Any], str]]:
    for one in todo:
        data = {"path": one.path, "from": one.seen, "to": one.written}
        yield data, f"{one.path}: format {one.seen} becomes {one.written}"
