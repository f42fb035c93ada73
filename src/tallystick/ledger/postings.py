"""Postings: which entries have a property, for millions of entries and random keys.

A posting is (key, index): the key is a 64-bit hash of a property, such as one subject. New
postings collect in memory; a few thousand are sorted and written as a *run*, a file that is never
changed. A run covers a range of entries, so runs do not overlap and a search simply walks them
from the newest to the oldest. Eight runs of about one size are merged into one, the oldest first,
so that their number grows with the logarithm of the log and each posting is rewritten few times.

Merging happens in steps of bounded time, because a long log merges gigabytes now and then, and
whoever merges has other things to do.

A key is 64 bits of a hash and only *locates*: whoever searches compares the entry itself.
Everything here is derived from the log, and is written anew when it is missing.
"""

import os
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Final
from weakref import finalize

from tallystick.errors import DamagedError

POSTING_BYTES: Final = 16
MERGE_RUNS: Final = 8
RUN_ENTRIES: Final = 4096
"""Entries whose postings are collected in memory before they become a run."""
RUNS_MAX: Final = 128
"""With more runs than that merging goes before waiting: each is an open file, and is searched."""

_PAGE: Final = 256  # postings between two sparse keys: one read of 4 KiB
_MAGIC: Final = b"TALLYRN1"
_FOOTER: Final = 8 + 8
_OPEN_TRIES: Final = 10
_MERGE_CHUNK: Final = 1 << 14  # postings sorted at once while merging; nobody else runs meanwhile
MERGE_SECONDS: Final = 0.05
"""How long one step of a merge takes, about."""


def posting_key(kind: str, value: bytes) -> bytes:
    """Return the key of a property."""
    return sha256(kind.encode() + b"\0" + value).digest()[:8]


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A range of entries, the last one excluded."""

    first: int
    last: int


class Run:
    """A sorted file of postings; every process may read it."""

    def __init__(self, path: Path) -> None:
        """Open a run.

        Raises:
            DamagedError: Cut off, or not a run.
        """
        first, _, last = path.stem.partition("-")
        self.path, self.span = path, Span(int(first), int(last))
        self._descriptor = os.open(path, os.O_RDONLY)
        # A search may still read a run that a merge has replaced: the last reader closes it.
        self.close = finalize(self, os.close, self._descriptor)
        size = os.fstat(self._descriptor).st_size
        footer = os.pread(self._descriptor, _FOOTER, max(0, size - _FOOTER))
        self.count = int.from_bytes(footer[:8])
        pages = -(-self.count // _PAGE)
        if footer[8:] != _MAGIC or size != self.count * POSTING_BYTES + pages * 8 + _FOOTER:
            self.close()
            raise DamagedError(f"{path} is cut off", advice="run `tally rebuild-index`")
        self._sparse = array("Q", os.pread(self._descriptor, pages * 8, self.count * POSTING_BYTES))
        if sys.byteorder == "little":
            self._sparse.byteswap()

    def find(self, key: bytes, before: int) -> Iterator[int]:
        """Yield the indexes below `before` that have the key, newest first."""
        at = self._position(key + before.to_bytes(8)) if self._has(key) else 0
        while at:
            first = (at - 1) // _PAGE * _PAGE
            page = self.read(first, at)
            for position in range(len(page) - POSTING_BYTES, -1, -POSTING_BYTES):
                if page[position : position + 8] != key:
                    return
                yield int.from_bytes(page[position + 8 : position + POSTING_BYTES])
            at = first

    def read(self, first: int, last: int) -> bytes:
        """Return postings `first` to `last`, concatenated."""
        return os.pread(self._descriptor, (last - first) * POSTING_BYTES, first * POSTING_BYTES)

    def position(self, key: int) -> int:
        """Return where the first posting with a key of at least `key` stands."""
        return self._position(key.to_bytes(8)) if key < 2**64 else self.count

    def _has(self, key: bytes) -> bool:
        """Tell whether any posting has the key; most runs have not, so this is quick."""
        number = int.from_bytes(key)
        page = bisect_left(self._sparse, number)
        if page < len(self._sparse) and self._sparse[page] == number:
            return True
        data = self.read(max(0, page - 1) * _PAGE, max(1, page) * _PAGE)
        at = data.find(key)
        while at >= 0 and at % POSTING_BYTES:
            at = data.find(key, at + 1)
        return at >= 0

    def _position(self, posting: bytes) -> int:
        """Return how many postings are smaller."""
        number = int.from_bytes(posting[:8])
        page = bisect_left(self._sparse, number)
        low, high = max(0, page - 1) * _PAGE, min(self.count, max(page, 1) * _PAGE)
        if page < len(self._sparse) and self._sparse[page] == number:  # one key fills pages
            high = min(self.count, bisect_left(self._sparse, number + 1) * _PAGE)
        while high - low > _PAGE:
            middle = (low + high) // 2
            if self.read(middle, middle + 1) < posting:
                low = middle + 1
            else:
                high = middle
        data = self.read(low, high)
        rows = range(0, len(data), POSTING_BYTES)
        return low + bisect_left(rows, posting, key=lambda at: data[at : at + POSTING_BYTES])


class Postings:
    """All postings of a log. `add`, `seal` and `merge` belong to the writing process."""

    def __init__(self, folder: Path, *, writable: bool) -> None:
        """Open the folder.

        Raises:
            DamagedError: A run is cut off or missing.
        """
        if writable:
            folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = Lock()
        self._fresh: list[bytes] = []  # postings that are in no run yet
        self._recent: dict[bytes, list[int]] = {}  # the first `_sorted_in` of them, by key
        self._sorted_in = 0
        self._merging: Iterator[None] | None = None
        self._merges = Lock()  # guards _merging: the publisher merges, and whoever is held back
        self._runs, covered = _open_runs(folder)
        for run in covered:  # a merge was interrupted before it removed them
            run.close()
        if writable:
            for path in [*(run.path for run in covered), *folder.glob("*.new")]:
                path.unlink(missing_ok=True)

    @property
    def sealed(self) -> int:
        """Entries below this index have their postings in runs."""
        return self._runs[-1].span.last if self._runs else 0

    @property
    def crowded(self) -> bool:
        """Whether there are so many runs that merging must not wait."""
        return len(self._runs) > RUNS_MAX

    def add(self, index: int, keys: Iterable[bytes]) -> None:
        """Add the properties of the next entry."""
        place = index.to_bytes(8)
        self._fresh += [key + place for key in keys]

    def find(self, key: bytes, before: int = 2**63) -> Iterator[int]:
        """Yield the indexes below `before` that have the key, newest first."""
        with self._lock:
            self._sort_in()
            recent, runs = list(self._recent.get(key, ())), list(self._runs)
        yield from (index for index in reversed(recent) if index < before)
        for run in reversed(runs):
            if run.span.first < before:
                yield from run.find(key, before)

    def _sort_in(self) -> None:
        """Make what was added findable: only who searches pays for it."""
        for posting in self._fresh[self._sorted_in :]:
            self._recent.setdefault(posting[:8], []).append(int.from_bytes(posting[8:]))
            self._sorted_in += 1

    def seal(self, last: int) -> None:
        """Write what was collected as a run that ends before entry `last`."""
        first = self.sealed
        if last <= first:
            return
        run = self._write(Span(first, last), sorted(self._fresh))
        with self._lock:
            self._runs.append(run)
            self._forget()

    def merge(self, seconds: float = MERGE_SECONDS) -> bool:
        """Merge neighbouring runs of one size for a while; tell whether there is more to do."""
        until = monotonic() + seconds
        while True:
            with self._merges:
                if not self._merge_on():
                    return False
            if monotonic() >= until:
                return True

    def _merge_on(self) -> bool:
        """Take the next step of a merge; tell whether there was one."""
        if self._merging is None:
            runs = self._crowd()
            if not runs:
                return False
            self._merging = self._merge(runs)
        if next(self._merging, self) is self:
            self._merging = None
        return True

    def _crowd(self) -> list[Run]:
        """Return runs that should become one, the oldest and smallest first; none if all is well.

        Eight runs of a level become one of the next. Smaller ones between or before them, left
        over from irregular seals, go with them, or they would lie there for ever.
        """
        for level in range(max((_level(run) for run in self._runs), default=-1) + 1):
            first = count = 0
            for at, run in enumerate(self._runs):
                if _level(run) > level:
                    first, count = at + 1, 0
                elif _level(run) == level:
                    count += 1
                    if count == MERGE_RUNS:
                        return self._runs[first : at + 1]
        return []

    def _merge(self, runs: list[Run]) -> Iterator[None]:
        """Merge runs into one, step by step; seals may come in between, other merges do not."""
        writing = _RunFile(self._folder, Span(runs[0].span.first, runs[-1].span.last))
        for chunk in _merged(runs):
            writing.write(chunk)
            yield
        merged = writing.finish()
        with self._lock:
            at = self._runs.index(runs[0])
            self._runs[at : at + len(runs)] = [merged]
        for run in runs:
            run.path.unlink(missing_ok=True)

    def _write(self, span: Span, postings: list[bytes]) -> Run:
        writing = _RunFile(self._folder, span)
        writing.write(postings)
        return writing.finish()

    def _forget(self) -> None:
        self._fresh.clear()
        self._recent.clear()
        self._sorted_in = 0

    def clear(self) -> None:
        """Forget everything, to be built anew."""
        with self._lock:
            for run in self._runs:
                run.close()
                run.path.unlink(missing_ok=True)
            self._runs.clear()
            self._merging = None
            self._forget()

    def close(self) -> None:
        """Give all files back; a merge that is not finished begins anew next time."""
        self._merging = None
        for run in self._runs:
            run.close()
        self._runs.clear()  # numbers of files that are closed are soon those of others


class _RunFile:
    """A run being written; its name appears when all of it is durable."""

    def __init__(self, folder: Path, span: Span) -> None:
        self._path = folder / f"{span.first}-{span.last}.run"
        self._beside = self._path.with_suffix(".new")
        self._beside.write_bytes(b"")
        self._count, self._sparse = 0, array("Q")

    def write(self, postings: list[bytes]) -> None:
        """Append sorted postings durably: a gigabyte synced at once would hold everybody up."""
        self._sparse.extend(int.from_bytes(p[:8]) for p in postings[-self._count % _PAGE :: _PAGE])
        self._append(b"".join(postings))
        self._count += len(postings)

    def finish(self) -> Run:
        """Write the end, give the file its name, and open it."""
        if sys.byteorder == "little":
            self._sparse.byteswap()
        self._append(self._sparse.tobytes() + self._count.to_bytes(8) + _MAGIC)
        self._beside.rename(self._path)
        descriptor = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # before the runs that it replaces are removed
        finally:
            os.close(descriptor)
        return Run(self._path)

    def _append(self, data: bytes) -> None:
        with self._beside.open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def _open_runs(folder: Path) -> tuple[list[Run], list[Run]]:
    """Open all runs; return those that follow on one another, and those that they cover.

    Raises:
        DamagedError: One is missing.
    """
    missing = f"the runs in {folder} keep changing"
    for _ in range(_OPEN_TRIES):  # a merge may rename and remove some meanwhile
        with suppress(FileNotFoundError):
            chosen: list[Run] = []
            covered: list[Run] = []
            for run in sorted((Run(path) for path in folder.glob("*.run")), key=_widest_first):
                end = chosen[-1].span.last if chosen else 0
                (chosen if run.span.first >= end else covered).append(run)
            gap = _gap(chosen)
            if gap is None:
                return chosen, covered
            missing = f"{folder} has no run from entry {gap.first} to {gap.last}"
    raise DamagedError(missing, advice="run `tally rebuild-index`")


def _gap(runs: list[Run]) -> Span | None:
    """Return the first range of entries that lies in no run."""
    end = 0
    for run in runs:
        if run.span.first > end:
            return Span(end, run.span.first)
        end = run.span.last
    return None


def _level(run: Run) -> int:
    """Return how often a run of this size was merged: 0 below 8 times `RUN_ENTRIES`, and so on."""
    return (max(1, (run.span.last - run.span.first) // RUN_ENTRIES).bit_length() - 1) // 3


def _widest_first(run: Run) -> tuple[int, int]:
    return run.span.first, -run.span.last


def _merged(runs: list[Run], low: int = 0, high: int = 2**64) -> Iterator[list[bytes]]:
    """Yield the postings of several runs with keys in low..high-1, in chunks of bounded size."""
    places = [(run.position(low), run.position(high)) for run in runs]
    count = sum(last - first for first, last in places)
    if count <= _MERGE_CHUNK:
        pieces = zip(runs, places, strict=True)
        chunk = [p for run, place in pieces for p in _postings(run, *place)]
        chunk.sort()  # joined sorted pieces: the sort only merges them
        yield chunk
    elif high - low > 1:
        middle = (low + high) // 2
        yield from _merged(runs, low, middle)
        yield from _merged(runs, middle, high)
    else:  # one key only: the runs follow on one another
        for run, (first, last) in zip(runs, places, strict=True):
            for at in range(first, last, _MERGE_CHUNK):
                yield _postings(run, at, min(at + _MERGE_CHUNK, last))


def _postings(run: Run, first: int, last: int) -> list[bytes]:
    data = run.read(first, last)
    return [data[at : at + POSTING_BYTES] for at in range(0, len(data), POSTING_BYTES)]
