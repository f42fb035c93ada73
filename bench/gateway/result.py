"""From outcomes to the figures of one cell: percentiles, achieved rate, errors, events."""

from collections import Counter
from collections.abc import Sequence

from bench.gateway.client import Outcome
from bench.gateway.figures import NS_PER_S, summarise_ms


def report(outcomes: Sequence[Outcome], *, measure_ns: int, end_ns: int) -> dict[str, object]:
    """Return the figures of the requests that were due within the measured time.

    Latencies count from the due time. Wrong answers count with their latency and as errors;
    unfinished requests with the time they had waited.

    Args:
        outcomes: All requests of the run, warm-up included.
        measure_ns: Monotonic time at which measuring starts.
        end_ns: Monotonic time from which no request is due.

    Returns:
        A JSON object; times in milliseconds, rates per second.
    """
    measured = [one for one in outcomes if measure_ns <= one.due_ns < end_ns]
    good = [one for one in measured if not one.error]
    in_time = [one for one in outcomes if not one.error and measure_ns <= one.done_ns < end_ns]
    seconds = (end_ns - measure_ns) / NS_PER_S
    return {
        "due": len(measured),
        "good": len(good),
        "due_per_s": len(measured) / seconds,
        "achieved_per_s": len(in_time) / seconds,
        "errors": dict(Counter(one.error for one in measured if one.error)),
        "latency": summarise_ms([one.done_ns - one.due_ns for one in measured]),
        "first_byte": summarise_ms([one.first_ns - one.due_ns for one in measured if one.first_ns]),
        "send_delay": summarise_ms([one.sent_ns - one.due_ns for one in measured if one.sent_ns]),
        "events": _events(good),
    }


def _events(good: Sequence[Outcome]) -> dict[str, int]:
    counts = [one.events for one in good]
    return {"sum": sum(counts), "min": min(counts, default=0), "max": max(counts, default=0)}
