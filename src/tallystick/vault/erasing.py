"""Destroying content: keys are overwritten where they lie, what they opened is removed.

What is erased leaves an empty place behind, so that a retry does not bring it back and whoever
asks is told. All of one call happens in one transaction; then the write-ahead log, in which older
pages still stand, is emptied. Doing it again changes nothing.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from tallystick.errors import UnavailableError
from tallystick.vault.segments import Segments, StoredRow
from tallystick.vault.store import Row
from tallystick.vault.wrapping import DESTROYED

Positions = frozenset[int]
Erasure = Mapping[bytes, Positions | None]
"""Statements whose content goes; of a batch, the positions of its rows, or None for all."""
APPLIED: Final = "erasures"
_ID_BYTES: Final = 32
_TAKEN: Final = 500
"""Numbers in one statement to the store, which takes so many at least."""


class Erasing(Segments):
    """What a vault does to forget."""

    def about(self, subject: str, purpose: str | None = None) -> dict[bytes, Positions | None]:
        """Return all that is kept about a subject and not erased: statements, and rows of batches.

        Args:
            subject: The operator's reference.
            purpose: Only what is kept for it; None for every purpose.
        """
        names: Row = (self._master.name(subject),)
        only = ""
        if purpose is not None:
            names, only = (*names, self._master.name(purpose)), " AND subjects.purpose = ?"
        places = self._all(
            "SELECT place FROM keys JOIN subjects ON subjects.number = keys.subject "  # noqa: S608
            f"WHERE keys.subject > 0 AND subjects.subject = ?{only} AND keys.wrapped != ?",
            (*names, DESTROYED),
        )
        return self._read_places(places)

    def erased_about(self, subject: str) -> dict[bytes, Positions | None]:
        """Return what was kept about a subject and is erased, as far as that can still be told.

        Where all that was kept for a purpose is erased, nothing says any more whose it was.
        """
        places = self._all(
            "SELECT place FROM keys JOIN subjects ON subjects.number = keys.subject "
            "WHERE keys.subject > 0 AND subjects.subject = ? AND keys.wrapped = ?",
            (self._master.name(subject), DESTROYED),
        )
        return self._read_places(places)

    def _read_places(self, places: list[Row]) -> dict[bytes, Positions | None]:
        found: dict[bytes, Positions | None] = {}
        for [place] in places:
            if len(place) == _ID_BYTES:
                found[place] = None
            else:
                batch, segment = place[:_ID_BYTES], int.from_bytes(place[_ID_BYTES:])
                found[batch] = (found.get(batch) or frozenset()) | self._positions(batch, segment)
        return found

    def is_erased(self, statement_id: bytes, positions: Positions | None = None) -> bool:
        """Tell whether nothing is left of a statement's content, or of these rows of a batch."""
        if positions is None:
            left = self._all(
                "SELECT 1 FROM content WHERE id = ? AND wrapped IS NOT NULL UNION ALL "
                "SELECT 1 FROM segments WHERE batch = ? AND wrapped IS NOT NULL LIMIT 1",
                (statement_id, statement_id),
            )
            return not left and self._is_known(statement_id)
        held = self._all(
            "SELECT position FROM places JOIN segments USING (batch, segment) "
            "WHERE batch = ? AND wrapped IS NOT NULL",
            (statement_id,),
        )
        return not positions & {row[0] for row in held}

    def keeps(self, statement_id: bytes) -> bool:
        """Tell whether something of a statement's content is here and not erased."""
        query = (
            "SELECT 1 FROM content WHERE id = ?1 AND wrapped IS NOT NULL UNION ALL "
            "SELECT 1 FROM segments WHERE batch = ?1 AND wrapped IS NOT NULL LIMIT 1"
        )
        return self._one(query, (statement_id,)) is not None

    def erase(self, erasure: Erasure) -> None:
        """Destroy content durably; what is not here is kept from ever coming.

        Raises:
            UnavailableError: The disk is full, or another process is reading: call again.
        """
        with self._transaction() as database:
            touched = self._erase_content([one for one, at in erasure.items() if at is None])
            for batch, positions in erasure.items():
                touched |= self._erase_segments(batch, positions)
            _drop_subjects(database, touched)
            self._forget()
        self._empty_log()

    def applied(self) -> tuple[int, bytes] | None:
        """Return index and id of the newest erasure statement that was carried out here."""
        found = self._one("SELECT at, id FROM marks WHERE name = ?", (APPLIED,))
        return None if found is None else (found[0], found[1])

    def apply(self, index: int, statement_id: bytes, erasure: Erasure) -> None:
        """Carry out a registered erasure, and remember that; see `erase`."""
        self.erase(erasure)
        with self._transaction() as database:
            database.execute(
                "INSERT OR REPLACE INTO marks VALUES (?, ?, ?)", (APPLIED, index, statement_id)
            )

    # --- in a transaction

    def _erase_content(self, ids: list[bytes]) -> set[int]:
        """Destroy what statements commit to; return whose it was, by the numbers of their keys."""
        touched: set[int] = set()
        for at in range(0, len(ids), _TAKEN):
            some = ids[at : at + _TAKEN]
            marks = ", ".join(["?"] * len(some))
            which = f"SELECT wrapped FROM content WHERE id IN ({marks})"  # noqa: S608
            touched |= self._destroy_keys(which, some)
            self._database.execute(
                f"UPDATE content SET wrapped = NULL, sealed = x'' WHERE id IN ({marks})",  # noqa: S608
                some,
            )
            self._database.executemany(
                "INSERT OR IGNORE INTO content VALUES (?, NULL, x'')", [(one,) for one in some]
            )
        return touched

    def _erase_segments(self, batch: bytes, positions: Positions | None) -> set[int]:
        """Destroy rows of a batch; return whose they were."""
        held: defaultdict[int, set[int]] = defaultdict(set)
        for segment, position in self._database.execute(
            "SELECT segment, position FROM places JOIN segments USING (batch, segment) "
            "WHERE batch = ? AND wrapped IS NOT NULL",
            (batch,),
        ):
            if positions is None or position in positions:
                held[segment].add(position)
        touched: set[int] = set()
        for segment, going in held.items():
            touched |= self._erase_segment(batch, segment, going)
        return touched

    def _erase_segment(self, batch: bytes, segment: int, going: set[int]) -> set[int]:
        """Destroy rows; those that share their key are sealed anew under another one."""
        place = (batch, segment)
        kept = self._positions(batch, segment) - going
        rows: list[StoredRow] = []
        subject = 0
        if kept:
            rows, subject = self._kept_rows(batch, segment, kept)
        touched = self._destroy_keys(
            "SELECT wrapped FROM segments WHERE batch = ? AND segment = ?", place
        )
        self._database.execute(
            "UPDATE segments SET wrapped = NULL, sealed = x'' WHERE batch = ? AND segment = ?",
            place,
        )
        if rows:
            [[free]] = self._database.execute(
                "SELECT max(segment) + 1 FROM segments WHERE batch = ?", (batch,)
            ).fetchall()
            self._write_segment(batch, free, rows, subject)
            self._database.executemany(
                "UPDATE places SET segment = ? WHERE batch = ? AND position = ?",
                [(free, batch, row[0]) for row in rows],
            )
        return touched

    def _kept_rows(
        self, batch: bytes, segment: int, kept: Iterable[int]
    ) -> tuple[list[StoredRow], int]:
        [[number, *key]] = [row for row in self._segments(batch) if row[0] == segment]
        rows = [row for row in self._rows(batch, number, *key) if row[0] in set(kept)]
        return rows, key[1] or 0

    def _destroy_keys(self, which: str, values: Iterable[object]) -> set[int]:
        """Overwrite keys where they lie, since they keep their length; return whose they were."""
        touched: set[int] = set()
        for [number] in self._database.execute(which, tuple(values)).fetchall():
            if isinstance(number, int):
                done = self._database.execute(
                    "UPDATE keys SET wrapped = ? WHERE number = ? RETURNING subject",
                    (DESTROYED, number),
                )
                touched |= {row[0] for row in done.fetchall()}
        return touched

    # --- asking

    def _positions(self, batch: bytes, segment: int) -> Positions:
        rows = self._all(
            "SELECT position FROM places WHERE batch = ? AND segment = ?", (batch, segment)
        )
        return frozenset(row[0] for row in rows)

    def _is_known(self, statement_id: bytes) -> bool:
        query = "SELECT 1 FROM content WHERE id = ?1 UNION SELECT 1 FROM segments WHERE batch = ?1"
        return self._one(query, (statement_id,)) is not None

    def _empty_log(self) -> None:
        """Empty the write-ahead log, in which pages stand as they were."""
        busy, *_ = self._one("PRAGMA wal_checkpoint(TRUNCATE)") or (1,)
        if busy:
            raise UnavailableError(
                f"another process is reading {self._path}: copies may be left beside it",
                advice="run it again when that has ended",
            )


def _drop_subjects(database: sqlite3.Connection, touched: Iterable[int]) -> None:
    """Destroy the keys of subjects of whom nothing is left; the place of each stays, unnamed."""
    gone = [
        (number,)
        for number in touched
        if number
        and not database.execute(
            "SELECT 1 FROM keys WHERE subject = ? AND subject > 0 AND wrapped != ?",
            (number, DESTROYED),
        ).fetchone()
    ]
    for row in gone:
        database.execute("UPDATE subjects SET wrapped = ? WHERE number = ?", (DESTROYED, *row))
        database.execute(
            "UPDATE subjects SET subject = randomblob(32), purpose = zeroblob(32) WHERE number = ?",
            row,
        )
        database.execute("UPDATE keys SET subject = 0 WHERE subject = ? AND subject > 0", row)
