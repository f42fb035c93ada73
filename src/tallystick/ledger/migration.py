"""Bring the files of an older release to the formats of this one, and keep the originals.

    done = migrate(home, PosixDisk(), now)
    done.folder     # where the originals lie

In this order, so that whoever is killed at any moment can run it again:

1. refuse what is newer, open, or damaged: nothing was changed;
2. say in `data/migration.json` where the originals will lie;
3. copy each original there, durably;
4. replace each file at once, by one of the new format;
5. check that every file has its format, and the log against its checkpoint; remove the note.

A file that still has the old format is copied again, one that has the new format never is: so the
originals are originals, however often it was begun.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from tallystick.errors import DamagedError, EncodingError, VersionError
from tallystick.ledger.creation import read_card
from tallystick.ledger.formats import (
    BEGUN,
    StoredFormat,
    check_formats,
    older,
    refuse_other,
    stored_formats,
)
from tallystick.ledger.home import Home
from tallystick.ledger.versioned import parse_versioned, replace_private
from tallystick.log import WriterLock, fsck
from tallystick.log.disk import Disk
from tallystick.statement import parse_vkey

Content = dict[str, Any]
Step = Callable[[Content], Content]
FORMAT: Final = 1
"""Of the note in `data/migration.json`."""
_LOCKED: Final = frozenset({"data/api-keys.json", "data/searches.json", "data/webhooks.json"})
"""Files that commands also change beside the writer, each under a lock of its own."""


def _scopes(content: Content) -> Content:
    """Give API keys the scope and budget that format 1 did not know: every model, no limit."""
    known: Content = {"models": [], "only": None, "budget": None}
    return {**content, "keys": [{**known, **key} for key in content["keys"]]}


def _roles(content: Content) -> Content:
    """Give API keys the role that allows what they were good for before there were roles."""
    keys = [
        {**key, "role": "originator" if key["only"] == "gateway" else "admin"}
        for key in content["keys"]
    ]
    return {**content, "keys": keys}


def _delegations(content: Content) -> Content:
    """Let API keys act for nobody but their originator."""
    known: Content = {"delegation": None, "principal": None}
    return {**content, "keys": [{**known, **key} for key in content["keys"]]}


STEPS: Final[Mapping[tuple[str, int], Step]] = {
    ("data/api-keys.json", 1): _scopes,
    ("data/api-keys.json", 2): _roles,
    ("data/api-keys.json", 3): _delegations,
}
"""What leads from a format of a file to the next one; the number itself is set afterwards."""


class Begun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A migration that is under way.

    Attributes:
        folder: Where the originals lie, below the ledger's folder.
        files: What is migrated.
        format: Version of this note.
    """

    folder: str
    files: tuple[str, ...]
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a migration did.

    Attributes:
        folder: Where the originals lie; None if there was nothing to do.
        files: What was migrated, also by a run that was killed before.
        size: Entries of the log, which was checked afterwards.
    """

    folder: Path | None
    files: tuple[str, ...]
    size: int


def plan(home: Home) -> list[StoredFormat]:
    """Return what would be migrated; nothing is changed.

    Raises:
        VersionError: A file is of a newer release, or no step leads from its format.
        EncodingError: A file is damaged.
    """
    read_card(home)
    found = stored_formats(home)
    for one in found:
        if one.seen > one.written or one.seen < 1:
            refuse_other(home.root / one.path, one.seen, one.written)
    todo = list(older(found))
    for one in todo:
        for number in range(one.seen, one.written):
            if (one.path, number) not in STEPS:
                raise VersionError(f"no step leads from format {number} of {one.path}")
    return todo


def migrate(home: Home, disk: Disk, now: int) -> Migrated:
    """Migrate what is older; go on with a migration that was killed.

    Args:
        home: The ledger; no process has it open.
        disk: Where it lies.
        now: Seconds since 1970, for the name of the folder with the originals.

    Raises:
        ConflictError: A process has the ledger open, or changes one of the files.
        VersionError: A file is of a newer release. Nothing was changed.
        DamagedError: The log does not agree with its checkpoint.
        EncodingError: A file is damaged. Nothing was changed.
        OSError: The disk failed: run it again.
    """
    locks = [WriterLock(home.lock)]
    try:
        locks += [WriterLock(home.root / f"{name}.lock") for name in sorted(_LOCKED)]
        todo = plan(home)
        begun = _begun(home, disk)
        if not todo and begun is None:
            return Migrated(None, (), _check_log(home))
        if begun is None or not {one.path for one in todo} <= set(begun.files):
            _check_log(home)
            begun = _begin(home, disk, todo, begun, now)
        _keep(home, disk, todo, home.root / begun.folder)
        for one in todo:
            _replace(home.root / one.path, one, disk)
        return _end(home, disk, begun)
    finally:
        for lock in locks:
            lock.release()


def _begun(home: Home, disk: Disk) -> Begun | None:
    path = home.data / BEGUN
    data = disk.read(path)
    return None if data is None else parse_versioned(path, data, Begun, FORMAT)


def _begin(
    home: Home, disk: Disk, todo: Iterable[StoredFormat], before: Begun | None, now: int
) -> Begun:
    """Say what is going to be done; a migration that was begun keeps its folder."""
    when = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    files = {*(before.files if before else ()), *(one.path for one in todo)}
    folder = before.folder if before else f"before-migration-{when}"
    begun = Begun(folder, tuple(sorted(files)))
    replace_private(home.data / BEGUN, msgspec.json.encode(begun), disk)
    return begun


def _keep(home: Home, disk: Disk, todo: Iterable[StoredFormat], folder: Path) -> None:
    """Copy originals, for their owner only."""
    for one in todo:
        original = disk.read(home.root / one.path) or b""
        if disk.read(folder / one.path) == original:
            continue
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / one.path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_private(folder / one.path, original, disk)
    if folder.exists():
        disk.sync(path for path in folder.rglob("*") if path.is_file())


def _replace(path: Path, one: StoredFormat, disk: Disk) -> None:
    """Write a file in the format of this release, in one piece.

    Raises:
        EncodingError: It is not what the old format says.
    """
    content = msgspec.json.decode(disk.read(path) or b"", type=Content)
    for number in range(one.seen, one.written):
        try:
            content = {**STEPS[one.path, number](content), "format": number + 1}
        except (KeyError, TypeError) as error:
            raise EncodingError(
                f"{path} is damaged: it is no format {number}: {error!r}"
            ) from error
    replace_private(path, msgspec.json.encode(content), disk)


def _end(home: Home, disk: Disk, begun: Begun) -> Migrated:
    """Check what was done, and only then forget that it was under way."""
    for one in stored_formats(home):
        refuse_other(home.root / one.path, one.seen, one.written)
    size = _check_log(home)
    disk.remove(home.data / BEGUN)
    check_formats(home)
    return Migrated(home.root / begun.folder, begun.files, size)


def _check_log(home: Home) -> int:
    """Check every public file of the log; return how many entries there are."""
    report = fsck(home.places().public, parse_vkey(read_card(home).checkpoint_key))
    if report.damage or report.checkpoint is None:
        raise DamagedError(
            f"the log is damaged: {report.damage[0].path}: {report.damage[0].what}",
            advice="run `tally fsck`, mend that first, and migrate then",
        )
    return report.checkpoint.size
