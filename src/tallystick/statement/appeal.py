"""What a person may ask of a decision about them, and what answers that: read from headers alone.

    explanation-request  --decided_on-->  decision      answered by  explanation
    review-request       --decided_on-->  decision      answered by  review
    appeal               --decided_on-->  decision      answered by  review
                         --used-------->  what the decision rests on, to be kept with it

An answer links by `decided_on` to what it answers; a review that changed something, behind that, to
the new decision, which itself names the old one by `supersedes`. A request is withdrawn by another
statement of its type that names it by `supersedes`. What people said stands in none of these: it is
committed to, and lies in the vault.

Source:
    docs/reference/formats.md, section "Appeals".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tallystick.errors import EncodingError, InputError
from tallystick.statement.governance import StatementType
from tallystick.statement.labels import Relation
from tallystick.statement.signed import SignedStatement

REQUESTS: Final = frozenset(
    {StatementType.EXPLANATION_REQUEST, StatementType.REVIEW_REQUEST, StatementType.APPEAL}
)
ANSWERS: Final[Mapping[str, frozenset[str]]] = {
    StatementType.EXPLANATION: frozenset({StatementType.EXPLANATION_REQUEST}),
    StatementType.REVIEW: frozenset({StatementType.REVIEW_REQUEST, StatementType.APPEAL}),
}
"""What each type of answer answers."""
CONTESTABLE: Final = frozenset(
    {
        StatementType.DECISION,
        StatementType.INFERENCE,
        StatementType.ACTION,
        StatementType.DOCUMENT,
    }
)
"""Types that may be a decision about somebody: by a person, or by an AI alone."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request is about.

    Attributes:
        decision: The statement.
        evidence: What it rests on, and an appeal keeps from being erased with it.
    """

    decision: bytes
    evidence: frozenset[bytes] = frozenset()

    def keeps(self, target: bytes) -> bool:
        """Tell whether a statement is what is asked about, or kept with it."""
        return target == self.decision or target in self.evidence


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What is not asked any more.

    Attributes:
        request: The statement that asked.
    """

    request: bytes


@dataclass(frozen=True, slots=True)
class Replied:
    """What an answer is to.

    Attributes:
        request: The statement that asked.
        decision: The new decision, where a review changed something.
    """

    request: bytes
    decision: bytes | None = None


def parse_request(statement: SignedStatement) -> Asked | Withdrawn:
    """Read what a person asks of a decision, or that they do not any more.

    Raises:
        EncodingError: Neither.
    """
    header = statement.header
    if header.type not in REQUESTS or not header.hashed:
        raise EncodingError(
            f"a request has one of the types {', '.join(sorted(REQUESTS))} and commits to its words"
        )
    asked = header.links.get(Relation.DECIDED_ON, ())
    ended = header.links.get(Relation.SUPERSEDES, ())
    if len(asked) + len(ended) != 1:
        raise EncodingError(
            f"this {header.type} must name 1 statement by 'decided_on', or by 'supersedes' to be "
            f"withdrawn, got {len(asked)} and {len(ended)}"
        )
    if ended:
        return Withdrawn(ended[0])
    evidence = header.links.get(Relation.USED, ())
    return Asked(asked[0], frozenset(evidence if header.type == StatementType.APPEAL else ()))


def parse_reply(statement: SignedStatement) -> Replied:
    """Read what answers a request.

    Raises:
        EncodingError: It is no answer, or names neither one nor two statements.
    """
    header = statement.header
    if header.type not in ANSWERS or not header.hashed:
        raise EncodingError(
            f"an answer has one of the types {', '.join(ANSWERS)} and commits to its words"
        )
    match header.links.get(Relation.DECIDED_ON, ()):
        case [request]:
            return Replied(request)
        case [request, decision] if header.type == StatementType.REVIEW:
            return Replied(request, decision)
        case others:
            raise EncodingError(
                f"this {header.type} must name what it answers by 'decided_on', and a review may "
                f"name the new decision behind it; got {len(others)} statements"
            )


def read_request(statement: SignedStatement) -> Asked | Withdrawn | None:
    """Return what a statement asks or withdraws; None where it does neither."""
    try:
        return parse_request(statement)
    except InputError:
        return None


def read_reply(statement: SignedStatement) -> Replied | None:
    """Return what a statement answers; None where it answers nothing."""
    try:
        return parse_reply(statement)
    except InputError:
        return None
