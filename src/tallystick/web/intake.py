"""The way from the event loop to the ledger: registration in threads, several at a time.

While one thread has the sequencer's turn, others wait for worker processes to check signatures;
what queues up meanwhile becomes one group commit. So there are a few more threads than workers.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tallystick import tracing
from tallystick.errors import TallystickError
from tallystick.ledger import Ledger, Proof, Registered, Submission
from tallystick.log import Snapshot

_log = logging.getLogger(__name__)

Read = Submission | TallystickError
"""A submission, or what was wrong with the bytes that should be one."""
Answer = Registered | TallystickError


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of submissions.

    Attributes:
        answers: One per submission, in order.
        snapshot: A signed state of the log that contains all that were registered; None if none
            was.
        proofs: By place, for those that were registered, if proofs were asked for.
    """

    answers: list[Answer]
    snapshot: Snapshot | None
    proofs: dict[int, Proof]


class Intake:
    """Registers what the event loop hands in."""

    def __init__(self, ledger: Ledger, workers: int) -> None:
        """Register in a ledger whose signatures `workers` processes check."""
        self._ledger = ledger
        self._threads = ThreadPoolExecutor(workers + 2, thread_name_prefix="tallystick-intake")

    async def register(self, reads: Sequence[Read], *, prove: bool = False) -> Taken:
        """Register submissions in their order; errors among them are handed through.

        Args:
            reads: Signed statements with what comes beside them.
            prove: Also make receipts, all for the same checkpoint.

        Raises:
            UnavailableError: Nothing is known to be registered; send the same bytes again.
        """
        loop = asyncio.get_running_loop()
        with tracing.part("register") as span:
            if span is not None:
                span.attributes["tallystick.statements"] = len(reads)
            work = tracing.carried(self._register, reads, prove, time.time_ns())
            return await loop.run_in_executor(self._threads, work)

    def close(self) -> None:
        """Finish what was handed in."""
        self._threads.shutdown()

    def _register(self, reads: Sequence[Read], prove: bool, asked_ns: int) -> Taken:  # noqa: FBT001 - handed on by position
        tracing.passed("register.wait", asked_ns)
        registered = iter(self._ledger.register([r for r in reads if isinstance(r, Submission)]))
        answers = [next(registered) if isinstance(r, Submission) else r for r in reads]
        snapshots = [a.snapshot for a in answers if isinstance(a, Registered)]
        _log.info("%d of %d statements are registered", len(snapshots), len(reads))
        newest = max(snapshots, key=lambda s: s.checkpoint.size, default=None)
        proofs = self._prove(answers, newest) if prove and newest is not None else {}
        return Taken(answers, newest, proofs)

    def _prove(self, answers: Sequence[Answer], snapshot: Snapshot) -> dict[int, Proof]:
        with tracing.part("register.prove"):
            return self._proofs(answers, snapshot)

    def _proofs(self, answers: Sequence[Answer], snapshot: Snapshot) -> dict[int, Proof]:
        return {
            place: self._ledger.prove_found(self._ledger.at(answer.index), snapshot)
            for place, answer in enumerate(answers)
            if isinstance(answer, Registered)
        }
