"""The vault: content under one key per record, so that destroying the key destroys the content.

    vault.put([vault.seal(statement.id, preimage)])
    vault.get(statement.id).values()

A record's key is random, used once, and itself encrypted under the vault's master key, which
stands in a key file elsewhere. Salts lie inside the encrypted preimage: with the key, they go too.

Trust: whoever has this file and the master key reads all content that is not erased; whoever has
the file alone reads nothing but sizes, and can at most lose content, never change what was said.

Source:
    NIST SP 800-38D (AES-GCM).
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tallystick.errors import (
    DamagedError,
    EncodingError,
    InputError,
    NotFoundError,
    TallystickError,
    UnavailableError,
    VersionError,
)
from tallystick.statement import OpenField, Preimage, dcbor
from tallystick.vault.readonly import connect_reading

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
ROWS_AT_ONCE: Final = 64
"""Records that one statement to the store writes: each statement hands the interpreter to other
threads and back, which costs a gateway more than the writing."""
# A record's key encrypts one message only, so its nonce need not vary.
_ONCE: Final = bytes(NONCE_BYTES)

_PRAGMAS: Final = ("journal_mode=wal", "synchronous=full", "secure_delete=on")
_PUT_BACK: Final = "put the vault back from a backup: statements and proofs do not need it"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS content (
    id BLOB PRIMARY KEY, wrapped BLOB, sealed BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS segments (
    batch BLOB, segment INTEGER, wrapped BLOB, sealed BLOB NOT NULL,
    PRIMARY KEY (batch, segment)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS places (
    batch BLOB, position INTEGER, segment INTEGER NOT NULL,
    PRIMARY KEY (batch, position)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class SealedContent:
    """Content encrypted, ready to be written anywhere.

    Attributes:
        id: Statement it belongs to.
        wrapped: Its key under the master key.
        sealed: The content under its key.
    """

    id: bytes
    wrapped: bytes
    sealed: bytes


class Vault:
    """One encrypted store; safe to share between threads."""

    def __init__(self, path: Path, master: bytes, *, writable: bool = True) -> None:
        """Open the store, or make an empty one.

        Args:
            path: SQLite file.
            master: 32-byte key from a key file.
            writable: False leaves the file and its folder as they are, which may then be
                read-only; one that is not there reads as empty.

        Raises:
            DamagedError: The file is no vault.
            UnavailableError: It cannot be opened.
        """
        self._path = path
        self._master = AESGCM(master)
        self._lock = Lock()
        with self._errors():
            self._database = _connect(path) if writable else _connect_reading(path)
        try:
            with self._errors():
                _refuse_newer(self._database, path)
                # What is acknowledged must survive a power cut; what is erased must not linger.
                for pragma in _PRAGMAS if writable else ():
                    self._database.execute(f"PRAGMA {pragma}")
                if writable:
                    self._database.executescript(_SCHEMA)
        except TallystickError:
            self._database.close()
            raise

    def seal(self, statement_id: bytes, preimage: Preimage) -> SealedContent:
        """Encrypt content under a fresh key; nothing is written."""
        fields = {name: [field.salt, field.value] for name, field in preimage.fields.items()}
        return self.seal_encoded(statement_id, dcbor.encode([preimage.salt, fields]))

    def seal_encoded(self, statement_id: bytes, plain: bytes) -> SealedContent:
        """Encrypt content that `tallystick.statement.commitment.commit_encoded` has encoded."""
        return SealedContent(statement_id, *self._seal(statement_id, plain))

    def put(self, contents: Iterable[SealedContent]) -> None:
        """Write content durably. What is there already stays as it is.

        Raises:
            UnavailableError: The disk is full or the store is locked.
        """
        rows = [(content.id, content.wrapped, content.sealed) for content in contents]
        with self._transaction() as database:
            for at in range(0, len(rows), ROWS_AT_ONCE):
                some = rows[at : at + ROWS_AT_ONCE]
                places = ", ".join(["(?, ?, ?)"] * len(some))
                database.execute(
                    f"INSERT OR IGNORE INTO content VALUES {places}",  # noqa: S608 - places only
                    list(chain.from_iterable(some)),
                )

    def get(self, statement_id: bytes) -> Preimage:
        """Return the content of a statement; compare its commitment with the statement's payload.

        Raises:
            NotFoundError: It was never here, or it was erased; the message says which.
            DamagedError: It does not decrypt.
        """
        row = self._one("SELECT wrapped, sealed FROM content WHERE id = ?", (statement_id,))
        if row is None:
            raise NotFoundError(f"the vault has no content for {statement_id.hex()}")
        plain = self._open(statement_id, *row)
        with _shape(statement_id):
            salt, fields = dcbor.decode(plain, "vault record")
            return Preimage(salt, {n: OpenField(s, v) for n, (s, v) in fields.items()})

    def put_rows(
        self,
        batch: bytes,
        salts: bytes,
        records: Sequence[bytes],
        subjects: Sequence[object] | None = None,
    ) -> None:
        """Write the rows of a batch durably, one key per subject.

        Args:
            batch: Id of the batch statement.
            salts: 32 bytes per row, concatenated.
            records: Encoded rows.
            subjects: Whom each row is about; rows of one subject share a key and are erased
                together. By default each row is a subject of its own.

        Raises:
            InputError: The numbers of rows, salts and subjects differ.
            UnavailableError: The disk is full or the store is locked.
        """
        if len(salts) != 32 * len(records) or len(subjects or records) != len(records):
            raise InputError(
                f"{len(records)} rows need {32 * len(records)} bytes of salt and as many "
                f"subjects, got {len(salts)} and {len(subjects or records)}"
            )
        segments: dict[object, list[list[object]]] = {}
        for position, record in enumerate(records):
            subject = subjects[position] if subjects else position
            row = [position, salts[32 * position : 32 * position + 32], record]
            segments.setdefault(subject, []).append(row)
        sealed, places = [], []
        for number, rows in enumerate(segments.values()):
            sealed.append((batch, number, *self._seal(_place(batch, number), dcbor.encode(rows))))
            places += [(batch, row[0], number) for row in rows]
        with self._transaction() as database:
            database.executemany("INSERT OR IGNORE INTO segments VALUES (?, ?, ?, ?)", sealed)
            database.executemany("INSERT OR IGNORE INTO places VALUES (?, ?, ?)", places)

    def row(self, batch: bytes, position: int) -> tuple[bytes, bytes]:
        """Return salt and record of one row.

        Raises:
            NotFoundError: It was never here, or it was erased; the message says which.
            DamagedError: It does not decrypt.
        """
        found = self._one(
            "SELECT segment, wrapped, sealed FROM segments NATURAL JOIN places "
            "WHERE batch = ? AND position = ?",
            (batch, position),
        )
        if found is None:
            raise NotFoundError(f"the vault has no row {position} of {batch.hex()}")
        for at, salt, record in self._rows(batch, *found):
            if at == position:
                return salt, record
        raise DamagedError(f"row {position} of {batch.hex()} is not where the vault says it is")

    def rows(self, batch: bytes) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield position, salt and record of every row that is not erased, segment by segment.

        Raises:
            DamagedError: A segment does not decrypt.
        """
        with self._lock, self._errors():
            segments = self._database.execute(
                "SELECT segment, wrapped, sealed FROM segments WHERE batch = ? ORDER BY segment",
                (batch,),
            ).fetchall()
        for number, wrapped, sealed in segments:
            if wrapped is not None:
                yield from self._rows(batch, number, wrapped, sealed)

    def unsafe_overwrite_row(self, batch: bytes, position: int, record: bytes) -> None:
        """Change a stored row as an insider could who has the master key.

        Exists so that tests and the demonstration can show that it is noticed. The rows that share
        a key with it are lost.
        """
        salt, _ = self.row(batch, position)
        [segment] = self._one(
            "SELECT segment FROM places WHERE batch = ? AND position = ?", (batch, position)
        ) or (None,)
        sealed = self._seal(_place(batch, segment), dcbor.encode([[position, salt, record]]))
        with self._transaction() as database:
            database.execute(
                "UPDATE segments SET wrapped = ?, sealed = ? WHERE batch = ? AND segment = ?",
                (*sealed, batch, segment),
            )

    def discard(self, statement_id: bytes) -> None:
        """Remove content that was stored for a statement which was then refused."""
        with self._transaction() as database:
            for table, column in (("content", "id"), ("segments", "batch"), ("places", "batch")):
                database.execute(f"DELETE FROM {table} WHERE {column} = ?", (statement_id,))  # noqa: S608 - constants

    def ids(self) -> set[bytes]:
        """Return the statements, batches among them, that content was stored for."""
        with self._lock, self._errors():
            rows = self._database.execute(
                "SELECT id FROM content UNION SELECT batch FROM segments"
            ).fetchall()
        return {row[0] for row in rows}

    def check(self) -> int:
        """Open every record that is not erased; return how many there are.

        Raises:
            DamagedError: The store is not whole, or a record does not decrypt.
        """
        with self._lock, self._errors():
            [[found]] = self._database.execute("PRAGMA quick_check(1)").fetchall()
        if found != "ok":
            raise DamagedError(f"{self._path} is not a whole vault: {found}", advice=_PUT_BACK)
        return sum(1 for place, key, sealed in self._records() if self._open(place, key, sealed))

    def _records(self) -> Iterator[tuple[bytes, bytes, bytes]]:
        """Yield place, wrapped key and sealed content of all that is not erased."""
        last: tuple[Any, ...] = (b"",)
        while rows := self._some(
            "SELECT id, wrapped, sealed FROM content WHERE id > ? ORDER BY id LIMIT ?", last
        ):
            last = rows[-1][:1]
            yield from ((i, wrapped, sealed) for i, wrapped, sealed in rows if wrapped is not None)
        last = (b"", -1)
        while rows := self._some(
            "SELECT batch, segment, wrapped, sealed FROM segments "
            "WHERE (batch, segment) > (?, ?) ORDER BY batch, segment LIMIT ?",
            last,
        ):
            last = rows[-1][:2]
            yield from ((_place(b, n), wrapped, s) for b, n, wrapped, s in rows if wrapped)

    def _some(self, query: str, after: tuple[Any, ...]) -> list[Any]:
        with self._lock, self._errors():
            return self._database.execute(query, (*after, ROWS_AT_ONCE)).fetchall()

    def backup(self, path: Path) -> None:
        """Copy the store as it is now; still encrypted, and useless without the master key.

        What is there already stays whole until the copy is.
        """
        beside = path.with_name(path.name + ".new")
        for leftover in (beside, *_beside(beside)):
            leftover.unlink(missing_ok=True)
        with self._errors(), closing(sqlite3.connect(beside)) as target, self._lock:
            self._database.backup(target)
            target.execute("PRAGMA journal_mode=delete")  # a copy is one file, and read as one
        os.sync()
        for leftover in _beside(path):  # of the copy before: it must not be read into this one
            leftover.unlink(missing_ok=True)
        beside.replace(path)

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    def _seal(self, place: bytes, plain: bytes) -> tuple[bytes, bytes]:
        random = os.urandom(KEY_BYTES + NONCE_BYTES)
        key, nonce = random[:KEY_BYTES], random[KEY_BYTES:]
        wrapped = nonce + self._master.encrypt(nonce, key, place)
        return wrapped, AESGCM(key).encrypt(_ONCE, plain, place)

    def _rows(
        self, batch: bytes, number: int, wrapped: bytes | None, sealed: bytes
    ) -> list[tuple[int, bytes, bytes]]:
        """Decrypt a segment."""
        with _shape(batch):
            plain = self._open(_place(batch, number), wrapped, sealed)
            return [(at, salt, record) for at, salt, record in dcbor.decode(plain, "vault rows")]

    def _open(self, place: bytes, wrapped: bytes | None, sealed: bytes) -> bytes:
        if wrapped is None:
            raise NotFoundError(f"content of {place[:32].hex()} was erased")
        try:
            key = self._master.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], place)
            return AESGCM(key).decrypt(_ONCE, sealed, place)
        except (InvalidTag, ValueError, TypeError) as error:  # a database may hold any type
            raise DamagedError(
                f"vault content of {place[:32].hex()} does not decrypt: it was changed, "
                "or the vault key is another one"
            ) from error

    def _one(self, query: str, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        with self._lock, self._errors():
            row: tuple[Any, ...] | None = self._database.execute(query, values).fetchone()
        return row

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._errors():
            try:
                self._database.execute("BEGIN IMMEDIATE")
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Say what SQLite's errors mean: full, locked or unreadable now; or damaged."""
        try:
            yield
        except sqlite3.ProgrammingError:
            raise  # closed already, for instance: a mistake of ours
        except sqlite3.OperationalError as error:
            raise UnavailableError(f"the vault {self._path} cannot be used: {error}") from error
        except sqlite3.DatabaseError as error:
            raise DamagedError(
                f"{self._path} is not a whole vault: {error}",
                advice=_PUT_BACK,
            ) from error


@contextmanager
def _shape(statement_id: bytes) -> Iterator[None]:
    """Report what decrypts and has another shape: only the master key could have written it."""
    try:
        yield
    except (EncodingError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise DamagedError(
            f"vault content of {statement_id.hex()} is not what a vault writes: {error}"
        ) from error


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(OSError):  # SQLite says what is wrong with it; files beside it get its mode
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    return sqlite3.connect(path, check_same_thread=False, isolation_level=None)


def _refuse_newer(database: sqlite3.Connection, path: Path) -> None:
    """Refuse a vault that has a number: this format, the first one, has none.

    Raises:
        VersionError: It has.
    """
    [version] = database.execute("PRAGMA user_version").fetchone()
    if version:
        raise VersionError(
            f"{path} has format {version}, this release reads vaults without a number",
            advice="a newer release wrote it: use that one; nothing was changed",
        )


def _connect_reading(path: Path) -> sqlite3.Connection:
    if path.exists():
        return connect_reading(path)
    empty = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    empty.executescript(_SCHEMA)
    return empty


def _beside(path: Path) -> list[Path]:
    """Return what SQLite keeps beside a file."""
    return [path.with_name(path.name + end) for end in ("-wal", "-shm", "-journal")]


def _place(batch: bytes, segment: int) -> bytes:
    """Name a segment, so that one cannot be put in the place of another."""
    return batch + segment.to_bytes(8)
