"""Registering: what is checked ahead, what is kept beside the log, and in which order."""

from collections.abc import Sequence
from dataclasses import dataclass

from tallystick.errors import CommitmentError, InputError, TallystickError
from tallystick.ledger.assembly import Parts
from tallystick.ledger.batches import Batches
from tallystick.ledger.rules import Candidate, batch_of
from tallystick.ledger.signatures import SignatureChecks, question
from tallystick.ledger.submission import Registered, Submission
from tallystick.log import Outcome
from tallystick.merkle import HASH_BYTES, tree_root
from tallystick.statement import SignedStatement, parse_statement

Answer = Registered | TallystickError


@dataclass(slots=True)
class _Work:
    """One submission on its way."""

    submission: Submission
    statement: SignedStatement | None = None
    candidate: Candidate | None = None
    answer: Answer | None = None


class Registrar:
    """Takes submissions through signature checks, vault and batches to the sequencer."""

    def __init__(self, parts: Parts, checks: SignatureChecks, batches: Batches) -> None:
        """Work on the open parts of one ledger."""
        self._parts, self._checks, self._batches = parts, checks, batches

    def register(self, submissions: Sequence[Submission]) -> list[Answer]:
        """Register submissions in their order; see `Ledger.register`."""
        works = [_Work(submission) for submission in submissions]
        for work in works:
            self._parse(work)
        self._check_signatures([work for work in works if work.statement])
        self._keep_beside([work for work in works if work.candidate and work.candidate.signed])
        asking = [work for work in works if work.candidate and not work.answer]
        outcomes = self._parts.sequencer.submit([w.candidate for w in asking if w.candidate])
        for work, outcome in zip(asking, outcomes, strict=True):
            self._take(work, outcome)
        return [work.answer for work in works if work.answer]

    def _parse(self, work: _Work) -> None:
        try:
            work.statement = parse_statement(work.submission.entry)
            content = work.submission.content
            if content is not None and content.commitment() != work.statement.payload:
                raise CommitmentError("the content is not what the statement commits to")
        except TallystickError as error:
            work.statement, work.answer = None, error

    def _check_signatures(self, works: list[_Work]) -> None:
        """Check all signatures at once: that does not depend on the order of entries."""
        questions, asked = [], []
        for work in works:
            assert work.statement is not None  # noqa: S101 - the caller chose those
            header = work.statement.header
            record = self._parts.state.record(header.issuer, header.key_id)
            if record is not None:
                questions.append(question(work.statement, record.key))
                asked.append(id(work))
        answers = dict(zip(asked, self._checks.check(questions), strict=True))
        for work in works:
            assert work.statement is not None  # noqa: S101 - the caller chose those
            signed = answers.get(id(work), False)
            work.candidate = _candidate(work.submission, work.statement, signed=signed)

    def _keep_beside(self, works: list[_Work]) -> None:
        """Make content and leaf hashes durable before the statement is; strangers keep nothing."""
        vault, sealed = self._parts.vault, []
        for work in works:
            submission, candidate = work.submission, work.candidate
            assert candidate is not None  # noqa: S101 - the caller chose those
            statement_id = candidate.statement.id
            if submission.content is not None:
                sealed.append(vault.seal(statement_id, submission.content))
            elif submission.sealed is not None:
                sealed.append(submission.sealed)
            if submission.leaves is not None and candidate.leaf_count is not None:
                self._batches.keep(statement_id, submission.leaves)
            if submission.rows is not None:
                rows = submission.rows
                vault.put_rows(statement_id, rows.salts, rows.records, rows.subjects)
        if sealed:
            vault.put(sealed)

    def _take(self, work: _Work, outcome: Outcome | TallystickError) -> None:
        assert work.candidate is not None  # noqa: S101 - only candidates were submitted
        statement_id = work.candidate.statement.id
        if isinstance(outcome, Outcome):
            work.answer = Registered(statement_id, outcome.index, outcome.existed, outcome.snapshot)
            return
        work.answer = outcome
        submission = work.submission
        if work.candidate.signed and (submission.content or submission.sealed or submission.rows):
            self._parts.vault.discard(statement_id)  # refused: it has no place here
        if work.candidate.leaf_count is not None:
            self._batches.discard(statement_id)


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
