"""Marks: a hold keeps content from being erased, a restriction keeps AI from reading it.

The header links to what is marked by `decided_on`; the inline payload gives the reason as a code,
who else may lift it, and, where only some rows of a batch are marked, their positions. It stands
until a statement of the same type names it by `supersedes`. Like an erasure it names digests,
never whom they are about, and is public: what it forbids is decided by it.

Source:
    docs/reference/formats.md, section "Holds and restrictions".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.errors import EncodingError, InputError
from tallystick.statement import dcbor
from tallystick.statement.erasure import Positions, encode_rows, read_extent
from tallystick.statement.governance import StatementType
from tallystick.statement.labels import Relation
from tallystick.statement.signed import SignedStatement

MARK_TAG: Final = "tallystick/mark/1"
LIFTING_TAG: Final = "tallystick/lifting/1"
LIFTERS_MAX: Final = 16
DID_LETTERS_MAX: Final = 200
REASONS: Final[Mapping[str, tuple[str, ...]]] = {
    StatementType.HOLD: ("litigation", "investigation", "authority", "audit", "other"),
    StatementType.RESTRICTION: (
        "accuracy-contested", "unlawful", "needed-for-claims", "objection-pending", "superseded",
        "other",
    ),
}  # fmt: skip
"""Why something is marked, by the type that marks; codes, because words could say too much. Those
of restrictions follow GDPR Article 18(1); what was rectified and is kept is `superseded`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What a hold or a restriction says.

    Attributes:
        reason: Why; a code of its type.
        lifters: DIDs of who may lift it, besides its issuer.
        marked: Statements whose content is marked: None for all of it, else positions of rows.
    """

    reason: str
    lifters: tuple[str, ...] = ()
    marked: Mapping[bytes, Positions | None] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the inline payload; the header must link to what is marked by `decided_on`."""
        lifters = sorted(self.lifters)
        return dcbor.encode([MARK_TAG, self.reason, lifters, encode_rows(self.marked)])

    def covers(self, statement_id: bytes, positions: Positions | None) -> bool:
        """Tell whether some of this content is marked; None for all of a statement."""
        if statement_id not in self.marked:
            return False
        ours = self.marked[statement_id]
        return ours is None or positions is None or bool(ours & positions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifting:
    """What ends marks.

    Attributes:
        lifted: The statements that placed them.
    """

    lifted: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Return the inline payload; the header must link to the marks by `supersedes`."""
        return dcbor.encode([LIFTING_TAG])


def parse_mark(statement: SignedStatement) -> Mark | Lifting:
    """Read a statement that marks, or lifts.

    Raises:
        EncodingError: Neither, not deterministic, or of a reason that its type does not know.
    """
    header, type_ = statement.header, statement.header.type
    if type_ is None or type_ not in REASONS or header.hashed:
        raise EncodingError("a mark has the type 'hold' or 'restriction' and an inline payload")
    match dcbor.decode_deterministic(statement.payload, "mark"):
        case [str() as tag, str() as reason, list() as lifters, list() as rows] if tag == MARK_TAG:
            named = header.links.get(Relation.DECIDED_ON, ())
            marked = read_extent(rows, _some(named, type_, Relation.DECIDED_ON))
            return Mark(reason=_reason(reason, type_), lifters=_dids(lifters), marked=marked)
        case [str() as tag] if tag == LIFTING_TAG:
            lifted = header.links.get(Relation.SUPERSEDES, ())
            return Lifting(lifted=_some(lifted, type_, Relation.SUPERSEDES))
    raise EncodingError(
        f"a {type_} must be [{MARK_TAG!r}, reason, lifters, rows] or [{LIFTING_TAG!r}]"
    )


def read_mark(statement: SignedStatement) -> Mark | Lifting | None:
    """Return what a statement marks or lifts; None where it does neither."""
    try:
        return parse_mark(statement)
    except InputError:
        return None


def _some(named: tuple[bytes, ...], type_: str, relation: Relation) -> tuple[bytes, ...]:
    if not named:
        raise EncodingError(f"this {type_} must name statements by {str(relation)!r}, got none")
    return tuple(dict.fromkeys(named))


def _reason(reason: str, type_: str) -> str:
    if reason not in REASONS[type_]:
        raise EncodingError(
            f"a {type_}'s reason must be one of {', '.join(REASONS[type_])}; got {reason!r:.40}"
        )
    return reason


def _dids(lifters: list[Any]) -> tuple[str, ...]:
    """Read who may lift, sorted and each once, so that a mark has one encoding."""
    for one in lifters:
        if not isinstance(one, str) or not one.startswith("did:") or len(one) > DID_LETTERS_MAX:
            raise EncodingError(f"who may lift a mark must be DIDs, got {one!r:.60}")
    if lifters != sorted(set(lifters)) or len(lifters) > LIFTERS_MAX:
        raise EncodingError(f"lifters must be at most {LIFTERS_MAX}, sorted, each once")
    return tuple(lifters)
