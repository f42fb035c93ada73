"""Registering: what is checked ahead, what is kept beside the log, and in which order."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

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
from tallystick.ledger.committed import check_salts
from tallystick.ledger.policy import Visibility
from tallystick.ledger.rules import Candidate, batch_of
from tallystick.ledger.signatures import SignatureChecks
from tallystick.ledger.submission import Registered, Rows, Submission
from tallystick.log import Outcome
from tallystick.merkle import HASH_BYTES, tree_root
from tallystick.statement import SignedStatement, row_leaf
from tallystick.statement.commitment import SALT_BYTES
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
        self._lock, self._under_way = Lock(), Counter[bytes]()
        """How many submissions of a statement are under way: what one of them keeps beside the
        log, the others rely on."""

    def register(self, submissions: Sequence[Submission]) -> list[Answer]:
        """Register submissions in their order; see `Ledger.register`."""
        works = [_Work(submission) for submission in submissions]
        with tracing.part("ledger.check"):
            self._examine(works)
        with self._counted([w.candidate.statement.id for w in works if w.candidate]):
            with tracing.part("ledger.keep_beside"):
                self._keep_beside([w for w in works if w.candidate and w.candidate.signed])
            asking = [work for work in works if work.candidate and not work.answer]
            outcomes = self._parts.sequencer.submit([w.candidate for w in asking if w.candidate])
            for work, outcome in zip(asking, outcomes, strict=True):
                self._take(work, outcome)
        for work in works:
            if isinstance(work.answer, RefusedError):
                self._discard(work)
        return [work.answer for work in works if work.answer]

    @contextmanager
    def _counted(self, ids: list[bytes]) -> Iterator[None]:
        with self._lock:
            self._under_way.update(ids)
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= Counter(ids)

    def _examine(self, works: list[_Work]) -> None:
        """Parse and check all at once: that does not depend on the order of entries."""
        entries = [work.submission.entry for work in works]
        answers = self._checks.examine(entries, self._parts.state.keys)
        for work, answer in zip(works, answers, strict=True):
            if isinstance(answer, TallystickError):
                work.answer = answer
            elif (refused := self._unwanted(work.submission, answer.statement)) is not None:
                work.answer = refused
            elif (unsalted := self._unsalted(work.submission, answer.statement)) is not None:
                work.answer = unsalted
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
        if not unwanted or self._is_registered(statement):
            return None
        return RefusedError(
            f"content of {statement.header.type or 'untyped'} statements is not kept here: the "
            f"policy says {Visibility.COMMITMENT_ONLY}",
            reason="visibility.commitment-only",
            advice="register the statement without its content, and keep that yourself",
        )

    def _unsalted(self, submission: Submission, statement: SignedStatement) -> RefusedError | None:
        """Return a refusal where salts hide nothing; a retry of what was admitted stays one."""
        try:
            check_salts(submission)
        except RefusedError as error:
            return None if self._is_registered(statement) else error
        return None

    def _keeps(self, statement: SignedStatement) -> bool:
        if self._parts.state.is_operator(statement.header.issuer):
            return True  # who read what, and who approved: the ledger's own words
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
            if submission.rows is not None and self._are_rows_of(candidate, submission.rows):
                rows = submission.rows
                vault.put_rows(statement_id, rows.salts, rows.records, rows.subjects, rows.purpose)
        if sealed:
            vault.put(sealed)

    def _is_registered(self, statement: SignedStatement) -> bool:
        """Tell whether the log has it, as far as the index says: that locates, and may be wrong."""
        return any(True for _ in self._parts.index.retry(statement))

    def _are_rows_of(self, candidate: Candidate, rows: Rows) -> bool:
        """Tell whether rows may be kept for a batch.

        Its entry is known to everybody once it is registered; whoever sends it again must not
        put other rows in the place of those that are missing here.
        """
        statement = candidate.statement
        if not self._is_registered(statement):
            return True
        batch = batch_of(statement)
        if batch is None or len(rows.records) != batch.rows:
            return False
        if len(rows.salts) != SALT_BYTES * batch.rows:
            return False
        salts = (rows.salts[at : at + SALT_BYTES] for at in range(0, len(rows.salts), SALT_BYTES))
        leaves = b"".join(map(row_leaf, salts, rows.records))
        return tree_root(leaves) == batch.root

    def _take(self, work: _Work, outcome: Outcome | TallystickError) -> None:
        assert work.candidate is not None  # noqa: S101 - only candidates were submitted
        statement_id = work.candidate.statement.id
        if isinstance(outcome, Outcome):
            self.erasing |= work.candidate.statement.header.type == StatementType.ERASURE
            work.answer = Registered(statement_id, outcome.index, outcome.existed, outcome.snapshot)
            return
        work.answer = outcome

    def _discard(self, work: _Work) -> None:
        """Remove what was kept for a statement that was refused, unless it is registered after all.

        Nor while somebody else hands in the same one, who may rely on it.
        """
        if work.candidate is None or not work.candidate.signed:
            return
        submission, statement = work.submission, work.candidate.statement
        with self._lock:
            if self._under_way[statement.id] or self._is_registered(statement):
                return
            if submission.content or submission.sealed or submission.rows:
                self._parts.vault.discard(statement.id)
            if work.candidate.leaf_count is not None:
                self._batches.discard(statement.id)


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
