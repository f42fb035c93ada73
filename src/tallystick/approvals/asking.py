"""Ask a person to approve something: what it is, of whom, and until when.

What is asked is committed to before anybody sees it, salts included: the passkey signs the digest,
and the statement that follows carries the very same content. An action that is a type of
statement, such as `decision`, is carried out by the service as soon as it is approved.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tallystick.approvals.waiting import Held, Kind, Waiting
from tallystick.errors import EncodingError, InputError, RefusedError
from tallystick.evidence import read_record
from tallystick.ledger.state import LedgerState
from tallystick.statement import Preimage, commit, dcbor
from tallystick.statement.appeal import REQUESTS
from tallystick.statement.approval import (
    DECLINED,
    NONCE_BYTES,
    Approval,
    check_approval,
    parse_approval,
)
from tallystick.statement.commitment import Entropy, parse_preimage
from tallystick.statement.governance import IssuerKind, StatementType

ASKED_SECONDS: Final = 900
"""How long a question waits, unless somebody says otherwise."""
ASKED_SECONDS_MAX: Final = 7 * 86_400
TARGETS_MAX: Final = 2
"""Of a review: what it answers, and the new decision."""
CARRIED_OUT: Final = frozenset({StatementType.DECISION, StatementType.REVIEW}) | REQUESTS
"""Actions that the service itself carries out, as a statement of that type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody asks for.

    Attributes:
        issuer: DID of the person.
        action: A code, or a type in `CARRIED_OUT`.
        targets: Ids of the statements that it is about.
        fields: What it says; shown to the person, and kept in the vault.
        seconds: How long it may be approved.
    """

    issuer: str
    action: str
    targets: tuple[bytes, ...]
    fields: Mapping[str, Any]
    seconds: int = ASKED_SECONDS


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked.

    Attributes:
        issuer: DID of the person.
        approval: What the passkey signs to approve.
        content: What it says, with salts.
    """

    issuer: str
    approval: Approval
    content: Preimage

    def encode(self) -> bytes:
        """Return what is kept while it waits."""
        return dcbor.encode([self.issuer, self.approval.encode(), self.content.encode()])


def ask(
    waiting: Waiting,
    state: LedgerState,
    wanted: Wanted,
    now: int,
    entropy: Entropy = os.urandom,
    *,
    asker: str | None = None,
) -> tuple[str, Question]:
    """Keep a question; return the token under which the person finds it.

    Args:
        waiting: Where it is kept.
        state: Of the ledger in which it will be registered.
        wanted: What is asked.
        now: Seconds since 1970.
        entropy: Source of nonce and salts.
        asker: Whose share of what may wait it counts towards; None for the operator.

    Raises:
        InputError: It is no question, or the fields are not those of the type.
        RefusedError: The person has no passkey, or the policy would not let it be carried out.
        LimitError: Too many questions are waiting, of this asker or of all.
    """
    question = _question(state, wanted, now, entropy)
    _check_carried_out(state, wanted)
    if not state.chains.passkeys_of(wanted.issuer):
        raise RefusedError(
            f"{wanted.issuer} has no passkey here",
            reason="approval.unknown",
            advice="invite them to make one: `tally passkeys invite`",
        )
    token = waiting.add(Kind.APPROVAL, question.encode(), question.approval.expiry, now, asker)
    return token, question


def read_question(held: Held) -> Question:
    """Read a question that was kept."""
    issuer, approval, content = dcbor.decode(held.content, "question")
    return Question(issuer, parse_approval(approval), parse_preimage(content))


def _question(state: LedgerState, wanted: Wanted, now: int, entropy: Entropy) -> Question:
    if not 0 < wanted.seconds <= ASKED_SECONDS_MAX:
        raise InputError(f"a question waits 1..{ASKED_SECONDS_MAX} seconds, got {wanted.seconds}")
    if wanted.action.startswith(DECLINED):
        raise EncodingError(f"an action does not begin with {DECLINED!r}: people decline by it")
    content = commit(dict(wanted.fields) or {"action": wanted.action}, entropy)
    approval = Approval(
        origin=state.chains.origin,
        action=wanted.action,
        targets=wanted.targets,
        content=content.commitment(),
        nonce=entropy(NONCE_BYTES),
        expiry=now + wanted.seconds,
    )
    check_approval(approval)
    return Question(wanted.issuer, approval, content)


def _check_carried_out(state: LedgerState, wanted: Wanted) -> None:
    """Refuse now what would be refused once the person has approved."""
    if wanted.action not in CARRIED_OUT:
        return
    read_record(wanted.action, wanted.fields)
    operator = state.chains.operator
    if wanted.action == StatementType.REVIEW:
        _check_review(state, wanted)  # the operator may register it, with a person behind it
    elif wanted.action in REQUESTS:
        if len(wanted.targets) != 1:
            raise InputError(f"one asks of 1 decision, got {len(wanted.targets)} targets")
    elif not state.policy.allows(wanted.action, operator, IssuerKind.ORGANISATION):
        raise RefusedError(
            f"the registration policy does not let the operator, who registers what people "
            f"approve, register {wanted.action} statements",
            reason="policy",
            advice=f"allow it: `tally policy allow {wanted.action}=organisation`",
        )


def _check_review(state: LedgerState, wanted: Wanted) -> None:
    request = state.appeals.get(wanted.targets[0]) if wanted.targets else None
    if request is None or request.ended is not None or len(wanted.targets) > TARGETS_MAX:
        raise RefusedError(
            "a review is of one request of a person that is open, and may name the new decision "
            "behind it",
            reason="appeal.unknown",
            advice="see `tally appeals list`",
        )
