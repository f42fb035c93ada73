"""Hostile bytes into every entry point: only our errors, of the right kind, ever leave."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS, found

ALL = list(TARGETS.values())
QUICK, SLOW = 60, 12
"""Examples per target."""

NUMBER = st.integers(0, 2**32)
CHANGES = st.one_of(
    st.tuples(st.just("random"), st.binary(max_size=200)),
    st.tuples(st.just("flipped"), NUMBER, st.lists(NUMBER, min_size=1, max_size=8)),
    st.tuples(st.just("cut"), NUMBER, NUMBER),
    st.tuples(st.just("spliced"), NUMBER, NUMBER, NUMBER, NUMBER),
    st.tuples(st.just("inserted"), NUMBER, NUMBER, st.binary(max_size=40)),
)
"""Said in words and numbers, so that a failing example is short; `changed` makes the bytes."""


def changed(seeds: tuple[bytes, ...], change: tuple[object, ...]) -> bytes:
    match change:
        case ["random", bytes() as data]:
            return data
        case ["flipped", int() as which, list() as bits]:
            return _flipped(seeds[which % len(seeds)], bits)
        case ["cut", int() as which, int() as at]:
            data = seeds[which % len(seeds)]
            return data[: at % (len(data) + 1)]
        case ["spliced", int() as which, int() as other, int() as at, int() as to]:
            one, two = seeds[which % len(seeds)], seeds[other % len(seeds)]
            return one[: at % (len(one) + 1)] + two[to % (len(two) + 1) :]
        case ["inserted", int() as which, int() as at, bytes() as more]:
            data = seeds[which % len(seeds)]
            at %= len(data) + 1
            return data[:at] + more + data[at:]
    raise AssertionError(change)


def _flipped(data: bytes, bits: list[int]) -> bytes:
    result = bytearray(data)
    for bit in bits if data else ():
        result[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(result)


@pytest.mark.parametrize("target", ALL, ids=TARGETS)
def test_valid_examples_are_accepted(target: Target) -> None:
    assert any(target.accepts(seed) for seed in target.seeds)


@pytest.mark.parametrize("target", ALL, ids=TARGETS)
def test_inputs_that_once_broke_it_are_refused_in_our_words(target: Target) -> None:
    for data in found(target.name):
        target.accepts(data)


@pytest.mark.parametrize("target", ALL, ids=TARGETS)
def test_mutated_examples_and_random_bytes_raise_our_errors_only(target: Target) -> None:
    @settings(
        max_examples=SLOW if target.slow else QUICK,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(change=CHANGES)
    def attack(change: tuple[object, ...]) -> None:
        target.accepts(changed(target.seeds, change))

    attack()
