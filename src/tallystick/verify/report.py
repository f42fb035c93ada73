"""What a verification found: one line per check, and what was not checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from tallystick.errors import IndeterminateError, TallystickError, VerificationError
from tallystick.statement.assurance import Known
from tallystick.verify.checkpoint import VerifiedCheckpoint
from tallystick.verify.statement import VerifiedStatement


class Verdict(StrEnum):
    """Three answers, as ETSI EN 319 102-1 has them; and what nobody asked."""

    VERIFIED = "verified"
    FAILED = "failed"
    INDETERMINATE = "indeterminate"
    NOT_CHECKED = "not checked"


NOT_PROVEN: Final = (
    "that what was recorded is true, or an answer correct",
    "that everything was recorded: calls past the gateway leave no trace here",
    "that the recorded answer is the one that was delivered",
    "that nothing else was said about it later",
    "that no key was ended by a statement that is not in the bundle",
)
"""Said with every report, because a green line is easily read as more than it is."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        what: Short name, such as `signature`.
        verdict: What came out.
        detail: What was seen, and what was expected where it was not that.
        statement: Id of the statement it concerns; None for the whole bundle.
        code: Stable error code where it did not verify.
    """

    what: str
    verdict: Verdict
    detail: str
    statement: bytes | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of what the statements commit to can be read here.

    Attributes:
        fields: Fields that are shown.
        withheld: Fields that are not, of statements whose content was supplied.
        closed: Statements whose content was not supplied at all.
        rows: Rows of batches that are shown.
        rows_in_all: Rows that these batches have.
    """

    fields: int
    withheld: int
    closed: int
    rows: int
    rows_in_all: int

    def __str__(self) -> str:
        """Say it in one line, what is not shown included."""
        parts = [f"{_number(self.fields, 'field')} shown, {self.withheld} withheld"]
        if self.closed:
            parts.append(f"content of {_number(self.closed, 'statement')} not supplied")
        if self.rows_in_all:
            parts.append(f"{self.rows} of {_number(self.rows_in_all, 'row')} shown")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class Report:
    """All checks of one bundle.

    Attributes:
        subject: Id of the statement that the bundle is about.
        checks: In the order in which they were made.
        checkpoint: The checkpoint, if it was verified.
        statements: What may be believed, by statement id.
        known: Of those, how strongly their originator is known, computed from the bundle alone.
    """

    subject: bytes
    checks: tuple[Check, ...]
    checkpoint: VerifiedCheckpoint | None
    statements: Mapping[bytes, VerifiedStatement]
    known: Mapping[bytes, Known] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """Failed if anything failed; verified only if everything that was checked is."""
        verdicts = {check.verdict for check in self.checks}
        for worst in (Verdict.FAILED, Verdict.INDETERMINATE):
            if worst in verdicts:
                return worst
        return Verdict.VERIFIED

    @property
    def shown(self) -> Extent:
        """How much of what the believed statements commit to can be read here."""
        said = self.statements.values()
        return Extent(
            fields=sum(len(one.values) for one in said),
            withheld=sum(one.withheld or 0 for one in said),
            closed=sum(one.withheld is None for one in said),
            rows=sum(len(one.rows) for one in said),
            rows_in_all=sum(one.rows_in_all for one in said),
        )

    def raise_unless_verified(self) -> None:
        """Raise for the first check that failed, else for the first that is indeterminate.

        Raises:
            VerificationError: Something failed.
            IndeterminateError: Something needed is missing.
        """
        for verdict, error in (
            (Verdict.FAILED, VerificationError),
            (Verdict.INDETERMINATE, IndeterminateError),
        ):
            for check in self.checks:
                if check.verdict is verdict:
                    raise error(f"{check.what}: {check.detail}")


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def verdict_of(error: TallystickError) -> Verdict:
    """Tell a failure from something that is merely missing."""
    if isinstance(error, IndeterminateError):
        return Verdict.INDETERMINATE
    return Verdict.FAILED
