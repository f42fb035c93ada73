"""Tables of the vault's file, and how one of an older release is brought to them.

Keys lie apart from what they open, in a table that only grows at its end and whose rows never
change their length. So no row is ever moved, and no copy of a key is left where it once lay:
overwriting it with zeros is the end of it. What is sealed may leave pieces behind in the file;
without its key they are noise.
"""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from tallystick.errors import VersionError
from tallystick.vault.readonly import connect_reading

FORMAT: Final = 1
"""The file's `user_version`. Files without a number are of releases before subjects had keys."""
LOCATION: Final = "location"
"""Mark of where content may lie; see `tallystick.vault.location`."""
_PRAGMAS: Final = ("journal_mode=wal", "synchronous=full", "secure_delete=on", "cache_size=-8192")
"""What is acknowledged must survive a power cut; what is erased must not linger."""

_KEYS: Final = """
CREATE TABLE IF NOT EXISTS keys (
    number INTEGER PRIMARY KEY, subject INTEGER NOT NULL, place BLOB NOT NULL,
    wrapped BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS keys_of_subject ON keys (subject) WHERE subject > 0;
CREATE TABLE IF NOT EXISTS subjects (
    number INTEGER PRIMARY KEY, subject BLOB NOT NULL, purpose BLOB NOT NULL,
    wrapped BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS subjects_by_name ON subjects (subject, purpose);
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, at INTEGER, id BLOB) WITHOUT ROWID;
"""
# Content lies in the order in which it came: ids are random, and sorting it by them costs most.
# `wrapped` holds the number of a key. Where an older release wrote it, it holds the key itself.
_SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS content (
    id BLOB PRIMARY KEY, wrapped BLOB, sealed BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS segments (
    batch BLOB, segment INTEGER, wrapped BLOB, sealed BLOB NOT NULL,
    PRIMARY KEY (batch, segment)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS places (
    batch BLOB, position INTEGER, segment INTEGER NOT NULL,
    PRIMARY KEY (batch, position)) WITHOUT ROWID;
{_KEYS}
"""
_NO_KEYS: Final = """
CREATE TEMP VIEW keys AS
    SELECT 0 AS number, 0 AS subject, x'' AS place, x'' AS wrapped WHERE 0;
CREATE TEMP VIEW subjects AS
    SELECT 0 AS number, x'' AS subject, x'' AS purpose, x'' AS wrapped WHERE 0;
CREATE TEMP VIEW marks AS SELECT '' AS name, 0 AS at, x'' AS id WHERE 0;
"""
"""Stand in for the tables that an older file lacks, where it is only read."""


def segment_place(batch: bytes, segment: int) -> bytes:
    """Name a segment, so that one cannot be put in the place of another."""
    return batch + segment.to_bytes(8)


def open_writing(path: Path) -> sqlite3.Connection:
    """Open a vault or make an empty one; one of an older release is brought to this format.

    Raises:
        VersionError: A newer release wrote it.
        sqlite3.Error: It is no vault, or cannot be opened.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(OSError):  # SQLite says what is wrong with it; files beside it get its mode
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    try:
        older = _check_format(database, path) == 0 and not _is_empty(database)
        for pragma in _PRAGMAS:
            database.execute(f"PRAGMA {pragma}")
        database.executescript(_SCHEMA)
        if older:
            _migrate(database)
        database.execute(f"PRAGMA user_version = {FORMAT}")
    except BaseException:
        database.close()
        raise
    return database


def open_reading(path: Path) -> sqlite3.Connection:
    """Open a vault as it is; one that is not there reads as empty.

    Raises:
        VersionError: A newer release wrote it.
        sqlite3.Error: It is no vault, or cannot be opened.
    """
    if not path.exists():
        empty = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        empty.executescript(_SCHEMA)
        return empty
    database = connect_reading(path)
    try:
        if _check_format(database, path) == 0:
            database.executescript(_NO_KEYS)
    except BaseException:
        database.close()
        raise
    return database


def _check_format(database: sqlite3.Connection, path: Path) -> int:
    [version] = database.execute("PRAGMA user_version").fetchone()
    if version not in {0, FORMAT}:
        raise VersionError(
            f"{path} has format {version}, this release reads vaults without a number and "
            f"format {FORMAT}",
            advice="a newer release wrote it: use that one; nothing was changed",
        )
    return int(version)


def _is_empty(database: sqlite3.Connection) -> bool:
    return bool(database.execute("SELECT count(*) = 0 FROM sqlite_master").fetchone()[0])


def _migrate(database: sqlite3.Connection) -> None:
    """Move keys to where they can be overwritten; whoever is killed does it again.

    The file is written anew in the end: copies of keys may lie where rows were once.
    """
    database.execute("BEGIN IMMEDIATE")
    for table, columns in (("content", ("id",)), ("segments", ("batch", "segment"))):
        wanted = f"SELECT {', '.join(columns)}, wrapped FROM {table} "  # noqa: S608 - constants
        wanted += "WHERE typeof(wrapped) = 'blob'"
        where = " AND ".join(f"{column} = ?" for column in columns)
        for *named, wrapped in database.execute(wanted).fetchall():
            place = segment_place(*named) if len(named) > 1 else named[0]
            key = add_key(database, 0, place, wrapped)
            database.execute(f"UPDATE {table} SET wrapped = ? WHERE {where}", (key, *named))  # noqa: S608 - constants
    database.execute("COMMIT")
    database.execute("VACUUM")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def add_key(database: sqlite3.Connection, subject: int, place: bytes, wrapped: bytes) -> int:
    """Write a wrapped key; return its number."""
    values = (subject, place, wrapped)
    done = database.execute("INSERT INTO keys VALUES (NULL, ?, ?, ?)", values)
    assert done.lastrowid is not None  # noqa: S101 - a row was inserted
    return done.lastrowid
