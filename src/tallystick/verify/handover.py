"""Whose checkpoint it is, after a log has changed its keys.

A relying party pins one key of a log, and perhaps its genesis entry. The bundle brings the
handovers; `open_handed_over` follows them from what is pinned to the key that signed.

- A handover that the pinned key, or one that follows from it, agreed to needs nothing else.
- One that the operator alone made, because the key was lost or stolen, needs the genesis entry to
  be pinned: it names the operator.
- A key counts for the sizes of its term only, pinned or not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tallystick.errors import (
    IndeterminateError,
    KeyEndedError,
    SignatureError,
    TallystickError,
    VerificationError,
)
from tallystick.statement import (
    Receipt,
    SignedStatement,
    VerifierKey,
    parse_checkpoint,
    parse_note,
    verify_note,
)
from tallystick.statement.governance import Genesis, StatementType, operator_record, parse_genesis
from tallystick.statement.handover import LogKeys, Term, parse_handover
from tallystick.statement.keylife import parse_key_statement
from tallystick.verify.checkpoint import VerifiedCheckpoint, open_checkpoint
from tallystick.verify.policy import TrustPolicy
from tallystick.verify.statement import RegisteredKeys, verify_registered, verify_signed


@dataclass(frozen=True, slots=True)
class Said:
    """A statement of a bundle, with the place that its receipt claims.

    Attributes:
        entry: As registered.
        statement: Parsed from it.
        receipt: For it.
    """

    entry: bytes
    statement: SignedStatement
    receipt: Receipt


class HandedOver:
    """The keys of a log as a bundle tells them; proven by `open` only."""

    def __init__(self, said: Sequence[Said]) -> None:
        """Follow genesis, operator's keys and handovers, in log order; what is false ends it."""
        self.keys: LogKeys | None = None
        self.genesis_id = b""
        self.followed: list[Said] = []
        self._registered = RegisteredKeys()
        self._operator = ""
        for one in sorted(said, key=lambda one: one.receipt.index):
            try:
                self._follow(one)
            except TallystickError:  # the examination of that statement says what is wrong
                continue

    def _follow(self, one: Said) -> None:
        index, type_ = one.receipt.index, one.statement.header.type
        if index == 0 and type_ == StatementType.GENESIS and self.keys is None:
            self._begin(one, parse_genesis(one.statement.payload))
        elif self.keys is not None and type_ in {StatementType.KEY, StatementType.HANDOVER}:
            # Only the operator's keys are known here: nobody else's statement passes.
            verify_signed(one.statement, one.entry, self._registered, index)
            if type_ == StatementType.KEY:
                said = parse_key_statement(one.statement.payload)
                if said.issuer == self._operator:
                    self._registered.chains.check(said, index)
                    self._registered.add(said, index)
            else:
                handover = parse_handover(one.statement.payload)
                self.keys.check(handover, index)
                self.keys.apply(handover, index)
                self.followed.append(one)

    def _begin(self, one: Said, genesis: Genesis) -> None:
        self.keys, self.genesis_id = LogKeys.begin(genesis), one.statement.id
        self._operator = genesis.operator
        chains = self._registered.chains
        chains.origin, chains.operator = genesis.origin, genesis.operator
        self._registered.add(operator_record(genesis), 0)

    def open(self, note: bytes, policy: TrustPolicy) -> VerifiedCheckpoint:
        """Verify a checkpoint by the keys that follow from what is pinned.

        Raises:
            TallystickError: As `open_checkpoint`.
            KeyEndedError: It is signed by a key that had ended at its size.
            IndeterminateError: Nothing leads from what is pinned to the key that signed.
            ProofError: The log does not hold a handover that is followed.
        """
        claim = parse_checkpoint(parse_note(note).text)
        terms = [] if self.keys is None else self.keys.terms
        if len(terms) < 2 or self.keys is None or claim.origin != self.keys.origin:
            return open_checkpoint(note, policy)
        pinned = {key for key in policy.logs if key.name == claim.origin}
        known = {term.checkpoint_key for term in terms}
        if not pinned & known:
            return open_checkpoint(note, policy)  # which says what is missing
        reached = self._reached(pinned, policy)
        fitting = [term.checkpoint_key for term in self.keys.at(claim.size) if term in reached]
        if not fitting:
            raise IndeterminateError(
                f"the log's key was replaced before size {claim.size} without the agreement of "
                "the one that is pinned, and the policy does not pin the genesis entry",
                advice="get the newest policy from the operator (`tally policy trust`)",
            )
        try:
            opened = open_checkpoint(note, replace(policy, logs=tuple(fitting)))
        except SignatureError as error:
            raise self._ended(note, claim.size) or error from error
        for one in self.followed:
            verify_registered(one.entry, one.receipt, opened, None)
        return opened

    def _reached(self, pinned: set[VerifierKey], policy: TrustPolicy) -> list[Term]:
        """Return the terms that follow from what is pinned, each by agreement or the operator."""
        assert self.keys is not None  # noqa: S101 - `open` looked
        operator_known = policy.genesis is not None and policy.genesis == self.genesis_id
        reached: list[Term] = []
        for term in self.keys.terms:
            follows = bool(reached) and (term.agreed or operator_known)
            if term.checkpoint_key in pinned or follows:
                reached.append(term)
            else:
                reached.clear()
        return reached

    def _ended(self, note: bytes, size: int) -> KeyEndedError | None:
        """Say so if a key signed that had ended, or had not begun."""
        assert self.keys is not None  # noqa: S101 - `open` looked
        for term in self.keys.terms:
            try:
                verify_note(parse_note(note), [term.checkpoint_key])
            except VerificationError:
                continue
            until = "now" if term.last is None else term.last
            return KeyEndedError(
                f"the checkpoint of size {size} is signed by a key of the log that counts for "
                f"sizes {term.first} to {until}",
                advice="ask for a bundle as of a newer checkpoint",
            )
        return None
