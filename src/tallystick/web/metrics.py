"""Counters, gauges and histograms in the text format of Prometheus.

Written here because three kinds of numbers need a hundred lines: prometheus_client would be one
more dependency, 40 ms of import, a lock per sample, and process collectors that nobody asked for.
All numbers belong to the event loop's thread; nothing is locked.

Source:
    Prometheus exposition formats, text format 0.0.4.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Protocol

TEXT_FORMAT: Final = "text/plain; version=0.0.4; charset=utf-8"

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds for latencies."""
SIZES: Final = (1, 4, 16, 64, 256, 1024, 4096, 16384)
"""Upper bounds for counts of entries."""


Reading = float | dict[tuple[str, ...], float] | None
"""A number, or one for each combination of label values, or nothing now."""


class Metric(Protocol):
    """A family of samples."""

    def lines(self) -> Iterator[str]:
        """Yield its lines, description first."""
        ...


class Counter:
    """A number that only grows, for each combination of label values."""

    def __init__(self, name: str, text: str, labels: Sequence[str] = ()) -> None:
        """Name it; by convention the name ends in `_total`."""
        self.name, self._text, self._labels = name, text, tuple(labels)
        self._values: dict[tuple[str, ...], float] = {} if labels else {(): 0}

    def add(self, amount: float = 1, *values: str) -> None:
        """Add to the sample with these label values."""
        self._values[values] = self._values.get(values, 0) + amount

    def lines(self) -> Iterator[str]:
        """Yield its lines."""
        yield from _described(self.name, self._text, "counter")
        for values, amount in sorted(self._values.items()):
            yield f"{self.name}{_labels(self._labels, values)} {_number(amount)}"


class Gauge:
    """Numbers that are read when somebody asks, for each combination of label values."""

    def __init__(
        self, name: str, text: str, read: Callable[[], Reading], labels: Sequence[str] = ()
    ) -> None:
        """Name it and say where it is read; where that gives None, there is no sample."""
        self.name, self._text, self._read, self._labels = name, text, read, tuple(labels)

    def lines(self) -> Iterator[str]:
        """Yield its lines."""
        found = self._read()
        samples = found if isinstance(found, dict) else {} if found is None else {(): found}
        yield from _described(self.name, self._text, "gauge")
        for values, number in sorted(samples.items()):
            yield f"{self.name}{_labels(self._labels, values)} {_number(number)}"


class Counted:
    """Numbers that only grow and that somebody else counts, one for each value of a label."""

    def __init__(
        self, name: str, text: str, label: str, read: Callable[[], Mapping[str, int]]
    ) -> None:
        """Name it and say where the numbers are read; by convention the name ends in `_total`."""
        self.name, self._text, self._label, self._read = name, text, label, read

    def lines(self) -> Iterator[str]:
        """Yield its lines."""
        yield from _described(self.name, self._text, "counter")
        for value, amount in sorted(self._read().items()):
            yield f"{self.name}{_labels((self._label,), (value,))} {_number(amount)}"


class Histogram:
    """How often values fell below some bounds, for each combination of label values."""

    def __init__(
        self, name: str, text: str, bounds: Sequence[float], labels: Sequence[str] = ()
    ) -> None:
        """Name it; `bounds` are upper, inclusive, ascending."""
        self.name, self._text = name, text
        self._bounds, self._labels = tuple(bounds), tuple(labels)
        self._rows: dict[tuple[str, ...], tuple[list[int], list[float]]] = {}

    def observe(self, value: float, *values: str) -> None:
        """Count a value under these label values."""
        row = self._rows.get(values)
        if row is None:
            row = self._rows[values] = ([0] * (len(self._bounds) + 1), [0.0])
        row[0][bisect_left(self._bounds, value)] += 1
        row[1][0] += value

    def lines(self) -> Iterator[str]:
        """Yield its lines."""
        yield from _described(self.name, self._text, "histogram")
        for values, (counts, total) in sorted(self._rows.items()):
            below = 0
            for bound, count in zip([*self._bounds, float("inf")], counts, strict=True):
                below += count
                labels = _labels((*self._labels, "le"), (*values, _number(bound)))
                yield f"{self.name}_bucket{labels} {below}"
            labels = _labels(self._labels, values)
            yield f"{self.name}_sum{labels} {_number(total[0])}"
            yield f"{self.name}_count{labels} {below}"


def render(metrics: Sequence[Metric]) -> bytes:
    """Return the whole text."""
    return "".join(f"{line}\n" for metric in metrics for line in metric.lines()).encode()


def _described(name: str, text: str, kind: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _labels(names: Sequence[str], values: Sequence[str]) -> str:
    if not names:
        return ""
    pairs = zip(names, values, strict=True)
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return str(int(value)) if value == int(value) else repr(value)
