"""Approvals: a person let something be done, with a passkey, to exactly this.

    approval = Approval(origin, action, targets, content, nonce, expiry)
    approval.challenge()                      # what the passkey signs
    approved = verify_approval(statement, values, find)

The service signs the statement and names the passkey as `acted_for`; the passkey's own signature
is over the approval, and stands with it in the statement's salted content. So nobody who does not
see that content can tell whether there was an approval, and nobody who sees it has to believe the
service. An approval shows that the passkey approved these digests on a page of that origin; what
the page displayed it does not show.

A statement that does what was approved names the approval as `acted_for` in turn. `covers` tells
whether it is the very same: its type is the action, its payload the content, its `decided_on` the
targets.

Reasons of `ApprovalError`, besides those of `tallystick.statement.webauthn`:

    approval.log          it is for another log
    approval.target       the statement links to other targets than were approved
    approval.nonce        the statement does not carry the digest of the nonce
    approval.credential   the passkey that it names is another one, or another person's
    approval.unknown      what it names as acted for is no passkey
    approval.revoked      the passkey was not registered then, or had ended
    approval.expired      the approval came too late
    approval.other        what was done is not what was approved

Source:
    PROTOCOL.md, section 6; docs/reference/formats.md, section "Approvals".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final

from tallystick.errors import ApprovalError, EncodingError
from tallystick.merkle import HASH_BYTES
from tallystick.statement import dcbor
from tallystick.statement.checkpoint import check_origin
from tallystick.statement.governance import StatementType
from tallystick.statement.keychain import End
from tallystick.statement.labels import Relation
from tallystick.statement.passkey import Passkey
from tallystick.statement.signed import SignedStatement
from tallystick.statement.webauthn import Assertion, verify_assertion

APPROVAL_TAG: Final = "tallystick/approval/1"
NONCE_BYTES: Final = 32
TARGETS_MAX: Final = 32
TIME_MAX: Final = 2**53
DECLINED: Final = "decline:"
"""Stands before an action that the person declined, with the same nonce."""
FIELDS: Final = ("approval", "authenticator_data", "client_data", "signature", "credential")
"""Fields of an approval statement's content, each bytes."""
_ACTION: Final = re.compile(r"(?:decline:)?[a-z0-9][a-z0-9.-]{0,39}")
_URN: Final = "urn:tallystick:approval:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What is approved; a passkey signs its digest.

    Attributes:
        origin: The log.
        action: A code, such as `release` or the type of a statement; `decline:` before it where
            the person declined.
        targets: Ids of the statements that it is about.
        content: Commitment to what it says, 32 bytes.
        nonce: 32 random bytes, for this one time.
        expiry: From then on it is too late, seconds since 1970.
    """

    origin: str
    action: str
    targets: tuple[bytes, ...]
    content: bytes
    nonce: bytes
    expiry: int

    @property
    def declined(self) -> bool:
        """Whether the person declined."""
        return self.action.startswith(DECLINED)

    def decline(self) -> "Approval":
        """Return what the person signs to decline."""
        return replace(self, action=DECLINED + self.action)

    def encode(self) -> bytes:
        """Return the document."""
        targets = list(self.targets)
        return dcbor.encode(
            [APPROVAL_TAG, self.origin, self.action, targets, self.content, self.nonce, self.expiry]
        )

    def challenge(self) -> bytes:
        """Return what the passkey is asked to sign."""
        return sha256(self.encode()).digest()

    def subject(self) -> str:
        """Return the subject of its statement: approved or declined, there is one in a log."""
        return _URN + sha256(self.nonce).hexdigest()


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A passkey as it stands in a log.

    Attributes:
        id: Statement that registered it.
        index: Where.
        passkey: What it says.
        end: How it ended, as far as is known.
    """

    id: bytes
    index: int
    passkey: Passkey
    end: End | None = None


@dataclass(frozen=True, slots=True)
class Approved:
    """An approval that its passkey signed, in the log.

    Attributes:
        id: Its statement.
        index: Where.
        approval: What was approved.
        by: The passkey.
    """

    id: bytes
    index: int
    approval: Approval
    by: Enrolled


def parse_approval(data: bytes) -> Approval:
    """Parse an approval document.

    Raises:
        EncodingError: Not one.
    """
    match dcbor.decode_deterministic(data, "approval"):
        case [
            str() as tag, str() as origin, str() as action, list() as targets,
            bytes() as content, bytes() as nonce, int() as expiry,
        ] if tag == APPROVAL_TAG and all(type(one) is bytes for one in targets):  # fmt: skip
            found = Approval(
                origin=origin, action=action, targets=tuple(targets), content=content,
                nonce=nonce, expiry=expiry,
            )  # fmt: skip
            check_approval(found)
            return found
    raise EncodingError(
        f"an approval must be [{APPROVAL_TAG!r}, origin, action, targets, content, nonce, expiry]"
    )


def check_approval(approval: Approval) -> None:
    """Refuse what no approval can be.

    Raises:
        EncodingError: A member is out of its range.
    """
    check_origin(approval.origin)
    if not _ACTION.fullmatch(approval.action):
        raise EncodingError(
            f"an action is a code of 1..40 of a-z, 0-9, '.' and '-', got {approval.action!r:.60}"
        )
    if len(approval.targets) > TARGETS_MAX or len(set(approval.targets)) < len(approval.targets):
        raise EncodingError(
            f"an approval has at most {TARGETS_MAX} targets, each once, got {len(approval.targets)}"
        )
    for digest in (*approval.targets, approval.content, approval.nonce):
        if len(digest) != HASH_BYTES:
            raise EncodingError(
                f"targets, content and nonce have {HASH_BYTES} bytes, got {digest.hex()!r:.80}"
            )
    if isinstance(approval.expiry, bool) or not 0 <= approval.expiry <= TIME_MAX:
        raise EncodingError(f"'expiry' must be in 0..2^53, got {approval.expiry!r:.40}")


def is_approval(statement: SignedStatement) -> bool:
    """Tell whether a statement says that it is an approval of this kind."""
    header = statement.header
    return header.type == StatementType.APPROVAL and header.subject.startswith(_URN)


def verify_approval(
    statement: SignedStatement,
    index: int,
    values: Mapping[str, Any],
    by: Enrolled | None,
    origin: str,
) -> Approved:
    """Accept an approval only if the passkey that it names signed it.

    That the statement is registered, and that `values` are what it commits to, is not checked
    here; nor the time, see `check_in_time`.

    Args:
        statement: Of the approval.
        index: Where it stands.
        values: Its content, opened.
        by: The passkey that it names as acted for; None if that is none.
        origin: The log.

    Raises:
        EncodingError: A part is malformed.
        ApprovalError: It did not, or could not then; `reason` names the rule.
    """
    raw = {name: _octets(values, name) for name in FIELDS}
    approval, header = parse_approval(raw["approval"]), statement.header
    if approval.origin != origin:
        raise ApprovalError(
            f"it is an approval for {approval.origin}, this is {origin}", reason="approval.log"
        )
    if set(header.links.get(Relation.DECIDED_ON, ())) != set(approval.targets):
        raise ApprovalError(
            f"{len(approval.targets)} targets were approved, and the statement links to others",
            reason="approval.target",
        )
    if header.subject != approval.subject():
        raise ApprovalError(
            f"the subject must be {approval.subject()}, got {header.subject!r:.120}",
            reason="approval.nonce",
        )
    if by is None:
        raise ApprovalError(
            "what it names as acted for is no passkey that is known here",
            reason="approval.unknown",
        )
    check_enrolled(by, index)
    if raw["credential"] != by.passkey.digest(origin):
        raise ApprovalError(
            f"the credential is not the passkey of {by.passkey.issuer} registered at {by.index}",
            reason="approval.credential",
        )
    said = Assertion(raw["authenticator_data"], raw["client_data"], raw["signature"])
    verify_assertion(said, by.passkey.key, by.passkey.asked(approval.challenge()))
    return Approved(statement.id, index, approval, by)


def check_enrolled(by: Enrolled, index: int) -> None:
    """Refuse a passkey that did not count at an index.

    Raises:
        ApprovalError: It was registered later, or had ended.
    """
    if by.index >= index:
        raise ApprovalError(
            f"the passkey was registered at {by.index}, after the approval at {index}",
            reason="approval.revoked",
        )
    if by.end is not None and index > by.end.last:
        raise ApprovalError(
            f"the passkey ended at index {by.end.last} ({by.end.reason}), "
            f"the approval stands at {index}",
            reason="approval.revoked",
        )


def check_in_time(approval: Approval, now: int) -> None:
    """Refuse an approval that came too late.

    Raises:
        ApprovalError: It did.
    """
    if now >= approval.expiry:
        raise ApprovalError(
            f"the approval ended at {approval.expiry}, and it was {now}",
            reason="approval.expired",
            advice="ask again",
        )


def covers(approved: Approved, statement: SignedStatement) -> bool:
    """Tell whether a statement does exactly what was approved."""
    approval, header = approved.approval, statement.header
    return (
        approval.action == header.type
        and approval.content == statement.payload
        and set(approval.targets) == set(header.links.get(Relation.DECIDED_ON, ()))
    )


def check_covered(approved: Approved, statement: SignedStatement) -> None:
    """Refuse a statement that does something else than was approved.

    Raises:
        ApprovalError: It does.
    """
    if not covers(approved, statement):
        raise ApprovalError(
            f"approved was {approved.approval.action!r}, at index {approved.index}, with other "
            f"content or targets than this {statement.header.type or 'statement'} has",
            reason="approval.other",
        )


def _octets(values: Mapping[str, Any], name: str) -> bytes:
    value = values.get(name)
    if not isinstance(value, bytes):
        raise EncodingError(f"field {name!r} of an approval must be bytes, got {value!r:.40}")
    return value
