"""Admission at the embedded engine: applies the rules in log order and records what it refuses."""

from collections.abc import Iterable, Sequence
from typing import Final

from tallystick.errors import (
    RefusedError,
    SignatureError,
    TallystickError,
    UnavailableError,
)
from tallystick.ledger.entries import read_statement
from tallystick.ledger.index import Index
from tallystick.ledger.operator import HEARTBEAT_SECONDS, Operator
from tallystick.ledger.postings import RUN_ENTRIES
from tallystick.ledger.rules import Candidate, decide
from tallystick.ledger.state import LedgerState
from tallystick.log import Accepted, Existing, Plan, Snapshot, TileReader
from tallystick.log.sequencer import Verdict
from tallystick.statement import SignedStatement
from tallystick.statement.governance import StatementType
from tallystick.statement.keylife import Rotation, parse_key_statement
from tallystick.vault import SealedContent, Vault

BACKLOG_MAX: Final = 16 * RUN_ENTRIES
"""Entries that may wait for the index before nothing more is admitted."""
TOGETHER_MIN: Final = 8
"""From so many statements on, the index is asked about all of them at once."""
REFUSALS_PER_HOUR: Final = 1000
"""Refusals of one issuer that are recorded in an hour of the ledger's time; then only counted."""

_STRANGERS: Final = frozenset({"issuer.unknown", "signature", "key.recovery", "key.revoked"})
"""Reasons that are only counted: who holds an ended key may be anybody, and must not write."""


def changes_own_keys(statement: SignedStatement, state: LedgerState) -> bool:
    """Tell whether the log, or its operator, signs with another key behind this statement."""
    if statement.header.type == StatementType.HANDOVER:
        return True
    if statement.header.type != StatementType.KEY:
        return False
    said = parse_key_statement(statement.payload)
    return isinstance(said, Rotation) and state.is_operator(said.issuer)


class LedgerAdmission:
    """Implements `tallystick.log.Admission`; called by one thread at a time."""

    def __init__(self, state: LedgerState, index: Index, operator: Operator, vault: Vault) -> None:
        """Decide by `state` and `index`, which both follow the log."""
        self.state, self._index, self._operator, self._vault = state, index, operator, vault
        self._reader: TileReader | None = None
        self._placed: list[SignedStatement] = []
        self._ids: dict[bytes, int] = {}
        self._size = 0
        self._late = False
        self._refused: dict[str, tuple[int, int]] = {}  # hour and count, by issuer
        self._contents: list[SealedContent] = []
        self._looked_up: dict[bytes, list[int]] = {}
        self.expected: bytes | None = None
        """Id of the one statement that may change whose keys the ledger itself signs with."""
        self._ending = False

    def follow(self, snapshot: Snapshot) -> None:
        """Read entries from this state of the log from now on."""
        self._reader = snapshot.reader

    def plan(self, candidates: Sequence[Candidate], size: int) -> Plan:
        """Decide about candidates; heartbeats and refusals join the plan.

        Raises:
            UnavailableError: The index or the vault cannot be written; nothing is admitted.
        """
        if self._index.backlog > BACKLOG_MAX:
            self._index.flush()
        self._size = size
        self._placed.clear()
        self._ids.clear()
        self._contents.clear()
        # Numbered statements are found by their number, others by a look into the index.
        unnumbered = [c.statement for c in candidates if c.statement.header.sequence is None]
        self._looked_up = self._index.retries(unnumbered) if len(unnumbered) >= TOGETHER_MIN else {}
        verdicts = [self._verdict(candidate) for candidate in candidates]
        if self._contents:
            self._vault.put(self._contents)
        return Plan([statement.entry for statement in self._placed], verdicts)

    def applied(self, snapshot: Snapshot) -> None:
        """Bring the index up to the entries that are durable now."""
        self.follow(snapshot)
        self._index.add_all(self._placed, self._size)
        self.state.marks.settle()
        self.state.retained.settle()
        self.state.appeals.settle()

    def close_epoch(self) -> list[bytes]:
        """Return the last heartbeat of this epoch; the caller appends it.

        Where nothing was registered there is one only if somebody was turned away: that is told,
        once in an epoch, however often strangers come.
        """
        operator, now = self._operator, max(self.state.now, self._operator.clock())
        if operator.silent and not operator.turned_away:
            return []
        begun = [operator.heartbeat("start", now).entry] if operator.silent else []
        return [*begun, operator.heartbeat("end", now).entry]

    def _verdict(self, candidate: Candidate) -> Verdict:
        """Decide about one; if it is placed, it comes after a heartbeat that says the time."""
        statement = candidate.statement
        if candidate.signed and statement.id in self._ids:
            return Existing(self._ids[statement.id])
        if self._ending:
            return UnavailableError("the ledger changes its keys", advice="send it again")
        before = self.state.now
        now = max(before, self._operator.clock())
        self._late = self._operator.silent or now - before >= HEARTBEAT_SECONDS
        if self._late:
            self.state.now = now
        placed = len(self._placed)
        self.state.size = self._size + placed + self._late  # a late heartbeat comes first
        try:
            index = decide(candidate, self.state, self._find)
            if index is None:
                self._check_own_keys(statement)
        except RefusedError as error:
            verdict: Verdict = self._refuse(statement, error)
        else:
            verdict = Accepted(self._place(statement)) if index is None else Existing(index)
        if len(self._placed) == placed:
            self.state.now = before  # nothing was written: strangers do not move the clock
        return verdict

    def _check_own_keys(self, statement: SignedStatement) -> None:
        """Refuse a change of the ledger's own keys that it could not follow: nothing comes after.

        Raises:
            RefusedError: Whoever has the ledger open did not ask for it.
        """
        if not changes_own_keys(statement, self.state):
            return
        if statement.id != self.expected:
            raise RefusedError(
                "the keys of the ledger itself are changed by who has it open, with both keys",
                reason="handover.closed",
                advice="end the service, then run `tally keys rotate --log` or --operator",
            )
        self._ending = True

    def _beat(self) -> None:
        """Say what time it is, if that was not said for a minute."""
        if self._late:
            self._late = False
            state = "start" if self._operator.silent else "beat"
            self._place(self._operator.heartbeat(state, self.state.now))

    def _place(self, statement: SignedStatement) -> int:
        self._beat()
        place = len(self._placed)
        self._placed.append(statement)
        self._ids[statement.id] = self._size + place
        self.state.apply(statement, self._size + place)
        return place

    def _refuse(self, statement: SignedStatement, error: RefusedError) -> TallystickError:
        if error.reason in _STRANGERS:
            self._operator.turn_away(statement)
            return SignatureError(str(error)) if error.reason == "signature" else error
        if self._within_quota(statement.header.issuer):
            self._beat()
            policy, now = self.state.policy_id, self.state.now
            refusal, content = self._operator.refusal(statement, error, policy, now)
            self._contents.append(self._vault.seal(refusal.id, content))
            self._place(refusal)
        return error

    def _within_quota(self, issuer: str) -> bool:
        hour = self.state.now // 3600
        last, count = self._refused.get(issuer, (hour, 0))
        count = count + 1 if last == hour else 1
        self._refused[issuer] = (hour, count)
        return count <= REFUSALS_PER_HOUR

    def _find(self, statement: SignedStatement) -> int | None:
        """Return where exactly this statement is registered."""
        if self._reader is None:
            raise UnavailableError("the log is not open")
        places: Iterable[int] | None = self._looked_up.get(statement.id)
        for index in self._index.retry(statement) if places is None else places:
            if read_statement(self._reader, index).id == statement.id:
                return index
        return None
