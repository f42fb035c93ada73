"""Build evidence bundles: a statement, and all that it rests on, as one file for a stranger.

The walk goes backwards along links to earlier statements, from an answer to its model, from the
model to its training rows, from rows to those who registered them; and forwards one step, to what
people decided about the statement itself, and approved.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from tallystick.errors import LimitError, NotFoundError
from tallystick.ledger import Found, Query, Reads, batch_of, erasures_of, publications_of
from tallystick.log import Snapshot
from tallystick.merkle import HASH_BYTES, parent_level
from tallystick.statement import Disclosure, Relation
from tallystick.statement.appeal import ANSWERS, REQUESTS
from tallystick.statement.delegation import revocation_subject
from tallystick.statement.erasure import Positions
from tallystick.statement.governance import StatementType
from tallystick.verify import Bundle, Member, OpenRow

STATEMENTS_MAX: Final = 2000
"""Most statements that one bundle holds."""
HANDOVERS_MAX: Final = 200
"""Most handovers of a log's own keys that a bundle holds."""
_ABOUT_IT: Final = (StatementType.DECISION, StatementType.APPROVAL, *sorted(REQUESTS))
"""Types of what was said later about a statement itself."""
_BETWEEN: Final = REQUESTS | ANSWERS.keys()
"""Types of what a person and the keeper of a decision say to one another: a bundle opens the words
only where it is about them."""


def _everything(_: Found) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Shown:
    """What of the content a bundle shows.

    Attributes:
        content: Open the fields that are in the vault; without it all are withheld.
        fields: Only these fields of the subject; None for all.
        rows: Open every row of the batches that the bundle holds.
        leaves: Give the leaf hashes of those batches.
        visible: Tells of a statement whether its content, or its rows, may be opened at all.
        hidden: Fields that are withheld, by statement.
        positions: Of these batches only these rows are opened, each with a path of its own; None
            for all that are kept.
    """

    content: bool = True
    fields: frozenset[str] | None = None
    rows: bool = False
    leaves: bool = True
    visible: Callable[[Found], bool] = _everything
    hidden: Mapping[bytes, frozenset[str]] = field(default_factory=dict)
    positions: Mapping[bytes, Positions | None] | None = None


def build_bundle(ledger: Reads, statement_id: bytes, shown: Shown = Shown()) -> Bundle:
    """Build the bundle of a statement, as of the newest checkpoint.

    Raises:
        NotFoundError: It is not registered.
        LimitError: It rests on more than `STATEMENTS_MAX` statements.
    """
    return build_bundle_of(ledger, [statement_id], shown)


def build_bundle_of(ledger: Reads, ids: Sequence[bytes], shown: Shown = Shown()) -> Bundle:
    """Build one bundle of several statements, which names the first as its subject.

    Raises:
        NotFoundError: One is not registered.
        LimitError: Together they rest on more than `STATEMENTS_MAX` statements.
    """
    collected = _collect(ledger, [ledger.get(one) for one in ids])
    snapshot = ledger.snapshot  # one checkpoint for all, and newer than all that was collected
    members = [
        _member(ledger, found, snapshot, shown, subject=found.statement.id in ids)
        for found in sorted(collected.values(), key=lambda found: found.index)
    ]
    return Bundle(ids[0], snapshot.note, tuple(members))


def _collect(ledger: Reads, subjects: list[Found]) -> dict[bytes, Found]:
    """Walk from the subjects to all that they rest on."""
    found: dict[bytes, Found] = {}
    waiting = [*subjects, ledger.at(0)]
    waiting += ledger.find(Query(type=StatementType.HANDOVER, limit=HANDOVERS_MAX)).found
    for subject in subjects:
        for type_ in _ABOUT_IT:
            about = ledger.find_all(Query(link=subject.statement.id, type=type_))
            waiting += islice(about, STATEMENTS_MAX)  # all, or the limit on statements says so
    while waiting:
        one = waiting.pop()
        if one.statement.id in found:
            continue
        found[one.statement.id] = one
        if len(found) > STATEMENTS_MAX:
            raise LimitError(f"the statement rests on more than {STATEMENTS_MAX} others")
        waiting += _rests_on(ledger, one)
    return found


def _rests_on(ledger: Reads, one: Found) -> Iterable[Found]:
    header = one.statement.header
    if header.hashed or batch_of(one.statement) is not None:
        yield from erasures_of(ledger, one.statement.id)
        yield from publications_of(ledger, one.statement.id)
    for relation, targets in header.links.items():
        # What an erasure names beside this statement has nothing to do with it.
        for target in targets if relation != Relation.ERASES else ():
            try:
                yield ledger.get(target)
            except NotFoundError:
                continue  # a link into another ledger: the verifier says that it is not here
    if header.model is not None and header.type != StatementType.MODEL:
        yield from ledger.find(Query(model=header.model, type=StatementType.MODEL, limit=1)).found
    yield from key_statements(ledger, header.issuer)
    if header.type == StatementType.KEY and header.subject is not None:
        yield from key_statements(ledger, header.subject)
    if header.type in REQUESTS:
        for type_ in (header.type, *ANSWERS):
            yield from ledger.find(Query(link=one.statement.id, type=type_)).found
    if Relation.ACTED_FOR in header.links or header.type == StatementType.DELEGATION:
        yield from _delegated(ledger, one)


def key_statements(ledger: Reads, issuer: str) -> Iterable[Found]:
    """Return all that is said of an issuer's keys: later rotations and revocations, too.

    Raises:
        LimitError: More than a bundle can hold.
    """
    found = ledger.find(Query(subject=issuer, type=StatementType.KEY, limit=STATEMENTS_MAX // 2))
    if found.next is not None:
        raise LimitError(f"more than {STATEMENTS_MAX // 2} statements are about keys of {issuer}")
    return found.found


def _delegated(ledger: Reads, one: Found) -> Iterable[Found]:
    """Yield what tells the time at an act, and that a delegation was revoked."""
    operator = ledger.at(0).statement.header.issuer
    beats = Query(type=StatementType.HEARTBEAT, issuer=operator, before=one.index, limit=1)
    yield from ledger.find(beats).found
    revoked = Query(type=StatementType.DELEGATION, subject=revocation_subject(one.statement.id))
    yield from ledger.find(revoked).found


def _member(
    ledger: Reads, found: Found, snapshot: Snapshot, shown: Shown, *, subject: bool
) -> Member:
    proof = ledger.prove_found(found, snapshot)
    disclosure = None
    private = found.statement.header.type in _BETWEEN and not subject
    visible = (shown.content or shown.rows) and not private and shown.visible(found)
    if found.statement.header.hashed and shown.content and visible:
        hidden = shown.hidden.get(found.statement.id, frozenset())
        disclosure = _disclose(ledger, found, shown.fields if subject else None, hidden)
    leaves: bytes | None = None
    rows: tuple[OpenRow, ...] = ()
    if shown.positions is not None:
        if found.statement.id in shown.positions and batch_of(found.statement) is not None:
            rows = _some_rows(ledger, found, shown.positions[found.statement.id])
    elif shown.leaves and batch_of(found.statement) is not None:
        leaves = ledger.leaves(found.statement)
        rows = _rows(ledger, found, leaves) if shown.rows and visible else ()
    return Member(found.statement.entry, proof.receipt, disclosure, leaves, rows)


def _disclose(
    ledger: Reads, found: Found, fields: Collection[str] | None, hidden: frozenset[str]
) -> Disclosure | None:
    try:
        content = ledger.vault.get(found.statement.id)
    except NotFoundError:
        return None
    if hidden:
        fields = (content.fields.keys() if fields is None else set(fields)) - hidden
    return content.disclose(fields)


def _some_rows(ledger: Reads, found: Found, wanted: Positions | None) -> tuple[OpenRow, ...]:
    """Open some rows, each with a path: the leaves of a large batch are more than these."""
    levels, batch = _levels(ledger.leaves(found.statement)), found.statement.id
    if wanted is None:
        stored: Iterable[tuple[int, bytes, bytes]] = ledger.vault.rows(batch)
    else:
        stored = ((at, *ledger.vault.row(batch, at)) for at in sorted(wanted))
    return tuple(OpenRow(at, salt, record, _path(levels, at)) for at, salt, record in stored)


def _levels(leaves: bytes) -> list[bytes]:
    """Return every level of a batch's tree below the root; a last hash without neighbour rises."""
    levels = [leaves]
    while len(levels[-1]) > HASH_BYTES:
        last = levels[-1]
        even = len(last) - len(last) % (2 * HASH_BYTES)
        levels.append(parent_level(last[:even]) + last[even:])
    return levels[:-1]


def _path(levels: list[bytes], at: int) -> tuple[bytes, ...]:
    path = []
    for level in levels:
        beside = (at ^ 1) * HASH_BYTES
        if beside < len(level):
            path.append(level[beside : beside + HASH_BYTES])
        at //= 2
    return tuple(path)


def _rows(ledger: Reads, found: Found, leaves: bytes) -> tuple[OpenRow, ...]:
    count = len(leaves) // HASH_BYTES
    stored = ledger.vault.rows(found.statement.id)
    return tuple(OpenRow(at, salt, record) for at, salt, record in stored if at < count)
