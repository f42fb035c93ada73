"""Account of what emitters numbered: every hole, turn and tail is named."""

import itertools

import pytest

from tallystick.evidence import Numbering
from tallystick.identity import generate
from tallystick.statement import Relation, SignedStatement
from tallystick.statement.governance import StatementType
from tallystick.verify import Account, Epoch

NOW = 1_790_000_000
EMITTER = b"e" * 16


class Process:
    """A gateway that numbers what it says."""

    def __init__(self, epoch: int = 0, emitter: bytes = EMITTER) -> None:
        self.numbering = Numbering(SIGNER, emitter, epoch, lambda: NOW)

    def ask(self) -> SignedStatement:
        return self._take(self.numbering.sign(StatementType.INFERENCE, b"i" * 32))

    def answer(self, intent: SignedStatement) -> SignedStatement:
        links = {Relation.GENERATED_BY: (intent.id,)}
        return self._take(self.numbering.sign(StatementType.INFERENCE, b"o" * 32, links=links))

    def beat(self, state: str) -> SignedStatement:
        return self._take(self.numbering.heartbeat(state))

    def _take(self, statement: SignedStatement) -> SignedStatement:
        self.numbering.take(statement)
        return statement


SIGNER = generate()


def account(*statements: SignedStatement) -> list[Epoch]:
    kept = Account()
    for index, statement in enumerate(statements):
        kept.add(index, statement)
    return list(kept.epochs())


def test_a_whole_epoch_has_no_fault_and_no_open_call() -> None:
    gateway = Process()
    said = [gateway.beat("start"), intent := gateway.ask(), gateway.answer(intent),
            gateway.beat("end")]  # fmt: skip

    [epoch] = account(*said)

    assert (epoch.faults, epoch.last_seq, epoch.intents, epoch.open_intents) == ([], 3, 1, {})
    assert epoch.ended
    assert not epoch.overdue(NOW + 10_000)


@pytest.mark.parametrize("left_out", [0, 1, 2, 3])
def test_whatever_is_left_out_before_the_last_shows(left_out: int) -> None:
    gateway = Process()
    said = [gateway.ask() for _ in range(5)]
    del said[left_out]

    [epoch] = account(*said)

    assert len(epoch.faults) == 1
    assert f"#{left_out + 1}" in epoch.faults[0]


def test_what_is_left_out_after_the_last_heartbeat_does_not_show() -> None:
    gateway = Process()
    said = [gateway.beat("start"), gateway.ask(), gateway.ask()]

    [epoch] = account(*said[:-1])

    assert epoch.faults == []
    assert not epoch.ended
    assert epoch.overdue(NOW + 121)
    assert not epoch.overdue(NOW + 120)


def test_every_other_order_shows() -> None:
    gateway = Process()
    said = [gateway.ask() for _ in range(4)]

    for order in itertools.permutations(said):
        [epoch] = account(*order)
        assert bool(epoch.faults) == (list(order) != said)


def test_another_statement_under_the_same_number_shows_in_its_successor() -> None:
    gateway, twin = Process(), Process()
    first, second = gateway.ask(), gateway.ask()

    [epoch] = account(twin.ask(), second)

    assert first.id != second.id
    assert epoch.faults == ["#1 at index 1 names another predecessor"]


def test_a_call_without_outcome_stays_open_and_a_later_epoch_may_close_it() -> None:
    gateway = Process()
    first, second = gateway.ask(), gateway.ask()
    restarted = Process(epoch=1)

    before, after = account(first, second, restarted.answer(first), restarted.answer(first))

    assert before.open_intents == {second.id: 1}
    assert before.later
    assert not before.ended
    assert after.intents == 0


def test_nobody_closes_the_calls_of_another_emitter() -> None:
    intent = Process().ask()

    asked, other = account(intent, Process(emitter=b"x" * 16).answer(intent))

    assert asked.open_intents == {intent.id: 0}
    assert other.faults == []


def test_a_missing_epoch_shows() -> None:
    [first, third] = account(Process(0).ask(), Process(2).ask())

    assert first.faults == []
    assert third.faults == ["epoch 2 begins where 1 was to come"]


def test_what_comes_after_an_end_or_a_later_epoch_shows() -> None:
    gateway = Process()
    ended = [gateway.beat("end"), gateway.ask()]
    assert account(*ended)[0].faults == ["#1 at index 1 comes after the end"]

    old, new = Process(0), Process(1)
    said = [old.ask(), new.ask(), old.ask()]
    assert account(*said)[0].faults == ["#1 at index 2 comes after a later epoch"]


def test_a_heartbeat_that_cannot_be_read_is_a_fault() -> None:
    numbering = Numbering(SIGNER, EMITTER, 0, lambda: NOW)

    [epoch] = account(numbering.sign(StatementType.HEARTBEAT, b"\xa0", hashed=False))

    assert len(epoch.faults) == 1
    assert "cannot be read" in epoch.faults[0]
