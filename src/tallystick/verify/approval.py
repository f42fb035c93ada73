"""Approvals by passkey in a bundle: each is verified from its opened content, offline.

What is verified is that the passkey which the operator registered for a DID signed the digests
that are approved, on a page of an origin that stands in the log. Not what that page displayed:
every verified approval is followed by a line that says so.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from tallystick.errors import ApprovalError, InputError
from tallystick.statement import Relation
from tallystick.statement.approval import (
    FIELDS,
    Approved,
    Enrolled,
    check_covered,
    check_in_time,
    covers,
    is_approval,
    verify_approval,
)
from tallystick.statement.governance import StatementType
from tallystick.statement.keychain import KeyChains
from tallystick.statement.keylife import parse_key_statement
from tallystick.statement.passkey import Passkey
from tallystick.verify.report import Check, Verdict
from tallystick.verify.statement import VerifiedStatement

Statements = Mapping[bytes, VerifiedStatement]
NOT_SHOWN: Final = "what the page displayed to the person is not shown by an approval"


class Approvals:
    """Tells which verified statements a person approved by passkey."""

    def __init__(
        self, statements: Statements, chains: KeyChains, times: list[tuple[int, int]]
    ) -> None:
        """Verify the approvals of a bundle.

        Args:
            statements: Verified.
            chains: Keys of all issuers, from entries that are themselves believed.
            times: Index and time of the operator's heartbeats, in log order.
        """
        self._statements, self._chains, self._times = statements, chains, times
        self._checks: list[Check] = []
        self._approved: dict[bytes, Approved] = {}
        for one in statements.values():
            if is_approval(one.statement):
                self._checks += self._check(one)

    def checks(self) -> Iterator[Check]:
        """Yield what came out of each approval, and of what was done by one."""
        yield from self._checks
        for one in self._statements.values():
            for approved in self._named(one):
                yield self._check_done(one, approved)

    def behind(self, one: VerifiedStatement) -> Approved | None:
        """Return the approval that a statement is, or that covers it."""
        if one.statement.id in self._approved:
            return self._approved[one.statement.id]
        covering = (a for a in self._named(one) if covers(a, one.statement) and a.index < one.index)
        return next(covering, None)

    def _named(self, one: VerifiedStatement) -> Iterator[Approved]:
        targets = one.statement.header.links.get(Relation.ACTED_FOR, ())
        yield from filter(None, map(self._approved.get, targets))

    def _check(self, one: VerifiedStatement) -> Iterator[Check]:
        where, id_ = f"approval at index {one.index}", one.statement.id
        if not is_supplied(one):
            detail = f"{where}: its content is not supplied, so nothing shows that it was approved"
            yield Check("approval", Verdict.NOT_CHECKED, detail, id_)
            return
        try:
            approved = verify_approval(
                one.statement, one.index, one.values, self._enrolled(one), self._chains.origin
            )
            now = self._now(one.index)
            check_in_time(approved.approval, now or 0)
        except (ApprovalError, InputError) as error:
            code = getattr(error, "reason", error.code)
            yield Check("approval", Verdict.FAILED, f"{where}: {error}", id_, code)
            return
        if now is None:
            detail = f"{where}: no heartbeat of the operator before it tells the time"
            yield Check("approval", Verdict.INDETERMINATE, detail, id_, "approval.time")
            return
        self._approved[id_] = approved
        yield Check("approval", Verdict.VERIFIED, f"{where}: {_words(approved)}", id_)
        yield Check("display", Verdict.NOT_CHECKED, f"{where}: {NOT_SHOWN}", id_)

    def _check_done(self, one: VerifiedStatement, approved: Approved) -> Check:
        where = f"{one.statement.header.type or 'statement'} at index {one.index}"
        try:
            check_covered(approved, one.statement)
        except ApprovalError as error:
            detail = f"{where}: {error}"
            return Check("approved", Verdict.FAILED, detail, one.statement.id, error.reason)
        detail = f"{where} does exactly what was approved at index {approved.index}"
        return Check("approved", Verdict.VERIFIED, detail, one.statement.id)

    def _enrolled(self, one: VerifiedStatement) -> Enrolled | None:
        """Return the one passkey that an approval names."""
        targets = one.statement.header.links.get(Relation.ACTED_FOR, ())
        named = [self._statements.get(target) for target in targets]
        if len(named) != 1 or named[0] is None:
            return None
        return enrolled_by(named[0], self._chains)

    def _now(self, index: int) -> int | None:
        """Return the ledger's time before an entry, as far as the bundle tells it."""
        return max((time for at, time in self._times if at < index), default=None)


def is_supplied(one: VerifiedStatement) -> bool:
    """Tell whether the content of an approval is there to be verified."""
    return one.withheld == 0 or one.values.keys() >= set(FIELDS)


def enrolled_by(one: VerifiedStatement, chains: KeyChains) -> Enrolled | None:
    """Return the passkey that a verified statement registered; None for all others."""
    if one.statement.header.type != StatementType.KEY:
        return None
    said = parse_key_statement(one.statement.payload)
    if not isinstance(said, Passkey):
        return None
    end = chains.end_of(said.issuer, said.key.thumbprint())
    return Enrolled(one.statement.id, one.index, said, end)


def _words(approved: Approved) -> str:
    approval, by = approved.approval, approved.by
    said = "declined" if approval.declined else "approved"
    count = len(approval.targets)
    agreed = "the operator alone says whose it is"
    if by.passkey.by is not None:
        agreed = "a key of that issuer agreed"
    later = f"; the passkey ended later, at index {by.end.last}" if by.end is not None else ""
    return (
        f"a passkey of {by.passkey.issuer}, registered at index {by.index} ({agreed}), {said} "
        f"{approval.action.removeprefix('decline:')!r} of {count} statement"
        f"{'' if count == 1 else 's'}, person verified, on a page of "
        f"{' or '.join(by.passkey.origins)}{later}"
    )
