"""A person answers: the passkey's signature is verified, and registered with all that follows.

In this order: the question is looked up; the assertion is verified against each passkey of the
person; the statements are signed; the question is settled with these very statements, which only
the first answer can do; they are registered. Whoever is killed before the last step finds them
with the question, and `Answers.resume` registers the same bytes.
"""

import os
import uuid
from dataclasses import dataclass, replace
from typing import Final

from tallystick.approvals.asking import CARRIED_OUT, Question, read_question
from tallystick.approvals.waiting import Held, Kind, Waiting, replayed
from tallystick.errors import ApprovalError, TallystickError, UnavailableError
from tallystick.evidence import records
from tallystick.ledger import Ledger, Registered, Submission
from tallystick.ledger.creation import OPERATOR
from tallystick.statement import (
    Header,
    Preimage,
    Relation,
    SignedStatement,
    commit,
    dcbor,
    parse_statement,
    sign_statement,
)
from tallystick.statement.appeal import REQUESTS
from tallystick.statement.approval import Approval, check_in_time
from tallystick.statement.commitment import SALT_BYTES, parse_preimage
from tallystick.statement.governance import StatementType
from tallystick.statement.passkey import Passkey
from tallystick.statement.webauthn import Assertion, verify_assertion
from tallystick.vault import Beside

_DONE: Final = "tallystick/answered/1"
OTHERS_MAX: Final = 1000
"""Passkeys of others that a signature is compared with, to say whose it is."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a question.

    Attributes:
        declined: The person said no.
        registered: The approval, and what was carried out by it, in this order.
    """

    declined: bool
    registered: tuple[Registered, ...]


class Answers:
    """Takes answers, for a ledger that is open for writing."""

    def __init__(self, ledger: Ledger, waiting: Waiting) -> None:
        """Register in this ledger, as its operator."""
        self._ledger, self._waiting = ledger, waiting

    def look(self, token: str) -> tuple[Question, Held]:
        """Return a question as it stands.

        Raises:
            NotFoundError: There is none with this token.
        """
        held = self._waiting.open(Kind.APPROVAL, token)
        return read_question(held), held

    def answer(self, token: str, assertion: Assertion, *, declined: bool) -> Answered:
        """Register what a person answered.

        Args:
            token: Names the question.
            assertion: By their passkey, over the approval or over its refusal.
            declined: Which of the two.

        Raises:
            NotFoundError: There is no such question.
            ApprovalError: It was answered, or has ended, or the passkey did not sign this.
            RefusedError: The ledger says no, as for a passkey that has ended meanwhile.
            UnavailableError: The ledger cannot append; the answer is kept, see `resume`.
        """
        question, held = self.look(token)
        if held.outcome is not None:
            raise replayed(Kind.APPROVAL)
        check_in_time(question.approval, self._ledger.clock())
        approval = question.approval.decline() if declined else question.approval
        passkey = self._signed_by(question.issuer, approval, assertion)
        submissions = self._statements(question, approval, passkey, assertion)
        self._waiting.settle(Kind.APPROVAL, token, _pack(submissions))
        return self._register(token, submissions, declined=declined)

    def resume(self, token: str) -> Answered | None:
        """Register what a question was settled with, if that is not done; the same bytes again.

        Returns:
            What became of it; None while it waits.
        """
        held = self._waiting.open(Kind.APPROVAL, token)
        if held.outcome is None:
            return None
        if (done := _read_done(held.outcome)) is not None:
            declined, ids = done
            return Answered(declined, tuple(map(self._registered, ids)))
        submissions = _unpack(held.outcome)
        content = submissions[0].content
        said = content.values()["approval"] if content else b""
        declined = said != read_question(held).approval.encode()
        return self._register(token, submissions, declined=declined)

    def _register(self, token: str, submissions: list[Submission], *, declined: bool) -> Answered:
        done = []
        for submission in submissions:  # what was approved only if the approval is registered
            [one] = self._ledger.register([submission])
            if isinstance(one, TallystickError):
                if not isinstance(one, UnavailableError):
                    self._waiting.drop(Kind.APPROVAL, token)  # the same bytes are never taken
                raise one
            done.append(one)
        question = read_question(self._waiting.open(Kind.APPROVAL, token))
        bare = replace(question, content=Preimage(bytes(SALT_BYTES), {}))
        outcome = dcbor.encode([_DONE, declined, [one.id for one in done]])
        self._waiting.finish(Kind.APPROVAL, token, bare.encode(), outcome)
        return Answered(declined, tuple(done))

    def _registered(self, statement_id: bytes) -> Registered:
        found = self._ledger.get(statement_id)
        return Registered(statement_id, found.index, True, self._ledger.snapshot)  # noqa: FBT003

    def _signed_by(self, issuer: str, approval: Approval, assertion: Assertion) -> Passkey:
        """Return the passkey of the person that signed; say whose it is if it is another's."""
        found: ApprovalError | None = None
        for passkey in self._ledger.state.chains.passkeys_of(issuer):
            try:
                verify_assertion(assertion, passkey.key, passkey.asked(approval.challenge()))
            except ApprovalError as error:
                found = error
            else:
                return passkey
        if found is None:
            raise ApprovalError(f"{issuer} has no passkey any more", reason="approval.revoked")
        if found.reason != "approval.signature":
            raise found
        raise self._whose(issuer, approval, assertion) or found

    def _whose(self, issuer: str, approval: Approval, assertion: Assertion) -> ApprovalError | None:
        """Say whose passkey signed, where it is none that counts for this person."""
        chains = self._ledger.state.chains
        for name, (_, passkey) in [*chains.passkeys.items()][-OTHERS_MAX:]:
            try:
                verify_assertion(assertion, passkey.key, passkey.asked(approval.challenge()))
            except ApprovalError:
                continue
            if passkey.issuer != issuer:
                return ApprovalError(
                    "the passkey is one of another person", reason="approval.credential"
                )
            end = chains.ends[name]
            return ApprovalError(
                f"the passkey ended at index {end.last} ({end.reason})", reason="approval.revoked"
            )
        return None

    def _statements(
        self, question: Question, approval: Approval, passkey: Passkey, assertion: Assertion
    ) -> list[Submission]:
        """Sign the approval, and the statement that does what was approved."""
        carried = approval.action in CARRIED_OUT
        ledger = self._ledger
        index, _ = ledger.state.chains.passkeys[passkey.issuer, passkey.key.thumbprint()]
        record = records.Approval(
            approval=approval.encode(),
            authenticator_data=assertion.authenticator_data,
            client_data=assertion.client_data,
            signature=assertion.signature,
            credential=passkey.digest(approval.origin),
            content=None if carried else question.content.encode(),
        )
        content = commit(record.values(), os.urandom)
        by, subject = ledger.at(index).statement.id, approval.subject()
        said = self._sign(StatementType.APPROVAL, content, approval, (by,), subject)
        submissions = [Submission(said.entry, content)]
        if carried:
            # The passkey, too, by which it is found in the person's name.
            acted_for, subject = (said.id, by), uuid.uuid4().urn
            done = self._sign(approval.action, question.content, approval, acted_for, subject)
            submissions.append(_carried(done.entry, question.content))
        return submissions

    def _sign(
        self,
        type_: str,
        content: Preimage,
        approval: Approval,
        acted_for: tuple[bytes, ...],
        subject: str,
    ) -> SignedStatement:
        signer = self._ledger.keys.signer(OPERATOR)
        links: dict[str, tuple[bytes, ...]] = {Relation.ACTED_FOR: acted_for}
        if approval.targets:
            links[Relation.DECIDED_ON] = approval.targets
        header = Header(
            algorithm=signer.algorithm,
            key_id=signer.public.thumbprint(),
            issuer=signer.issuer,
            subject=subject,
            issued_at=self._ledger.clock(),
            type=type_,
            links=links,
        )
        return sign_statement(header, content.commitment(), signer.sign)


def _pack(submissions: list[Submission]) -> bytes:
    return dcbor.encode([[one.entry, one.content.encode()] for one in submissions if one.content])


def _read_done(data: bytes) -> tuple[bool, list[bytes]] | None:
    """Return what a question that was carried out came to; None for others."""
    match dcbor.decode(data, "answer"):
        case [str() as tag, bool() as declined, list() as ids] if tag == _DONE:
            return declined, ids
    return None


def _unpack(data: bytes) -> list[Submission]:
    return [
        _carried(entry, parse_preimage(content)) for entry, content in dcbor.decode(data, "answer")
    ]


def _carried(entry: bytes, content: Preimage) -> Submission:
    """Return what is carried out; what is asked and answered is kept with what it is about."""
    header = parse_statement(entry).header
    if header.type != StatementType.REVIEW and header.type not in REQUESTS:
        return Submission(entry, content)
    return Submission(entry, content, about=Beside(header.links[Relation.DECIDED_ON][0]))
