"""The spool: statements and their sealed content, durable before the ledger has them.

    spool = Spool(PosixDisk(), home.spool, os.urandom)
    waiting = spool.replay()            # what a crash left: register it before anything else
    item = spool.take(statement, sealed)
    spool.write(item)
    spool.sync()                        # now it may be acted upon
    spool.settle([item])                # the ledger has it: it may be overwritten

Items lie in a journal (`tallystick.log.journal`) in the order of their numbers, each statement
whole, its content encrypted for the vault. The mark beside it says up to where the ledger has
them, so that after a crash little is registered again; registering again changes nothing.

Trust: whoever can change the spool can lose what is not registered yet, or delay it; a statement
cannot be changed without its issuer's key. Ciphertext and wrapped keys stay here until they are
overwritten, also of content that is erased from the vault meanwhile: `scrub` overwrites them when
no gateway runs. Whoever has an old copy of the spool and the vault's master key can read it.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from tallystick import tracing
from tallystick.errors import DamagedError, UnavailableError, VersionError
from tallystick.ledger import Submission
from tallystick.ledger.versioned import parse_versioned
from tallystick.log import Disk, PosixDisk
from tallystick.log.journal import Journal
from tallystick.statement import Relation, SignedStatement, dcbor, parse_statement
from tallystick.statement.governance import StatementType
from tallystick.tracing import Trace
from tallystick.vault import Named, SealedContent

SEGMENT_BYTES: Final = 16 << 20
"""Size of a journal segment. A segment is never resized: it would lose what it holds."""
MARK_ITEMS: Final = 1024
"""Registered items after which the mark is moved; after a crash so many are registered again."""
MARK_BYTES: Final = SEGMENT_BYTES // 2
"""Registered bytes after which it is moved in any case."""
FORMAT: Final = 1
MARK: Final = "registered.json"

# dCBOR of [FORMAT, entry, null or [wrapped, sealed]]: written for every call, so by hand.
# Of content about somebody [ABOUT, entry, [wrapped, sealed, subject, purpose]], both as digests.
ABOUT: Final = 2
"""Format of such an item: an older release must not take it for content about nobody."""
_ITEM_HEAD: Final = b"\x83" + dcbor.encode(FORMAT)
_ABOUT_HEAD: Final = b"\x83" + dcbor.encode(ABOUT)
_FOUR_HEAD: Final = b"\x84"
_NO_CONTENT: Final = dcbor.encode(None)
_PAIR_HEAD: Final = b"\x82"


@dataclass(frozen=True, slots=True)
class Spooled:
    """One statement in the spool.

    Attributes:
        number: Its place there, counted over all epochs.
        statement: Signed and numbered.
        sealed: Its content under the vault's key; None for an inline payload.
        trace: The request that it comes from, for log lines; not kept on disk.
    """

    number: int
    statement: SignedStatement
    sealed: SealedContent | None
    trace: Trace | None = field(default=None, compare=False)

    def encode(self) -> bytes:
        """Return the bytes in the journal; the same ones each time."""
        sealed = self.sealed
        parts = [_ITEM_HEAD, dcbor.bstr(self.statement.entry)]
        if sealed is not None and isinstance(sealed.about, Named):
            about = sealed.about
            parts[0] = _ABOUT_HEAD
            parts += (_FOUR_HEAD, dcbor.bstr(sealed.wrapped), dcbor.bstr(sealed.sealed))
            parts += (dcbor.bstr(about.subject), dcbor.bstr(about.purpose))
        elif sealed is None:
            parts.append(_NO_CONTENT)
        else:
            parts += (_PAIR_HEAD, dcbor.bstr(sealed.wrapped), dcbor.bstr(sealed.sealed))
        return b"".join(parts)

    def submission(self) -> Submission:
        """Return what the ledger is handed; the same bytes each time."""
        return Submission(self.statement.entry, sealed=self.sealed)

    @property
    def size(self) -> int:
        """Bytes that it occupies, roughly."""
        return len(self.statement.entry) + (len(self.sealed.sealed) if self.sealed else 0)

    @property
    def opened(self) -> int:
        """How many more intents are without outcome because of it: 1, 0 or -1."""
        header = self.statement.header
        if header.type != StatementType.INFERENCE:
            return 0
        return -1 if Relation.GENERATED_BY in header.links else 1


class Mark(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How far the ledger has what was spooled.

    Attributes:
        registered: Items below this number are registered.
        open_intents: Intents among them that had no outcome among them.
        fail_open: Whether calls were passed on without evidence when it was written.
        format: Version of the spool's layout.
    """

    registered: int = 0
    open_intents: int = 0
    fail_open: bool = False
    format: int = FORMAT


class Spool:
    """Written by one thread, synced by another, settled by a third."""

    def __init__(
        self,
        disk: Disk,
        folder: Path,
        entropy: Callable[[int], bytes],
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        """Open the spool in a folder, or begin an empty one.

        Raises:
            VersionError: A release of another format wrote it.
            EncodingError: The mark is damaged.
        """
        self._disk, self._path = disk, folder / MARK
        self._marked = self._mark = read_mark(folder, disk)
        self._next = self._mark.registered
        self._unmarked_bytes = 0
        self._journal = Journal(disk, folder / "journal", entropy, segment_bytes)

    @property
    def mark(self) -> Mark:
        """How far the ledger has it now."""
        return self._mark

    def replay(self) -> list[Spooled]:
        """Return what may not be registered yet, in order; call once, before the first `take`.

        Raises:
            DamagedError: Something between the mark and the newest item is not whole.
            VersionError: A release of another format wrote it.
        """
        items = [
            _parse(body, first) for first, _, body in self._journal.replay(self._mark.registered)
        ]
        self._next = items[-1].number + 1 if items else self._mark.registered
        if self._next != self._journal.last:
            raise DamagedError(
                f"the spool is whole up to item {self._next}, expected {self._journal.last}: "
                "what lies between was never registered, or the mark is wrong",
                advice="restore the folder data/spool; removed as a whole, the calls that were "
                "only in it stay without evidence",
            )
        self._journal.sync()
        return items

    def take(self, statement: SignedStatement, sealed: SealedContent | None) -> Spooled:
        """Give a statement its place; it must be written before any later one is."""
        item = Spooled(self._next, statement, sealed, tracing.current())
        self._next += 1
        return item

    def write(self, item: Spooled) -> None:
        """Write the next item; it is durable only after `sync`.

        Raises:
            UnavailableError: The spool is full, because the ledger does not take what is in it.
            LimitError: The item is too large for the spool.
            OSError: It is not known what was written: `abandon`.
        """
        try:
            self._journal.write(item.number, 1, item.encode())
        except BlockingIOError as error:
            raise UnavailableError(
                "the spool is full, because the ledger does not take what is in it"
            ) from error

    def sync(self) -> None:
        """Make durable what was written before; another thread may go on writing."""
        self._journal.sync()

    def abandon(self) -> None:
        """After an error: all items since the last successful `sync` must be written again."""
        self._journal.abandon()

    def reserve(self) -> None:
        """Have room ready, so that no `write` waits for a file to be filled; takes 0.1 s."""
        self._journal.reserve()

    def settle(self, items: Sequence[Spooled]) -> None:
        """Learn that the ledger has these items, the oldest ones that it had not; they were synced.

        Raises:
            OSError: The mark could not be moved; nothing is lost, the next call tries again.
        """
        opened = self._mark.open_intents + sum(item.opened for item in items)
        registered = self._mark.registered + len(items)
        self._mark = msgspec.structs.replace(self._mark, registered=registered, open_intents=opened)
        self._unmarked_bytes += sum(item.size for item in items)
        unmarked = registered - self._marked.registered
        if unmarked >= MARK_ITEMS or self._unmarked_bytes >= MARK_BYTES:
            self._write_mark()

    def remember(self, *, fail_open: bool) -> None:
        """Keep a switch for the next start.

        Raises:
            OSError: It could not be written.
        """
        self._mark = msgspec.structs.replace(self._mark, fail_open=fail_open)
        self._write_mark()

    def close(self) -> None:
        """Move the mark, and give all files back."""
        try:
            if self._mark != self._marked:
                self._write_mark()
        finally:
            self._journal.close()

    def blank(self) -> None:
        """Overwrite all items; everything is registered, and was replayed."""
        self._journal.blank(self._mark.registered)

    def _write_mark(self) -> None:
        """First say durably what may be overwritten, then allow it."""
        mark = self._mark
        self._disk.replace(self._path, msgspec.json.encode(mark))
        self._marked, self._unmarked_bytes = mark, 0
        self._journal.recycle(mark.registered)


def scrub(folder: Path) -> bool:
    """Overwrite what lies in a spool that no process has open; return whether something is left.

    What is not registered yet is left alone, and everything with it.

    Raises:
        DamagedError: The spool is not whole.
    """
    if not (folder / "journal").is_dir():
        return False
    spool = Spool(PosixDisk(), folder, os.urandom)
    try:
        if spool.replay():
            return True
        spool.blank()
    finally:
        spool.close()
    return False


def read_mark(folder: Path, disk: Disk) -> Mark:
    """Return how far the ledger has what lies in a spool's folder.

    Raises:
        VersionError: A release of another format wrote it.
        EncodingError: It is damaged.
    """
    path = folder / MARK
    return _read_mark(disk.read(path), path)


def opened_by(body: bytes, number: int) -> int:
    """Return how many more intents are without outcome because of an item: 1, 0 or -1."""
    return _parse(body, number).opened


def _read_mark(data: bytes | None, path: Path) -> Mark:
    return Mark() if data is None else parse_versioned(path, data, Mark, FORMAT)


def _parse(body: bytes, number: int) -> Spooled:
    match dcbor.decode(body, "spool item"):
        case [1, bytes() as entry, None]:
            return Spooled(number, parse_statement(entry), None)
        case [1, bytes() as entry, [bytes() as wrapped, bytes() as sealed]]:
            statement = parse_statement(entry)
            return Spooled(number, statement, SealedContent(statement.id, wrapped, sealed))
        case [2, bytes() as entry, [bytes(wrapped), bytes(sealed), bytes(subject), bytes(purpose)]]:
            statement, about = parse_statement(entry), Named(subject, purpose)
            return Spooled(number, statement, SealedContent(statement.id, wrapped, sealed, about))
        case [int() as version, *_] if version not in {FORMAT, ABOUT}:
            raise VersionError(f"a spool item has format {version}, this release reads {FORMAT}")
    raise DamagedError(f"spool item {number} is not a statement with its content")
