"""Pacing: requests are due at a constant rate, whatever the server does meanwhile."""

from hypothesis import given
from hypothesis import strategies as st

from bench.gateway.figures import NS_PER_S
from bench.gateway.pacing import Schedule


def test_due_times_do_not_drift_at_a_rate_that_divides_no_second() -> None:
    schedule = Schedule(start_ns=5, rate_per_s=700, count=7_000_000)

    assert schedule.due_ns(0) == 5
    assert schedule.due_ns(700) == 5 + NS_PER_S
    assert schedule.due_ns(700 * 3600) == 5 + 3600 * NS_PER_S


def test_stall_hands_out_every_missed_request_with_its_own_due_time() -> None:
    schedule = Schedule(start_ns=0, rate_per_s=1000, count=10)

    assert schedule.take_due(0) == [0]
    assert schedule.take_due(3_500_000) == [1_000_000, 2_000_000, 3_000_000]
    assert schedule.take_due(3_600_000) == []


@given(
    st.integers(1, 5000),
    st.integers(0, 200),
    st.lists(st.integers(0, NS_PER_S), max_size=20).map(sorted),
)
def test_each_request_is_handed_out_once_in_order_and_never_early(
    rate: int, count: int, wake_ups: list[int]
) -> None:
    schedule = Schedule(start_ns=0, rate_per_s=rate, count=count)

    taken = []
    for now in wake_ups:
        due = schedule.take_due(now)
        assert all(at <= now for at in due)
        taken += due
    taken += schedule.take_due(200 * NS_PER_S)

    assert taken == [schedule.due_ns(index) for index in range(count)]
    assert schedule.exhausted
