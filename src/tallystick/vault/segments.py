"""Rows of batches in the vault: segments of rows that are about one subject, under one key."""

from collections.abc import Iterator, Sequence
from typing import Final

from tallystick.errors import DamagedError, ErasedError, InputError, NotFoundError
from tallystick.statement import dcbor
from tallystick.vault.schema import add_key, segment_place
from tallystick.vault.shape import Shape
from tallystick.vault.store import KEPT_WITH_KEY, KEY, Row, Store
from tallystick.vault.wrapping import About, seal

_ERASED: Final = "SELECT 1 FROM content WHERE id = ? AND wrapped IS NULL"
StoredRow = tuple[int, bytes, bytes]
"""Position, salt and record."""


class Segments(Store):
    """The rows in a vault."""

    def put_rows(
        self,
        batch: bytes,
        salts: bytes,
        records: Sequence[bytes],
        subjects: Sequence[object] | None = None,
        purpose: str = "",
    ) -> None:
        """Write the rows of a batch durably, one key per subject. What is there stays as it is.

        Args:
            batch: Id of the batch statement.
            salts: 32 bytes per row, concatenated.
            records: Encoded rows.
            subjects: Whom each row is about, as text; rows of one subject share a key and are
                erased together. None, and by default each row, is a subject of its own.
            purpose: What the rows are for.

        Raises:
            InputError: The numbers of rows, salts and subjects differ.
            UnavailableError: The disk is full or the store is locked.
        """
        if len(salts) != 32 * len(records) or len(subjects or records) != len(records):
            raise InputError(
                f"{len(records)} rows need {32 * len(records)} bytes of salt and as many "
                f"subjects, got {len(salts)} and {len(subjects or records)}"
            )
        groups: dict[object, list[StoredRow]] = {}
        for position, record in enumerate(records):
            subject = subjects[position] if subjects else None
            row = (position, salts[32 * position : 32 * position + 32], record)
            groups.setdefault(position if subject is None else str(subject), []).append(row)
        with self._transaction() as database:
            if database.execute("SELECT 1 FROM segments WHERE batch = ?", (batch,)).fetchone():
                return  # a retry; what was erased meanwhile must not come back
            if database.execute(_ERASED, (batch,)).fetchone():
                return  # nor what was erased before it came
            for number, (subject, rows) in enumerate(groups.items()):
                about = About(subject, purpose) if isinstance(subject, str) else None
                self._write_segment(batch, number, rows, about)
            database.executemany(
                "INSERT OR IGNORE INTO places VALUES (?, ?, ?)",
                [(batch, row[0], n) for n, rows in enumerate(groups.values()) for row in rows],
            )

    def _write_segment(
        self, batch: bytes, number: int, rows: Sequence[StoredRow], about: About | int | None
    ) -> None:
        """Seal rows under a fresh key, in a transaction; replaces what the segment held."""
        place, database = segment_place(batch, number), self._database
        key, sealed = seal(dcbor.encode([list(row) for row in rows]), place)
        subject = about if isinstance(about, int) else 0
        if isinstance(about, About):
            subject = self._number_of(database, about)
        under = self._subject(subject, place) if subject else self._master
        wrapped = add_key(database, subject, place, under.wrap(key, place))
        database.execute(
            "INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?)", (batch, number, wrapped, sealed)
        )

    def row(self, batch: bytes, position: int) -> tuple[bytes, bytes]:
        """Return salt and record of one row.

        Raises:
            ErasedError: It was erased.
            NotFoundError: It was never here.
            DamagedError: It does not decrypt.
        """
        found = self._one(
            f"SELECT kept.segment, {KEY} FROM places JOIN segments {KEPT_WITH_KEY} "  # noqa: S608
            "WHERE places.batch = ? AND position = ? AND kept.batch = places.batch "
            "AND kept.segment = places.segment",
            (batch, position),
        )
        if found is None:
            raise NotFoundError(f"the vault has no row {position} of {batch.hex()}")
        for at, salt, record in self._rows(batch, *found):
            if at == position:
                self._note(batch, position)
                return salt, record
        raise DamagedError(f"row {position} of {batch.hex()} is not where the vault says it is")

    def rows(self, batch: bytes) -> Iterator[StoredRow]:
        """Yield position, salt and record of every row that is not erased, segment by segment.

        Raises:
            DamagedError: A segment does not decrypt.
        """
        segments = self._segments(batch)
        if segments:
            self._note(batch)
        for number, *key in segments:
            try:
                found = self._rows(batch, number, *key)
            except ErasedError:
                continue
            yield from found

    def unsafe_overwrite_row(self, batch: bytes, position: int, record: bytes) -> None:
        """Change a stored row as an insider could who has the master key.

        Exists so that tests and the demonstration can show that it is noticed. The rows that share
        a key with it are lost.
        """
        salt, _ = self.row(batch, position)
        [segment] = self._one(
            "SELECT segment FROM places WHERE batch = ? AND position = ?", (batch, position)
        ) or (None,)
        with self._transaction():
            self._write_segment(batch, segment, [(position, salt, record)], None)

    def _segments(self, batch: bytes) -> list[Row]:
        """Return number, key and sealed rows of all segments of a batch."""
        return self._all(
            f"SELECT kept.segment, {KEY} FROM segments {KEPT_WITH_KEY} "  # noqa: S608 - constants
            "WHERE kept.batch = ? ORDER BY kept.segment",
            (batch,),
        )

    def _rows(
        self, batch: bytes, number: int, key: object, subject: int, wrapped: object, sealed: bytes
    ) -> list[StoredRow]:
        with Shape(batch):
            plain = self._open(segment_place(batch, number), key, subject, wrapped, sealed)
            return [(at, salt, record) for at, salt, record in dcbor.decode(plain, "vault rows")]
