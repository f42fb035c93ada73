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
from typing import Any

from tallystick.errors import NotFoundError
from tallystick.statement import OpenField, Preimage, dcbor
from tallystick.vault.erasing import Erasing
from tallystick.vault.schema import segment_place
from tallystick.vault.shape import shape
from tallystick.vault.store import KEPT_WITH_KEY, KEY, ROWS_AT_ONCE, Row
from tallystick.vault.wrapping import About, seal


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
    about: About | None = None


class Vault(Erasing):
    """One encrypted store; safe to share between threads."""

    def seal(
        self, statement_id: bytes, preimage: Preimage, about: About | None = None
    ) -> SealedContent:
        """Encrypt content under a fresh key; nothing is written."""
        fields = {name: [field.salt, field.value] for name, field in preimage.fields.items()}
        return self.seal_encoded(statement_id, dcbor.encode([preimage.salt, fields]), about)

    def seal_encoded(
        self, statement_id: bytes, plain: bytes, about: About | None = None
    ) -> SealedContent:
        """Encrypt content that `tallystick.statement.commitment.commit_encoded` has encoded."""
        key, sealed = seal(plain, statement_id)
        return SealedContent(statement_id, self._master.wrap(key, statement_id), sealed, about)

    def put(self, contents: Iterable[SealedContent]) -> None:
        """Write content durably. What is there already stays as it is, and erased what is erased.

        Raises:
            UnavailableError: The disk is full or the store is locked.
        """
        waiting = list(contents)
        with self._transaction():
            for at in range(0, len(waiting), ROWS_AT_ONCE):
                self._put_some(waiting[at : at + ROWS_AT_ONCE])

    def _put_some(self, contents: list[SealedContent]) -> None:
        """Write some records with two statements to the store, in a transaction."""
        database, marks = self._database, ", ".join(["?"] * len(contents))
        query = f"SELECT id FROM content WHERE id IN ({marks})"  # noqa: S608 - places only
        known = {row[0] for row in database.execute(query, [one.id for one in contents])}
        fresh = {one.id: one for one in reversed(contents) if one.id not in known}
        if not fresh:
            return
        [[last]] = database.execute("SELECT ifnull(max(number), 0) FROM keys").fetchall()
        keys: list[Any] = []
        rows: list[Any] = []
        for number, one in enumerate(fresh.values(), start=last + 1):
            keys += (number, *self._wrapped_for_subject(one))
            rows += (one.id, number, one.sealed)
        database.execute(f"INSERT INTO keys VALUES {_places(4, len(fresh))}", keys)  # noqa: S608
        database.execute(f"INSERT INTO content VALUES {_places(3, len(fresh))}", rows)  # noqa: S608

    def _wrapped_for_subject(self, one: SealedContent) -> tuple[int, bytes, bytes]:
        if one.about is None:
            return 0, one.id, one.wrapped
        number = self._number_of(self._database, one.about)
        key = self._master.unwrap(one.wrapped, one.id)
        return number, one.id, self._subject(number, one.id).wrap(key, one.id)

    def get(self, statement_id: bytes) -> Preimage:
        """Return the content of a statement; compare its commitment with the statement's payload.

        Raises:
            ErasedError: It was erased.
            NotFoundError: It was never here.
            DamagedError: It does not decrypt.
            UnavailableError: The read cannot be noted.
        """
        row = self._one(
            f"SELECT {KEY} FROM content {KEPT_WITH_KEY} WHERE id = ?",  # noqa: S608 - constants
            (statement_id,),
        )
        if row is None:
            raise NotFoundError(f"the vault has no content for {statement_id.hex()}")
        plain = self._open(statement_id, *row)
        self._note(statement_id)
        with shape(statement_id):
            salt, fields = dcbor.decode(plain, "vault record")
            return Preimage(salt, {n: OpenField(s, v) for n, (s, v) in fields.items()})

    def discard(self, statement_id: bytes) -> None:
        """Remove content that was stored for a statement which was then refused."""
        with self._transaction() as database:
            self._destroy_keys("SELECT wrapped FROM content WHERE id = ?", (statement_id,))
            self._destroy_keys("SELECT wrapped FROM segments WHERE batch = ?", (statement_id,))
            for table, column in (("content", "id"), ("segments", "batch"), ("places", "batch")):
                database.execute(f"DELETE FROM {table} WHERE {column} = ?", (statement_id,))  # noqa: S608 - constants

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


def _places(columns: int, rows: int) -> str:
    """Return the places of a statement that inserts several rows."""
    one = f"({', '.join(['?'] * columns)})"
    return ", ".join([one] * rows)
