"""What publications in a bundle show of its other statements."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from tallystick.errors import TallystickError
from tallystick.statement import Disclosure, verify_disclosure
from tallystick.statement.governance import StatementType
from tallystick.statement.publication import parse_publication
from tallystick.verify.report import Check, Verdict
from tallystick.verify.statement import VerifiedStatement

PUBLISHED: Final = "published"


class Published:
    """Content that verified publications show of verified statements before them.

    Attributes:
        statements: All statements, with what was published among their values.
        checks: One for each publication.
    """

    def __init__(self, statements: Mapping[bytes, VerifiedStatement], subject: bytes) -> None:
        """Open what is published; of the bundle's subject itself it must be true."""
        self.statements, self._subject = dict(statements), subject
        self.checks = [*self._open_all()]

    def _open_all(self) -> Iterator[Check]:
        for one in sorted(self.statements.values(), key=lambda one: one.index):
            if one.statement.header.type == StatementType.PUBLICATION:
                try:
                    yield from self._open(one)
                except TallystickError as error:
                    yield self._false(one, error)

    def _false(self, one: VerifiedStatement, error: TallystickError) -> Check:
        """Believe nothing of it; nor fail what it is about, for others may have made it."""
        detail = f"publication at index {one.index} is disregarded: {error}"
        if one.statement.id == self._subject:
            return Check(PUBLISHED, Verdict.FAILED, detail, self._subject, error.code)
        return Check(PUBLISHED, Verdict.NOT_CHECKED, detail, one.statement.id)

    def _open(self, publication: VerifiedStatement) -> Iterator[Check]:
        target, disclosure = parse_publication(publication.statement)
        shown = self.statements.get(target)
        if shown is None or shown.index > publication.index:
            return  # of another bundle, or of nothing that was there
        values = verify_disclosure(disclosure, shown.statement.payload)
        self.statements[target] = _with(shown, values, disclosure)
        by = publication.issuer.name or publication.issuer.issuer
        where = f"{shown.statement.header.type or 'statement'} at index {shown.index}"
        detail = f"{where}: {', '.join(sorted(values))} published by {by} at {publication.index}"
        yield Check(PUBLISHED, Verdict.VERIFIED, detail, target)


def _with(
    shown: VerifiedStatement, values: Mapping[str, object], disclosure: Disclosure
) -> VerifiedStatement:
    every = {**values, **shown.values}
    return replace(shown, values=every, withheld=len(disclosure.digests) - len(every))
