"""What counts in a cell: by due time, errors included, nothing left out that was slow."""

from bench.gateway.client import Outcome
from bench.gateway.result import report

MS = 1_000_000


def outcome(due_ms: int, sent_ms: int, done_ms: int, error: str = "", events: int = 0) -> Outcome:
    return Outcome(due_ms * MS, sent_ms * MS, done_ms * MS, done_ms * MS, events, error)


def test_latency_counts_from_the_due_time_not_from_the_sending() -> None:
    figures = report([outcome(1000, 1400, 1500)], measure_ns=1000 * MS, end_ns=2000 * MS)

    assert figures["latency"] == {
        "p50_ms": 500,
        "p90_ms": 500,
        "p99_ms": 500,
        "max_ms": 500,
        "n": 1,
    }
    assert figures["send_delay"] == {
        "p50_ms": 400,
        "p90_ms": 400,
        "p99_ms": 400,
        "max_ms": 400,
        "n": 1,
    }


def test_warm_up_is_left_out_and_what_ends_late_is_kept_but_not_achieved() -> None:
    late = outcome(1999, 2000, 9000)
    figures = report(
        [outcome(500, 500, 600), outcome(1000, 1000, 1001), late],
        measure_ns=1000 * MS,
        end_ns=2000 * MS,
    )

    assert (figures["due"], figures["good"]) == (2, 2)
    assert figures["achieved_per_s"] == 1.0


def test_unfinished_requests_weigh_with_the_time_they_had_waited() -> None:
    gone = Outcome(1000 * MS, 0, 0, 7000 * MS, 0, "unfinished")
    figures = report([gone], measure_ns=1000 * MS, end_ns=2000 * MS)

    assert figures["errors"] == {"unfinished": 1}
    assert figures["latency"] == {
        "p50_ms": 6000,
        "p90_ms": 6000,
        "p99_ms": 6000,
        "max_ms": 6000,
        "n": 1,
    }
    assert figures["first_byte"] is None
    assert figures["send_delay"] is None
