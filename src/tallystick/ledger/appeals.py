"""Which requests of people are open, and what they forbid; part of `tallystick.ledger.rules`.

Reasons, besides `payload`:

    appeal.target           what is asked about is not registered here, or is no decision
    appeal.erased           its content is erased
    appeal.used             it would keep what the decision does not rest on
    appeal.open             the same issuer asked the same of it, and there is no answer yet
    appeal.answered         it was asked, or is answered here, a second time
    appeal.unknown          what is withdrawn or answered is no such request of this log
    appeal.not-yours        another issuer asked that, and alone withdraws it
    appeal.withdrawn        what is withdrawn or answered was withdrawn
    review.human            neither a person signed it, nor did one approve it by passkey
    review.decision         the decision that it names does not supersede the one in question
    erasure.appealed        something of it is under an open appeal

A pure function of the log: requests are found by the index, and those of entries that the index
does not have yet are kept beside it. An appeal keeps content from being erased, the other requests
do not.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Protocol

from tallystick.errors import RefusedError
from tallystick.statement import Erasure, Header, Relation, SignedStatement, parse_erasure
from tallystick.statement.appeal import (
    ANSWERS,
    CONTESTABLE,
    REQUESTS,
    Asked,
    Replied,
    Withdrawn,
    parse_reply,
    parse_request,
    read_reply,
    read_request,
)
from tallystick.statement.governance import IssuerKind, StatementType

STEPS_MAX: Final = 4
"""So many steps behind a decision an appeal keeps content."""
RESTS_MAX: Final = 1000
CAUSES: Final = (Relation.DECIDED_ON, Relation.GENERATED_BY)
"""How a statement names what it was made on."""


@dataclass(frozen=True, slots=True)
class Requested:
    """What a person asked, as it stands in a log.

    Attributes:
        id: Its statement.
        index: Where.
        type: What is asked: `appeal`, `review-request` or `explanation-request`.
        issuer: DID that signed it; the operator's where the person has no key.
        asked: What of.
        ended: Entry that answered or withdrew it, as far as is known.
        answer: Statement that answered it; None where none did.
    """

    id: bytes
    index: int
    type: str
    issuer: str
    asked: Asked
    ended: int | None = None
    answer: bytes | None = None

    @property
    def state(self) -> str:
        """Return `open`, `answered` or `withdrawn`."""
        if self.ended is None:
            return "open"
        return "withdrawn" if self.answer is None else "answered"


class FindAppeals(Protocol):
    """Finds requests, and what they are about, among entries that are registered."""

    def get(self, statement_id: bytes) -> Requested | None:
        """Return a request by the id of its statement, and what became of it since."""
        ...

    def naming(self, target: bytes, type_: str) -> Iterator[Requested]:
        """Yield requests of a type about a statement, ended ones too, the newest first."""
        ...

    def header(self, statement_id: bytes) -> Header | None:
        """Return the header of a statement."""
        ...

    def is_erased(self, statement_id: bytes) -> bool:
        """Tell whether all content of a statement was erased."""
        ...


class NoAppeals:
    """Knows of nothing; implements `FindAppeals`."""

    def get(self, statement_id: bytes) -> Requested | None:  # noqa: ARG002
        """Return None."""
        return None

    def naming(self, target: bytes, type_: str) -> Iterator[Requested]:  # noqa: ARG002
        """Yield nothing."""
        return iter(())

    def header(self, statement_id: bytes) -> Header | None:  # noqa: ARG002
        """Return None."""
        return None

    def is_erased(self, statement_id: bytes) -> bool:  # noqa: ARG002
        """Return False."""
        return False


class Appeals:
    """All requests of a log so far: those that can be found, and those that are too new for it."""

    def __init__(self, stored: FindAppeals) -> None:
        """Begin with what is stored."""
        self.stored = stored
        self._fresh: dict[bytes, Requested] = {}
        self._headers: dict[bytes, Header] = {}
        self._erased: set[bytes] = set()

    def apply(self, statement: SignedStatement, index: int) -> None:
        """Take in an entry that was admitted."""
        type_ = statement.header.type
        if type_ in CONTESTABLE or type_ == StatementType.APPROVAL:
            self._headers[statement.id] = statement.header
        elif type_ in REQUESTS:
            self._take(statement, index)
        elif type_ in ANSWERS and (reply := read_reply(statement)) is not None:
            self._end(reply.request, index, statement.id)
        elif type_ == StatementType.ERASURE:
            erased = parse_erasure(statement).erased
            self._erased |= {one for one, positions in erased.items() if positions is None}

    def settle(self) -> None:
        """Forget what can be found by now."""
        self._fresh.clear()
        self._headers.clear()
        self._erased.clear()

    def get(self, statement_id: bytes) -> Requested | None:
        """Return a request by the id of its statement, and what became of it since."""
        return self._fresh.get(statement_id) or self.stored.get(statement_id)

    def naming(self, target: bytes, type_: str) -> Iterator[Requested]:
        """Yield requests of a type about a statement, ended ones too."""
        yield from (o for o in self._fresh.values() if o.type == type_ and o.asked.keeps(target))
        yield from (o for o in self.stored.naming(target, type_) if o.id not in self._fresh)

    def _take(self, statement: SignedStatement, index: int) -> None:
        match read_request(statement):
            case Asked() as asked:
                found = requested_by(statement, index, asked)
                self._fresh[found.id] = found
            case Withdrawn(request):
                self._end(request, index, None)

    def _end(self, request: bytes, index: int, answer: bytes | None) -> None:
        found = self.get(request)
        if found is not None and found.ended is None:
            self._fresh[request] = replace(found, ended=index, answer=answer)

    def _header(self, statement_id: bytes) -> Header | None:
        return self._headers.get(statement_id) or self.stored.header(statement_id)

    # --- admission

    def check(self, statement: SignedStatement, kind: IssuerKind | None) -> None:
        """Refuse what cannot be asked, withdrawn or answered, or not by this issuer.

        Args:
            statement: Of a type in `REQUESTS` or `ANSWERS`.
            kind: What its issuer is registered as.

        Raises:
            RefusedError: `reason` names the rule.
            EncodingError: It has another form.
        """
        if statement.header.type in ANSWERS:
            self._check_reply(statement, parse_reply(statement), kind)
            return
        said = parse_request(statement)
        if isinstance(said, Withdrawn):
            self._check_withdrawal(statement, said)
        else:
            self._check_request(statement, said)

    def check_erasure(self, erasure: Erasure) -> None:
        """Refuse to erase what an open appeal is about.

        Raises:
            RefusedError: `reason` is `erasure.appealed`.
        """
        for target in erasure.erased:
            for one in self.naming(target, StatementType.APPEAL):
                if one.ended is None:
                    raise RefusedError(
                        f"content of {target.hex()} is under appeal, as entry {one.index} says: "
                        "nothing of it is erased until that is answered or withdrawn",
                        reason="erasure.appealed",
                        advice=f"answer it: `tally appeals answer {one.index}`",
                    )

    def _check_request(self, statement: SignedStatement, asked: Asked) -> None:
        header, decision = self._header(asked.decision), asked.decision
        type_, issuer = statement.header.type or "", statement.header.issuer
        if header is None or header.type not in CONTESTABLE:
            what = "is not registered here" if header is None else f"is of the type {header.type!r}"
            raise RefusedError(
                f"{decision.hex()} {what}: nothing can be asked of it as of a decision",
                reason="appeal.target",
            )
        if decision in self._erased or self.stored.is_erased(decision):
            raise RefusedError(
                f"content of {decision.hex()} is erased: there is nothing left to look at again",
                reason="appeal.erased",
            )
        if foreign := asked.evidence - self._rests_on(decision):
            raise RefusedError(
                f"{min(foreign).hex()} is to be kept with {decision.hex()}, "
                "which does not rest on it",
                reason="appeal.used",
                advice="name what it was decided on or generated by, or leave it out",
            )
        for one in self.naming(decision, type_):
            if one.issuer != issuer or one.asked.decision != decision or one.state == "withdrawn":
                continue
            if one.ended is None:
                raise RefusedError(
                    f"the {type_} at index {one.index} asks that already, and waits for its answer",
                    reason="appeal.open",
                )
            raise RefusedError(
                f"the {type_} at index {one.index} asked that, and entry {one.ended} answered it",
                reason="appeal.answered",
            )

    def _rests_on(self, decision: bytes) -> set[bytes]:
        """Return what a decision was made on, some steps back."""
        found, nearest = {decision}, [decision]
        for _ in range(STEPS_MAX):
            headers = filter(None, map(self._header, nearest))
            links = [header.links.get(name, ()) for header in headers for name in CAUSES]
            nearest = sorted({one for ids in links for one in ids} - found)
            nearest = nearest[: RESTS_MAX - len(found)]
            found.update(nearest)
        return found

    def _check_withdrawal(self, statement: SignedStatement, said: Withdrawn) -> None:
        request = self._known(said.request, frozenset({statement.header.type or ""}))
        if request.issuer != statement.header.issuer:
            raise RefusedError(
                f"the {request.type} at index {request.index} is withdrawn by {request.issuer}, "
                "who asked it",
                reason="appeal.not-yours",
            )

    def _check_reply(
        self, statement: SignedStatement, reply: Replied, kind: IssuerKind | None
    ) -> None:
        request = self._known(reply.request, ANSWERS[statement.header.type or ""])
        if statement.header.type == StatementType.REVIEW:
            self._check_human(statement, kind)
        if reply.decision is not None:
            header = self._header(reply.decision)
            named = () if header is None else header.links.get(Relation.SUPERSEDES, ())
            if request.asked.decision not in named:
                raise RefusedError(
                    f"{reply.decision.hex()} is to be the new decision, and does not name "
                    f"{request.asked.decision.hex()} by 'supersedes'",
                    reason="review.decision",
                )

    def _known(self, request: bytes, types: frozenset[str]) -> Requested:
        """Return a request that is open."""
        found = self.get(request)
        if found is None or found.type not in types:
            raise RefusedError(
                f"{request.hex()} is no {' or '.join(sorted(types))} of this log",
                reason="appeal.unknown",
            )
        if found.ended is not None:
            raise RefusedError(
                f"the {found.type} at index {found.index} was {found.state} at index {found.ended}",
                reason=f"appeal.{found.state}",
            )
        return found

    def _check_human(self, statement: SignedStatement, kind: IssuerKind | None) -> None:
        """Refuse a review that no human being answers for."""
        acted_for = statement.header.links.get(Relation.ACTED_FOR, ())
        behind = (self._header(one) for one in acted_for)
        approved = any(one and one.type == StatementType.APPROVAL for one in behind)
        if kind is not IssuerKind.PERSON and not approved:
            raise RefusedError(
                f"a review is signed by a person, or approved by one with a passkey; this one is "
                f"signed by {'nobody known' if kind is None else str(kind)} "
                f"({statement.header.issuer})",
                reason="review.human",
                advice="`tally appeals answer --as` a person's key, or `--of` a person with a "
                "passkey",
            )


def requested_by(statement: SignedStatement, index: int, asked: Asked) -> Requested:
    """Return the request that a statement is."""
    header = statement.header
    return Requested(statement.id, index, header.type or "", header.issuer, asked)
