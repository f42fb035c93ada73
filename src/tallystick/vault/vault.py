"""The vault: content under one key per record, so that destroying the key destroys the content.

    vault.put([vault.seal(statement.id, preimage, About("case-4711"))])
    vault.get(statement.id).values()
    vault.erase({statement.id: None})

A record's key is random and used once. It is encrypted under the key of whom the record is about
and what for, that one under the vault's master key, which stands in a key file elsewhere; where
nobody is named, under the master key itself. Salts lie inside the encrypted preimage: with the
key, they go too. Who a subject is stands nowhere: the file holds a keyed digest of the reference.

Trust: whoever has this file and the master key reads all content that is not erased; whoever has
the file alone reads nothing but sizes and which records have a subject in common, and can at most
lose content, never change what was said.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from tallystick.errors import NotFoundError
from tallystick.statement import OpenField, Preimage, dcbor
from tallystick.vault.census import read_place
from tallystick.vault.erasing import Erasing
from tallystick.vault.location import parse_location
from tallystick.vault.schema import LOCATION, segment_place
from tallystick.vault.shape import Shape
from tallystick.vault.store import KEPT_WITH_KEY, KEY, ROWS_AT_ONCE, Row
from tallystick.vault.wrapping import DESTROYED, About, Beside, Named, seal

_CONTENT = f"SELECT {KEY} FROM content {KEPT_WITH_KEY} WHERE id = ?"  # noqa: S608 - constants
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class SealedContent:
    """Content encrypted, ready to be written anywhere.

    Attributes:
        id: Statement it belongs to.
        wrapped: Its key under the master key.
        sealed: The content under its key.
        about: Whom it is about, where its key is to be wrapped for them in the vault.
    """

    id: bytes
    wrapped: bytes
    sealed: bytes
    about: Named | Beside | None = None


class Vault(Erasing):
    """One encrypted store; safe to share between threads."""

    def seal(
        self, statement_id: bytes, preimage: Preimage, about: About | Beside | None = None
    ) -> SealedContent:
        """Encrypt content under a fresh key; nothing is written."""
        return self.seal_encoded(statement_id, preimage.encode(), about)

    def seal_encoded(
        self, statement_id: bytes, plain: bytes, about: About | Beside | None = None
    ) -> SealedContent:
        """Encrypt content that `tallystick.statement.commitment.commit_encoded` has encoded."""
        key, sealed = seal(plain, statement_id)
        named = self._named(about) if isinstance(about, About) else about
        return SealedContent(statement_id, self._master.wrap(key, statement_id), sealed, named)

    def put(self, contents: Iterable[SealedContent]) -> None:
        """Write content durably. What is there already stays as it is, and erased what is erased.

        Raises:
            UnavailableError: The disk is full or the store is locked.
        """
        waiting = list(contents)
        with self._transaction():
            known = self._known([one.id for one in waiting])
            fresh = {one.id: one for one in reversed(waiting) if one.id not in known}
            if fresh:
                self._insert([*fresh.values()])

    def _known(self, ids: list[bytes]) -> set[bytes]:
        """Return which of these have a place here already."""
        known: set[bytes] = set()
        for some in _pieces(ids):
            query = f"SELECT id FROM content WHERE id IN {_places(len(some), 1)}"  # noqa: S608 - places only
            known.update(row[0] for row in self._database.execute(query, some))
        return known

    def _insert(self, contents: list[SealedContent]) -> None:
        """Insert records that are not here, in a transaction."""
        database = self._database
        [[last]] = database.execute("SELECT ifnull(max(number), 0) FROM keys").fetchall()
        for some in _pieces([*enumerate(contents, start=last + 1)]):
            keys: list[Any] = []
            rows: list[Any] = []
            for number, one in some:
                keys += (number, *self._wrapped_for_subject(one))
                rows += (one.id, number, one.sealed)
            database.execute(f"INSERT INTO keys VALUES {_places(4, len(some))}", keys)  # noqa: S608
            database.execute(f"INSERT INTO content VALUES {_places(3, len(some))}", rows)  # noqa: S608

    def _wrapped_for_subject(self, one: SealedContent) -> tuple[int, bytes, bytes]:
        if one.about is None:
            return 0, one.id, one.wrapped
        if isinstance(one.about, Beside):
            number = self._number_beside(one.about.statement)
        else:
            number = self._number_of(self._database, one.about)
        if not number:
            return 0, one.id, one.wrapped
        key = self._master.unwrap(one.wrapped, one.id)
        return number, one.id, self._subject(number, one.id).wrap(key, one.id)

    def _number_beside(self, statement_id: bytes) -> int:
        """Return whose content of a statement is, by the number of their key; 0 for nobody's."""
        found = self._database.execute(
            f"SELECT keys.subject FROM content {KEPT_WITH_KEY} "  # noqa: S608 - constants
            "WHERE id = ? AND keys.wrapped != ?",
            (statement_id, DESTROYED),
        ).fetchone()
        return found[0] if found else 0

    def get(self, statement_id: bytes) -> Preimage:
        """Return the content of a statement; compare its commitment with the statement's payload.

        Raises:
            ErasedError: It was erased.
            NotFoundError: It was never here.
            DamagedError: It does not decrypt.
            UnavailableError: The read cannot be noted.
        """
        row = self._one(_CONTENT, (statement_id,))
        if row is None:
            raise NotFoundError(f"the vault has no content for {statement_id.hex()}")
        plain = self._open(statement_id, *row)
        self._note(statement_id)
        with Shape(statement_id):
            salt, fields = dcbor.decode(plain, "vault record")
            return Preimage(salt, {n: OpenField(s, v) for n, (s, v) in fields.items()})

    def is_about_somebody(self, statement_id: bytes) -> bool:
        """Tell whether content of a statement was put here with a reference to whom it is about."""
        row = self._one(
            f"SELECT keys.subject FROM content {KEPT_WITH_KEY} WHERE id = ?",  # noqa: S608 - constants
            (statement_id,),
        )
        return bool(row and row[0])

    def discard(self, statement_id: bytes) -> None:
        """Remove content that was stored for a statement which was then refused."""
        with self._transaction() as database:
            self._destroy_keys("SELECT wrapped FROM content WHERE id = ?", (statement_id,))
            self._destroy_keys("SELECT wrapped FROM segments WHERE batch = ?", (statement_id,))
            for table, column in (("content", "id"), ("segments", "batch"), ("places", "batch")):
                database.execute(f"DELETE FROM {table} WHERE {column} = ?", (statement_id,))  # noqa: S608 - constants

    @property
    def location(self) -> str | None:
        """Where content may lie; None where nobody said so."""
        found = self._one("SELECT id FROM marks WHERE name = ?", (LOCATION,))
        return None if found is None else read_place(found[0])

    def keep_in(self, where: str) -> None:
        """Remember where content may lie, durably; copies of the vault remember it, too.

        Raises:
            InputError: Not the name of a place.
        """
        stored = parse_location(where).encode()
        with self._transaction() as database:
            database.execute("INSERT OR REPLACE INTO marks VALUES (?, 0, ?)", (LOCATION, stored))

    def ids(self) -> set[bytes]:
        """Return the statements, batches among them, that content was stored for."""
        rows = self._all("SELECT id FROM content UNION SELECT batch FROM segments")
        return {row[0] for row in rows}

    def check(self) -> int:
        """Open every record that is not erased; return how many there are.

        Raises:
            DamagedError: The store is not whole, or a record does not decrypt.
        """
        self._check_whole()
        return sum(1 for place, *key in self._records() if self._open(place, *key))

    def _records(self) -> Iterator[tuple[Any, ...]]:
        """Yield place, key and sealed content of all that is not erased."""
        last: Row = (b"",)
        while rows := self._all(
            f"SELECT id, {KEY} FROM content {KEPT_WITH_KEY} WHERE id > ? "  # noqa: S608 - constants
            "ORDER BY id LIMIT ?",
            (*last, ROWS_AT_ONCE),
        ):
            last = rows[-1][:1]
            yield from (row for row in rows if row[1] is not None)
        last = (b"", -1)
        while rows := self._all(
            f"SELECT batch, segment, {KEY} FROM segments {KEPT_WITH_KEY} "  # noqa: S608 - constants
            "WHERE (batch, segment) > (?, ?) ORDER BY batch, segment LIMIT ?",
            (*last, ROWS_AT_ONCE),
        ):
            last = rows[-1][:2]
            yield from ((segment_place(b, n), *key) for b, n, *key in rows if key[0] is not None)


def _pieces(values: list[_Value]) -> Iterator[list[_Value]]:
    """Yield parts whose lengths are powers of two.

    SQLite prepares a statement for each length, and Python keeps 128 of them: with a length for
    each batch these took 10 MiB after half an hour, and were still prepared again and again.
    """
    at = 0
    while left := len(values) - at:
        part = min(ROWS_AT_ONCE, 1 << left.bit_length() - 1)
        yield values[at : at + part]
        at += part


def _places(columns: int, rows: int) -> str:
    """Return the places of a statement that inserts several rows."""
    one = f"({', '.join(['?'] * columns)})"
    return ", ".join([one] * rows)
