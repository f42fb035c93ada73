"""Hostile bytes into every entry point: only our errors, of the right kind, ever leave."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS, found

ALL = list(TARGETS.values())
QUICK, SLOW = 60, 12
"""Examples per target."""


def mutated(seeds: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    """Valid examples with a few bits flipped, cut off, or spliced with one another."""
    seed = st.sampled_from(seeds)
    return st.one_of(
        st.builds(_flipped, seed, st.lists(st.integers(0, 2**32), min_size=1, max_size=8)),
        st.builds(lambda data, at: data[: at % (len(data) + 1)], seed, st.integers(0, 2**32)),
        st.builds(_spliced, seed, seed, st.integers(0, 2**32), st.integers(0, 2**32)),
        st.builds(_inserted, seed, st.integers(0, 2**32), st.binary(max_size=40)),
    )


def _flipped(data: bytes, bits: list[int]) -> bytes:
    changed = bytearray(data)
    for bit in bits if data else ():
        changed[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(changed)


def _spliced(one: bytes, two: bytes, at: int, to: int) -> bytes:
    return one[: at % (len(one) + 1)] + two[to % (len(two) + 1) :]


def _inserted(data: bytes, at: int, more: bytes) -> bytes:
    at %= len(data) + 1
    return data[:at] + more + data[at:]


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
    @given(data=st.one_of(mutated(target.seeds), st.binary(max_size=200)))
    def attack(data: bytes) -> None:
        target.accepts(data)

    attack()
