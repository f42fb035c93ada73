"""How a measurement is told: a table for people on standard error, JSON on standard output."""

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def spread(times_s: Sequence[float]) -> dict[str, float]:
    """Return median and 99th percentile in milliseconds, and how many there were."""
    ordered = sorted(times_s)
    last = len(ordered) - 1
    return {
        "p50_ms": round(1000 * statistics.median(ordered), 3),
        "p99_ms": round(1000 * ordered[min(last, round(0.99 * last))], 3),
        "n": len(ordered),
    }


def timed(step: Callable[[], object]) -> float:
    """Return the seconds that a step takes."""
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def tell(title: str, rows: Sequence[Mapping[str, Any]], whole: Mapping[str, Any]) -> None:
    """Print rows as a table and the whole as JSON."""
    print(f"\n{title}", file=sys.stderr)
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names, *([_cell(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(names))]
    for line in cells:
        print("  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)), file=sys.stderr)
    print(json.dumps({"title": title, **whole}, indent=1))


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
