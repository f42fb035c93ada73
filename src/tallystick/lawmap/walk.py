"""Read a whole log once, statement by statement, and keep what checks ask for.

    walk = Walk()
    for index, statement in enumerate(statements):
        walk.add(index, statement)

Only what is public is read: headers, and payloads that stand inline. Signatures are not checked
here, `tally fsck --deep` does that. Memory grows with models, data sets, anomalies and erasures.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from tallystick.errors import TallystickError
from tallystick.lawmap.papers import PAPERS
from tallystick.lawmap.seen import Kind, Place
from tallystick.statement import Relation, SignedStatement, parse_erasure
from tallystick.statement.administration import is_act
from tallystick.statement.appeal import (
    ANSWERS,
    REQUESTS,
    Asked,
    Withdrawn,
    read_reply,
    read_request,
)
from tallystick.statement.governance import StatementType
from tallystick.statement.labels import BATCH_MEDIA_TYPE
from tallystick.statement.marks import Lifting, read_mark
from tallystick.verify.completeness import Account

DAY: Final = 86_400
MONTH_DAYS: Final = 31
"""The longest month; whoever waits longer was not answered in time."""
KEEP_DAYS: Final[Mapping[str, int]] = {
    StatementType.INFERENCE: 183,
    StatementType.DECISION: 1096,
    StatementType.DOCUMENT: 3653,
}
"""How long content of a type is to be kept by some law on the map: half a year, three, ten."""
INCIDENT_REPORT: Final = "incident-report"
"""Subject of the document that reports a serious incident; it links to the anomaly."""
ACT: Final = "access of an administrator"
"""Counted apart from reads of content, which have the same type."""
LIFTING: Final = "lifting of a hold or restriction"
"""Counted apart from what places one, which has the same type; it corrects nothing, either."""
INLINE: Final = frozenset(
    {
        StatementType.GENESIS,
        StatementType.POLICY,
        StatementType.KEY,
        StatementType.DELEGATION,
        StatementType.HEARTBEAT,
        StatementType.ERASURE,
        StatementType.HANDOVER,
        StatementType.HOLD,
        StatementType.RESTRICTION,
        StatementType.RETENTION,
        StatementType.CALL,
        ACT,
        LIFTING,
    }
)
"""What stands on the ledger in the clear, because everybody computes on it."""
ABOUT_CASES: Final = frozenset(
    {
        StatementType.INFERENCE,
        StatementType.DECISION,
        StatementType.ACTION,
        StatementType.ACCESS,
        StatementType.LABEL,
        StatementType.DATASET,
        StatementType.ACCESS_ANSWER,
        *REQUESTS,
        *ANSWERS,
    }
)
"""Types that are about cases of people more often than not: they have a random subject, and their
content names whom it is about."""
_RANDOM: Final = ("urn:uuid:", "did:")
_OTHER: Final = "(no type)"

Read = Callable[[bytes], SignedStatement | None]
"""Finds a statement by its id; None where there is none."""


class Walk:
    """What was read so far."""

    def __init__(self, is_nameless: Callable[[bytes], bool] = lambda _id: False) -> None:
        """Begin with an empty log.

        Args:
            is_nameless: Tells whether content of a statement names nobody whom it is about.
        """
        self._is_nameless = is_nameless
        self.account = Account()
        self.types: dict[str, Kind] = {}
        self.deciders: Counter[str] = Counter()
        self.modelless, self.undecided_on, self.rowless = Kind(), Kind(), Kind()
        self.open_payloads, self.named_subjects, self.superseded = Kind(), Kind(), Kind()
        self.nameless = Kind()
        self.asked, self.answered_late = Kind(), Kind()
        self._waiting: dict[bytes, Place] = {}
        self.last_erasure: int | None = None
        self._papers: dict[bytes, tuple[str, Place]] = {}
        self._data_sets: set[bytes] = set()
        self._anomalies: dict[bytes, Place] = {}
        self._reported: list[tuple[int, int]] = []
        self._erased: list[tuple[int, int, tuple[bytes, ...]]] = []
        self._see: Mapping[str, Callable[[SignedStatement, Place], None]] = {
            StatementType.INFERENCE: self._see_call,
            StatementType.DECISION: self._see_decision,
            StatementType.DATASET: self._see_data_set,
            StatementType.MODEL: self._see_model,
            StatementType.ANOMALY: self._see_anomaly,
            StatementType.DOCUMENT: self._see_document,
            StatementType.ERASURE: self._see_erasure,
            **dict.fromkeys(REQUESTS, self._see_request),
            **dict.fromkeys(ANSWERS, self._see_reply),
        }

    def add(self, index: int, statement: SignedStatement) -> None:
        """Take in the next statement."""
        header = statement.header
        place = Place(index, statement.id, header.issued_at)
        type_ = _kind_of(statement)
        self.account.add(index, statement)
        self.types.setdefault(type_, Kind()).add(place)
        if Relation.SUPERSEDES in header.links and type_ != LIFTING:
            self.superseded.add(place)
        self._look_at_form(statement, type_, place)
        if type_ in self._see:
            self._see[type_](statement, place)

    def documents(self) -> dict[str, Kind]:
        """Return the papers whose text was not erased, by their subject."""
        found: dict[str, Kind] = {}
        for subject, place in self._papers.values():
            found.setdefault(subject, Kind()).add(place)
        return found

    def calls(self) -> tuple[int, tuple[int, ...]]:
        """Return how many calls were announced, and the index of each without outcome."""
        epochs = [*self.account.epochs()]
        waiting = sorted(at for epoch in epochs for at in epoch.open_intents.values())
        return sum(epoch.intents for epoch in epochs), tuple(waiting)

    def faults(self) -> tuple[str, ...]:
        """Return what is missing or out of order among what was numbered."""
        return tuple(fault for epoch in self.account.epochs() for fault in epoch.faults)

    def emitters(self, operator: str) -> int:
        """Return how many processes number what they say, the log's own aside."""
        epochs = self.account.epochs()
        return len({(one.issuer, one.emitter) for one in epochs if one.issuer != operator})

    def reported(self) -> tuple[tuple[int, int], ...]:
        """Return the index of each anomaly with a report, and the days until that."""
        return tuple(self._reported)

    def early(self, read: Read) -> dict[str, tuple[tuple[int, int], ...]]:
        """Return what was erased while some law wants it kept.

        Args:
            read: Finds statements.

        Returns:
            By type the index of the erasure, and the days for which content had been kept.
        """
        found: dict[str, list[tuple[int, int]]] = {}
        for at, index, statement in self._erasures(read):
            header = statement.header
            most = KEEP_DAYS.get(header.type or "")
            if most is None or header.issued_at is None:
                continue
            days = (at - header.issued_at) // DAY
            if days < most:
                found.setdefault(str(header.type), []).append((index, days))
        return {type_: tuple(places) for type_, places in found.items()}

    def _erasures(self, read: Read) -> Iterator[tuple[int, int, SignedStatement]]:
        for at, index, ids in self._erased:
            for one in ids:
                statement = read(one)
                if statement is not None:
                    yield at, index, statement

    def _look_at_form(self, statement: SignedStatement, type_: str, place: Place) -> None:
        """See what stands in public that a law would rather not have there."""
        header = statement.header
        inline = type_ in INLINE or header.content_type == BATCH_MEDIA_TYPE
        if not header.hashed and not inline:
            self.open_payloads.add(place)
        if type_ not in ABOUT_CASES:
            return
        if not header.subject.startswith(_RANDOM):
            self.named_subjects.add(place)
        if self._is_nameless(statement.id):
            self.nameless.add(place)

    def _see_call(self, statement: SignedStatement, place: Place) -> None:
        header = statement.header
        if Relation.GENERATED_BY not in header.links and header.model is None:
            self.modelless.add(place)

    def _see_decision(self, statement: SignedStatement, place: Place) -> None:
        self.deciders[statement.header.issuer] += 1
        if Relation.DECIDED_ON not in statement.header.links:
            self.undecided_on.add(place)

    def _see_data_set(self, statement: SignedStatement, place: Place) -> None:
        del place
        self._data_sets.add(statement.id)

    def _see_model(self, statement: SignedStatement, place: Place) -> None:
        if not self._data_sets.intersection(statement.header.links.get(Relation.USED, ())):
            self.rowless.add(place)

    def _see_anomaly(self, statement: SignedStatement, place: Place) -> None:
        self._anomalies[statement.id] = place

    def _see_document(self, statement: SignedStatement, place: Place) -> None:
        header = statement.header
        if header.subject in PAPERS:
            self._papers[statement.id] = header.subject, place
        if header.subject != INCIDENT_REPORT:
            return
        for linked in {one for ids in header.links.values() for one in ids}:
            anomaly = self._anomalies.pop(linked, None)  # the first report counts
            if anomaly is not None and anomaly.at is not None and place.at is not None:
                self._reported.append((anomaly.index, (place.at - anomaly.at) // DAY))

    def waiting(self) -> tuple[Place, ...]:
        """Return what people asked and nobody answered, the oldest first."""
        return tuple(self._waiting.values())

    def _see_request(self, statement: SignedStatement, place: Place) -> None:
        match read_request(statement):
            case Asked():
                self.asked.add(place)
                self._waiting[statement.id] = place
            case Withdrawn(request):
                self._waiting.pop(request, None)

    def _see_reply(self, statement: SignedStatement, place: Place) -> None:
        reply = read_reply(statement)
        asked = None if reply is None else self._waiting.pop(reply.request, None)
        if asked is None or asked.at is None or place.at is None:
            return
        if place.at - asked.at > MONTH_DAYS * DAY:
            self.answered_late.add(place)

    def _see_erasure(self, statement: SignedStatement, place: Place) -> None:
        self.last_erasure = place.index
        try:
            erased = parse_erasure(statement).erased
        except TallystickError:
            return  # a registered one parses; `tally fsck --deep` says so of others
        for one in erased:
            self._papers.pop(one, None)
        if place.at is not None:
            self._erased.append((place.at, place.index, tuple(erased)))


def _kind_of(statement: SignedStatement) -> str:
    """Return what a statement is counted as: its type, or what it does by that type."""
    if is_act(statement):
        return ACT
    if isinstance(read_mark(statement), Lifting):
        return LIFTING
    return statement.header.type or _OTHER
