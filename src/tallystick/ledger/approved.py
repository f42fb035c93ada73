"""Approvals by passkey in a ledger: their admission, and who approved what.

Reasons, besides `payload`:

    approval.unknown    it names no passkey, or several, or what is not registered here as one
    approval.revoked    that passkey has ended
    approval.replayed   an approval with that nonce is registered, or was declined

That the passkey signed is not decided at admission, because that stands in content which only the
vault holds: `approved_behind` verifies it where the content is at hand, as a stranger does with a
bundle.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tallystick.errors import ApprovalError, InputError, RefusedError
from tallystick.ledger.entries import read_statement
from tallystick.ledger.index import Index, Property
from tallystick.ledger.state import LedgerState
from tallystick.log import Snapshot
from tallystick.statement import Relation, SignedStatement
from tallystick.statement.approval import (
    Approved,
    Enrolled,
    check_in_time,
    covers,
    is_approval,
    verify_approval,
)
from tallystick.statement.governance import StatementType, parse_heartbeat
from tallystick.statement.keychain import KeyChains
from tallystick.statement.keylife import parse_key_statement
from tallystick.statement.passkey import Passkey

Contents = Callable[[bytes], Mapping[str, Any] | None]
"""Opens the content of a statement by its id; None where it cannot be opened."""


def check_approved(statement: SignedStatement, state: LedgerState) -> None:
    """Refuse an approval that no passkey of this ledger can have given, or that was given before.

    Raises:
        RefusedError: `reason` names the rule.
    """
    if not is_approval(statement):
        return
    header = statement.header
    if not state.is_operator(header.issuer):
        raise RefusedError(
            "only the operator of the log says that a person approved by passkey",
            reason="type.operator",
        )
    if not header.hashed:
        raise RefusedError("an approval commits to its content, got it inline", reason="payload")
    named = [state.passkey(one) for one in header.links.get(Relation.ACTED_FOR, ())]
    if len(named) != 1 or named[0] is None:
        raise RefusedError(
            f"an approval names one passkey as `acted_for`, got {len(named)} statements, of which "
            f"{len(named) - named.count(None)} registered one",
            reason="approval.unknown",
        )
    end = state.chains.end_of(*named[0])
    if end is not None:
        raise RefusedError(
            f"the passkey ended at index {end.last} ({end.reason})", reason="approval.revoked"
        )
    if state.approval(header.subject):
        raise RefusedError(
            "an approval with this nonce is registered already: each counts once",
            reason="approval.replayed",
        )


def find_approval(
    index: Index, snapshot: Snapshot, subject: str, before: int | None = None
) -> bool:
    """Tell whether the log holds an approval, or its refusal by the person, below `before`."""
    before = snapshot.checkpoint.size if before is None else before
    wanted = [
        Property("subject", subject.encode()),
        Property("type", StatementType.APPROVAL.encode()),
    ]
    found = (read_statement(snapshot.reader, at) for at in index.find(wanted, before))
    return any(one.header.subject == subject for one in found)


def approved_behind(
    index: Index, snapshot: Snapshot, statement: SignedStatement, at: int, contents: Contents
) -> Approved | None:
    """Return the verified approval that a registered statement is, or that covers it.

    Args:
        index: Finds what it names.
        snapshot: The log.
        statement: Registered.
        at: Where.
        contents: Opens the approval.
    """
    if is_approval(statement):
        return _verified(index, snapshot, statement, at, contents)
    for target in statement.header.links.get(Relation.ACTED_FOR, ()):
        for found, place in _find(index, snapshot, target, StatementType.APPROVAL, at):
            if is_approval(found):
                approved = _verified(index, snapshot, found, place, contents)
                if approved is not None and covers(approved, statement):
                    return approved
    return None


def enrolled(index: Index, snapshot: Snapshot, statement_id: bytes, before: int) -> Enrolled | None:
    """Find a passkey by the statement that registered it; None if that is none."""
    for found, at in _find(index, snapshot, statement_id, StatementType.KEY, before):
        said = parse_key_statement(found.payload)
        if isinstance(said, Passkey):
            chains = chains_of(index, snapshot, said.issuer)
            return Enrolled(found.id, at, said, chains.end_of(said.issuer, said.key.thumbprint()))
    return None


def chains_of(index: Index, snapshot: Snapshot, issuer: str) -> KeyChains:
    """Return the keys of one issuer, with all that was said of them until now."""
    chains = KeyChains()
    about = [Property("type", StatementType.KEY.encode()), Property("subject", issuer.encode())]
    for at in sorted(index.find(about, snapshot.checkpoint.size)):
        chains.apply(parse_key_statement(read_statement(snapshot.reader, at).payload), at)
    return chains


def _verified(
    index: Index, snapshot: Snapshot, statement: SignedStatement, at: int, contents: Contents
) -> Approved | None:
    """Verify an approval as far as its content can be opened; None if it does not verify."""
    values, named = contents(statement.id), statement.header.links.get(Relation.ACTED_FOR, ())
    if values is None or len(named) != 1:
        return None
    by = enrolled(index, snapshot, named[0], at)
    try:
        approved = verify_approval(statement, at, values, by, snapshot.checkpoint.origin)
        check_in_time(approved.approval, time_at(index, snapshot, at))
    except (ApprovalError, InputError):
        return None
    return approved


def time_at(index: Index, snapshot: Snapshot, before: int) -> int:
    """Return the ledger's time before an entry; that of the genesis entry where none was told."""
    genesis = read_statement(snapshot.reader, 0).header
    by = [
        Property("type", StatementType.HEARTBEAT.encode()),
        Property("issuer", genesis.issuer.encode()),
    ]
    for at in index.find(by, before):
        said = read_statement(snapshot.reader, at)
        if said.header.type == StatementType.HEARTBEAT and said.header.issuer == genesis.issuer:
            return parse_heartbeat(said.payload).time
    return genesis.issued_at or 0


def _find(
    index: Index, snapshot: Snapshot, statement_id: bytes, type_: StatementType, before: int
) -> list[tuple[SignedStatement, int]]:
    wanted = [Property("id", statement_id), Property("type", type_.encode())]
    found = [(read_statement(snapshot.reader, at), at) for at in index.find(wanted, before)]
    return [one for one in found if one[0].id == statement_id and one[0].header.type == type_]
