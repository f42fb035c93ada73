"""Erasing: what is registered is carried out, here and in every old copy that comes back.

The statement comes first, and is itself the note of what is to be done. Whoever is killed behind
it goes on when the ledger is opened again, and a vault that was restored from an old backup is
brought up to the log before anybody is served. So there is no moment at which content is gone and
nothing says so.
"""

from collections.abc import Iterator, Mapping

from tallystick.errors import ConflictError, EncodingError, ErasedError, InputError, NotFoundError
from tallystick.identity import Signer
from tallystick.ledger.entries import read_statement
from tallystick.ledger.index import Index, Property
from tallystick.ledger.operator import inline_header
from tallystick.ledger.reading import Query, Reads
from tallystick.ledger.rules import batch_of
from tallystick.ledger.submission import Submission
from tallystick.log import Snapshot
from tallystick.statement import (
    Erasure,
    ErasureReason,
    Found,
    Relation,
    parse_erasure,
    sign_statement,
)
from tallystick.statement.erasure import RANGES_MAX, Positions, ranges
from tallystick.statement.governance import StatementType
from tallystick.statement.header import LINKS_MAX
from tallystick.vault import Vault

Targets = Mapping[bytes, Positions | None]
"""Statements whose content is to go: None for all of it, else positions of rows of a batch."""


def check_targets(ledger: Reads, targets: Targets) -> None:
    """Refuse to erase what cannot be, or what is gone already.

    Raises:
        NotFoundError: Nothing was named, or no such statement is registered.
        InputError: It has no content, or is a batch with fewer rows.
        ConflictError: All of it was erased before.
    """
    check_content(ledger, targets)
    if all(ledger.vault.is_erased(one, at) for one, at in targets.items()):
        by = [found for one in targets for found in erasures_of(ledger, one)]
        where = f", see entry {by[-1].index}" if by else ""
        raise ConflictError(f"all of that was erased already{where}")


def check_content(ledger: Reads, targets: Targets) -> None:
    """Refuse targets that have no content, whether or not it is erased.

    Raises:
        NotFoundError: Nothing was named, or no such statement is registered.
        InputError: It has no content, or is a batch with fewer rows.
    """
    if not targets:
        raise NotFoundError("nothing is kept about that: it never was, or it is erased")
    for one, positions in targets.items():
        statement = ledger.get(one).statement
        batch = batch_of(statement)
        if batch is None and (positions is not None or not statement.header.hashed):
            what = "is no batch with rows" if positions is not None else "is public as a whole"
            raise InputError(f"statement {one.hex()} {what}: nothing in it can be erased")
        if batch is not None and positions and max(positions) >= batch.rows:
            raise InputError(f"batch {one.hex()} has {batch.rows} rows, got {max(positions)}")


def sign_erasures(
    signer: Signer, targets: Targets, reason: ErasureReason, now: int
) -> list[Submission]:
    """Sign the statements that erase, as few as the limits of one allow.

    Args:
        signer: The operator, or whom the policy lets erase.
        targets: What is to go.
        reason: Why.
        now: Seconds since 1970.
    """
    submissions = []
    for part in parts_of(targets):
        payload = Erasure(reason=reason, erased=part).encode()
        links = {Relation.ERASES: tuple(part)}
        header = inline_header(signer, StatementType.ERASURE, now, links=links)
        submissions.append(Submission(sign_statement(header, payload, signer.sign).entry))
    return submissions


def parts_of(targets: Targets) -> Iterator[dict[bytes, Positions | None]]:
    """Cut targets into as many as one statement can name."""
    part: dict[bytes, Positions | None] = {}
    count = 0
    for one, positions in targets.items():
        for piece in _pieces(positions):
            more = len(ranges(piece)) if piece is not None else 0
            if part and (len(part) == LINKS_MAX or count + more > RANGES_MAX or one in part):
                yield part
                part, count = {}, 0
            part[one], count = piece, count + more
    if part:
        yield part


def _pieces(positions: Positions | None) -> Iterator[Positions | None]:
    """Cut the rows of one batch into as many as one statement can name."""
    if positions is None:
        yield None
        return
    listed = ranges(positions)
    for at in range(0, len(listed), RANGES_MAX):
        some = listed[at : at + RANGES_MAX]
        yield frozenset(p for first, last in some for p in range(first, last + 1))


def erasures_of(ledger: Reads, statement_id: bytes) -> list[Found]:
    """Return the registered statements that erase a statement or rows of it, the oldest first."""
    return [found for found, _ in _erasing(ledger, statement_id)]


def erased_rows(ledger: Reads, batch: bytes, rows: int) -> Positions:
    """Return the positions of a batch that registered statements erase."""
    gone: set[int] = set()
    for _, erasure in _erasing(ledger, batch):
        positions = erasure.erased[batch]
        if positions is None:
            return frozenset(range(rows))
        gone |= positions
    return frozenset(gone)


def _erasing(ledger: Reads, statement_id: bytes) -> list[tuple[Found, Erasure]]:
    """Return all erasures that name a statement, with what each says, the oldest first."""
    naming = ledger.find_all(Query(link=statement_id, type=StatementType.ERASURE))
    read = [(one, _read(one)) for one in naming]
    said = [(one, erasure) for one, erasure in read if erasure and statement_id in erasure.erased]
    return said[::-1]


def carry_out(vault: Vault, index: Index, snapshot: Snapshot) -> None:
    """Erase what the log says is erased and this vault may still hold.

    Raises:
        UnavailableError: The vault cannot be written, or another process is reading it.
    """
    for found, erasure in reversed(list(due(vault, index, snapshot))):
        vault.apply(found.index, found.statement.id, erasure.erased)


def due(vault: Vault, index: Index, snapshot: Snapshot) -> Iterator[tuple[Found, Erasure]]:
    """Yield erasures that were not carried out in this vault, the newest first."""
    mark = vault.applied()
    if mark is not None and not _is_at(snapshot, *mark):
        mark = None  # the vault is of a log that went on further: believe nothing
    for at in index.find(
        [Property("type", StatementType.ERASURE.encode())], snapshot.checkpoint.size
    ):
        if mark is not None and at <= mark[0]:
            return
        found = Found(at, read_statement(snapshot.reader, at))
        if (erasure := _read(found)) is not None:
            yield found, erasure


def check_carried_out(vault: Vault, index: Index, snapshot: Snapshot) -> None:
    """Refuse a vault that still holds what the log says is erased.

    Raises:
        ErasedError: It was restored, and not opened for writing since.
    """
    for found, erasure in due(vault, index, snapshot):
        if not all(vault.is_erased(one, at) for one, at in erasure.erased.items()):
            raise ErasedError(
                f"entry {found.index} erases content that this vault still holds: it is older "
                "than the log",
                advice="open the ledger for writing once, such as with `tally erase --pending`",
            )


def _is_at(snapshot: Snapshot, index: int, statement_id: bytes) -> bool:
    if index >= snapshot.checkpoint.size:
        return False
    return read_statement(snapshot.reader, index).id == statement_id


def _read(found: Found) -> Erasure | None:
    """Read an erasure; an older release registered content of any form under that type."""
    try:
        return parse_erasure(found.statement)
    except EncodingError:
        return None
