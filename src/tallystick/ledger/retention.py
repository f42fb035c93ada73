"""Retention: when a statement was registered, and whose time is over."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from tallystick.ledger.entries import read_statement
from tallystick.ledger.erasures import erased_rows
from tallystick.ledger.index import Index, Property
from tallystick.ledger.marking import kept_rows
from tallystick.ledger.operator import HEARTBEAT_SECONDS
from tallystick.ledger.reading import PAGE_MAX, Reads
from tallystick.ledger.retained import Kept
from tallystick.ledger.rules import batch_of
from tallystick.log import Snapshot
from tallystick.statement import Found
from tallystick.statement.erasure import Positions
from tallystick.statement.governance import StatementType, parse_heartbeat
from tallystick.statement.retention import Retention, RetentionRule, parse_retention


@dataclass(frozen=True, slots=True)
class Overdue:
    """Content that has reached its maximum.

    Attributes:
        found: Its statement.
        rule: That says so.
        positions: None for all of it, else the rows that are not held.
        held: A hold or an appeal keeps it, or some of its rows.
    """

    found: Found
    rule: RetentionRule
    positions: Positions | None = None
    held: bool = False


class Ages:
    """When entries were registered, by the operator's heartbeats before them."""

    def __init__(self, index: Index, snapshot: Snapshot) -> None:
        """Look at the log as it is in a snapshot."""
        self._index, self._snapshot = index, snapshot
        genesis = read_statement(snapshot.reader, 0).header
        self._begun = genesis.issued_at or 0
        self._beats = [
            Property("type", StatementType.HEARTBEAT.encode()),
            Property("issuer", genesis.issuer.encode()),
        ]
        self._operator = genesis.issuer

    def at(self, index: int) -> int:
        """Return the ledger's time at an entry, in seconds since 1970."""
        said = self.registered_at(index)
        return self._begun if said is None else said

    def registered_at(self, index: int) -> int | None:
        """Return the same as far as a heartbeat says it; None before the first."""
        for place in self._index.find(self._beats, index + 1):
            statement = read_statement(self._snapshot.reader, place)
            header = statement.header
            if (header.type, header.issuer) == (StatementType.HEARTBEAT, self._operator):
                return parse_heartbeat(statement.payload).time
        return None

    def now(self) -> int:
        """Return the ledger's time at its end."""
        return self.at(self._snapshot.checkpoint.size - 1)

    def first_after(self, time: int) -> int:
        """Return the index of the first entry that was registered after a time."""
        low, high = 0, self._snapshot.checkpoint.size
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self.at(middle) <= time else (low, middle)
        return low


def find_kept(
    index: Index, snapshot: Snapshot, statement_id: bytes, before: int | None = None
) -> Kept | None:
    """Return a statement's header, and when it was registered, among entries below `before`."""
    size = snapshot.checkpoint.size if before is None else before
    for at in index.find([Property("id", statement_id)], size):
        statement = read_statement(snapshot.reader, at)
        if statement.id == statement_id:
            return statement.header, Ages(index, snapshot).at(at)
    return None


def find_retention(index: Index, snapshot: Snapshot) -> Found | None:
    """Return the newest statement of how long content is kept."""
    wanted = [Property("type", StatementType.RETENTION.encode())]
    for at in index.find(wanted, snapshot.checkpoint.size):
        statement = read_statement(snapshot.reader, at)
        if statement.header.type == StatementType.RETENTION:
            return Found(at, statement)
    return None


def read_retention(ledger: Reads) -> Retention:
    """Return how long content is kept."""
    found = find_retention(ledger.index, ledger.snapshot)
    return Retention() if found is None else parse_retention(found.statement.payload)


def find_overdue(ledger: Reads, now: int) -> Iterator[Overdue | None]:
    """Yield what has reached its maximum; None for every statement that was looked at in vain.

    So whoever reads it decides how much is done at a time.

    Args:
        ledger: With its vault.
        now: The ledger's time.
    """
    index, retention = ledger.index, read_retention(ledger)
    ages = Ages(index, ledger.snapshot)
    for rule in retention.rules:
        if rule.most is None:
            continue
        before = ages.first_after(now - rule.most)
        while places := list(islice(index.find(_stream(rule), before), PAGE_MAX)):
            for at in places:
                if ledger.index is not index:
                    return  # opened again: what this one says now is nothing
                yield _overdue(ledger, retention, rule, ledger.at(at), now)
            before = places[-1]


def time_to_judge_by(ledger: Reads, clock: int) -> int:
    """Return the time by which admission would judge an erasure that is handed in now."""
    newest = Ages(ledger.index, ledger.snapshot).now()
    return clock if clock - newest >= HEARTBEAT_SECONDS else newest


def _stream(rule: RetentionRule) -> list[Property]:
    named = [
        ("emitter", rule.emitter),
        ("issuer", rule.issuer and rule.issuer.encode()),
        ("type", rule.type and rule.type.encode()),
    ]
    return [Property(name, value) for name, value in named if value]


def _overdue(
    ledger: Reads, retention: Retention, rule: RetentionRule, found: Found, now: int
) -> Overdue | None:
    statement = found.statement
    since = Ages(ledger.index, ledger.snapshot).registered_at(found.index)
    if since is None or rule.most is None or now - since < rule.most:
        return None  # looked at once more, because erasing cannot be taken back
    if retention.rule_for(statement.header) is not rule or not ledger.vault.keeps(statement.id):
        return None
    held, whole = kept_rows(ledger, statement.id)
    if whole:
        return Overdue(found, rule, held=True)
    if not held:
        return Overdue(found, rule)
    batch = batch_of(statement)
    rows = batch.rows if batch else 0
    left = frozenset(range(rows)) - held - erased_rows(ledger, statement.id, rows)
    return Overdue(found, rule, left, held=True)
