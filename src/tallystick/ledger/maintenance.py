"""What an operator does to a ledger: check it, rebuild its index, back it up, restore it."""

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
    SignatureError,
    TallystickError,
)
from tallystick.ledger.assembly import catch_up, check_genesis
from tallystick.ledger.batches import Batches
from tallystick.ledger.beside import read_beside, write_beside
from tallystick.ledger.copying import (
    checked_edge,
    copy_file,
    copy_full_tiles,
    copy_new,
    write_edge,
)
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
from tallystick.merkle import verify_consistency
from tallystick.statement import (
    SignedStatement,
    VerifierKey,
    parse_checkpoint,
    parse_note,
    parse_statement,
    parse_vkey,
    verify_note,
)
from tallystick.statement.governance import StatementType
from tallystick.statement.handover import parse_handover
from tallystick.vault import Vault
from tallystick.vault.census import take_census
from tallystick.vault.location import check_location

Progress = Callable[[int, int], None]
"""Called with entries done and entries in all."""

CARD: Final = "ledger.json"
_VAULT_FILES: Final = ("", "-wal")
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
    snapshot = published(home)
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
            end = state.chains.end_of(header.issuer, header.key_id)
            if end is not None and index > end.last and index != end.index:
                raise DamagedError(f"the issuer's key ended at {end.last}, by entry {end.index}")
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
        snapshot = published(home)
        check_genesis(snapshot, card)
        index = Index(home.index, bytes.fromhex(card.genesis), writable=True)
        catch_up(index, snapshot, progress)
        index.merge_all()  # else the first searches would look into a hundred runs
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
        kept: Files that a restore left as they were, because they are newer.
    """

    size: int
    files: int
    kept: tuple[str, ...] = ()


def backup(
    home: Home, target: Path, master: bytes | None = None, *, place: str | None = None
) -> Copied:
    """Copy what is published to another folder; again later, only what is new.

    Neither keys nor the head store are copied: keep the key file elsewhere, and never restore a
    head store. The index is left out, it is rebuilt. The ledger may be open meanwhile.

    Args:
        home: The ledger.
        target: A folder, empty or with an earlier backup of the same ledger.
        master: The vault's master key, to copy the vault; without it content is left out.
        place: Where the folder lies, for a vault that says where its content may lie.

    Raises:
        ConflictError: The folder holds the backup of another ledger.
        LocationError: Content may not lie there.
        DamagedError: What is to be copied is not what was signed; no good copy was replaced.
        InputError: The folder is the ledger itself, or lies in it.
        NotFoundError: Nothing is published.
    """
    card = read_card(home)
    into = Home(target)
    if target.resolve().is_relative_to(home.root.resolve()):
        raise InputError(
            f"{target} lies in the ledger itself, a backup must lie elsewhere",
            advice="name a folder on another disk",
        )
    if (into.data / CARD).exists():
        there = read_card(into)  # its keys may have followed others since
        if (there.origin, there.genesis) != (card.origin, card.genesis):
            raise ConflictError(f"{target} holds a backup of {there.origin}")
    _need(home.trust)
    if master is not None:
        check_location(take_census(home.vault).location, place, str(target))
    beside = read_beside(home)  # before the log: how far webhooks came is never beyond it
    snapshot = published(home)
    check_genesis(snapshot, card)
    edge = checked_edge(snapshot)
    # Files that are full never change, so this replaces nothing; what can be replaced is last.
    files = copy_full_tiles(snapshot, home.places().public, into.places().public)
    files += copy_new(home.rows, into.rows)
    if master is not None:
        files += _copy_vault(home, into, master, snapshot)
    files += write_edge(edge, into.places().public)
    # The checkpoint last: it must never speak of tiles that were not copied yet.
    disk = PosixDisk()
    kept = write_beside(beside, into)
    disk.replace(into.trust, home.trust.read_bytes())
    disk.replace(into.places().public / "checkpoint", snapshot.note)
    disk.replace(into.data / CARD, (home.data / CARD).read_bytes())
    return Copied(snapshot.checkpoint.size, files + 3 + len(beside) - len(kept))


def _need(path: Path) -> None:
    """Refuse a ledger that lacks its trust policy.

    Raises:
        DamagedError: It does.
    """
    if not path.exists():
        raise DamagedError(
            f"{path} is missing: it holds the log's own key, for whoever verifies",
            advice=f"make it anew with `tally policy trust > {path}`, and run it again",
        )


def restore(
    source: Path,
    home: Home,
    others: list[bytes],
    *,
    unsafe_alone: bool = False,
    place: str | None = None,
) -> Copied:
    """Bring a backup back, unless that would fork the log.

    A backup may be older than what the log signed last. Going on from there would sign a second
    history, so somebody must say how far the log had come: the head store, if it survived, or
    checkpoints that others hold.

    Args:
        source: Folder that `backup` wrote.
        home: Where to; it may hold a head store and keys, and no data.
        others: Checkpoints of this log that others hold.
        unsafe_alone: Nobody else ever saw a checkpoint or receipt, and the head store is lost.
        place: Where this machine lies, for a vault that says where its content may lie.

    Raises:
        ConflictError: The log had signed more than the backup holds.
        LocationError: Content may not lie here.
        DamagedError: The backup is damaged, or of another history.
        InputError: There is a ledger already, or nobody says how far the log had come.
    """
    backed_up = Home(source)
    card = read_card(backed_up)
    key = parse_vkey(card.checkpoint_key)
    if (home.data / CARD).exists():
        raise InputError(
            f"there is a ledger in {home.root} already", advice="restore into an empty folder"
        )
    check_location(take_census(backed_up.vault).location, place, str(home.root))
    report = check(backed_up)
    if report.damage:
        raise DamagedError(f"the backup is damaged: {report.damage[0].what}")
    beside = read_beside(backed_up)
    snapshot = published(backed_up)
    home.make()
    head = HeadStore(PosixDisk(), home.places().head)
    known = [*others, *([head.note] if head.note else [])]
    if not known and not unsafe_alone:
        raise InputError(
            "nobody says how far the log had come before the backup is restored",
            advice="give a checkpoint that somebody else holds with --checkpoint, or keep the "
            "head folder; only if nobody ever saw one, say --unsafe-alone",
        )
    for note in known:
        check_covered(note, key, snapshot)
    if head.note is None:
        head.swap(None, snapshot.note)
    head.close()
    public, disk = home.places().public, PosixDisk()
    files = _restore_vault(backed_up, home)
    files += copy_new(backed_up.rows, home.rows)
    files += copy_full_tiles(snapshot, backed_up.places().public, public)
    files += write_edge(checked_edge(snapshot), public)
    kept = write_beside(beside, home)
    disk.replace(home.trust, backed_up.trust.read_bytes())
    disk.replace(public / "checkpoint", snapshot.note)
    # Last, because it makes the folder a ledger: until then `restore` can be run again.
    disk.replace(home.data / CARD, (backed_up.data / CARD).read_bytes())
    return Copied(snapshot.checkpoint.size, files + 3 + len(beside) - len(kept), kept)


def _restore_vault(source: Home, home: Home) -> int:
    files = 0
    for name in _VAULT_FILES:
        path = source.vault.with_name(source.vault.name + name)
        if path.exists():
            copy_file(path, home.vault.with_name(path.name))
            files += 1
    return files


def check_covered(note: bytes, key: VerifierKey, snapshot: Snapshot) -> None:
    """Refuse a backup that another checkpoint of the same log reaches beyond."""
    parsed = parse_note(note)
    try:
        verify_note(parsed, [key])
    except SignatureError:
        verify_note(parsed, [key, *_ended_keys(parse_checkpoint(parsed.text).size, snapshot)])
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


def _ended_keys(size: int, snapshot: Snapshot) -> list[VerifierKey]:
    """Return the keys that signed for the log at a size before it handed over, also stolen ones.

    Reads the whole log, so that it needs no index. Whatever such a key signed, it counts here only
    if it is of this very history.
    """
    ended = []
    for index in range(snapshot.checkpoint.size):
        statement = parse_statement(snapshot.reader.entry(index))
        if statement.header.type == StatementType.HANDOVER and size <= index + 1:
            ended.append(parse_handover(statement.payload).previous)
    return ended


def _copy_vault(home: Home, into: Home, master: bytes, snapshot: Snapshot) -> int:
    """Copy the vault if all its content opens, and none is lost that the copy there has."""
    if not home.vault.exists():
        if into.vault.exists():
            raise DamagedError(f"{home.vault} is missing, the backup has one: it was left alone")
        return 0
    vault = Vault(home.vault, master, writable=False)
    try:
        vault.check()
        if into.vault.exists():
            _check_kept(vault, into.vault, master, snapshot)
        into.vault.parent.mkdir(parents=True, exist_ok=True)
        vault.backup(into.vault)
    finally:
        vault.close()
    return 1


def _check_kept(vault: Vault, copy: Path, master: bytes, snapshot: Snapshot) -> None:
    """Refuse a vault that lacks content of registered statements which its copy has."""
    earlier = Vault(copy, master, writable=False)
    try:
        lost = earlier.ids() - vault.ids()
    except DamagedError:
        return  # the copy is no good one: it may be replaced
    finally:
        earlier.close()
    # Content of a statement that was refused is discarded, and not missed.
    size = snapshot.checkpoint.size if lost else 0
    for index in range(size):
        if parse_statement(snapshot.reader.entry(index)).id in lost:
            raise DamagedError(
                f"the vault has lost the content of entry {index}, which the backup has",
                advice="the backup was left as it is; put the vault back from it",
            )


def published(home: Home) -> Snapshot:
    """Return what is published of a ledger, or in a backup."""
    return PublicLog(home.places().public, parse_vkey(read_card(home).checkpoint_key)).snapshot()
