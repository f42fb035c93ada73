"""Reads of content on the ledger: what was noted is registered, many reads as one statement.

Type `access`, signed by the operator, content under a commitment: who read, what for, from when to
when, and which records. Each file of notes has its own subject, so that whoever is killed between
registering and removing it registers nothing twice.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tallystick.errors import DamagedError, NotFoundError
from tallystick.identity import Signer
from tallystick.ledger.reading import Query, Reads
from tallystick.ledger.submission import Submission
from tallystick.statement import Header, commit, sign_statement
from tallystick.statement.erasure import Positions, ranges
from tallystick.statement.governance import StatementType
from tallystick.vault.reads import ENDING, Reading, unsafe_unrecorded

BEGUN_SECONDS: Final = 60.0
"""How old an empty file is of which nobody will write the first note any more."""
_SUBJECT: Final = "urn:tallystick:reads:"
_ID_LETTERS: Final = 64


@dataclass(slots=True)
class Run:
    """What one reader read for one purpose.

    Attributes:
        who: As noted.
        purpose: As noted.
        first: When it began, seconds since 1970.
        last: When it ended.
        count: Reads, several of one record counted each.
        records: What was read: None for all of it, else positions of rows.
    """

    who: str
    purpose: str
    first: int
    last: int
    count: int = 0
    records: dict[bytes, Positions | None] = field(default_factory=dict)

    def take(self, time: int, record: bytes, position: int | None) -> None:
        """Add a read."""
        self.first, self.last = min(self.first, time), max(self.last, time)
        self.count += 1
        known = self.records.get(record, frozenset())
        self.records[record] = None if position is None or known is None else known | {position}

    def values(self) -> dict[str, Any]:
        """Return the content of a statement."""
        return {
            "who": self.who,
            "purpose": self.purpose,
            "first": self.first,
            "last": self.last,
            "count": self.count,
            "records": [
                [record, None if at is None else [list(one) for one in ranges(at)]]
                for record, at in sorted(self.records.items(), key=lambda item: item[0])
            ],
        }

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "Run":
        """Read the content of a statement.

        Raises:
            DamagedError: It has another form.
        """
        try:
            run = cls(*(values[name] for name in ("who", "purpose", "first", "last", "count")))
            for record, at in values["records"]:
                run.records[record] = None if at is None else _positions(at)
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedError("the content is no note of reads") from error
        return run

    def covers(self, record: bytes, positions: Positions | None) -> bool:
        """Tell whether something of this content was read."""
        if record not in self.records:
            return False
        ours = self.records[record]
        return ours is None or positions is None or bool(ours & positions)


def _positions(content: list[list[int]]) -> Positions:
    return frozenset(at for first, last in content for at in range(first, last + 1))


def finished(folder: Path) -> Iterator[Path]:
    """Yield files of notes that nobody writes to any more, the oldest first."""
    for path in sorted(folder.glob(f"*{ENDING}")):
        try:
            file = os.open(path, os.O_RDONLY)
        except (FileNotFoundError, PermissionError):
            continue  # somebody registered it meanwhile, or it is another user's to register
        try:
            if _is_being_begun(file):
                continue
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield path
        except BlockingIOError:
            continue
        finally:
            os.close(file)


def _is_being_begun(file: int) -> bool:
    """Tell whether a file may have been made this moment, and not be locked yet."""
    state = os.fstat(file)
    return not state.st_size and time.time() - state.st_mtime < BEGUN_SECONDS


def read_notes(path: Path) -> list[Run]:
    """Return what a file of notes says, by reader and purpose.

    A torn last line says nothing.

    Raises:
        DamagedError: Another line is no note; the file stays for somebody to look at.
    """
    try:
        return _read_notes(path)
    except (TypeError, ValueError) as error:
        raise DamagedError(
            f"{path} holds a line that is no note of a read: {error}",
            advice="look at it, and move it away: what it notes is not registered",
        ) from error


def _read_notes(path: Path) -> list[Run]:
    runs: dict[Reading, Run] = {}
    reading = Reading("unknown", "unknown")
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]:
        if line.startswith("["):
            who, purpose = json.loads(line)
            reading = Reading(who, purpose)
            continue
        time, record, position = line.split(" ")
        run = runs.setdefault(reading, Run(reading.who, reading.purpose, int(time), int(time)))
        run.take(int(time), bytes.fromhex(record), None if position == "-" else int(position))
    return list(runs.values())


def sign_reads(ledger: Reads, path: Path, operator: Signer, now: int) -> Iterator[Submission]:
    """Sign what a file of notes says and what is not registered of it yet."""
    for number, run in enumerate(read_notes(path)):
        subject = f"{_SUBJECT}{path.stem}:{number}"
        if ledger.find(Query(type=StatementType.ACCESS, subject=subject, limit=1)).found:
            continue
        content = commit(run.values(), os.urandom)
        header = Header(
            algorithm=operator.algorithm,
            key_id=operator.public.thumbprint(),
            issuer=operator.issuer,
            subject=subject,
            issued_at=now,
            type=StatementType.ACCESS,
        )
        statement = sign_statement(header, content.commitment(), operator.sign)
        yield Submission(statement.entry, content)


def reads_of(
    ledger: Reads, wanted: Mapping[bytes, Positions | None] | None = None
) -> Iterator[tuple[int, Run]]:
    """Yield registered reads, newest first, each with its index.

    Args:
        ledger: With its vault.
        wanted: Only those of this content; None for all. The runs name only what is wanted.
    """
    operator = ledger.at(0).statement.header.issuer
    for found in ledger.find_all(Query(type=StatementType.ACCESS, issuer=operator)):
        if not (found.statement.header.subject or "").startswith(_SUBJECT):
            continue
        try:
            with unsafe_unrecorded():
                run = Run.read(ledger.vault.get(found.statement.id).values())
        except NotFoundError:
            continue  # erased: its time is over
        if wanted is not None:
            of = {one: run.records[one] for one, at in wanted.items() if run.covers(one, at)}
            if not of:
                continue
            run.records = of
        yield found.index, run


def count_pending(folder: Path) -> int:
    """Return how many reads are noted and not registered, in files that are finished."""
    return sum(run.count for path in finished(folder) for run in read_notes(path))
