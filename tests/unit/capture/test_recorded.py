"""Counting from the ledger: what older releases said, what has no content, what others said."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tallystick.capture.usage import UNKNOWN, Counts, Place, Source, recorded
from tallystick.errors import UnavailableError
from tallystick.evidence import Intent, Outcome, Record
from tallystick.ledger import Ledger, Query, Submission
from tallystick.statement import Relation, Sequence
from tests.ledgers import Issuer, ledger_in

DAY = "2026-09-21"
OUTCOME = Outcome(
    status="ok", response=b"", duration_ms=1.0, model="m",
    usage={"prompt_tokens": 2, "completion_tokens": 1},
)  # fmt: skip


def intent(**members: Any) -> Intent:
    return Intent(
        operation="chat", request=b"{}", model="m", parameters={}, upstream="u", started_ms=1,
        **members,
    )  # fmt: skip


class Emitter:
    """Says records as a gateway does, in one epoch."""

    def __init__(self, ledger: Ledger, issuer: Issuer) -> None:
        self.ledger, self.issuer, self.seq, self.last = ledger, issuer, 0, None

    def say(self, record: Record, *, kept: bool = True, **members: Any) -> bytes:
        sequence = Sequence(emitter=self.issuer.emitter, epoch=0, seq=self.seq, prev=self.last)
        statement, content = self.issuer.content(record.values(), sequence=sequence, **members)
        self.ledger.register_one(Submission(statement.entry, content if kept else None))
        self.seq, self.last = self.seq + 1, statement.id  # type: ignore[assignment]
        return statement.id

    def call(self, said: Intent, *, kept: bool = True, **members: Any) -> None:
        begun = self.say(said, **members)
        self.say(OUTCOME, kept=kept, links={Relation.GENERATED_BY: (begun,)})

    def key_statement(self) -> bytes:
        """Return what registered the emitter's own key; any key will do for a test."""
        query = Query(subject=self.issuer.did, type="key", limit=1)
        return self.ledger.find(query).found[0].statement.id

    def source(self, **changes: Any) -> Source:
        return Source(self.ledger, self.issuer.did, self.issuer.emitter, **changes)


@pytest.fixture
def emitter(tmp_path: Path) -> Iterator[Emitter]:
    issuer, other = Issuer("Gateway"), Issuer("Other")
    with ledger_in(tmp_path / "ledger", issuer, other) as ledger:
        foreign = Emitter(ledger, other)
        foreign.call(intent(api_key="k"))
        yield Emitter(ledger, issuer)


def test_each_outcome_counts_for_the_key_that_its_intent_names(emitter: Emitter) -> None:
    known: dict[str, Any] = {
        "assurance": "api-key", "links": {Relation.ACTED_FOR: (emitter.key_statement(),)},
    }  # fmt: skip
    emitter.call(intent(api_key="k"), **known)
    emitter.call(intent(api_key="k"), **known)
    emitter.call(intent(), **known)
    emitter.call(intent(), assurance="asserted")
    emitter.say(intent(api_key="k"))

    counted = recorded(emitter.source())

    assert counted.table == {
        Place("k", "m", DAY): Counts(2, 0, 4, 2),
        Place(UNKNOWN, "m", DAY): Counts(1, 0, 2, 1),
        Place("asserted", "m", DAY): Counts(1, 0, 2, 1),
    }
    assert (counted.mark, counted.outcomes, counted.unreadable) == ((0, 7), 4, 0)


def test_counting_goes_on_after_a_mark_and_ends_before_the_running_epoch(emitter: Emitter) -> None:
    emitter.call(intent(api_key="k"))
    emitter.call(intent(api_key="k"))

    assert recorded(emitter.source(), (0, 1)).outcomes == 1
    assert recorded(emitter.source(), (0, 3)).outcomes == 0
    assert recorded(emitter.source(), (0, 3)).mark is None
    assert recorded(emitter.source(epochs=0)).outcomes == 0


def test_an_outcome_without_content_is_said_and_not_guessed(emitter: Emitter) -> None:
    emitter.call(intent(api_key="k"), kept=False)
    emitter.call(intent(api_key="k"))

    counted = recorded(emitter.source())

    assert (counted.outcomes, counted.unreadable, counted.mark) == (1, 1, (0, 3))


def test_counting_is_broken_off_when_it_is_told_to(emitter: Emitter) -> None:
    emitter.call(intent(api_key="k"))
    given_up = Event()
    given_up.set()

    with pytest.raises(UnavailableError, match="broken off"):
        recorded(emitter.source(), None, given_up)
