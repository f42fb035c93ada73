"""Postings: which entries have a property, for millions of entries and random keys.

A posting is (key, index): the key is a 64-bit hash of a property, such as one subject. New
postings collect in memory; a few thousand are sorted and written as a *run*, a file that is never
changed. A run covers a range of entries, so runs do not overlap and a search simply walks them
from the newest to the oldest. When eight runs of one size lie side by side they are merged, so
that their number grows with the logarithm of the log and each posting is rewritten few times.

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
from typing import Final
from weakref import finalize

from tallystick.errors import DamagedError

POSTING_BYTES: Final = 16
MERGE_RUNS: Final = 8
RUN_ENTRIES: Final = 4096
"""Entries whose postings are collected in memory before they become a run."""

_PAGE: Final = 256  # postings between two sparse keys: one read of 4 KiB
_MAGIC: Final = b"TALLYRN1"
_FOOTER: Final = 8 + 8
_OPEN_TRIES: Final = 10
_MERGE_CHUNK: Final = 1 << 15  # postings sorted at once while merging


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
        """Open the folder, leaving out runs that a merged one covers."""
        if writable:
            folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = Lock()
        self._recent: dict[bytes, list[int]] = {}
        self._runs: list[Run] = []
        for run in _open_runs(folder):
            if run.span.first < self.sealed:  # covered: a merge was interrupted before removing
                run.close()
                if writable:
                    run.path.unlink(missing_ok=True)
            else:
                self._runs.append(run)

    @property
    def sealed(self) -> int:
        """Entries below this index have their postings in runs."""
        return self._runs[-1].span.last if self._runs else 0

    def add(self, index: int, keys: Iterable[bytes]) -> None:
        """Add the properties of the next entry."""
        with self._lock:
            for key in keys:
                self._recent.setdefault(key, []).append(index)

    def find(self, key: bytes, before: int = 2**63) -> Iterator[int]:
        """Yield the indexes below `before` that have the key, newest first."""
        with self._lock:
            recent, runs = list(self._recent.get(key, ())), list(self._runs)
        yield from (index for index in reversed(recent) if index < before)
        for run in reversed(runs):
            if run.span.first < before:
                yield from run.find(key, before)

    def seal(self, last: int) -> None:
        """Write what was collected as a run that ends before entry `last`."""
        with self._lock:
            first = self.sealed
            postings = [
                key + index.to_bytes(8)
                for key, indexes in self._recent.items()
                for index in indexes
            ]
        if last > first:
            run = self._write(Span(first, last), iter([sorted(postings)]))
            with self._lock:
                self._runs.append(run)
                self._recent.clear()

    def merge(self) -> bool:
        """Merge eight neighbouring runs of one size, if there are; tell whether there were."""
        for at in range(len(self._runs) - MERGE_RUNS, -1, -1):
            runs = self._runs[at : at + MERGE_RUNS]
            sizes = [run.span.last - run.span.first for run in runs]
            if max(sizes) < 2 * min(sizes):
                span = Span(runs[0].span.first, runs[-1].span.last)
                merged = self._write(span, _merged(runs))
                with self._lock:
                    self._runs[at : at + MERGE_RUNS] = [merged]
                for run in runs:
                    run.path.unlink(missing_ok=True)
                return True
        return False

    def clear(self) -> None:
        """Forget everything, to be built anew."""
        with self._lock:
            for run in self._runs:
                run.close()
                run.path.unlink(missing_ok=True)
            self._runs.clear()
            self._recent.clear()

    def close(self) -> None:
        """Give all files back."""
        for run in self._runs:
            run.close()

    def _write(self, span: Span, chunks: Iterator[list[bytes]]) -> Run:
        """Write sorted postings, durably before the name appears."""
        path = self._folder / f"{span.first}-{span.last}.run"
        beside = path.with_suffix(".new")
        count, sparse = 0, array("Q")
        with beside.open("wb") as file:
            for chunk in chunks:
                first_page = -count % _PAGE
                sparse.extend(int.from_bytes(p[:8]) for p in chunk[first_page::_PAGE])
                file.write(b"".join(chunk))
                count += len(chunk)
            if sys.byteorder == "little":
                sparse.byteswap()
            file.write(sparse.tobytes() + count.to_bytes(8) + _MAGIC)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
        return Run(path)


def _open_runs(folder: Path) -> list[Run]:
    """Open all runs, the widest first; a merge may remove some meanwhile."""
    for _ in range(_OPEN_TRIES):
        with suppress(FileNotFoundError):
            return sorted((Run(path) for path in folder.glob("*.run")), key=_widest_first)
    raise DamagedError(f"the runs in {folder} keep changing")


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
