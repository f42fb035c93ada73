"""Percentiles: values that were really seen, and none invented between them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.gateway.figures import nearest_rank, summarise_ms


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.5, 50), (0.9, 90), (0.99, 99), (0.991, 100), (1.0, 100)]
)
def test_percentile_of_the_first_hundred_numbers(share: float, expected: int) -> None:
    assert nearest_rank(range(1, 101), share) == expected


def test_single_slow_request_is_the_p99_of_fifty_but_not_of_two_hundred() -> None:
    assert nearest_rank([1] * 49 + [9], 0.99) == 9
    assert nearest_rank([1] * 199 + [9], 0.99) == 1


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=300), st.floats(0, 1))
def test_at_least_the_share_is_not_above_and_less_is_below(values: list[int], share: float) -> None:
    seen = nearest_rank(sorted(values), share)

    assert sum(one <= seen for one in values) >= share * len(values)
    assert sum(one < seen for one in values) <= share * len(values)


def test_summary_is_in_milliseconds_and_sorts_for_itself() -> None:
    assert summarise_ms([3_000_000, 1_000_000, 2_000_000]) == {
        "p50_ms": 2.0,
        "p90_ms": 3.0,
        "p99_ms": 3.0,
        "max_ms": 3.0,
        "n": 3,
    }


def test_no_value_has_no_percentile() -> None:
    assert summarise_ms([]) is None
    with pytest.raises(ValueError, match="no value"):
        nearest_rank([], 0.5)
