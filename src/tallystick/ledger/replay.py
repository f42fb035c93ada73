"""Replay a refusal: compute the state the log had, and decide again."""

from collections.abc import Callable

from tallystick.errors import InputError, RefusedError
from tallystick.ledger.admission import changes_own_keys
from tallystick.ledger.appeals import Appeals
from tallystick.ledger.approved import find_approval
from tallystick.ledger.delegated import find_granted
from tallystick.ledger.indexed_appeals import IndexedAppeals
from tallystick.ledger.reading import Reads
from tallystick.ledger.retention import find_kept
from tallystick.ledger.rules import Candidate, batch_of, decide
from tallystick.ledger.signatures import InlineChecks, question
from tallystick.ledger.state import LedgerState
from tallystick.merkle import HASH_BYTES
from tallystick.statement import SignedStatement, parse_statement
from tallystick.statement.governance import StatementType
from tallystick.vault import unsafe_unrecorded


def replay_refusal(
    ledger: Reads, refusal_id: bytes, progress: Callable[[int, int], None] | None = None
) -> tuple[str, str | None]:
    """Decide again about a statement that was refused.

    Leaf hashes that came with a refused batch are not kept; a refusal for their sake is taken to
    be replayed without any.

    Returns:
        The recorded reason, and the reason that the rules give now; None if they admit it.

    Raises:
        NotFoundError: The refusal, or its content, is not here.
        InputError: The statement is not a refusal.
    """
    found = ledger.get(refusal_id)
    if found.statement.header.type != StatementType.REFUSAL:
        raise InputError(f"statement {refusal_id.hex()} is not a refusal")
    with unsafe_unrecorded():
        values = ledger.vault.get(refusal_id).values()
    state, ids = LedgerState(), dict[bytes, int]()
    index_, log = ledger.index, ledger.snapshot
    state.look_up_delegation = lambda one: find_granted(index_, log, one, found.index)
    state.look_up_approval = lambda one: find_approval(index_, log, one, found.index)
    state.retained.stored = lambda one: find_kept(index_, log, one, found.index)
    for index in range(found.index):
        statement = ledger.at(index).statement
        state.apply(statement, index)
        state.appeals.settle()
        ids[statement.id] = index
        if progress:
            progress(index + 1, found.index)
    state.appeals = Appeals(IndexedAppeals(index_, lambda: log, found.index))
    refused = parse_statement(values["entry"])
    try:
        registered = decide(_candidate(refused, state), state, lambda s: ids.get(s.id))
    except RefusedError as error:
        return values["reason"], error.reason
    # Who has the ledger open changes its keys by itself; no refusal is of a change of its own.
    closed = registered is None and changes_own_keys(refused, state)
    return values["reason"], "handover.closed" if closed else None


def _candidate(statement: SignedStatement, state: LedgerState) -> Candidate:
    header = statement.header
    record = state.record(header.issuer, header.key_id)
    signed = record is not None and InlineChecks().check([question(statement, record.key)]) == [
        True
    ]
    try:
        batch = batch_of(statement)
    except InputError:
        batch = None
    if batch is None:
        return Candidate(statement, signed)
    return Candidate(statement, signed, None, bytes(HASH_BYTES))
