"""What the ledger itself says: its genesis, heartbeats and refusals, signed by the operator.

The operator's service is an emitter like any other: it numbers what it says, so that nothing of
it can be left out unnoticed either.
"""

import uuid
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

from tallystick.errors import RefusedError
from tallystick.identity import Signer
from tallystick.ledger.state import Counted
from tallystick.ledger.submission import Submission
from tallystick.merkle import tree_root
from tallystick.statement import (
    Header,
    Preimage,
    Relation,
    Sequence,
    SignedStatement,
    commit,
    sign_statement,
)
from tallystick.statement.commitment import Entropy
from tallystick.statement.governance import Heartbeat, StatementType
from tallystick.statement.labels import INLINE_MEDIA_TYPE

HEARTBEAT_SECONDS: Final = 60
"""At most one heartbeat in this time, and one before any entry that comes later than that."""
UNKNOWN_DIGESTS_MAX: Final = 4096
"""Digests of turned-away statements that are kept until the next heartbeat."""

Clock = Callable[[], int]
"""Seconds since 1970."""


def inline_header(signer: Signer, type_: StatementType, now: int, **members: Any) -> Header:
    """Return the header of a statement whose payload everybody must be able to compute on."""
    members = {"subject": uuid.uuid4().urn, **members}
    return Header(
        algorithm=signer.algorithm,
        key_id=signer.public.thumbprint(),
        issuer=signer.issuer,
        issued_at=now,
        type=type_,
        content_type=INLINE_MEDIA_TYPE,
        hashed=False,
        **members,
    )


def operator_says(
    operator: Signer, type_: StatementType, payload: bytes, *, subject: str, now: int
) -> Submission:
    """Sign what the operator says on a person's command: a policy, or a key.

    Args:
        operator: The operator's key.
        type_: Statement type.
        payload: Encoded content, which everybody can read.
        subject: What it is about.
        now: Seconds since 1970.
    """
    header = inline_header(operator, type_, now, subject=subject)
    return Submission(sign_statement(header, payload, operator.sign).entry)


class Operator:
    """Signs as the operator; owned by the sequencer's turn."""

    def __init__(
        self,
        signer: Signer,
        emitter: bytes,
        epoch: int,
        entropy: Entropy,
        clock: Clock,
    ) -> None:
        """Begin a new epoch of an emitter."""
        self._signer, self._entropy, self.clock = signer, entropy, clock
        self._emitter, self._epoch = emitter, epoch
        self._last: Counted | None = None
        self._unknown = 0
        self._digests: list[bytes] = []

    @property
    def silent(self) -> bool:
        """Nothing was said in this epoch yet."""
        return self._last is None

    @property
    def turned_away(self) -> bool:
        """Somebody was turned away of whom no heartbeat has told yet."""
        return self._unknown > 0

    def turn_away(self, statement: SignedStatement) -> None:
        """Count a statement that no registered key signed: strangers cannot write entries."""
        self._unknown += 1
        if len(self._digests) < UNKNOWN_DIGESTS_MAX:
            self._digests.append(sha256(b"\x00" + statement.entry).digest())

    def heartbeat(self, state: str, now: int) -> SignedStatement:
        """Say what time it is, and how many were turned away since the last time."""
        beat = Heartbeat(
            time=now,
            state=state,
            last_seq=self._last.seq if self._last else None,
            next_due=None,  # it speaks when something is registered: silence is no fault
            unknown=self._unknown,
            unknown_root=tree_root(self._digests) if self._digests else bytes(32),
        )
        said = self._say(StatementType.HEARTBEAT, beat.encode(), now)
        self._unknown = 0  # not before: the key may be out of reach
        self._digests.clear()
        return said

    def refusal(
        self, statement: SignedStatement, error: RefusedError, policy: bytes, now: int
    ) -> tuple[SignedStatement, Preimage]:
        """Say that a known issuer's statement was refused, and why.

        The refused statement stands in the content, so that the verdict can be replayed.
        """
        content = commit(
            {
                "entry": statement.entry,
                "reason": error.reason,
                "message": str(error),
                "policy": policy,
            },
            self._entropy,
        )
        header = Header(
            algorithm=self._signer.algorithm,
            key_id=self._signer.public.thumbprint(),
            issuer=self._signer.issuer,
            subject=statement.header.issuer,
            issued_at=now,
            type=StatementType.REFUSAL,
            sequence=self._next(),
            links={Relation.DECIDED_ON: (statement.id,)},
        )
        return self._said(sign_statement(header, content.commitment(), self._signer.sign)), content

    def _say(self, type_: StatementType, payload: bytes, now: int) -> SignedStatement:
        header = inline_header(self._signer, type_, now, sequence=self._next())
        return self._said(sign_statement(header, payload, self._signer.sign))

    def _next(self) -> Sequence:
        last = self._last
        return Sequence(
            emitter=self._emitter,
            epoch=self._epoch,
            seq=last.seq + 1 if last else 0,
            prev=last.id if last else None,
        )

    def _said(self, statement: SignedStatement) -> SignedStatement:
        assert statement.header.sequence is not None  # noqa: S101 - `_next` made it
        self._last = Counted(statement.header.sequence.seq, statement.id)
        return statement
