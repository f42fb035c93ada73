"""Erasure statements: which registered content was destroyed, and for what reason.

The header links to the statements by `erases`; the inline payload gives the reason and, where
only some rows of a batch are erased, their positions. It names digests and positions, never whom
they are about; it is public, so that whoever restores an old copy can erase the same again.

Source:
    docs/reference/formats.md, section "Erasure statements".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from tallystick.errors import EncodingError
from tallystick.merkle import HASH_BYTES
from tallystick.statement import dcbor
from tallystick.statement.batch import ROWS_MAX
from tallystick.statement.labels import Relation
from tallystick.statement.signed import SignedStatement

ERASURE_TAG: Final = "tallystick/erasure/1"
ERASURE_TYPE: Final = "erasure"
RANGES_MAX: Final = 2000
"""Most ranges of rows that one statement names, in all batches together."""
ERASED_ROWS_MAX: Final = 1 << 24
"""Most rows that these ranges cover; a whole batch needs none."""

Range = tuple[int, int]
"""First and last position of rows that follow one another."""
Positions = frozenset[int]


class ErasureReason(StrEnum):
    """Why content was erased; a code, because words could say too much."""

    CONSENT_WITHDRAWN = "consent-withdrawn"
    OBJECTION = "objection"
    RETENTION = "retention"
    UNLAWFUL = "unlawful"
    COURT_ORDER = "court-order"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What an erasure statement says.

    Attributes:
        reason: Why.
        erased: Statements whose content is gone: None for all of it, else positions of rows.
    """

    reason: ErasureReason
    erased: Mapping[bytes, Positions | None] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the inline payload; the header must link to all statements by `erases`."""
        return dcbor.encode([ERASURE_TAG, str(self.reason), encode_rows(self.erased)])


def encode_rows(extent: Mapping[bytes, Positions | None]) -> list[Any]:
    """Return, of what a statement is about, the batches of which it names single rows."""
    some = {one: at for one, at in extent.items() if at is not None}
    return [[batch, [list(r) for r in ranges(some[batch])]] for batch in sorted(some)]


def ranges(positions: Positions) -> list[Range]:
    """Write positions as ranges, in order."""
    found: list[Range] = []
    for position in sorted(positions):
        if found and found[-1][1] == position - 1:
            found[-1] = (found[-1][0], position)
        else:
            found.append((position, position))
    return found


def parse_erasure(statement: SignedStatement) -> Erasure:
    """Read an erasure statement.

    Raises:
        EncodingError: Not an erasure, not deterministic, or of a reason that is not known.
    """
    header = statement.header
    if header.type != ERASURE_TYPE or header.hashed:
        raise EncodingError("an erasure must have the type 'erasure' and an inline payload")
    match dcbor.decode_deterministic(statement.payload, "erasure"):
        case [str() as tag, str() as reason, list() as rows] if tag == ERASURE_TAG:
            pass
        case _:
            raise EncodingError(f"an erasure must be [{ERASURE_TAG!r}, reason, rows]")
    if reason not in set(ErasureReason):
        raise EncodingError(
            f"an erasure's reason must be one of {', '.join(ErasureReason)}; got {reason!r:.40}"
        )
    named = header.links.get(Relation.ERASES, ())
    if not named:
        raise EncodingError("an erasure must name statements by 'erases', got none")
    return Erasure(reason=ErasureReason(reason), erased=read_extent(rows, named))


def read_extent(rows: list[Any], named: Iterable[bytes]) -> dict[bytes, Positions | None]:
    """Return what a statement is about: what its header links to, and which rows of it.

    Raises:
        EncodingError: The rows have another form, or are of something that is not linked to.
    """
    some, linked = _read_rows(rows), dict.fromkeys(named)
    if foreign := some.keys() - linked.keys():
        raise EncodingError(f"rows of {min(foreign).hex()} are named, which is not linked to")
    return {one: some.get(one) for one in linked}


def _read_rows(content: list[Any]) -> dict[bytes, Positions]:
    rows: dict[bytes, Positions] = {}
    count = covered = 0
    for one in content:
        match one:
            case [bytes() as batch, [_, *_] as listed] if len(batch) == HASH_BYTES:
                if batch <= max(rows, default=b""):
                    raise EncodingError("batches of named rows must be in order, each once")
            case _:
                raise EncodingError("named rows must be [batch id, ranges], at least one range")
        read = [_read_range(range_) for range_ in listed]
        count, covered = count + len(read), covered + sum(last - first + 1 for first, last in read)
        if count > RANGES_MAX or covered > ERASED_ROWS_MAX:
            raise EncodingError(
                f"a statement names at most {RANGES_MAX} ranges and {ERASED_ROWS_MAX} rows"
            )
        positions = frozenset(at for first, last in read for at in range(first, last + 1))
        if ranges(positions) != read:
            raise EncodingError("ranges of rows must be in order and apart")
        rows[batch] = positions
    return rows


def _read_range(content: Any) -> Range:
    match content:
        case [int() as first, int() as last] if 0 <= first <= last < ROWS_MAX:
            return first, last
    raise EncodingError(f"a range of rows must be [first, last], got {content!r:.40}")
