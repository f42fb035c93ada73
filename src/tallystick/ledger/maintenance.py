"""What an operator does to a ledger: check it, rebuild its index, back it up, restore it."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tallystick.errors import (
    ConflictError,
    DamagedError,
    InputError,
    ProofError,
    TallystickError,
)
from tallystick.ledger.assembly import catch_up, check_genesis
from tallystick.ledger.batches import Batches
from tallystick.ledger.creation import read_card
from tallystick.ledger.home import Home
from tallystick.ledger.index import Index
from tallystick.ledger.rules import batch_of
from tallystick.ledger.signatures import InlineChecks, question
from tallystick.ledger.state import LedgerState
from tallystick.log import (
    Damage,
    HeadStore,
    PosixDisk,
    PublicLog,
    Report,
    Snapshot,
    WriterLock,
    fsck,
)
from tallystick.log.layout import ENTRIES, tile_path
from tallystick.merkle import Tile, edge_tiles, verify_consistency
from tallystick.statement import (
    SignedStatement,
    VerifierKey,
    parse_checkpoint,
    parse_note,
    parse_statement,
    parse_vkey,
    verify_note,
)
from tallystick.vault import Vault

Progress = Callable[[int, int], None]
"""Called with entries done and entries in all."""

CARD: Final = "ledger.json"
_CHUNK: Final = 1024
"""Entries between two calls of the progress function."""


def check(home: Home, progress: Progress | None = None) -> Report:
    """Check every public file of a ledger against every other, and against the checkpoint."""
    card = read_card(home)
    return fsck(home.places().public, parse_vkey(card.checkpoint_key), progress)


def check_statements(
    home: Home,
    progress: Progress | None = None,
    *,
    state: LedgerState | None = None,
    seen: Callable[[int, SignedStatement], None] | None = None,
) -> Iterator[Damage]:
    """Check what the entries say: form, issuer, signature, numbers, and leaf hashes of batches.

    Assumes that `check` found nothing. Content in the vault is not checked here.

    Args:
        home: The ledger.
        progress: Told how far it is.
        state: An empty state, to be brought to what the log says.
        seen: Called with each statement that is right, and its index.
    """
    snapshot = _published(home)
    state = LedgerState() if state is None else state
    checks, batches = InlineChecks(), Batches(home.rows)
    size = snapshot.checkpoint.size
    for index in range(size):
        try:
            statement = parse_statement(snapshot.reader.entry(index))
            header = statement.header
            state.apply(statement, index)
            record = state.record(header.issuer, header.key_id)
            if record is None:
                raise DamagedError(f"the issuer {header.issuer} was not registered before")
            if checks.check([question(statement, record.key)]) != [True]:
                raise DamagedError("the signature does not match the issuer's key")
            batch = batch_of(statement)
            if batch is not None:
                batches.leaves(statement.id, batch)
            if seen is not None:
                seen(index, statement)
        except TallystickError as error:
            yield Damage(f"entry {index}", str(error), index)
        if progress and (index % _CHUNK == 0 or index == size - 1):
            progress(index + 1, size)


def rebuild_index(home: Home, progress: Progress | None = None) -> int:
    """Build the index anew from the log; return how many entries it covers.

    Raises:
        ConflictError: The ledger is open.
        DamagedError: The log is damaged.
    """
    card = read_card(home)
    lock = WriterLock(home.lock)
    try:
        shutil.rmtree(home.index, ignore_errors=True)
        snapshot = _published(home)
        check_genesis(snapshot, card)
        index = Index(home.index, bytes.fromhex(card.genesis), writable=True)
        catch_up(index, snapshot, progress)
        while index.merge():  # else the first searches would look into thousands of runs
            pass
        index.close()
    finally:
        lock.release()
    return snapshot.checkpoint.size


@dataclass(frozen=True, slots=True)
class Copied:
    """What a backup or restore did.

    Attributes:
        size: Entries that the copy holds.
        files: Files that were written; those that were there already are not counted.
    """

    size: int
    files: int


def backup(home: Home, target: Path, master: bytes | None = None) -> Copied:
    """Copy what is published to another folder; again later, only what is new.

    Neither keys nor the head store are copied: keep the key file elsewhere, and never restore a
    head store. The index is left out, it is rebuilt. The ledger may be open meanwhile.

    Args:
        home: The ledger.
        target: A folder, empty or with an earlier backup of the same ledger.
        master: The vault's master key, to copy the vault; without it content is left out.

    Raises:
        ConflictError: The folder holds the backup of another ledger.
        NotFoundError: Nothing is published.
    """
    card = read_card(home)
    into = Home(target)
    if (into.data / CARD).exists() and read_card(into) != card:
        raise ConflictError(f"{target} holds a backup of {read_card(into).origin}")
    snapshot = _published(home)
    files = _copy_new(home.places().public / "tile", into.places().public / "tile")
    files += _copy_edge(snapshot, into.places().public)
    files += _copy_new(home.rows, into.rows)
    if master is not None and home.vault.exists():
        into.vault.parent.mkdir(parents=True, exist_ok=True)
        vault = Vault(home.vault, master)
        vault.backup(into.vault)
        vault.close()
        files += 1
    # The checkpoint last: it must never speak of tiles that were not copied yet.
    disk = PosixDisk()
    disk.replace(into.trust, home.trust.read_bytes())
    disk.replace(into.places().public / "checkpoint", snapshot.note)
    disk.replace(into.data / CARD, (home.data / CARD).read_bytes())
    return Copied(snapshot.checkpoint.size, files + 3)


def restore(source: Path, home: Home, others: list[bytes], *, unsafe_alone: bool = False) -> Copied:
    """Bring a backup back, unless that would fork the log.

    A backup may be older than what the log signed last. Going on from there would sign a second
    history, so somebody must say how far the log had come: the head store, if it survived, or
    checkpoints that others hold.

    Args:
        source: Folder that `backup` wrote.
        home: Where to; it may hold a head store and keys, and no data.
        others: Checkpoints of this log that others hold.
        unsafe_alone: Nobody else ever saw a checkpoint or receipt, and the head store is lost.

    Raises:
        ConflictError: There is data already, or the log had signed more than the backup holds.
        DamagedError: The backup is damaged, or of another history.
        InputError: Nobody says how far the log had come.
    """
    backed_up = Home(source)
    card = read_card(backed_up)
    key = parse_vkey(card.checkpoint_key)
    if (home.data / CARD).exists():
        raise ConflictError(f"there is a ledger in {home.root} already")
    report = check(backed_up)
    if report.damage:
        raise DamagedError(f"the backup is damaged: {report.damage[0].what}")
    snapshot = _published(backed_up)
    head = HeadStore(PosixDisk(), home.places().head)
    known = [*others, *([head.note] if head.note else [])]
    if not known and not unsafe_alone:
        raise InputError(
            "nobody says how far the log had come before the backup is restored",
            advice="give a checkpoint that somebody else holds with --checkpoint, or keep the "
            "head folder; only if nobody ever saw one, say --unsafe-alone",
        )
    for note in known:
        _check_covered(note, key, snapshot)
    if head.note is None:
        head.swap(None, snapshot.note)
    head.close()
    public, disk = home.places().public, PosixDisk()
    files = 0
    for path in sorted(backed_up.vault.parent.glob(f"{home.vault.name}*")):
        _copy_file(path, home.vault.with_name(path.name))
        files += 1
    files += _copy_new(backed_up.rows, home.rows)
    files += _copy_new(backed_up.places().public / "tile", public / "tile")
    files += _copy_edge(snapshot, public)
    disk.replace(home.trust, backed_up.trust.read_bytes())
    disk.replace(public / "checkpoint", snapshot.note)
    # Last, because it makes the folder a ledger: until then `restore` can be run again.
    disk.replace(home.data / CARD, (backed_up.data / CARD).read_bytes())
    return Copied(snapshot.checkpoint.size, files + 3)


def _check_covered(note: bytes, key: VerifierKey, snapshot: Snapshot) -> None:
    """Refuse a backup that another checkpoint of the same log reaches beyond."""
    parsed = parse_note(note)
    verify_note(parsed, [key])
    claim, ours = parse_checkpoint(parsed.text), snapshot.checkpoint
    if claim.size > ours.size:
        raise ConflictError(
            f"the backup ends at size {ours.size}, but a checkpoint of size {claim.size} was "
            "signed: going on from the backup would fork the log",
            advice="find a newer backup, or begin a new log under another origin",
        )
    if claim.size:
        path = snapshot.reader.consistency_path(claim.size)
        try:
            verify_consistency(claim.size, claim.root, ours.size, ours.root, path)
        except ProofError as error:
            raise DamagedError(
                f"the backup is of another history than the checkpoint of size {claim.size} that "
                f"somebody holds: {error}"
            ) from error


def _published(home: Home) -> Snapshot:
    return PublicLog(home.places().public, parse_vkey(read_card(home).checkpoint_key)).snapshot()


def _copy_new(source: Path, target: Path) -> int:
    """Copy files that are not there yet; what the log writes under a name never changes.

    Each appears under its name when it is whole, so that a copy that is killed can be repeated;
    one of another length is what a power cut left, and is copied again. Partial tiles are left
    out: the writer may remove them meanwhile, and `_copy_edge` writes those that the checkpoint
    needs.
    """
    copied = 0
    for path in sorted(source.rglob("*")):
        into = target / path.relative_to(source)
        partial = path.suffix == ".new" or path.parent.suffix == ".p"
        if path.is_file() and not partial and not _is_copied(path, into):
            _copy_file(path, into)
            copied += 1
    os.sync()
    return copied


def _copy_file(path: Path, into: Path) -> None:
    into.parent.mkdir(parents=True, exist_ok=True)
    beside = into.with_name(into.name + ".new")
    shutil.copyfile(path, beside)
    beside.replace(into)


def _is_copied(path: Path, into: Path) -> bool:
    return into.exists() and into.stat().st_size == path.stat().st_size


def _copy_edge(snapshot: Snapshot, public: Path) -> int:
    """Write the partial tiles at the right edge of a tree."""
    tiles = edge_tiles(snapshot.checkpoint.size)
    tiles += [Tile(ENTRIES, tile.number, tile.width) for tile in tiles if tile.level == 0]
    for tile in tiles:
        PosixDisk().replace(public / tile_path(tile), snapshot.reader.raw(tile))
    return len(tiles)
