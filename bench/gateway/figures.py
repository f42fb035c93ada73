"""Percentiles of latencies, the same way everywhere in the bench.

Latencies go in as whole nanoseconds and come out as milliseconds. A percentile is the nearest
rank: a latency that was really seen, never a value between two.
"""

import math
from collections.abc import Sequence

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


def nearest_rank(ascending: Sequence[int], share: float) -> int:
    """Return the smallest value that at least `share` (0 to 1) of all values do not exceed."""
    if not ascending:
        raise ValueError("no value, no percentile")
    rank = math.ceil(share * len(ascending))
    return ascending[max(rank, 1) - 1]


def summarise_ms(latencies_ns: Sequence[int]) -> dict[str, float] | None:
    """Return p50, p90, p99, maximum in milliseconds and the count `n`, or None for no value."""
    if not latencies_ns:
        return None
    ascending = sorted(latencies_ns)
    return {
        "p50_ms": nearest_rank(ascending, 0.50) / NS_PER_MS,
        "p90_ms": nearest_rank(ascending, 0.90) / NS_PER_MS,
        "p99_ms": nearest_rank(ascending, 0.99) / NS_PER_MS,
        "max_ms": ascending[-1] / NS_PER_MS,
        "n": len(ascending),
    }
