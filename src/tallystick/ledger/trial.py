"""Try a backup without restoring it: all that a restore would check, and more; nothing is written.

Whether content opens is checked where the ledger's key file is at hand; else that is said.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field

from tallystick.errors import ConflictError, DamagedError, IndeterminateError
from tallystick.identity import KeyFile
from tallystick.ledger.beside import read_beside
from tallystick.ledger.copying import checked_edge
from tallystick.ledger.creation import VAULT, read_card
from tallystick.ledger.home import Home
from tallystick.ledger.maintenance import (
    Progress,
    check,
    check_covered,
    check_statements,
    published,
)
from tallystick.log import Snapshot, stored_head
from tallystick.statement import parse_vkey
from tallystick.vault import Vault, connect_reading
from tallystick.vault.census import take_census
from tallystick.vault.location import check_location


@dataclass(slots=True)
class Trial:
    """What was found of a backup that would be restored.

    Attributes:
        size: Entries in it.
        opened: Contents that were opened.
        notes: In words: what is not in it, or could not be checked.
    """

    size: int
    opened: int = 0
    notes: list[str] = field(default_factory=list)


def try_backup(
    source: Home,
    home: Home,
    others: list[bytes],
    *,
    unsafe_alone: bool = False,
    keys: KeyFile | None = None,
    place: str | None = None,
    progress: Progress | None = None,
) -> Trial:
    """Check a backup as a restore would.

    Args:
        source: The backup.
        home: Where it would be restored to; its head store, or the ledger that is there, says how
            far the log had come.
        others: Checkpoints that others hold.
        unsafe_alone: Nobody else ever saw one.
        keys: The ledger's key file, to open content.
        place: Where this machine lies, for a vault that says where its content may lie.
        progress: Told how far it is.

    Raises:
        DamagedError: It is damaged, of another history, or would fork the log.
        IndeterminateError: It is whole, and nobody says how far the log had come.
        NotFoundError: It is no backup.
        LocationError: Its content may not lie here.
        VersionError: A newer release made it.
    """
    card = read_card(source)
    check_location(take_census(source.vault).location, place, str(home.root))
    key = parse_vkey(card.checkpoint_key)
    damage = [*check(source).damage] or [*check_statements(source, progress)]
    if damage:
        raise DamagedError(f"the backup is damaged: {damage[0].path}: {damage[0].what}")
    snapshot = published(source)
    checked_edge(snapshot)
    if not source.trust.exists():
        raise DamagedError(f"{source.trust} is missing in the backup")
    read_beside(source)
    trial = Trial(snapshot.checkpoint.size)
    _try_vault(source, keys, trial)
    known = list(others)
    if (home.data / "ledger.json").exists():
        known += _beside_ledger(home, snapshot, trial)
    elif home.places().head.exists() and (note := stored_head(home.places().head)) is not None:
        known.append(note)
    for note in known:
        try:
            check_covered(note, key, snapshot)
        except ConflictError as error:
            raise DamagedError(str(error), advice=error.advice) from error
    if not known and not unsafe_alone:
        raise IndeterminateError(
            f"the backup is whole, and nobody says whether its {trial.size} entries are all",
            advice="give one that somebody else holds with --checkpoint, or say --unsafe-alone",
        )
    return trial


def _beside_ledger(home: Home, snapshot: Snapshot, trial: Trial) -> list[bytes]:
    """Compare with the ledger that is there, which may have gone on; return how far it agrees."""
    ours, size = published(home), snapshot.checkpoint.size
    if ours.checkpoint.size < size:
        return [ours.note]
    if read_card(home).origin != snapshot.checkpoint.origin or (
        size and ours.reader.root(size) != snapshot.checkpoint.root
    ):
        raise DamagedError(f"the backup is of another history than the ledger in {home.root}")
    if ours.checkpoint.size > size:
        trial.notes.append(f"the ledger has {ours.checkpoint.size - size} entries more")
    return [snapshot.note]


def _try_vault(source: Home, keys: KeyFile | None, trial: Trial) -> None:
    if not source.vault.exists():
        trial.notes.append("there is no content in the backup")
    elif keys is None:
        _check_whole(source)
        trial.notes.append("without the ledger's key file, content was not opened")
    else:
        with closing(Vault(source.vault, keys.secret(VAULT), writable=False)) as vault:
            trial.opened = vault.check()


def _check_whole(source: Home) -> None:
    try:
        with closing(connect_reading(source.vault)) as database:
            [[found]] = database.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise DamagedError(f"{source.vault} is not a whole vault: {found}")
