"""What the log so far says: policy, keys, time, and how far each emitter has counted.

A pure function of the entries in order: `apply` them one by one from the genesis entry and the
state is the same on every machine. Admission reads it; nothing else decides.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from tallystick.errors import DamagedError
from tallystick.ledger.appeals import Appeals, NoAppeals
from tallystick.ledger.marks import Marks, NoMarks
from tallystick.ledger.policy import RegistrationPolicy, parse_policy_payload, read_policy
from tallystick.ledger.retained import Retained
from tallystick.statement import SignedStatement
from tallystick.statement.approval import is_approval
from tallystick.statement.delegation import (
    Granted,
    LookUp,
    Revocation,
    granted_by,
    read_delegation,
)
from tallystick.statement.governance import (
    Genesis,
    KeyRecord,
    StatementType,
    operator_record,
    parse_genesis,
    parse_heartbeat,
)
from tallystick.statement.handover import LogKeys, parse_handover
from tallystick.statement.keychain import KeyChains, KeyName
from tallystick.statement.keylife import parse_key_statement, registered_key
from tallystick.statement.marks import REASONS
from tallystick.statement.passkey import Passkey
from tallystick.statement.retention import parse_retention

EmitterKey = tuple[str, bytes, int]
"""Issuer, emitter and epoch."""
EMITTERS_KEPT: Final = 10_000
"""Emitters whose count is kept in memory; the index has the others."""
DELEGATIONS_KEPT: Final = 10_000
"""Delegations that are kept in memory, and ids that are known to be none."""
APPROVALS_KEPT: Final = 10_000
"""Nonces of approvals that are kept in memory; the index has the others."""


@dataclass(frozen=True, slots=True)
class Counted:
    """How far an emitter has counted in an epoch: its last number and that statement's id."""

    seq: int
    id: bytes


def _nobody(_key: EmitterKey) -> Counted | None:
    return None


def _nothing(_id: bytes) -> Granted | None:
    return None


def _never(_subject: str) -> bool:
    return False


@dataclass
class LedgerState:
    """State after some number of entries.

    Attributes:
        genesis: Entry 0, once it was applied.
        policy: The newest registration policy.
        policy_id: Statement that registered it.
        log_keys: The keys of the log itself, and from which size on each signs.
        chains: Keys of all issuers, how each followed from the one before, and how it ended.
        marks: Holds and restrictions.
        retained: What must be kept longer.
        appeals: What people asked of decisions about them.
        size: Index of the next entry.
        now: Time of the operator's newest heartbeat, seconds since 1970.
        look_up: Finds the count of an emitter that is not kept in memory.
        look_up_delegation: Finds a delegation that is not kept in memory, among entries before.
        look_up_approval: Tells whether an approval with a subject is among entries before.
    """

    genesis: Genesis | None = None
    policy: RegistrationPolicy = field(default_factory=RegistrationPolicy)
    policy_id: bytes = b""
    chains: KeyChains = field(default_factory=KeyChains)
    log_keys: LogKeys = field(default_factory=LogKeys)
    marks: Marks = field(default_factory=lambda: Marks(NoMarks()))
    retained: Retained = field(default_factory=Retained)
    appeals: Appeals = field(default_factory=lambda: Appeals(NoAppeals()))
    size: int = 0
    now: int = 0
    look_up: Callable[[EmitterKey], Counted | None] = _nobody
    look_up_delegation: LookUp = _nothing
    look_up_approval: Callable[[str], bool] = _never
    _emitters: dict[EmitterKey, Counted] = field(default_factory=dict)
    _delegations: dict[bytes, Granted | None] = field(default_factory=dict)
    _passkeys: dict[bytes, KeyName] = field(default_factory=dict)
    _holders: dict[bytes, str] = field(default_factory=dict)
    _approvals: dict[str, None] = field(default_factory=dict)

    def apply(self, statement: SignedStatement, index: int) -> None:
        """Take in an entry that was admitted."""
        header = statement.header
        if header.sequence is not None:
            key = (header.issuer, header.sequence.emitter, header.sequence.epoch)
            self._keep(key, Counted(header.sequence.seq, statement.id))
        if index == 0:
            self._begin(statement)
        elif header.type == StatementType.POLICY:
            self.policy = parse_policy_payload(statement.payload)
            self.policy_id = statement.id
        elif header.type == StatementType.KEY:
            self._take_key(statement, index)
        elif header.type == StatementType.HANDOVER and self.is_operator(header.issuer):
            self.log_keys.apply(parse_handover(statement.payload), index)
        else:
            self._take_other(statement, index)
        self.retained.apply(statement, self.now)
        self.appeals.apply(statement, index)
        self.size = index + 1

    def _take_other(self, statement: SignedStatement, index: int) -> None:
        """Take in what governs neither keys nor policy."""
        header = statement.header
        if header.type == StatementType.DELEGATION:
            self._delegate(statement, index)
        elif is_approval(statement):
            self._keep_approval(header.subject)
        elif header.type in REASONS:
            self.marks.apply(statement, index)
        elif header.type == StatementType.RETENTION:
            self.retained.rules = parse_retention(statement.payload)
        elif header.type == StatementType.HEARTBEAT and self.is_operator(header.issuer):
            self.now = max(self.now, parse_heartbeat(statement.payload).time)

    @property
    def keys(self) -> dict[tuple[str, bytes], tuple[int, KeyRecord]]:
        """Registered keys by issuer and key id, with the index that registered each."""
        return self.chains.records

    def is_operator(self, issuer: str) -> bool:
        """Tell whether `issuer` governs this log."""
        return self.genesis is not None and issuer == self.genesis.operator

    def record(self, issuer: str, key_id: bytes) -> KeyRecord | None:
        """Return the registered key of an issuer, if there is one with that id."""
        found = self.keys.get((issuer, key_id))
        return found[1] if found else None

    def counted(self, key: EmitterKey) -> Counted | None:
        """Return how far an emitter has counted in an epoch."""
        counted = self._emitters.get(key)
        if counted is None:
            counted = self.look_up(key)
            if counted is not None:
                self._keep(key, counted)
        return counted

    def delegation(self, statement_id: bytes) -> Granted | None:
        """Return a delegation by the id of its statement, and whether it was revoked since."""
        if statement_id not in self._delegations:
            self._keep_delegation(statement_id, self.look_up_delegation(statement_id))
        return self._delegations[statement_id]

    def holder(self, statement_id: bytes) -> str | None:
        """Return whose key a statement registered; None if it registered none that signs."""
        return self._holders.get(statement_id)

    def passkey(self, statement_id: bytes) -> KeyName | None:
        """Return the passkey that a statement registered; None if it registered none."""
        return self._passkeys.get(statement_id)

    def approval(self, subject: str) -> bool:
        """Tell whether an approval with that subject, which is that of its nonce, is registered."""
        return subject in self._approvals or self.look_up_approval(subject)

    def _take_key(self, statement: SignedStatement, index: int) -> None:
        said = parse_key_statement(statement.payload)
        self.chains.apply(said, index)
        if isinstance(said, Passkey):
            self._passkeys[statement.id] = (said.issuer, said.key.thumbprint())
        elif (record := registered_key(said)) is not None:
            self._holders[statement.id] = record.issuer

    def _keep_approval(self, subject: str) -> None:
        self._approvals[subject] = None
        if len(self._approvals) > APPROVALS_KEPT:
            del self._approvals[next(iter(self._approvals))]

    def _delegate(self, statement: SignedStatement, index: int) -> None:
        said = read_delegation(statement)
        if isinstance(said, Revocation):
            grant = self.delegation(said.delegation)
            if grant is not None and grant.revoked is None:
                ended = replace(grant, revoked=index, revoked_at=self.now)
                self._keep_delegation(said.delegation, ended)
        else:
            self._keep_delegation(statement.id, granted_by(statement, index))

    def _keep_delegation(self, statement_id: bytes, grant: Granted | None) -> None:
        self._delegations.pop(statement_id, None)
        self._delegations[statement_id] = grant
        if len(self._delegations) > DELEGATIONS_KEPT:
            del self._delegations[next(iter(self._delegations))]

    def _keep(self, key: EmitterKey, counted: Counted) -> None:
        self._emitters.pop(key, None)
        self._emitters[key] = counted
        if len(self._emitters) > EMITTERS_KEPT:
            del self._emitters[next(iter(self._emitters))]

    def _begin(self, statement: SignedStatement) -> None:
        if statement.header.type != StatementType.GENESIS:
            raise DamagedError("entry 0 is not a genesis statement")
        self.genesis = parse_genesis(statement.payload)
        self.log_keys = LogKeys.begin(self.genesis)
        self.policy, self.policy_id = read_policy(self.genesis.policy), statement.id
        self.chains.origin, self.chains.operator = self.genesis.origin, self.genesis.operator
        self.chains.genesis = statement.id
        self.chains.apply(operator_record(self.genesis), 0)
        self.now = statement.header.issued_at or 0
