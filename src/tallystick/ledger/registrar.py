"""Registering: what is checked ahead, what is kept beside the log, and in which order."""

from collections.abc import Sequence
from dataclasses import dataclass

from tallystick import tracing
from tallystick.errors import (
    CommitmentError,
    EncodingError,
    InputError,
    RefusedError,
    TallystickError,
)
from tallystick.ledger.assembly import Parts
from tallystick.ledger.batches import Batches
from tallystick.ledger.policy import Visibility
from tallystick.ledger.rules import Candidate, batch_of
from tallystick.ledger.signatures import SignatureChecks
from tallystick.ledger.submission import Registered, Submission
from tallystick.log import Outcome
from tallystick.merkle import HASH_BYTES, tree_root
from tallystick.statement import SignedStatement
from tallystick.statement.governance import StatementType

Answer = Registered | TallystickError


@dataclass(slots=True)
class _Work:
    """One submission on its way."""

    submission: Submission
    candidate: Candidate | None = None
    answer: Answer | None = None


class Registrar:
    """Takes submissions through signature checks, vault and batches to the sequencer."""

    def __init__(self, parts: Parts, checks: SignatureChecks, batches: Batches) -> None:
        """Work on the open parts of one ledger."""
        self._parts, self._checks, self._batches = parts, checks, batches
        self.erasing = False
        """Something that erases was registered: it must be carried out."""

    def register(self, submissions: Sequence[Submission]) -> list[Answer]:
        """Register submissions in their order; see `Ledger.register`."""
        works = [_Work(submission) for submission in submissions]
        with tracing.part("ledger.check"):
            self._examine(works)
        with tracing.part("ledger.keep_beside"):
            self._keep_beside([work for work in works if work.candidate and work.candidate.signed])
        asking = [work for work in works if work.candidate and not work.answer]
        outcomes = self._parts.sequencer.submit([w.candidate for w in asking if w.candidate])
        for work, outcome in zip(asking, outcomes, strict=True):
            self._take(work, outcome)
        return [work.answer for work in works if work.answer]

    def _examine(self, works: list[_Work]) -> None:
        """Parse and check all at once: that does not depend on the order of entries."""
        entries = [work.submission.entry for work in works]
        answers = self._checks.examine(entries, self._parts.state.keys)
        for work, answer in zip(works, answers, strict=True):
            if isinstance(answer, TallystickError):
                work.answer = answer
            elif (refused := self._unwanted(work.submission, answer.statement)) is not None:
                work.answer = refused
            elif (error := _contradiction(work.submission, answer.statement)) is not None:
                work.answer = error
            else:
                signed = answer.signed
                work.candidate = _candidate(work.submission, answer.statement, signed=signed)

    def _unwanted(self, submission: Submission, statement: SignedStatement) -> RefusedError | None:
        """Return a refusal where content came along that is not to be kept here.

        What our own spool brings is left out instead, as in a retry of what was registered while
        it was kept.
        """
        unwanted = (submission.content or submission.rows) and not self._keeps(statement)
        if not unwanted or any(True for _ in self._parts.index.retry(statement)):
            return None
        return RefusedError(
            f"content of {statement.header.type or 'untyped'} statements is not kept here: the "
            f"policy says {Visibility.COMMITMENT_ONLY}",
            reason="visibility.commitment-only",
            advice="register the statement without its content, and keep that yourself",
        )

    def _keeps(self, statement: SignedStatement) -> bool:
        visibility = self._parts.state.policy.visibility_of(statement.header.type)
        return visibility is not Visibility.COMMITMENT_ONLY

    def _keep_beside(self, works: list[_Work]) -> None:
        """Make content and leaf hashes durable before the statement is; strangers keep nothing."""
        vault, sealed = self._parts.vault, []
        for work in works:
            submission, candidate = work.submission, work.candidate
            assert candidate is not None  # noqa: S101 - the caller chose those
            statement_id = candidate.statement.id
            if submission.leaves is not None and candidate.leaf_count is not None:
                self._batches.keep(statement_id, submission.leaves)
            if not self._keeps(candidate.statement):
                continue
            if submission.content is not None:
                sealed.append(vault.seal(statement_id, submission.content, submission.about))
            elif submission.sealed is not None:
                sealed.append(submission.sealed)
            if submission.rows is not None:
                rows = submission.rows
                vault.put_rows(statement_id, rows.salts, rows.records, rows.subjects, rows.purpose)
        if sealed:
            vault.put(sealed)

    def _take(self, work: _Work, outcome: Outcome | TallystickError) -> None:
        assert work.candidate is not None  # noqa: S101 - only candidates were submitted
        statement_id = work.candidate.statement.id
        if isinstance(outcome, Outcome):
            self.erasing |= work.candidate.statement.header.type == StatementType.ERASURE
            work.answer = Registered(statement_id, outcome.index, outcome.existed, outcome.snapshot)
            return
        work.answer = outcome
        submission = work.submission
        if work.candidate.signed and (submission.content or submission.sealed or submission.rows):
            self._parts.vault.discard(statement_id)  # refused: it has no place here
        if work.candidate.leaf_count is not None:
            self._batches.discard(statement_id)


def _contradiction(submission: Submission, statement: SignedStatement) -> TallystickError | None:
    """Return what is wrong with the content that came along, if something is."""
    try:
        if submission.content and submission.content.commitment() != statement.payload:
            return CommitmentError("the content is not what the statement commits to")
    except EncodingError as error:
        return error
    return None


def _candidate(submission: Submission, statement: SignedStatement, *, signed: bool) -> Candidate:
    leaves = submission.leaves
    if leaves is None or not signed or len(leaves) % HASH_BYTES or not _is_batch(statement):
        return Candidate(statement, signed)
    return Candidate(statement, signed, len(leaves) // HASH_BYTES, tree_root(leaves))


def _is_batch(statement: SignedStatement) -> bool:
    try:
        return batch_of(statement) is not None
    except InputError:
        return False
