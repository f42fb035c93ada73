"""Group commit: whoever comes first writes for everybody who came meanwhile.

A caller puts its candidates into the queue and waits for its turn. With the turn it takes all
that is queued, has it admitted in that order, appends the admitted entries as one batch, and
answers everybody. So a lone writer never waits, and under load one sync covers many callers.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, Generic, Protocol, TypeVar

from tallystick import tracing
from tallystick.errors import TallystickError
from tallystick.log.embedded import EmbeddedLog
from tallystick.log.snapshot import Snapshot

BATCH_MAX: Final = 2048
"""Candidates that are taken at once."""
BATCH_BYTES_MAX: Final = 4 << 20
"""Bytes that are taken at once; a segment of the journal holds twice as much, for what admission
adds."""

C_contra = TypeVar("C_contra", contravariant=True)
C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Accepted:
    """The candidate becomes the entry at this place of the plan."""

    place: int


@dataclass(frozen=True, slots=True)
class Existing:
    """The candidate was registered before, at this index."""

    index: int


Verdict = Accepted | Existing | TallystickError


@dataclass(frozen=True, slots=True)
class Plan:
    """What admission decided about some candidates.

    Attributes:
        entries: What is appended, in order; may hold records of admission's own.
        verdicts: One per candidate.
    """

    entries: list[bytes]
    verdicts: list[Verdict]


class Admission(Protocol[C_contra]):
    """Decides, in log order, what becomes an entry; handed in by whoever knows the rules."""

    def plan(self, candidates: Sequence[C_contra], size: int) -> Plan:
        """Decide about candidates whose first entry would get index `size`.

        Raises:
            Exception: Nothing may be appended; all candidates get the error.
        """
        ...

    def applied(self, snapshot: Snapshot) -> None:
        """Learn that the last plan is durable. Called before anybody is answered."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one candidate that was not refused.

    Attributes:
        index: Where it is in the log.
        snapshot: A signed state of the log that contains it.
        existed: It had been registered before.
    """

    index: int
    snapshot: Snapshot
    existed: bool


@dataclass(slots=True)
class _Ticket(Generic[C]):
    candidates: Sequence[C]
    size: int
    outcomes: list[Outcome | TallystickError] = field(default_factory=list)
    error: BaseException | None = None
    done: bool = False


class Sequencer(Generic[C]):
    """Orders what many threads submit to one log."""

    def __init__(
        self, log: EmbeddedLog, admission: Admission[C], size_of: Callable[[C], int]
    ) -> None:
        """Take a log that nobody else appends to; `size_of` gives a candidate's bytes."""
        self._log, self._admission, self._size_of = log, admission, size_of
        self._turn = Lock()
        self._queue: deque[_Ticket[C]] = deque()

    def submit(self, candidates: Sequence[C]) -> list[Outcome | TallystickError]:
        """Register candidates and return, for each, where it is or why it is refused.

        Raises:
            UnavailableError: The log cannot append; see `EmbeddedLog.append`.
        """
        tickets = list(self._cut(candidates))
        self._queue.extend(tickets)
        queued_ns = time.time_ns()
        with self._turn:
            tracing.passed("log.wait", queued_ns)
            while not all(ticket.done for ticket in tickets):
                self._run(self._take())
        for ticket in tickets:
            if ticket.error is not None:
                raise ticket.error
        return [outcome for ticket in tickets for outcome in ticket.outcomes]

    def _cut(self, candidates: Sequence[C]) -> Iterator[_Ticket[C]]:
        """Cut candidates into parts that fit a batch each."""
        first = size = 0
        for at, candidate in enumerate(candidates):
            length = self._size_of(candidate)
            if at > first and (at - first == BATCH_MAX or size + length > BATCH_BYTES_MAX):
                yield _Ticket(candidates[first:at], size)
                first, size = at, 0
            size += length
        yield _Ticket(candidates[first:], size)

    def _take(self) -> list[_Ticket[C]]:
        """Take tickets from the queue, at least one, as many as fit a batch."""
        tickets = [self._queue.popleft()]
        count, size = len(tickets[0].candidates), tickets[0].size
        while self._queue:
            count += len(self._queue[0].candidates)
            size += self._queue[0].size
            if count > BATCH_MAX or size > BATCH_BYTES_MAX:
                break
            tickets.append(self._queue.popleft())
        return tickets

    def _run(self, tickets: list[_Ticket[C]]) -> None:
        try:
            outcomes = self._register([c for ticket in tickets for c in ticket.candidates])
            for ticket in tickets:
                ticket.outcomes = outcomes[: len(ticket.candidates)]
                outcomes = outcomes[len(ticket.candidates) :]
        except BaseException as error:  # noqa: BLE001 - handed to each waiting caller
            for ticket in tickets:
                ticket.error = error
        for ticket in tickets:
            ticket.done = True

    def _register(self, candidates: list[C]) -> list[Outcome | TallystickError]:
        snapshot = self._log.snapshot
        size = snapshot.checkpoint.size
        plan = self._admission.plan(candidates, size)
        if plan.entries:
            with tracing.part("log.append") as span:
                if span is not None:
                    span.attributes["tallystick.entries"] = len(plan.entries)
                snapshot = self._log.append(plan.entries)
            self._admission.applied(snapshot)
        return [self._outcome(verdict, size, snapshot) for verdict in plan.verdicts]

    @staticmethod
    def _outcome(verdict: Verdict, size: int, snapshot: Snapshot) -> Outcome | TallystickError:
        if isinstance(verdict, Accepted):
            return Outcome(size + verdict.place, snapshot, existed=False)
        if isinstance(verdict, Existing):
            return Outcome(verdict.index, snapshot, existed=True)
        return verdict
