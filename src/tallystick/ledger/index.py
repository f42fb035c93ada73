"""The index: finds entries by what they say. Derived from the log, rebuilt from it at any time.

Postings (`tallystick.ledger.postings`) answer "which entries have this property". A small SQLite
file holds what needs order instead: issue times, to find retries and to filter by time, and how
far each emitter counted. Neither is ever needed to believe anything; what is found is read from
the log and compared.

Rows wait in memory and are written a few thousand at a time. `add` keeps the index exact at every
moment; a crash loses only what `catch_up` reads again from the log.

Trust: whoever changes the index can hide entries from searches, and make the ledger refuse or
take again what it took before; they cannot change what it holds.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import RLock
from typing import Any, Final

from tallystick.errors import DamagedError, UnavailableError, VersionError
from tallystick.ledger.postings import RUN_ENTRIES, Postings, posting_key
from tallystick.ledger.state import Counted, EmitterKey
from tallystick.statement import SignedStatement
from tallystick.vault import connect_reading

VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (idx INTEGER PRIMARY KEY, iat INTEGER, id8 INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS entries_by_time ON entries (iat, id8);
CREATE TABLE IF NOT EXISTS blocks (first INTEGER PRIMARY KEY, least INTEGER, most INTEGER);
CREATE TABLE IF NOT EXISTS emitters (
    issuer TEXT, emitter BLOB, epoch INTEGER, seq INTEGER, id BLOB,
    PRIMARY KEY (issuer, emitter, epoch)) WITHOUT ROWID;
"""
_PRAGMAS: Final = ("journal_mode=wal", "synchronous=normal", "cache_size=-2000")

Row = tuple[int, int | None, int]
"""Index, issue time, and the first 63 bits of the statement id."""

NEAR: Final = 256
"""Entries that a search walks over before it searches for the next one that can match."""
_INSERT_ROWS: Final = (256, 16, 1)
"""Rows that one statement inserts."""
CLOSING_ENTRIES: Final = 512
"""So many entries become a run when the index is closed, and need not be read again."""
HOLD_BACK_SECONDS: Final = 0.1
"""About twice what it takes to merge the postings of one run, all levels together."""
RETRIES_ROWS: Final = 256
_RETRIES: Final = (
    f"WITH asked (iat, id8) AS (VALUES {','.join(['(?, ?)'] * RETRIES_ROWS)}) "  # noqa: S608 - constants
    "SELECT entries.id8, idx FROM asked CROSS JOIN entries "
    "ON entries.iat IS asked.iat AND entries.id8 = asked.id8"
)
"""A join, because SQLite answers it in a sixth of the time of as many questions."""
_WIDEN_BLOCK: Final = (
    "INSERT INTO blocks VALUES (?, ?, ?) ON CONFLICT (first) DO UPDATE SET "
    "least = min(least, excluded.least), most = max(most, excluded.most)"
)
"""Issue times of each block, so that a search by time skips the others."""


@dataclass(frozen=True, slots=True)
class Property:
    """Something entries can be found by."""

    kind: str
    value: bytes

    def key(self) -> bytes:
        """Return its posting key."""
        return posting_key(self.kind, self.value)


def posting_keys(statement: SignedStatement) -> list[bytes]:
    """Return the posting keys of all that a statement can be found by; see `Property`."""
    header = statement.header
    keys = [
        posting_key("id", statement.id),
        posting_key("subject", header.subject.encode()),
        _repeated_key("issuer", header.issuer),
    ]
    if header.type is not None:
        keys.append(_repeated_key("type", header.type))
    if header.model is not None:
        keys.append(_repeated_key("model", header.model))
    if header.sequence is not None:
        keys.append(_repeated_key("emitter", header.sequence.emitter))
    if header.links:
        targets = {target for ids in header.links.values() for target in ids}
        keys += [posting_key("link", target) for target in targets]
    return keys


@lru_cache(maxsize=4096)
def _repeated_key(kind: str, value: str | bytes) -> bytes:
    """Return the key of a property that many entries share."""
    return posting_key(kind, value.encode() if isinstance(value, str) else value)


class Index:
    """One log's index; safe to share between threads of the writing process."""

    def __init__(self, folder: Path, genesis: bytes, *, writable: bool) -> None:
        """Open the index of the log that begins with this genesis statement id."""
        self._lock = RLock()
        self._writable = writable
        self._path = path = folder / "index.sqlite"
        self._database = _connect(path, writable=writable)
        self._refuse_newer()
        if writable:
            self._database.executescript(_SCHEMA)
        self._postings = Postings(folder / "postings", writable=writable)
        self._pending: list[Row] = []
        self._recent: dict[bytes, int] = {}  # statement ids of pending rows
        self._emitters: dict[EmitterKey, Counted] = {}
        self._applied = 0
        self._closed = False
        self._unmerged = 0  # entries added since somebody who adds had to merge
        known = (self._meta("version"), self._meta("genesis"))
        if known == (VERSION, genesis):
            self._applied = self._number(self._meta("applied"))
        elif writable:
            self.clear(genesis)
        else:
            raise DamagedError(
                f"{path} is the index of another ledger or release",
                advice="run `tally rebuild-index`",
            )

    def _refuse_newer(self) -> None:
        """Refuse an index of a newer release; an older one is made anew.

        Raises:
            VersionError: It is.
        """
        version = self._meta("version")
        if isinstance(version, int) and version > VERSION:
            self._database.close()
            raise VersionError(
                f"{self._path} has format {version}, this release reads {VERSION}",
                advice="a newer release wrote it: use that one, or run `tally rebuild-index`",
            )

    @property
    def size(self) -> int:
        """Entries that are in the index, in files or in memory."""
        return self._applied + len(self._pending)

    @property
    def backlog(self) -> int:
        """Entries that wait in memory; many only if writing fails."""
        return len(self._pending)

    @property
    def start(self) -> int:
        """First entry that `catch_up` has to read again."""
        return min(self._applied, self._postings.sealed)

    def add(self, statement: SignedStatement, index: int) -> None:
        """Add an entry; see `add_all`."""
        self.add_all([statement], index)

    def add_all(self, statements: Iterable[SignedStatement], first: int) -> None:
        """Add entries from index `first` on.

        Those below `size` are known already: only their postings are new.
        """
        with self._lock:
            sealed, size = self._postings.sealed, self.size
            for index, statement in enumerate(statements, first):
                if index >= sealed:
                    self._postings.add(index, posting_keys(statement))
                if index >= size:
                    self._remember(index, statement)
            if self._writable and len(self._pending) >= RUN_ENTRIES:
                with suppress(UnavailableError):  # `backlog` tells; the entry itself is safe
                    self.flush()
            self._unmerged += self.size - size
        if self._writable and self._unmerged >= RUN_ENTRIES:
            self._hold_back()

    def _hold_back(self) -> None:
        """Let whoever adds faster than the publisher merges merge a little, and so wait."""
        self._unmerged = 0
        if self._postings.crowded:
            with suppress(OSError):  # the publisher tells, who tries again
                self._postings.merge(HOLD_BACK_SECONDS)

    def _remember(self, index: int, statement: SignedStatement) -> None:
        """Keep what goes into the database with the next `flush`."""
        header = statement.header
        self._pending.append((index, header.issued_at, _id8(statement.id)))
        self._recent[statement.id] = index
        if header.sequence is not None:
            key = (header.issuer, header.sequence.emitter, header.sequence.epoch)
            self._emitters[key] = Counted(header.sequence.seq, statement.id)

    def flush(self) -> None:
        """Write what waits in memory; not synced, since the log has it all.

        One that was closed writes nothing: another may have been opened on its files since.

        Raises:
            UnavailableError: The disk is full; everything stays in memory, call again later.
            DamagedError: It holds what it should not.
        """
        with self._lock:
            if self._closed:
                return
            try:
                if self._pending:
                    self._write()
                if self._applied - self._postings.sealed >= RUN_ENTRIES:
                    self._postings.seal(self._applied)
            except (sqlite3.OperationalError, OSError) as error:
                self._roll_back()
                raise UnavailableError(f"the index cannot be written: {error}") from error
            except sqlite3.Error as error:
                self._roll_back()
                raise DamagedError(
                    f"the index {self._path} cannot be written: {error}",
                    advice="run `tally rebuild-index`",
                ) from error

    def _roll_back(self) -> None:
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")

    def _write(self) -> None:
        """Write rows, and forget them as soon as they are written: never twice."""
        self._database.execute("BEGIN")
        self._insert(self._pending)
        self._database.executemany(
            "INSERT OR REPLACE INTO emitters VALUES (?, ?, ?, ?, ?)",
            [(*key, counted.seq, counted.id) for key, counted in self._emitters.items()],
        )
        self._database.executemany(_WIDEN_BLOCK, _times_by_block(self._pending))
        self._set_meta("applied", self.size)
        self._database.execute("COMMIT")
        self._applied = self.size
        self._pending.clear()
        self._recent.clear()
        self._emitters.clear()

    def _insert(self, rows: list[Row]) -> None:
        """Insert many rows at a time: after each step of SQLite's, Python lets others run first."""
        at = 0
        for count in _INSERT_ROWS:
            insert = f"INSERT INTO entries VALUES {','.join(['(?, ?, ?)'] * count)}"  # noqa: S608 - constants
            while len(rows) - at >= count:
                values = [value for row in rows[at : at + count] for value in row]
                self._database.execute(insert, values)
                at += count

    def merge(self) -> bool:
        """Merge runs of postings for a while, as a writer; tell whether to go on at once."""
        if not self._writable or self._closed:
            return False
        return self._postings.merge() and self._postings.crowded

    def merge_all(self) -> None:
        """Merge runs of postings until there is nothing to merge; it may take minutes."""
        while self._postings.merge():
            pass

    def retry(self, statement: SignedStatement) -> Iterator[int]:
        """Yield where the same statement may be registered; compare the entry there."""
        with self._reading():
            if statement.id in self._recent:
                yield self._recent[statement.id]
                return
            rows = self._database.execute(
                "SELECT idx FROM entries WHERE iat IS ? AND id8 = ?",
                (statement.header.issued_at, _id8(statement.id)),
            ).fetchall()
        yield from (index for (index,) in rows)

    def retries(self, statements: Sequence[SignedStatement]) -> dict[bytes, list[int]]:
        """Return, for each id, where the same statement may be registered: `retry` for many."""
        found: dict[bytes, list[int]] = {statement.id: [] for statement in statements}
        ids = {_id8(statement_id): statement_id for statement_id in found}
        asked: list[tuple[int | None, int | None]]
        asked = [(s.header.issued_at, _id8(s.id)) for s in statements]
        with self._reading():
            for first in range(0, len(asked), RETRIES_ROWS):
                part = asked[first : first + RETRIES_ROWS]
                part += [(None, None)] * (RETRIES_ROWS - len(part))
                rows = self._database.execute(_RETRIES, [v for row in part for v in row])
                for id8, index in rows:
                    found[ids[id8]].append(index)
            if self._recent:
                for statement_id in found.keys() & self._recent.keys():
                    found[statement_id].append(self._recent[statement_id])
        return found

    def counted(self, key: EmitterKey) -> Counted | None:
        """Return how far an emitter has counted in an epoch."""
        with self._reading():
            if key in self._emitters:
                return self._emitters[key]
            row = self._database.execute(
                "SELECT seq, id FROM emitters WHERE issuer = ? AND emitter = ? AND epoch = ?", key
            ).fetchone()
        return Counted(self._number(row[0]), row[1]) if row else None

    def last_epoch(self, issuer: str, emitter: bytes) -> int | None:
        """Return the newest epoch of an emitter."""
        with self._reading():
            [newest] = self._database.execute(
                "SELECT max(epoch) FROM emitters WHERE issuer = ? AND emitter = ?",
                (issuer, emitter),
            ).fetchone()
            epochs = [e for i, m, e in self._emitters if (i, m) == (issuer, emitter)]
        return max([*epochs, *(() if newest is None else (self._number(newest),))], default=None)

    def find(self, wanted: Sequence[Property], before: int) -> Iterator[int]:
        """Yield entries below `before` that may have all properties, newest first.

        Keys are 64 bits of a hash: compare the entry before showing it.
        """
        if not wanted:
            yield from range(min(before, self.size) - 1, -1, -1)
            return
        rows = [_Row(self._postings, p.key(), before) for p in wanted]
        while (least := min(row.head for row in rows)) >= 0:
            if all(row.head == least for row in rows):
                yield least
                least -= 1
            for row in rows:
                row.fall_to(least)

    def in_time(self, since: int | None, until: int | None, before: int) -> Iterator[int]:
        """Yield entries below `before` issued from `since` to `until`, newest first."""
        low, high = -1 if since is None else since, 2**63 - 1 if until is None else until
        with self._reading():
            pending = [index for index, iat, _ in self._pending if iat and low <= iat <= high]
            blocks = self._database.execute(
                "SELECT first FROM blocks WHERE first < ? AND most >= ? AND least <= ? "
                "ORDER BY first DESC",
                (before, low, high),
            ).fetchall()
        yield from (index for index in reversed(pending) if index < before)
        for (first,) in blocks:
            with self._reading():
                rows = self._database.execute(
                    "SELECT idx FROM entries WHERE idx >= ? AND idx < ? AND iat BETWEEN ? AND ? "
                    "ORDER BY idx DESC",
                    (first, min(before, first + RUN_ENTRIES), low, high),
                ).fetchall()
            yield from (index for (index,) in rows)

    def clear(self, genesis: bytes) -> None:
        """Forget everything, to be built anew for the log with this genesis."""
        with self._lock:
            self._database.execute("BEGIN")
            for table in ("meta", "entries", "blocks", "emitters"):
                self._database.execute(f"DELETE FROM {table}")  # noqa: S608 - constants
            self._set_meta("version", VERSION)
            self._set_meta("genesis", genesis)
            self._set_meta("applied", 0)
            self._database.execute("COMMIT")
            self._postings.clear()
            self._pending.clear()
            self._recent.clear()
            self._emitters.clear()
            self._applied = 0

    def close(self) -> None:
        """Write what waits, if the disk takes it, and give all files back in any case.

        Raises:
            UnavailableError: It did not: whoever opens the index next reads it from the log.
        """
        with self._lock:
            if self._closed:
                return
            try:
                if self._writable:
                    self._finish()
            finally:
                self._closed = True
                self._postings.close()
                self._database.close()

    def _finish(self) -> None:
        self.flush()
        if self._applied - self._postings.sealed >= CLOSING_ENTRIES:
            with suppress(OSError):  # then `catch_up` reads them again
                self._postings.seal(self._applied)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Hold the lock; a file that cannot be read is a damaged one."""
        try:
            with self._lock:
                yield
        except sqlite3.ProgrammingError:
            raise  # closed already: a mistake of ours
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from error

    def _damaged(self, what: object) -> DamagedError:
        return DamagedError(
            f"{self._path} cannot be read: {what}", advice="run `tally rebuild-index`"
        )

    def _number(self, value: object) -> int:
        """Return a stored number; a column of SQLite may hold anything."""
        if not isinstance(value, int) or value < 0:
            raise self._damaged(f"expected a number, got {value!r:.40}")
        return value

    def _meta(self, name: str) -> Any:
        try:
            row = self._database.execute(
                "SELECT value FROM meta WHERE name = ?", (name,)
            ).fetchone()
        except sqlite3.DatabaseError:
            return None
        return row[0] if row else None

    def _set_meta(self, name: str, value: object) -> None:
        self._database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


class _Row:
    """The entries that have one property, newest first; `head` is the next, -1 after the last."""

    def __init__(self, postings: Postings, key: bytes, before: int) -> None:
        self._postings, self._key = postings, key
        self._places = postings.find(key, before)
        self.head = next(self._places, -1)

    def fall_to(self, index: int) -> None:
        """Go on to the first entry that is not newer than `index`.

        What is near is walked to; what is far is searched for, so that a property that a single
        entry has is found beside one that millions have.
        """
        for _ in range(NEAR):
            if self.head <= index:
                return
            self.head = next(self._places, -1)
        if self.head > index:
            self._places = self._postings.find(self._key, index + 1)
            self.head = next(self._places, -1)


def _connect(path: Path, *, writable: bool) -> sqlite3.Connection:
    try:
        if not writable:
            return connect_reading(path)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        for pragma in _PRAGMAS:
            database.execute(f"PRAGMA {pragma}")
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        raise DamagedError(
            f"{path} is not a readable index: {error}", advice="run `tally rebuild-index`"
        ) from error
    return database


def _times_by_block(rows: Iterable[Row]) -> list[tuple[int, int, int]]:
    """Return the least and most issue time of the blocks in which rows lie."""
    times: dict[int, list[int]] = {}
    for index, issued_at, _ in rows:
        if issued_at is not None:
            times.setdefault(index // RUN_ENTRIES * RUN_ENTRIES, []).append(issued_at)
    return [(first, min(found), max(found)) for first, found in times.items()]


def _id8(statement_id: bytes) -> int:
    return int.from_bytes(statement_id[:8]) >> 1
