"""Count what a vault holds, without its key: sizes and shares, nothing of any content.

Trust: whoever changes the file can make these numbers anything; `tally fsck --deep` opens content.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tallystick.errors import DamagedError
from tallystick.vault.erasing import APPLIED
from tallystick.vault.schema import LOCATION, open_reading
from tallystick.vault.wrapping import DESTROYED


@dataclass(frozen=True, slots=True)
class Census:
    """What a vault holds.

    Attributes:
        records: Contents that are not erased; rows of batches count as their segments.
        nameless: How many of them name nobody whom they are about.
        erased: Contents whose keys were destroyed.
        applied: Index of the newest erasure that was carried out; None if none was.
        location: Where content may lie; None where the vault does not say.
    """

    records: int
    nameless: int
    erased: int
    applied: int | None
    location: str | None


def take_census(path: Path) -> Census:
    """Count what a vault holds; one that is not there is empty.

    Raises:
        DamagedError: It is no vault.
        VersionError: A newer release wrote it.
    """
    try:
        with closing(open_reading(path)) as database:
            return _count(database)
    except sqlite3.Error as error:
        raise DamagedError(f"{path} is not a whole vault: {error}") from error


def _count(database: sqlite3.Connection) -> Census:
    held = nameless = erased = 0
    for table in ("content", "segments"):
        rows = database.execute(
            "SELECT kept.wrapped IS NULL OR keys.wrapped = ?, "  # noqa: S608 - constants
            "ifnull(keys.subject, 0) = 0, count(*) "
            f"FROM {table} AS kept LEFT JOIN keys ON keys.number = kept.wrapped GROUP BY 1, 2",
            (DESTROYED,),
        )
        for gone, nobody, number in rows:
            held += 0 if gone else number
            nameless += number if nobody and not gone else 0
            erased += number if gone else 0
    marks = {name: (at, id_) for name, at, id_ in database.execute("SELECT * FROM marks")}
    applied, place = marks.get(APPLIED), marks.get(LOCATION)
    return Census(
        held,
        nameless,
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
