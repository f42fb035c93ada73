"""For whom a bundle's statements were made: chains of delegations, checked offline by index.

The bundle carries the grants, what revoked them, and heartbeats of the operator that tell the
ledger's time. That a revocation was left out of a bundle cannot be seen in it: what is verified
is that none of those that are there was in force.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from tallystick.errors import InputError
from tallystick.statement import Relation
from tallystick.statement.assurance import Known, assurance_of, intent_of, is_intent_for
from tallystick.statement.delegation import (
    Fault,
    Granted,
    Revocation,
    granted_by,
    is_recorded,
    links_of,
    read_delegation,
    use_fault,
)
from tallystick.statement.governance import Genesis, StatementType, parse_heartbeat
from tallystick.statement.keychain import KeyChains
from tallystick.statement.keylife import parse_key_statement, registered_key
from tallystick.statement.labels import Assurance
from tallystick.verify.approval import Approvals
from tallystick.verify.report import Check, Verdict
from tallystick.verify.statement import VerifiedStatement

Statements = Mapping[bytes, VerifiedStatement]


class Acting:
    """Tells for whom verified statements were made, by what the bundle holds."""

    def __init__(self, statements: Statements, genesis: Genesis | None, chains: KeyChains) -> None:
        """Collect grants, revocations, approvals and times of verified statements."""
        self._statements = statements
        self._operator = genesis.operator if genesis else None
        self._grants = {
            id_: grant
            for id_, one in statements.items()
            if (grant := granted_by(one.statement, one.index)) is not None
        }
        self._times = sorted(self._beats())
        for one in sorted(statements.values(), key=lambda one: one.index):
            self._revoke(one)
        self.approvals = Approvals(statements, chains, self._times)

    def checks(self) -> Iterator[Check]:
        """Check every chain that a statement names, and every claim of assurance."""
        for one in self._statements.values():
            targets = one.statement.header.links.get(Relation.ACTED_FOR, ())
            for grant in filter(None, map(self._grants.get, targets)):
                yield self._check_chain(one, grant)
            yield from self._check_claim(one, targets)
        yield from self.approvals.checks()

    def known(self) -> dict[bytes, Known]:
        """Return how strongly the originator of each statement is known."""
        return {id_: self._known(one) for id_, one in self._statements.items()}

    def _known(self, one: VerifiedStatement) -> Known:
        intent = self._statements.get(intent_of(one.statement.header) or b"")
        if intent and is_intent_for(intent.statement.header, one.statement.header):
            return replace(self._known(intent), claimed=None)
        now, approved = self._now(one.index) or 0, self.approvals.behind(one)
        header, look_up = one.statement.header, self._grants.get
        return assurance_of(header, one.index, look_up, self._holder, now, approved)

    def _check_chain(self, one: VerifiedStatement, grant: Granted) -> Check:
        said, now, type_ = one.statement, self._now(one.index), one.statement.header.type
        look_up, holder = self._grants.get, self._holder
        fault = use_fault(grant, said.header, now or 0, one.index, look_up, holder)
        if fault is None and now is None:
            words = "no heartbeat of the operator before it is in the bundle to tell the time"
            fault = Fault("unknown", words)
        where = f"{type_ or 'statement'} at index {one.index}"
        if fault is not None:
            missing = fault.reason == "unknown"
            verdict = Verdict.INDETERMINATE if missing else Verdict.FAILED
            code = f"delegation.{fault.reason}"
            return Check("delegation", verdict, f"{where}: {fault.words}", said.id, code)
        words = self._words(grant, now)
        if is_recorded(grant, said.header, holder):
            words += "; that it called is the word of who recorded it"
        return Check("delegation", Verdict.VERIFIED, f"{where}: {words}", said.id)

    def _words(self, leaf: Granted, now: int | None) -> str:
        chain = [link for link in links_of(leaf, self._grants.get) if link is not None]
        places = ", ".join(str(link.index) for link in reversed(chain))
        principal, agent = chain[-1].delegation.principal, leaf.delegation.agent
        ends = min(link.delegation.not_after for link in chain)
        later = [link.revoked for link in chain if link.revoked is not None]
        after = f"; revoked later, at index {min(later)}" if later else ""
        return (
            f"{agent} acts for {principal}, by the grants at {places}, "
            f"until {ends}, and it was {now}{after}"
        )

    def _check_claim(self, one: VerifiedStatement, targets: tuple[bytes, ...]) -> Iterator[Check]:
        """Say so where a header claims more than the bundle has evidence for."""
        known, said = self._known(one), one.statement
        if not known.exceeded:
            return
        where = f"{said.header.type or 'statement'} at index {one.index}"
        detail = (
            f"{where} claims that its originator is known by {known.claimed!r:.40}; there is "
            f"evidence for {str(known.assurance)!r}: {known.basis}"
        )
        verdict = Verdict.FAILED
        if any(self._is_open(target) for target in targets):
            weak = known.claimed == Assurance.API_KEY  # then a link that was not checked said so
            verdict = Verdict.NOT_CHECKED if weak else Verdict.INDETERMINATE
        code = None if verdict is Verdict.NOT_CHECKED else "assurance"
        yield Check("assurance", verdict, detail, said.id, code)

    def _is_open(self, target: bytes) -> bool:
        """Tell whether something is missing that could bear a claim out."""
        grant = self._grants.get(target)
        return target not in self._statements or (
            grant is not None and None in links_of(grant, self._grants.get)
        )

    def _holder(self, statement_id: bytes) -> str | None:
        found = self._statements.get(statement_id)
        if found is None or found.statement.header.type != StatementType.KEY:
            return None
        # A passkey, or the end of a key, is nothing that a recorder could have seen used.
        try:
            record = registered_key(parse_key_statement(found.statement.payload))
        except InputError:
            return None
        return None if record is None else record.issuer

    def _beats(self) -> Iterator[tuple[int, int]]:
        """Yield index and time of the operator's heartbeats."""
        for one in self._statements.values():
            header = one.statement.header
            if header.type == StatementType.HEARTBEAT and header.issuer == self._operator:
                try:
                    yield one.index, parse_heartbeat(one.statement.payload).time
                except InputError:
                    continue  # tells no time

    def _now(self, index: int) -> int | None:
        """Return the ledger's time before an entry, as far as the bundle tells it."""
        return max((time for at, time in self._times if at < index), default=None)

    def _revoke(self, one: VerifiedStatement) -> None:
        said = read_delegation(one.statement)
        grant = self._grants.get(said.delegation) if isinstance(said, Revocation) else None
        by = one.statement.header.issuer
        if grant is None or grant.revoked is not None or by not in {grant.issuer, self._operator}:
            return
        revoked_at = self._now(one.index)
        self._grants[grant.id] = replace(grant, revoked=one.index, revoked_at=revoked_at)
