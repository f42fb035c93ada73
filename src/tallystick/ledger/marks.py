"""Which holds and restrictions stand, and what they forbid; part of `tallystick.ledger.rules`.

Reasons, besides `payload`:

    mark.unknown            it lifts what is no mark of this type here
    mark.not-yours          neither its issuer lifts it, nor who it says may
    mark.lifted             it was lifted before
    erasure.held            something of it is under a hold

A pure function of the log: marks are found by the index, and those of entries that the index does
not have yet are kept beside it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from tallystick.errors import RefusedError
from tallystick.statement import Erasure, SignedStatement
from tallystick.statement.erasure import Positions
from tallystick.statement.governance import StatementType
from tallystick.statement.marks import Lifting, Mark, parse_mark, read_mark


@dataclass(frozen=True, slots=True)
class Marked:
    """A mark as it stands in a log.

    Attributes:
        id: Its statement.
        index: Where.
        type: `hold` or `restriction`.
        issuer: DID that signed it.
        mark: What it says.
        lifted: Entry that lifted it, as far as is known.
    """

    id: bytes
    index: int
    type: str
    issuer: str
    mark: Mark
    lifted: int | None = None


class FindMarks(Protocol):
    """Finds marks among entries that are registered."""

    def get(self, statement_id: bytes) -> Marked | None:
        """Return a mark by the id of its statement, and whether it was lifted since."""
        ...

    def naming(self, target: bytes, type_: str) -> Iterator[Marked]:
        """Yield marks of a type that name a statement, lifted ones too, the newest first."""
        ...


class NoMarks:
    """Knows of none; implements `FindMarks`."""

    def get(self, statement_id: bytes) -> Marked | None:  # noqa: ARG002
        """Return None."""
        return None

    def naming(self, target: bytes, type_: str) -> Iterator[Marked]:  # noqa: ARG002
        """Yield nothing."""
        return iter(())


class Marks:
    """All marks of a log so far: those that can be found, and those that are too new for that."""

    def __init__(self, stored: FindMarks) -> None:
        """Begin with what is stored."""
        self.stored = stored
        self._fresh: dict[bytes, Marked] = {}

    def apply(self, statement: SignedStatement, index: int) -> None:
        """Take in an entry that was admitted."""
        found = marked_by(statement, index)
        if found is not None:
            self._fresh[found.id] = found
        elif isinstance(said := read_mark(statement), Lifting):
            for one in said.lifted:
                mark = self.get(one)
                if mark is not None and mark.lifted is None:
                    self._fresh[one] = replace(mark, lifted=index)

    def settle(self) -> None:
        """Forget what can be found by now."""
        self._fresh.clear()

    def get(self, statement_id: bytes) -> Marked | None:
        """Return a mark by the id of its statement, and whether it was lifted since."""
        return self._fresh.get(statement_id) or self.stored.get(statement_id)

    def standing(
        self, type_: str, target: bytes, positions: Positions | None = None
    ) -> Iterator[Marked]:
        """Yield marks that stand and cover some of this content."""
        fresh = [one for one in self._fresh.values() if one.type == type_]
        old = (one for one in self.stored.naming(target, type_) if one.id not in self._fresh)
        for one in (*fresh, *old):
            if one.lifted is None and one.mark.covers(target, positions):
                yield one

    # --- admission

    def check(self, statement: SignedStatement) -> None:
        """Refuse to lift what is not there to be lifted, or not by this issuer.

        Raises:
            RefusedError: `reason` names the rule.
        """
        said = parse_mark(statement)
        if isinstance(said, Mark):
            return
        type_, issuer = statement.header.type, statement.header.issuer
        for one in said.lifted:
            mark = self.get(one)
            if mark is None or mark.type != type_:
                raise RefusedError(
                    f"statement {one.hex()} is no {type_} of this log", reason="mark.unknown"
                )
            if issuer != mark.issuer and issuer not in mark.mark.lifters:
                raise RefusedError(
                    f"the {type_} at index {mark.index} is lifted by {mark.issuer}, who placed "
                    "it, or by whom it names for that",
                    reason="mark.not-yours",
                )
            if mark.lifted is not None:
                raise RefusedError(
                    f"the {type_} at index {mark.index} was lifted at index {mark.lifted}",
                    reason="mark.lifted",
                )

    def check_erasure(self, erasure: Erasure) -> None:
        """Refuse to erase what is held.

        Raises:
            RefusedError: `reason` is `erasure.held`.
        """
        for target, positions in erasure.erased.items():
            for hold in self.standing(StatementType.HOLD, target, positions):
                raise RefusedError(
                    f"content of {target.hex()} is held, as entry {hold.index} says "
                    f"({hold.mark.reason}): nothing of it is erased",
                    reason="erasure.held",
                    advice="whoever placed the hold lifts it: `tally holds lift`",
                )


def marked_by(statement: SignedStatement, index: int) -> Marked | None:
    """Return the mark that a statement places; None for all others."""
    said, header = read_mark(statement), statement.header
    if not isinstance(said, Mark) or header.type is None:
        return None
    return Marked(statement.id, index, header.type, header.issuer, said)
