"""Open a SQLite file for reading, in a folder that may itself be read-only."""

import sqlite3
from pathlib import Path
from typing import Final

_NO_FILES_BESIDE: Final = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}


def connect_reading(path: Path) -> sqlite3.Connection:
    """Open a file that other processes may be writing; nothing in it is changed.

    Raises:
        sqlite3.DatabaseError: It is missing, or no database.
    """
    try:
        return _connect(path, "mode=ro")
    except sqlite3.OperationalError as error:
        # A write-ahead log needs files beside it. Where none may be made, and nothing waits in
        # one, no other process writes either, and the file by itself is all there is.
        waiting = path.with_name(path.name + "-wal")
        if error.sqlite_errorcode & 0xFF not in _NO_FILES_BESIDE or (
            waiting.exists() and waiting.stat().st_size
        ):
            raise
        return _connect(path, "mode=ro&immutable=1")


def _connect(path: Path, how: str) -> sqlite3.Connection:
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?{how}", uri=True, check_same_thread=False, isolation_level=None
    )
    try:
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database
