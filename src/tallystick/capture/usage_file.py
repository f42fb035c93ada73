"""The file of what was used: counters that outlive the gateway, and nothing else.

    with UsageFile(home.usage) as file:      # one process writes
        file.add(table, mark)
    read_usage(home.usage)                   # everybody reads, beside it too

Nothing here is evidence: the ledger is, and the file is made anew from it. Each write also says up
to which outcome it counted, so that a gateway that was killed goes on exactly there.

Trust: whoever can write this file decides what is left of budgets, and nothing else.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from tallystick.capture.budgets import PERIODS, Spending, first_day
from tallystick.capture.usage import Counts, Mark, Place, Table
from tallystick.errors import DamagedError, UnavailableError, VersionError
from tallystick.log import WriterLock
from tallystick.vault.readonly import connect_reading

FORMAT: Final = 1
MODELS_MAX: Final = 1000
"""Models of one key and day that are counted apart."""
OTHER: Final = "(other)"
"""Stands in place of a model beyond `MODELS_MAX`: an upstream may answer with any name."""

_COUNTS: Final = (
    "calls", "uncounted", "prompt_tokens", "completion_tokens", "errors", "refused",
)  # fmt: skip
_SCHEMA: Final = f"""
BEGIN;
CREATE TABLE IF NOT EXISTS usage (key TEXT, model TEXT, day TEXT,
    {", ".join(f"{name} INTEGER NOT NULL CHECK ({name} >= 0)" for name in _COUNTS)},
    PRIMARY KEY (key, day, model)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mark (
    one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, seq INTEGER NOT NULL);
PRAGMA user_version = {FORMAT};
COMMIT;
"""
_ADD: Final = (
    f"INSERT INTO usage (key, model, day, {', '.join(_COUNTS)}) "  # noqa: S608 - names only
    f"VALUES ({', '.join('?' * (3 + len(_COUNTS)))}) ON CONFLICT DO UPDATE SET "
    + ", ".join(f"{name} = {name} + excluded.{name}" for name in _COUNTS)
)
_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
_ADVICE: Final = "`tally usage --rebuild` makes it anew from the ledger"


class UsageFile:
    """The file as its one writer has it; belongs to one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make an empty one.

        Raises:
            ConflictError: Another process writes it.
            DamagedError: It is none.
            VersionError: A newer release made it.
            UnavailableError: It cannot be opened now.
        """
        self._path = path
        self._lock = _lock(path)
        try:
            with _errors(path):
                self._database = _connect(path)
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give it back."""
        try:
            self._database.close()
        finally:
            self._lock.release()

    def add(self, table: Table, mark: Mark | None) -> None:
        """Add counts durably, and say up to where they reach.

        Raises:
            DamagedError: The file is.
            UnavailableError: The disk is full.
        """
        with _errors(self._path), self._database as database:
            database.execute("BEGIN IMMEDIATE")
            known: dict[tuple[str, str], set[str]] = {}
            for place, counts in table.items():
                place = self._within_limit(place, known)  # noqa: PLW2901 - the one that counts
                database.execute(_ADD, (*place, *counts.values()))
            if mark is not None:
                database.execute("INSERT OR REPLACE INTO mark VALUES (1, ?, ?)", mark)

    def mark(self) -> Mark | None:
        """Return up to which outcome the file counts; None where it says nothing."""
        with _errors(self._path):
            found = self._database.execute("SELECT epoch, seq FROM mark").fetchone()
        return None if found is None else (int(found[0]), int(found[1]))

    def spending(self, day: str) -> Spending:
        """Return what every key used in the periods of a day."""
        with _errors(self._path):
            return _spending(self._database, day)

    def _within_limit(self, place: Place, known: dict[tuple[str, str], set[str]]) -> Place:
        models = known.get((place.key, place.day))
        if models is None:
            rows = self._database.execute(
                "SELECT model FROM usage WHERE key = ? AND day = ?", (place.key, place.day)
            )
            models = known[place.key, place.day] = {model for (model,) in rows}
        if place.model in models:
            return place
        if len(models) >= MODELS_MAX:
            return place._replace(model=OTHER)
        models.add(place.model)
        return place


@dataclass(frozen=True, slots=True)
class Used:
    """One row of the file.

    Attributes:
        place: Key, model and day.
        counts: What was counted there.
    """

    place: Place
    counts: Counts


def read_usage(path: Path, since: str = "", until: str = "9") -> list[Used]:
    """Read what was used on some days, beside a gateway that writes; ordered by day and key.

    Args:
        path: The file; one that is not there holds nothing.
        since: First day, such as `2026-11-01`.
        until: Last day.

    Raises:
        DamagedError: The file is.
        VersionError: A newer release made it.
        UnavailableError: It cannot be read now.
    """
    if not path.exists():
        return []
    with _errors(path), closing(connect_reading(path)) as database:
        _check_version(path, database)
        rows = database.execute(
            f"SELECT key, model, day, {', '.join(_COUNTS)} FROM usage "  # noqa: S608 - names only
            "WHERE day BETWEEN ? AND ? ORDER BY day, key, model",
            (since, until),
        )
        return [Used(Place(*row[:3]), Counts(*map(int, row[3:]))) for row in rows]


def read_spending(path: Path, day: str) -> Spending:
    """Read what every key used in the periods of a day, beside a gateway that writes.

    Raises:
        DamagedError: The file is.
        VersionError: A newer release made it.
        UnavailableError: It cannot be read now.
    """
    if not path.exists():
        return Spending()
    with _errors(path), closing(connect_reading(path)) as database:
        _check_version(path, database)
        return _spending(database, day)


def replace_usage(path: Path, table: Table, mark: Mark | None) -> None:
    """Put a new file in the place of one that may be damaged.

    Raises:
        ConflictError: A gateway has it open.
        UnavailableError: The disk is full.
    """
    lock = _lock(path)
    try:
        for old in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
            old.unlink(missing_ok=True)
    finally:
        lock.release()
    with UsageFile(path) as file:
        file.add(table, mark)


def _spending(database: sqlite3.Connection, day: str) -> Spending:
    spending = Spending()
    for per in PERIODS:
        rows = database.execute(
            "SELECT key, SUM(calls), SUM(prompt_tokens + completion_tokens) FROM usage "
            "WHERE day >= ? GROUP BY key",
            (first_day(per, day),),
        )
        for key, calls, tokens in rows:
            spending.put(key, per, day, int(calls), int(tokens))
    return spending


def _lock(path: Path) -> WriterLock:
    return WriterLock(path.with_name(path.name + ".lock"))


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    try:
        for pragma in ("journal_mode=wal", "synchronous=full"):
            database.execute(f"PRAGMA {pragma}")
        if database.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
            _check_version(path, database)
            _check_whole(path, database)
        database.executescript(_SCHEMA)
        path.chmod(0o600)
    except BaseException:
        database.close()
        raise
    return database


def _check_whole(path: Path, database: sqlite3.Connection) -> None:
    [(word,)] = database.execute("PRAGMA quick_check(1)").fetchall()
    if word != "ok":
        raise DamagedError(f"{path} is damaged: {word}", advice=_ADVICE)


def _check_version(path: Path, database: sqlite3.Connection) -> None:
    [version] = database.execute("PRAGMA user_version").fetchone()
    if version != FORMAT:
        raise VersionError(f"{path} has format {version}, this release reads {FORMAT}")


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    """Let no error of SQLite out."""
    try:
        yield
    except (sqlite3.Error, TypeError, ValueError) as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        if code in _DAMAGED:
            raise DamagedError(f"{path} is damaged: {error}", advice=_ADVICE) from error
        raise UnavailableError(f"{path} cannot be used now: {error}") from error
