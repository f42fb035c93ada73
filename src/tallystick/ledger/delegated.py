"""Admission of delegations and of what is done under them; part of `tallystick.ledger.rules`.

Reasons, besides `payload`:

    delegation.unknown      it names a delegation that is not registered here
    delegation.not-yours    the delegation is to, or by, somebody else
    delegation.revoked      a grant of the chain was revoked
    delegation.expired      a grant of the chain has ended, by the ledger's time
    delegation.type         the delegation is not for that type
    delegation.chain        a grant goes beyond the one that it passes on
    delegation.key          the key that signed a grant had ended by then, as was said later
    assurance               the header claims more than there can be evidence for
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from tallystick.errors import RefusedError
from tallystick.ledger.approved import chains_of, time_at
from tallystick.ledger.entries import read_statement
from tallystick.ledger.index import Index, Property
from tallystick.ledger.state import LedgerState
from tallystick.log import Snapshot
from tallystick.statement import Relation, SignedStatement
from tallystick.statement.delegation import (
    Delegation,
    Fault,
    Granted,
    Revocation,
    granted_by,
    is_recorded,
    links_of,
    narrower_fault,
    parse_delegation,
    read_delegation,
    revocation_subject,
    use_fault,
)
from tallystick.statement.governance import StatementType
from tallystick.statement.keychain import KeyChains
from tallystick.statement.keylife import parse_key_statement, registered_key
from tallystick.statement.labels import Assurance

_ANY_INDEX: Final = 2**63
"""Every entry that is registered stands before the one that asks."""
_UNPROVEN: Final = frozenset({Assurance.PASSKEY, Assurance.CREDENTIAL})


def check_delegated(statement: SignedStatement, state: LedgerState) -> None:
    """Refuse a delegation that is not its issuer's to give, and what none allows.

    Raises:
        RefusedError: `reason` names the rule.
    """
    header = statement.header
    granted = [state.delegation(one) for one in header.links.get(Relation.ACTED_FOR, ())]
    if header.type == StatementType.DELEGATION:
        _check_delegation(statement, parse_delegation(statement.payload), granted, state)
        return
    known = [grant for grant in granted if grant is not None]
    for grant in known:
        _check_use(statement, grant, state)
    signed = any(grant.delegation.agent == header.issuer for grant in known)
    _check_claim(header.assurance, len(granted), under_delegation=signed)


def find_granted(
    index: Index, snapshot: Snapshot, statement_id: bytes, before: int | None = None
) -> Granted | None:
    """Find a grant, and its revocation, in what the log holds below `before`."""
    before = snapshot.checkpoint.size if before is None else before
    by_type = Property("type", StatementType.DELEGATION.encode())
    for at in index.find([Property("id", statement_id), by_type], before):
        grant = granted_by(_read(snapshot, at), at)
        if grant is not None and grant.id == statement_id:
            subject = revocation_subject(statement_id).encode()
            for end in index.find([Property("subject", subject), by_type], before):
                if read_delegation(_read(snapshot, end)) == Revocation(statement_id):
                    return replace(grant, revoked=end, revoked_at=time_at(index, snapshot, end))
            return grant
    return None


def key_holder(index: Index, snapshot: Snapshot, statement_id: bytes) -> tuple[int, str] | None:
    """Return where a statement registered a key, and whose; None if it registered none."""
    by_type = Property("type", StatementType.KEY.encode())
    for at in index.find([Property("id", statement_id), by_type], snapshot.checkpoint.size):
        key = _read(snapshot, at)
        if key.id == statement_id and key.header.type == StatementType.KEY:
            # A passkey, or the end of a key, is nothing that a recorder could have seen used.
            record = registered_key(parse_key_statement(key.payload))
            return None if record is None else (at, record.issuer)
    return None


def grants_of(index: Index, snapshot: Snapshot, principal: str) -> Iterator[Granted]:
    """Yield what lets others act for a principal: its own grants, and those that pass them on.

    Those that a thief of its key, or of a later one of a chain, gave are left out.
    """
    size = snapshot.checkpoint.size
    by_type = Property("type", StatementType.DELEGATION.encode())
    first = index.find([Property("issuer", principal.encode()), by_type], size)
    waiting = [grant for grant in _granted(snapshot, first) if grant.parent is None]
    while waiting:
        grant, found = waiting.pop(), None
        if grant.issuer != grant.delegation.principal:
            continue
        if fault_of_key(grant, chains_of(index, snapshot, grant.issuer)) is None:
            yield grant
            found = index.find([Property("link", grant.id), by_type], size)
        further = _granted(snapshot, found or ())
        waiting += [
            one for one in further
            if one.parent == grant.id and narrower_fault(one.delegation, grant.delegation) is None
        ]  # fmt: skip


def _granted(snapshot: Snapshot, places: Iterable[int]) -> Iterator[Granted]:
    return filter(None, (granted_by(_read(snapshot, at), at) for at in places))


def fault_of_key(grant: Granted, chains: KeyChains) -> Fault | None:
    """Say so where the key that signed a grant is not to be believed at that index any more."""
    end = chains.end_of(grant.issuer, grant.key_id)
    if end is None or grant.index <= end.last:
        return None
    words = f"the key that signed the grant at index {grant.index} ended at {end.last}"
    return Fault("key", f"{words} ({end.reason}, says entry {end.index})")


def _read(snapshot: Snapshot, index: int) -> SignedStatement:
    return read_statement(snapshot.reader, index)


def _check_delegation(
    statement: SignedStatement,
    said: Delegation | Revocation,
    parents: list[Granted | None],
    state: LedgerState,
) -> None:
    if isinstance(said, Revocation):
        _check_revocation(statement, said, state)
        return
    if said.principal != statement.header.issuer:
        raise _refused(Fault("not-yours", f"only {said.principal} itself lets others act for it"))
    if said.not_after <= state.now:
        raise _refused(Fault("expired", f"it ends at {said.not_after}, and it is {state.now}"))
    if len(parents) > 1:
        raise _refused(Fault("chain", f"it passes on one delegation, not {len(parents)}"))
    for parent in parents:
        if parent is None:
            raise _refused(Fault("unknown", "what it passes on is not a delegation here"))
        _check_use(statement, parent, state)
        if (fault := narrower_fault(said, parent.delegation)) is not None:
            raise _refused(fault)


def _check_revocation(statement: SignedStatement, said: Revocation, state: LedgerState) -> None:
    header, grant = statement.header, state.delegation(said.delegation)
    if grant is None:
        raise _refused(Fault("unknown", f"no delegation {said.delegation.hex()} is registered"))
    if header.issuer != grant.issuer and not state.is_operator(header.issuer):
        raise _refused(Fault("not-yours", "its principal revokes it, or the operator of the log"))
    if grant.revoked is not None:
        raise _refused(Fault("revoked", f"it was revoked at index {grant.revoked} already"))
    if header.subject != revocation_subject(said.delegation):
        raise RefusedError(
            f"a revocation has the subject {revocation_subject(said.delegation)}, got "
            f"{header.subject!r:.120}",
            reason="payload",
        )


def _check_use(statement: SignedStatement, grant: Granted, state: LedgerState) -> None:
    """Refuse a statement under a grant that does not allow it.

    Who records calls may not have known yet that a key ended as compromised: their record is
    admitted, and what is computed from it leaves such a grant out.
    """
    header, look_up, holder = statement.header, state.delegation, state.holder
    fault = use_fault(grant, header, state.now, _ANY_INDEX, look_up, holder)
    if not is_recorded(grant, header, holder):
        for link in filter(None, links_of(grant, look_up)):
            fault = fault or fault_of_key(link, state.chains)
    if fault is not None:
        raise _refused(fault)


def _check_claim(claimed: str | None, targets: int, *, under_delegation: bool) -> None:
    """Refuse a claim that nothing in the log could bear out."""
    too_much = claimed in _UNPROVEN
    too_much |= claimed == Assurance.KEY and targets > 0 and not under_delegation
    too_much |= claimed == Assurance.API_KEY and not targets
    if too_much:
        raise RefusedError(
            f"the header claims that the originator is known by {claimed!r}, and the statement "
            "names no evidence of it",
            reason="assurance",
            advice="name a delegation or a registered key as `acted_for`, or claim less",
        )


def _refused(fault: Fault) -> RefusedError:
    return RefusedError(
        f"the delegation does not allow this: {fault.words}", reason=f"delegation.{fault.reason}"
    )
