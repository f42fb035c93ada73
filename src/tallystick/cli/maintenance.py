"""`tally fsck`, `rebuild-index`, `backup`, `restore`: what an operator does."""

import errno
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tallystick.cli.key_life import read_chains
from tallystick.cli.session import Session, pass_session
from tallystick.errors import DamagedError, InputError, TallystickError, UnavailableError

if TYPE_CHECKING:
    from tallystick.ledger.examination import Examination
    from tallystick.ledger.maintenance import Copied
    from tallystick.log import Damage
    from tallystick.log.snapshot import Snapshot


PLACE: Final = "location"
"""File in a backup that says where it lies, where somebody did."""
PUBLISHED_SECONDS_MAX: Final = 5.0
"""How long the record of a backup may take until it is published."""
_KEY_FILES: Final = "the key files service.key and issuers.key"


@click.command()
@click.option(
    "--deep",
    is_flag=True,
    help="Also check every statement and its signature, the head "
    "store and journal, that the index finds each entry, and that all content opens.",
)
@pass_session
def fsck(session: Session, *, deep: bool) -> None:
    """Check every published file against the signed checkpoint, and name what is wrong.

    Head store, journal, index, keys and vault are checked with --deep only.
    """
    from tallystick.ledger.maintenance import check

    with session.progress("Checking files") as step:
        report = check(session.home, step)
    damage = list(report.damage)
    found = _look_deeper(session) if deep and not damage else None
    damage += found.damage if found else []
    session.give_all(_lines(damage))
    for note in found.notes if found else ():
        session.say(f"note: {note}")
    if damage:
        raise DamagedError(f"{len(damage)} of the ledger's parts are damaged")
    size = report.checkpoint.size if report.checkpoint else 0
    session.say(f"{size} entries: every published file agrees with the signed checkpoint")
    if found:
        parts = "signatures, head store and index" if found.head_checked else "signatures and index"
        session.say(f"{parts} agree; {found.opened} contents open")
    if session.as_json:
        session.give({"size": size, "damage": [], "notes": found.notes if found else []}, "")


def _look_deeper(session: Session) -> "Examination":
    from tallystick.ledger.examination import Examiner
    from tallystick.ledger.maintenance import check_statements

    passphrase = session.passphrase() if session.home.service_keys.exists() else None
    examiner = Examiner(session.home, passphrase, session.head())
    with session.progress("Checking statements") as step:
        wrong = list(check_statements(session.home, step, seen=examiner.see))
    found = examiner.finish()
    found.damage += wrong
    return found


@click.command("rebuild-index")
@pass_session
def rebuild_index(session: Session) -> None:
    """Build the index anew from the log."""
    from tallystick.cli.noting import done, note
    from tallystick.ledger.maintenance import rebuild_index as rebuild
    from tallystick.statement.administration import Act

    with session.progress("Indexing") as step:
        size = rebuild(session.home, step)
    note(session, done(Act.INDEX_REBUILT, size, size=size))
    session.say(f"the index covers {size} entries")
    session.give({"size": size}, str(size))


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--without-content", is_flag=True, help="Leave the vault out.")
@click.option(
    "--location", metavar="PLACE", help="Where FOLDER lies, if not where this machine does."
)
@pass_session
def backup(session: Session, folder: Path, location: str | None, *, without_content: bool) -> None:
    """Copy the ledger to FOLDER; into an earlier backup, only what is new.

    Keys are not copied. The ledger may be open meanwhile. That it was made is registered, and the
    backup holds that entry, if nothing came between. Where its content must stay in a place,
    see `tally law location`, FOLDER must be declared to lie there; that is remembered in it.
    """
    from tallystick.identity import KeyFile
    from tallystick.ledger.maintenance import backup as copy

    master = None
    if not without_content:
        master = KeyFile(session.home.service_keys, session.passphrase()).secret("vault")
    try:
        place = _place_of(session, folder, location)
        copied = copy(session.home, folder, master, place=place)
    except OSError as error:
        raise UnavailableError(
            f"{error.strerror or error}, while copying to {error.filename or folder}",
            advice=_advice_of(error),
        ) from error
    if location is not None:
        (folder / PLACE).write_text(f"{location}\n", encoding="utf-8")
    copied = _recorded(session, folder, copied, place, content=master is not None)
    _remember(session, folder, copied.size, content=master is not None)
    session.say(f"{folder} holds {copied.size} entries, {copied.files} files were written")
    session.say(f"keep {_KEY_FILES} elsewhere; the head folder does not belong into a backup")
    session.give({"size": copied.size, "files": copied.files}, str(copied.size))


def _recorded(
    session: Session, folder: Path, copied: "Copied", place: str | None, *, content: bool
) -> "Copied":
    """Register the backup, and copy that entry, too: else the log would be newer than its backup.

    Where content was registered meanwhile, the backup is of before, as one of a busy log always is.
    """
    from tallystick.cli.noting import done, note
    from tallystick.ledger import Home
    from tallystick.ledger.entries import read_statement
    from tallystick.ledger.maintenance import backup as copy
    from tallystick.ledger.maintenance import published
    from tallystick.statement.administration import Act

    root = published(Home(folder)).checkpoint.root.hex()
    act = done(Act.BACKUP_MADE, copied.size, size=copied.size, content=int(content), root=root)
    index = note(session, act)
    if index is None or (snapshot := _published_to(session, index)) is None:
        return copied
    between = range(copied.size, snapshot.checkpoint.size)
    if any(read_statement(snapshot.reader, at).header.hashed for at in between):
        return copied
    with suppress(OSError, TallystickError):  # the backup as it was is good
        again = copy(session.home, folder, None, place=place)
        return replace(again, files=copied.files)
    return copied


def _published_to(session: Session, index: int) -> "Snapshot | None":
    """Wait until an entry is published; None if that takes too long."""
    from tallystick.ledger.maintenance import published

    until = time.monotonic() + PUBLISHED_SECONDS_MAX
    while (snapshot := published(session.home)).checkpoint.size <= index:
        if time.monotonic() > until:
            return None
        time.sleep(0.05)
    return snapshot


def _place_of(session: Session, folder: Path, location: str | None) -> str | None:
    """Return where a backup lies: as said now, as said of it before, else as this machine."""
    from tallystick.vault.location import parse_location

    known = folder / PLACE
    before = parse_location(known.read_text("utf-8").strip()) if known.exists() else None
    if location is None:
        return before or session.place()
    if before not in {None, parse_location(location)}:
        raise InputError(
            f"{folder} was declared to lie in {before}, and now in {location}",
            advice=f"remove {known} if it was moved",
        )
    return location


def _advice_of(error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "what the backup held before is whole; make room, and run it again"
    return "what the backup held before is whole; mend that, and run it again"


def _remember(session: Session, folder: Path, size: int, *, content: bool) -> None:
    """Let `tally doctor` know of the backup; the backup is good also where that fails."""
    from tallystick.ledger.backups import BackupNote, write_backup_note

    note = BackupNote(int(time.time()), str(folder.absolute()), size, content)
    try:
        write_backup_note(session.home, note)
    except OSError as error:
        session.say(f"note: the ledger's folder cannot remember this backup: {error.strerror}")


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
@click.option("--verify", is_flag=True, help="Only check what a restore would; write nothing.")
@pass_session
def restore(
    session: Session,
    folder: Path,
    checkpoints: tuple[Path, ...],
    *,
    unsafe_alone: bool,
    verify: bool,
) -> None:
    """Bring the backup in FOLDER back, unless that would fork the log.

    With --verify also statements and content are checked. It ends with 0 if the backup is whole, 1
    if it is damaged or would fork the log, 3 if nobody says how far the log had come.
    """
    for path in checkpoints:
        if path.resolve().is_relative_to(folder.resolve()):
            raise InputError(
                f"{path} lies in the backup itself, and says nothing of what came after it",
                advice="give a checkpoint that somebody else holds",
            )
    others = [path.read_bytes() for path in checkpoints]
    if verify:
        _try(session, folder, others, unsafe_alone=unsafe_alone)
    else:
        _bring_back(session, folder, others, unsafe_alone=unsafe_alone)


def _try(session: Session, folder: Path, others: list[bytes], *, unsafe_alone: bool) -> None:
    from tallystick.identity import KeyFile
    from tallystick.ledger import Home
    from tallystick.ledger.trial import try_backup

    home = session.home
    keys = KeyFile(home.service_keys, session.passphrase()) if home.service_keys.exists() else None
    with session.progress("Checking statements") as step:
        found = try_backup(
            Home(folder), home, others, unsafe_alone=unsafe_alone, keys=keys,
            place=session.place(), progress=step,
        )  # fmt: skip
    for note in found.notes:
        session.say(f"note: {note}")
    session.say(f"{found.size} entries in {folder} are whole, {found.opened} contents open")
    data = {"size": found.size, "opened": found.opened, "notes": found.notes}
    session.give(data, str(found.size))


def _bring_back(session: Session, folder: Path, others: list[bytes], *, unsafe_alone: bool) -> None:
    from tallystick.cli.noting import done, note
    from tallystick.ledger.maintenance import published
    from tallystick.ledger.maintenance import rebuild_index as rebuild
    from tallystick.ledger.maintenance import restore as bring_back
    from tallystick.statement.administration import Act

    copied = bring_back(
        folder, session.home, others, unsafe_alone=unsafe_alone, place=session.place()
    )
    with session.progress("Indexing") as step:
        rebuild(session.home, step)
    root = published(session.home).checkpoint.root.hex()
    # Not at once: a copy that was restored to look at it must sign nothing.
    act = done(Act.BACKUP_RESTORED, copied.size, size=copied.size, root=root)
    note(session, act, now=False)
    session.say(f"restored {copied.size} entries to {session.home.root}")
    for path in copied.kept:
        session.say(f"{path} was left as it is: it is newer than the one in the backup")
    if session.home.api_keys.exists() and "data/api-keys.json" not in copied.kept:
        session.say("API keys are those of the backup: revoke again what was revoked after it")
    if not session.home.asked.exists() and read_chains(session).passkeys:
        session.say(
            "questions and invitations that waited are in no backup: ask, and invite, again"
        )
    if not session.home.service_keys.exists():
        session.say(f"put {_KEY_FILES} back in {session.home.service_keys.parent} to go on writing")
    session.give({"size": copied.size, "files": copied.files}, str(copied.size))


def _lines(damage: "list[Damage]") -> Iterator[tuple[dict[str, Any], str]]:
    for one in damage:
        data = {"path": one.path, "what": one.what, "index": one.index}
        yield data, f"{click.style('damaged', fg='red')}  {one.path}: {one.what}"
