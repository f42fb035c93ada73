"""Count what a vault holds, without its key: sizes and shares, nothing of any content.

Trust: whoever changes the file can make these numbers anything; `tally fsck --deep` opens content.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tallystick.errors import DamagedError
from tallystick.vault.erasing import APPLIED
from tallystick.vault.schema import LOCATION, open_reading
from tallystick.vault.wrapping import DESTROYED

_NAMELESS: Final = " UNION ALL ".join(
    f"SELECT 1 FROM {table} AS kept LEFT JOIN keys ON keys.number = kept.wrapped "  # noqa: S608
    f"WHERE {column} = ?1 AND kept.wrapped IS NOT NULL AND ifnull(keys.wrapped, x'') != ?2 "
    "AND ifnull(keys.subject, 0) = 0"
    for table, column in (("content", "id"), ("segments", "batch"))
)


@dataclass(frozen=True, slots=True)
class Census:
    """What a vault holds.

    Attributes:
        records: Contents that are not erased; rows of batches count as their segments.
        erased: Contents whose keys were destroyed.
        applied: Index of the newest erasure that was carried out; None if none was.
        location: Where content may lie; None where the vault does not say.
    """

    records: int
    erased: int
    applied: int | None
    location: str | None


def take_census(path: Path) -> Census:
    """Count what a vault holds; one that is not there is empty.

    Raises:
        DamagedError: It is no vault.
        VersionError: A newer release wrote it.
    """
    with _opened(path) as database:
        return _count(database)


@contextmanager
def nameless_in(path: Path) -> Iterator[Callable[[bytes], bool]]:
    """Yield what tells whether content of a statement is there and names nobody it is about.

    Raises:
        DamagedError: It is no vault.
        VersionError: A newer release wrote it.
    """
    with _opened(path) as database:
        yield lambda id_: database.execute(_NAMELESS, (id_, DESTROYED)).fetchone() is not None


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(open_reading(path)) as database:
            yield database
    except sqlite3.Error as error:
        raise DamagedError(f"{path} is not a whole vault: {error}") from error


def _count(database: sqlite3.Connection) -> Census:
    held = erased = 0
    for table in ("content", "segments"):
        rows = database.execute(
            "SELECT kept.wrapped IS NULL OR ifnull(keys.wrapped, x'') = ?, count(*) "  # noqa: S608
            f"FROM {table} AS kept LEFT JOIN keys ON keys.number = kept.wrapped GROUP BY 1",
            (DESTROYED,),
        )
        for gone, number in rows:
            held += 0 if gone else number
            erased += number if gone else 0
    marks = {name: (at, id_) for name, at, id_ in database.execute("SELECT * FROM marks")}
    applied, place = marks.get(APPLIED), marks.get(LOCATION)
    return Census(
        held,
        erased,
        None if applied is None else applied[0],
        None if place is None else read_place(place[1]),
    )


def read_place(stored: object) -> str:
    """Return a location as the vault holds it.

    Raises:
        DamagedError: It is no text.
    """
    try:
        return bytes(stored).decode("ascii") if isinstance(stored, bytes) else str(stored)
    except UnicodeDecodeError as error:
        raise DamagedError("the vault's location is no text") from error
