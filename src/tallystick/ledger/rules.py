"""The rules of admission: a pure function of an entry, the log so far, and its policy.

Whoever has the log can run them again and must come to the same verdict; `tally policy replay`
does. Signatures and Merkle roots are checked before, in parallel; everything that depends on the
order of entries is decided here, in log order.

Reasons, in the order in which they are tried:

    issuer.unknown          nobody registered that key for that issuer
    key.recovery            a recovery key signs no statements
    signature               the signature does not match
    key.revoked             the key was rotated or revoked before
    type.unknown            not a type this release knows
    type.operator           only the operator of the log registers that type
    policy                  no rule of the registration policy allows it
    time.future             issued, or fetched, more than 300 s after the ledger's newest heartbeat
    sequence.first          the first statement of an epoch is not number 0
    sequence.gap            a number is missing
    sequence.equivocation   another statement has that number already
    sequence.prev           it does not name the statement before it
    payload                 the inline payload is not what the type asks for
    key.known               that key is registered already
    key.issuer              a first key that is not its issuer's, or a second without agreement
    key.chain               no valid key of the issuer agreed to it
    key.until               a key ends at an entry after its revocation
    key.ended               the key ended already, at that entry or before
    key.operator            the operator's newest key is revoked, or would get a recovery key
    key.document            what was fetched of a DID of the web does not verify, names no key, or
                            does not follow what is registered; or its keys changed otherwise
    key.account             an account that is bound already, or an issuer that has one
    handover                it does not follow from the log's own keys
    handover.closed         it is not made by who has the ledger open
    batch.leaves            the leaf hashes are missing, or do not lead to the root
    link.relation           a link of a kind that does not exist
    key.person              a passkey of an issuer that is no person
    key.passkeys            more passkeys than one person may have
    delegation.…, assurance see `tallystick.ledger.delegated`
    approval.…              see `tallystick.ledger.approved`
    mark.…, erasure.held    see `tallystick.ledger.marks`
    erasure.retained        see `tallystick.ledger.retained`
    appeal.…, review.…, erasure.appealed    see `tallystick.ledger.appeals`
    payload.inline          see `tallystick.ledger.committed`; last, so that refusals of earlier
                            releases replay as they were
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tallystick.errors import (
    EncodingError,
    IndeterminateError,
    InputError,
    KeyChainError,
    RefusedError,
    SignatureError,
)
from tallystick.ledger.approved import check_approved
from tallystick.ledger.committed import check_committed
from tallystick.ledger.delegated import check_delegated
from tallystick.ledger.policy import parse_policy_payload
from tallystick.ledger.state import LedgerState
from tallystick.merkle import HASH_BYTES
from tallystick.statement import (
    Batch,
    Relation,
    SignedStatement,
    parse_batch,
    parse_erasure,
)
from tallystick.statement.administration import is_act, parse_act
from tallystick.statement.appeal import ANSWERS, REQUESTS, parse_reply, parse_request
from tallystick.statement.delegation import parse_delegation
from tallystick.statement.fetched import FetchedDocument
from tallystick.statement.governance import (
    OPERATOR_TYPES,
    KeyRecord,
    StatementType,
    parse_heartbeat,
)
from tallystick.statement.handover import parse_handover
from tallystick.statement.header import Sequence
from tallystick.statement.keylife import KeyStatement, parse_key_statement
from tallystick.statement.labels import BATCH_MEDIA_TYPE
from tallystick.statement.marks import REASONS, parse_mark
from tallystick.statement.publication import parse_publication
from tallystick.statement.retention import parse_retention

FUTURE_SECONDS_MAX: Final = 300
_TYPES: Final = frozenset(StatementType)
_OTHERS_TOO: Final = frozenset(
    {
        StatementType.HEARTBEAT,
        StatementType.ERASURE,
        StatementType.HOLD,
        StatementType.RESTRICTION,
    }
)
_ONLY_OPERATOR: Final = OPERATOR_TYPES - _OTHERS_TOO | {StatementType.GENESIS}
_OPERATOR_MAY: Final = OPERATOR_TYPES | {
    StatementType.DELEGATION,
    StatementType.CHANGE,
    StatementType.PUBLICATION,
    StatementType.LABEL,
    StatementType.APPROVAL,
    StatementType.ACCESS,
    StatementType.ACCESS_ANSWER,
    *REQUESTS,
    *ANSWERS,
}
"""The operator can always revoke a delegation, say what it changed, show content, say under
commitment whose a pseudonym is, that a person approved, who read content,
what it did to the service, that it told a person what is kept about them, what a person asks of a
decision about them, and, where the rules of `tallystick.ledger.appeals` let it, the answer."""
_RELATIONS: Final = frozenset(Relation)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A statement that asks to be registered, with what was checked ahead.

    Attributes:
        statement: Parsed.
        signed: The signature matches the registered key that the header names.
        leaf_count: Leaf hashes that came with a batch statement; None if none came.
        leaf_root: The root they lead to.
    """

    statement: SignedStatement
    signed: bool
    leaf_count: int | None = None
    leaf_root: bytes = bytes(HASH_BYTES)


FindIndex = Callable[[SignedStatement], int | None]
"""Finds the index of a statement that is registered already."""


def decide(candidate: Candidate, state: LedgerState, find: FindIndex) -> int | None:
    """Decide whether a statement becomes the next entry.

    Args:
        candidate: What asks.
        state: What the log says so far.
        find: Looks among what is registered.

    Returns:
        The index where the very same statement is registered already, None if it is admitted now.

    Raises:
        RefusedError: It is not admitted; `reason` names the rule.
    """
    statement = candidate.statement
    header = statement.header
    record = state.record(header.issuer, header.key_id)
    if record is None:
        _check_use(header.issuer, header.key_id, state)
        raise RefusedError(
            f"no key with id {header.key_id.hex()[:16]}… is registered for {header.issuer}",
            reason="issuer.unknown",
            advice="ask the operator to register the key: `tally keys register`",
        )
    if not candidate.signed:
        raise RefusedError("the signature does not match the issuer's key", reason="signature")
    index = _registered(statement, state, find)
    if index is not None:
        return index
    _check_life(header.issuer, header.key_id, state)
    _check_type(statement, state)
    _check_time(header.issued_at, state)
    if header.sequence is not None:
        _check_sequence(header.issuer, header.sequence, state)
    _check_payload(candidate, state)
    if unknown := set(header.links) - _RELATIONS:
        raise RefusedError(f"{min(unknown)!r:.40} is not a relation", reason="link.relation")
    check_delegated(statement, state)
    check_approved(statement, state)
    _check_marks(statement, state)
    check_committed(statement, state.policy)
    return None


def _check_use(issuer: str, key_id: bytes, state: LedgerState) -> None:
    if state.chains.is_recovery(issuer, key_id):
        raise RefusedError(
            f"the key {key_id.hex()[:16]}… recovers {issuer}, it signs no statements",
            reason="key.recovery",
        )


def _check_life(issuer: str, key_id: bytes, state: LedgerState) -> None:
    """Refuse what a key signed that has ended; what it signed before was found as a retry."""
    end = state.chains.end_of(issuer, key_id)
    if end is not None:
        raise RefusedError(
            f"the key {key_id.hex()[:16]}… of {issuer} ended at index {end.last} ({end.reason})",
            reason="key.revoked",
            advice="sign with the issuer's newest key",
        )


def _registered(statement: SignedStatement, state: LedgerState, find: FindIndex) -> int | None:
    """Find a retry. What continues an emitter's count cannot be one: its id holds its number."""
    header = statement.header
    if header.sequence is not None:
        key = (header.issuer, header.sequence.emitter, header.sequence.epoch)
        counted = state.counted(key)
        if counted is None or header.sequence.seq > counted.seq:
            return None
    return find(statement)


def _check_type(statement: SignedStatement, state: LedgerState) -> None:
    header = statement.header
    operator = state.is_operator(header.issuer)
    if header.type is not None and header.type not in _TYPES:
        raise RefusedError(f"{header.type!r:.40} is not a statement type", reason="type.unknown")
    if header.type in _OPERATOR_MAY and operator:
        return
    if header.type in _ONLY_OPERATOR:
        raise RefusedError(
            f"only the operator of the log registers {header.type!r} statements",
            reason="type.operator",
        )
    record = state.record(header.issuer, header.key_id)
    if record is None or not state.policy.allows(header.type, header.issuer, record.kind):
        who = record.name if record and record.name else header.issuer
        raise RefusedError(
            f"the registration policy does not let {who} register "
            f"{header.type or 'untyped'} statements",
            reason="policy",
            advice="the operator can allow it: `tally policy set`",
        )


def _check_time(at: int | None, state: LedgerState, what: str = "issued") -> None:
    if at is not None and at > state.now + FUTURE_SECONDS_MAX:
        raise RefusedError(
            f"{what} at {at}, more than {FUTURE_SECONDS_MAX} s after the ledger's "
            f"newest heartbeat at {state.now}",
            reason="time.future",
            advice="check the issuer's clock",
        )


def _check_sequence(issuer: str, sequence: Sequence, state: LedgerState) -> None:
    counted = state.counted((issuer, sequence.emitter, sequence.epoch))
    expected = 0 if counted is None else counted.seq + 1
    if counted is None and sequence.seq:
        raise RefusedError(
            f"an epoch begins with number 0, got {sequence.seq}", reason="sequence.first"
        )
    if sequence.seq < expected:
        raise RefusedError(
            f"number {sequence.seq} of this emitter and epoch is taken by another statement",
            reason="sequence.equivocation",
        )
    if sequence.seq > expected:
        raise RefusedError(
            f"number {expected} is missing, got {sequence.seq}",
            reason="sequence.gap",
            advice="register the statements in the order in which they were numbered",
        )
    if counted is not None and sequence.prev != counted.id:
        raise RefusedError(
            f"number {sequence.seq} does not name number {counted.seq} as its predecessor",
            reason="sequence.prev",
        )


def _check_payload(candidate: Candidate, state: LedgerState) -> None:
    statement = candidate.statement
    check = _PAYLOADS.get(statement.header.type or "")
    try:
        if check is not None:
            check(statement, state)
        batch = batch_of(statement)
    except (InputError, SignatureError) as error:
        raise RefusedError(str(error), reason="payload") from error
    except KeyChainError as error:
        raise RefusedError(str(error), reason=error.reason, advice=error.advice) from error
    if batch is not None:
        _check_leaves(candidate, batch)


def _check_key_payload(statement: SignedStatement, state: LedgerState) -> None:
    if state.genesis is not None:
        _check_key(parse_key_statement(statement.payload), state)


def _check_delegation(statement: SignedStatement, _: LedgerState) -> None:
    _check_inline(statement)
    parse_delegation(statement.payload)


def _check_retention(statement: SignedStatement, _: LedgerState) -> None:
    _check_inline(statement)
    parse_retention(statement.payload)


def _check_access(statement: SignedStatement, state: LedgerState) -> None:
    if is_act(statement):
        if not state.is_operator(statement.header.issuer):
            raise RefusedError(
                "only the operator of the log says what was done to the service",
                reason="type.operator",
            )
        parse_act(statement.payload)


def _check_marks(statement: SignedStatement, state: LedgerState) -> None:
    header = statement.header
    if header.type in REASONS:
        state.marks.check(statement)
    elif header.type in REQUESTS or header.type in ANSWERS:
        record = state.record(header.issuer, header.key_id)
        state.appeals.check(statement, None if record is None else record.kind)
    elif header.type == StatementType.ERASURE:
        erasure = parse_erasure(statement)
        state.marks.check_erasure(erasure)
        state.appeals.check_erasure(erasure)
        state.retained.check_erasure(erasure, state.now)


def _check_inline(statement: SignedStatement) -> None:
    """Refuse a commitment where everybody must be able to read what is said."""
    if statement.header.hashed:
        raise EncodingError(
            f"a {statement.header.type} statement has an inline payload, got a commitment"
        )


def _check_key(said: KeyStatement, state: LedgerState) -> None:
    """Refuse a key, or an end of one, that does not follow from the issuer's keys so far."""
    if isinstance(said, FetchedDocument):
        _check_time(said.fetched_at, state, "fetched")
    try:
        state.chains.check(said, state.size)
        if isinstance(said, KeyRecord):
            state.chains.check_newcomer(said)
    except IndeterminateError as error:  # here everything is known that there is
        raise RefusedError(str(error), reason="key.chain") from error


_PAYLOADS: Final[Mapping[str, Callable[[SignedStatement, LedgerState], object]]] = {
    StatementType.POLICY: lambda said, _: parse_policy_payload(said.payload),
    StatementType.HEARTBEAT: lambda said, _: parse_heartbeat(said.payload),
    StatementType.ERASURE: lambda said, _: parse_erasure(said),
    StatementType.PUBLICATION: lambda said, _: parse_publication(said),
    StatementType.KEY: _check_key_payload,
    StatementType.HANDOVER: lambda said, state: state.log_keys.check(
        parse_handover(said.payload), state.size
    ),
    StatementType.DELEGATION: _check_delegation,
    StatementType.RETENTION: _check_retention,
    StatementType.ACCESS: _check_access,
    **dict.fromkeys(REASONS, lambda said, _: parse_mark(said)),
    **dict.fromkeys(REQUESTS, lambda said, _: parse_request(said)),
    **dict.fromkeys(ANSWERS, lambda said, _: parse_reply(said)),
}
"""What payloads that the ledger itself acts on are checked by."""


def batch_of(statement: SignedStatement) -> Batch | None:
    """Return what a batch statement commits to, None for other statements.

    Raises:
        EncodingError: It says that it is a batch, and is none.
    """
    header = statement.header
    is_batch = not header.hashed and header.content_type == BATCH_MEDIA_TYPE
    return parse_batch(statement.payload) if is_batch else None


def _check_leaves(candidate: Candidate, batch: Batch) -> None:
    if (candidate.leaf_count, candidate.leaf_root) != (batch.rows, batch.root):
        seen = "none came" if candidate.leaf_count is None else f"{candidate.leaf_count} came"
        raise RefusedError(
            f"a batch of {batch.rows} rows must come with the leaf hashes that lead to its "
            f"root; {seen}",
            reason="batch.leaves",
        )
