"""The vault's file: transactions, what its errors mean, copies, and keys by number."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, Final

from tallystick.errors import DamagedError, ErasedError, UnavailableError
from tallystick.vault.reads import ReadBook
from tallystick.vault.schema import open_reading, open_writing
from tallystick.vault.wrapping import DESTROYED, About, Named, Wrapping, subject_place, unseal

Row = tuple[Any, ...]
ROWS_AT_ONCE: Final = 64
"""Records that one statement to the store writes: each statement hands the interpreter to other
threads and back, which costs a gateway more than the writing."""
KEY: Final = "kept.wrapped, keys.subject, keys.wrapped, sealed"
KEPT_WITH_KEY: Final = "AS kept LEFT JOIN keys ON keys.number = kept.wrapped"
"""How every query reads content together with its key."""
SUBJECTS_KEPT: Final = 10_000
"""Keys of subjects that are kept in memory while the vault is open."""
PUT_BACK: Final = "put the vault back from a backup: statements and proofs do not need it"


class Store:
    """The file and the keys in it; safe to share between threads.

    Attributes:
        book: Where reads are noted; a ledger's vault has one.
    """

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
            VersionError: A newer release wrote it.
        """
        self._path = path
        self._errors = _Errors(path)
        self._master = Wrapping(master)
        self._lock = RLock()
        self.book: ReadBook | None = None
        self._subjects: dict[int, Wrapping] = {}
        self._numbers: dict[About | Named, int] = {}
        with self._errors:
            self._database = open_writing(path) if writable else open_reading(path)

    def backup(self, path: Path) -> None:
        """Copy the store as it is now; still encrypted, and useless without the master key.

        What is there already stays whole until the copy is.
        """
        beside = path.with_name(path.name + ".new")
        for leftover in (beside, *_beside(beside)):
            leftover.unlink(missing_ok=True)
        with self._errors, closing(sqlite3.connect(beside)) as target, self._lock:
            self._database.backup(target)
            target.execute("PRAGMA journal_mode=delete")  # a copy is one file, and read as one
        os.sync()
        for leftover in _beside(path):  # of the copy before: it must not be read into this one
            leftover.unlink(missing_ok=True)
        beside.replace(path)

    def close(self) -> None:
        """Give the file back."""
        if self.book is not None:
            self.book.turn()
        self._database.close()

    def _check_whole(self) -> None:
        [[found]] = self._all("PRAGMA quick_check(1)")
        if found != "ok":
            raise DamagedError(f"{self._path} is not a whole vault: {found}", advice=PUT_BACK)

    def _note(self, statement_id: bytes, position: int | None = None) -> None:
        """Note that content is read, before it is handed out."""
        if self.book is not None:
            self.book.note(statement_id, position)

    # --- keys

    def _open(
        self, place: bytes, key: object, subject: int, wrapped: object, sealed: bytes
    ) -> bytes:
        """Decrypt content.

        Args:
            place: What it belongs to.
            key: Number of its key; None where erased. An older release wrote the wrapped key.
            subject: Number of the subject that the key is wrapped for; 0 for the master.
            wrapped: The wrapped key of that number.
            sealed: The content.

        Raises:
            ErasedError: The key was destroyed.
            DamagedError: It does not decrypt.
        """
        if key is None or wrapped == DESTROYED:
            raise ErasedError(f"content of {place[:32].hex()} was erased")
        if not isinstance(key, int):
            subject, wrapped = 0, key
        under = self._subject(subject, place) if subject else self._master
        return unseal(under.unwrap(wrapped, place), sealed, place)

    def _subject(self, number: int, place: bytes) -> Wrapping:
        known = self._subjects.get(number)
        if known is not None:
            return known
        found = self._one(
            "SELECT subject, purpose, wrapped FROM subjects WHERE number = ?", (number,)
        )
        if found is None or found[2] == DESTROYED:
            raise ErasedError(f"content of {place[:32].hex()} was erased")
        return self._remember(number, self._master.unwrap(found[2], subject_place(*found[:2])))

    def _remember(self, number: int, key: bytes) -> Wrapping:
        if len(self._subjects) >= SUBJECTS_KEPT:
            self._forget()
        return self._subjects.setdefault(number, Wrapping(key))

    def _forget(self) -> None:
        self._subjects.clear()
        self._numbers.clear()

    def _named(self, about: About) -> Named:
        """Return what stands for a subject and its purpose in the file."""
        return Named(self._master.name(about.subject), self._master.name(about.purpose))

    def _number_of(self, database: sqlite3.Connection, about: About | Named) -> int:
        """Return the number of a subject's key; in a transaction, which makes one if need be."""
        if about in self._numbers:
            return self._numbers[about]
        named = self._named(about) if isinstance(about, About) else about
        names = named.subject, named.purpose
        found = database.execute(
            "SELECT number, wrapped FROM subjects WHERE subject = ? AND purpose = ?", names
        ).fetchone()
        place = subject_place(*names)
        if found is None:
            key = os.urandom(32)
            wrapped = self._master.wrap(key, place)
            number = database.execute(
                "INSERT INTO subjects VALUES (NULL, ?, ?, ?)", (*names, wrapped)
            ).lastrowid
            assert number is not None  # noqa: S101 - a row was inserted
        else:
            number, key = found[0], self._master.unwrap(found[1], place)
        self._remember(number, key)
        self._numbers[about] = number
        return number

    # --- the file

    def _one(self, query: str, values: Row = ()) -> Row | None:
        with self._lock, self._errors:
            row: Row | None = self._database.execute(query, values).fetchone()
        return row

    def _all(self, query: str, values: Row = ()) -> list[Row]:
        with self._lock, self._errors:
            return self._database.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._errors:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                self._forget()  # a subject's key may not have become durable
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise


class _Errors:
    """Says what SQLite's errors mean: full, locked or unreadable now; or damaged.

    Entered for each read, so it is no generator: that would cost as much as a short query.
    """

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Nothing is prepared."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if error is None or isinstance(error, sqlite3.ProgrammingError):
            return  # closed already, for instance: a mistake of ours
        if isinstance(
            error, UnicodeDecodeError
        ):  # names of tables, quoted in a message of SQLite's
            raise DamagedError(f"{self._path} is not a whole vault", advice=PUT_BACK) from error
        if isinstance(error, sqlite3.OperationalError):
            raise UnavailableError(f"the vault {self._path} cannot be used: {error}") from error
        if isinstance(error, sqlite3.DatabaseError):
            raise DamagedError(
                f"{self._path} is not a whole vault: {error}", advice=PUT_BACK
            ) from error


def _beside(path: Path) -> list[Path]:
    """Return what SQLite keeps beside a file."""
    return [path.with_name(path.name + end) for end in ("-wal", "-shm", "-journal")]
