"""Whether anything that was numbered is missing: a walk over all statements of a log, in order.

    account = Account()
    for index, statement in enumerate(statements):   # all of them, verified before
        account.add(index, statement)
    for epoch in account.epochs():
        print(epoch.issuer, epoch.number, epoch.faults, epoch.open_intents)

Proven: between the first and last statement of an epoch nothing numbered is missing or out of
order. Not proven: what was never numbered, and what an epoch that was not ended may have had
after its last statement. Signatures and registration are not checked here: hand in statements
whose checkpoint and signatures were.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tallystick.errors import InputError
from tallystick.statement import Relation, Sequence, SignedStatement
from tallystick.statement.governance import Heartbeat, StatementType, parse_heartbeat


@dataclass(slots=True)
class Epoch:
    """What one process of an issuer numbered between a start and its end.

    Attributes:
        issuer: DID.
        emitter: 16 bytes that name the process.
        number: Count of its starts.
        first_index: Where its first statement stands in the log.
        last_index: Where its last one does.
        last_seq: Number of that; the first is 0.
        faults: What is missing or out of order, in words; empty if nothing is.
        intents: How many calls were announced.
        open_intents: Index of each intent that has no outcome, by its id.
        heartbeat: The newest.
        later: A later epoch of the same emitter has begun.
        genesis: It is the log's own beginning, which is one statement.
    """

    issuer: str
    emitter: bytes
    number: int
    first_index: int
    last_index: int
    last_seq: int = -1
    faults: list[str] = field(default_factory=list)
    intents: int = 0
    open_intents: dict[bytes, int] = field(default_factory=dict)
    heartbeat: Heartbeat | None = None
    later: bool = False
    genesis: bool = False
    _last: bytes | None = None

    @property
    def ended(self) -> bool:
        """Nothing follows: it said so, or it is the genesis."""
        return self.genesis or (self.heartbeat is not None and self.heartbeat.state == "end")

    def overdue(self, now: int) -> bool:
        """Whether it should have spoken again by `now`, in seconds since 1970."""
        due = self.heartbeat.next_due if self.heartbeat else None
        return not self.ended and not self.later and due is not None and now > due

    def _take(self, index: int, statement: SignedStatement, place: Sequence) -> None:
        if place.seq != self.last_seq + 1:
            self.faults.append(
                f"#{place.seq} at index {index} follows #{self.last_seq}"
                if self.last_seq >= 0
                else f"the first statement, at index {index}, is #{place.seq}"
            )
        elif place.prev != self._last:
            self.faults.append(f"#{place.seq} at index {index} names another predecessor")
        if self.ended:
            self.faults.append(f"#{place.seq} at index {index} comes after the end")
        self.last_index, self.last_seq, self._last = index, place.seq, statement.id


class Account:
    """Keeps account of every epoch of every emitter; memory grows with epochs and open intents."""

    def __init__(self) -> None:
        """Begin with an empty log."""
        self._epochs: dict[tuple[str, bytes, int], Epoch] = {}
        self._newest: dict[tuple[str, bytes], Epoch] = {}
        self._asked: dict[bytes, Epoch] = {}

    def add(self, index: int, statement: SignedStatement) -> None:
        """Take in the next statement of the log."""
        place = statement.header.sequence
        if place is None:
            return
        epoch = self._epoch(index, statement.header.issuer, place)
        epoch._take(index, statement, place)  # noqa: SLF001 - its owner
        if statement.header.type == StatementType.INFERENCE:
            self._call(epoch, index, statement)
        elif statement.header.type == StatementType.HEARTBEAT:
            self._beat(epoch, index, statement)
        elif statement.header.type == StatementType.GENESIS:
            epoch.genesis = True

    def epochs(self) -> Iterator[Epoch]:
        """Yield every epoch in the order in which they began."""
        yield from self._epochs.values()

    def _epoch(self, index: int, issuer: str, place: Sequence) -> Epoch:
        key = issuer, place.emitter, place.epoch
        if (known := self._epochs.get(key)) is not None:
            if known.later:
                known.faults.append(f"#{place.seq} at index {index} comes after a later epoch")
            return known
        epoch = self._epochs[key] = Epoch(issuer, place.emitter, place.epoch, index, index)
        before = self._newest.get(key[:2])
        expected = 0 if before is None else before.number + 1
        if place.epoch != expected:
            epoch.faults.append(f"epoch {place.epoch} begins where {expected} was to come")
        if before is not None:
            before.later = True
        self._newest[key[:2]] = epoch
        return epoch

    def _call(self, epoch: Epoch, index: int, statement: SignedStatement) -> None:
        """Open an intent, or close the one that an outcome names.

        It may be of an earlier epoch, but not of another emitter: nobody closes others' calls.
        """
        answered = statement.header.links.get(Relation.GENERATED_BY, ())
        if not answered:
            epoch.intents += 1
            epoch.open_intents[statement.id] = index
            self._asked[statement.id] = epoch
        for intent in answered:
            asked = self._asked.get(intent)
            if asked and (asked.issuer, asked.emitter) == (epoch.issuer, epoch.emitter):
                del self._asked[intent], asked.open_intents[intent]

    @staticmethod
    def _beat(epoch: Epoch, index: int, statement: SignedStatement) -> None:
        try:
            epoch.heartbeat = parse_heartbeat(statement.payload)
        except InputError as error:
            epoch.faults.append(f"the heartbeat at index {index} cannot be read: {error}")
