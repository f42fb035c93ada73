"""The journal: what makes an acknowledgement durable before any tile is written.

A few files of fixed size, filled with zeros once and then overwritten again and again, so that
one `fdatasync` is all that is paid, for one batch or for several that were written meanwhile. A
frame holds one batch of numbered items:

    body length (4) | items (4) | number of the first (8) | digest (32) | body

What the body looks like is the owner's business. Each digest covers the one before it, and the
first one a random seed in the segment's header: neither an older frame in a recycled segment, nor
bytes inside an item, can be taken for a frame. Replay ends at the first frame that is not whole.

Trust: whoever can change the journal can lose what is not written elsewhere yet; for a log the
last signed checkpoint, kept apart, tells.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Final

from tallystick.errors import LimitError, VersionError
from tallystick.log.disk import BlockFile, Disk

SEGMENT_BYTES: Final = 8 << 20
SEGMENTS_MAX: Final = 8
"""More than this many segments are never used: the journal is bounded at 64 MiB."""

_MAGIC: Final = b"TALLYJN1"
_FRAME_HEAD: Final = 4 + 4 + 8 + 32
_SEGMENT_HEAD: Final = 8 + 8 + 8 + 32 + 32
_BODY_AT: Final = 4096
_BLANK_BYTES: Final = 1 << 20
BODY_BYTES_MAX: Final = SEGMENT_BYTES - _BODY_AT - _FRAME_HEAD
"""Longest body, with segments of the usual size."""


@dataclass(slots=True)
class _Segment:
    """One file. `last` is the number after its last item, for recycling."""

    name: str
    file: BlockFile
    serial: int = 0
    first: int = 0
    last: int = 0
    end: int = 0
    chain: bytes = b""


class Journal:
    """`append` and `write` belong to one thread; replayed once, when its owner opens it."""

    def __init__(
        self,
        disk: Disk,
        folder: Path,
        entropy: Callable[[int], bytes],
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        """Open all segments and find where the newest ends.

        Raises:
            VersionError: A segment is of another format; it must not be taken for a free one.
        """
        self._disk, self._folder, self._entropy = disk, folder, entropy
        self._segment_bytes = segment_bytes
        # Guards which segments are free and which are not synced: others recycle, reserve, sync.
        self._lock = Lock()
        self._unsynced: list[_Segment] = []
        self._segments = [self._open(name) for name in disk.names(folder) if name.isdigit()]
        for segment in self._segments:
            self._read_head(segment)
        begun = [segment for segment in self._segments if segment.serial]
        self._current = max(begun, key=lambda s: s.serial, default=None)
        self._serial = self._current.serial if self._current else 0

    @property
    def last(self) -> int:
        """Number after the last item in the newest segment; exact once all was replayed."""
        return self._current.last if self._current else 0

    def replay(self, number: int) -> Iterator[tuple[int, int, bytes]]:
        """Yield first number, count and body of the frames that reach beyond `number`, in order.

        Prepares to append after them. What is not whole was never acknowledged and is left out;
        whether all that was acknowledged is there, the caller must know from elsewhere. A killed
        process may leave whole frames that were never synced: `sync` before building on them.
        """
        for segment in sorted((s for s in self._segments if s.serial), key=lambda s: s.serial):
            if segment.first > number:
                continue  # left after an error, and what was before it is not whole
            self._unsynced.append(segment)
            for first, count, body in self._frames(segment):
                if first <= number < first + count:
                    yield first, count, body
                    number = first + count

    def append(self, first: int, count: int, body: bytes) -> None:
        """Write one batch durably; as `write`, then `sync`."""
        self.write(first, count, body)
        self.sync()

    def write(self, first: int, count: int, body: bytes) -> None:
        """Write one batch; it is durable only after `sync`.

        Args:
            first: Number of its first item.
            count: How many items it has, at least one.
            body: The items, as their owner encodes them.

        Raises:
            LimitError: The body is too large for a segment; nothing was written.
            BlockingIOError: Every segment still holds items that are not recycled.
            OSError: It is not known what was written: `abandon`, or open the journal again.
        """
        if _FRAME_HEAD + len(body) > self._segment_bytes - _BODY_AT:
            raise LimitError(f"batch has {len(body)} bytes, more than a journal segment holds")
        segment = self._current
        if segment is None or segment.end + _FRAME_HEAD + len(body) > self._segment_bytes:
            with self._lock:
                segment = self._begin(first)
        head = len(body).to_bytes(4) + count.to_bytes(4) + first.to_bytes(8)
        chain = sha256(segment.chain + head + body).digest()
        segment.file.pwrite(head + chain + body, segment.end)
        segment.chain = chain
        segment.end += _FRAME_HEAD + len(body)
        segment.last = first + count
        with self._lock:
            if segment not in self._unsynced:
                self._unsynced.append(segment)

    def sync(self) -> None:
        """Make durable all that was written before; another thread may go on writing meanwhile.

        Raises:
            OSError: It is not known what is durable: `abandon`, or open the journal again.
        """
        with self._lock:
            segments, self._unsynced = self._unsynced, []
        for segment in segments:
            segment.file.datasync()

    def abandon(self) -> None:
        """Leave the current segment after an error: the next batch begins another one.

        What the disk holds of a segment after an error is unknown, its header included. All that
        was written since the last successful `sync` must be written again, with the same numbers
        and items: where both copies survive, replay takes either.
        """
        with self._lock:
            current, self._current = self._current, None
            self._unsynced = []
            if current is not None and current.last == current.first:
                current.serial = 0  # nothing is in it: free to be taken again

    def reserve(self) -> None:
        """Have a free segment ready, so that no `write` waits for a file to be filled."""
        with self._lock:
            short = all(s.serial for s in self._segments) and len(self._segments) < SEGMENTS_MAX
            name = self._free_name()
        if short:
            segment = self._open(name)
            with self._lock:
                if name == self._free_name():
                    self._segments.append(segment)
                    return
            segment.file.close()

    def recycle(self, number: int) -> None:
        """Allow segments to be overwritten whose items are all below `number`."""
        with self._lock:
            for segment in self._segments:
                if segment is not self._current and segment.last <= number:
                    segment.serial = 0

    def blank(self, number: int) -> None:
        """Overwrite all items with zeros; none reaches beyond `number`, and all were replayed.

        A fresh segment is begun first, so that whoever is killed finds nothing missing.
        """
        self.recycle(number)
        with self._lock:
            fresh = self._begin(number)
            others = [segment for segment in self._segments if segment is not fresh]
        fresh.file.datasync()
        for segment in (*others, fresh):
            for at in range(_BODY_AT if segment is fresh else 0, self._segment_bytes, _BLANK_BYTES):
                rest = min(_BLANK_BYTES, self._segment_bytes - at)
                segment.file.pwrite(bytes(rest), at)
            segment.file.datasync()
            segment.serial = segment.serial if segment is fresh else 0

    def close(self) -> None:
        """Give all files back."""
        for segment in self._segments:
            segment.file.close()

    def _begin(self, first: int) -> _Segment:
        """Take a free segment, or make one, and write its header."""
        segment = next((s for s in self._segments if not s.serial), None)
        if segment is None:
            if len(self._segments) >= SEGMENTS_MAX:
                raise BlockingIOError("all journal segments are in use")
            segment = self._open(self._free_name())
            self._segments.append(segment)
        self._serial += 1
        seed = self._entropy(32)
        head = _MAGIC + self._serial.to_bytes(8) + first.to_bytes(8) + seed
        segment.file.pwrite(head + sha256(head).digest(), 0)
        segment.serial, segment.first, segment.last = self._serial, first, first
        segment.end, segment.chain = _BODY_AT, seed
        self._current = segment
        return segment

    def _free_name(self) -> str:
        """Return a name that no segment has: somebody may have removed one from the middle."""
        taken = {segment.name for segment in self._segments}
        return next(name for name in map(str, itertools.count()) if name not in taken)

    def _open(self, name: str) -> _Segment:
        return _Segment(name, self._disk.block_file(self._folder / name, self._segment_bytes))

    def _read_head(self, segment: _Segment) -> None:
        data = segment.file.pread(_SEGMENT_HEAD, 0)
        head = data[:-32]
        magic = head[: len(_MAGIC)]
        if magic[:-1] == _MAGIC[:-1] and magic != _MAGIC:
            raise VersionError(
                f"journal segment {segment.name} has format {magic!r}, "
                f"this release reads {_MAGIC!r}",
                advice="a newer release wrote it: use that one; nothing was changed",
            )
        if head.startswith(_MAGIC) and sha256(head).digest() == data[-32:]:
            segment.serial = int.from_bytes(head[8:16])
            segment.first = segment.last = int.from_bytes(head[16:24])
            segment.end, segment.chain = _BODY_AT, head[24:]

    def _frames(self, segment: _Segment) -> Iterator[tuple[int, int, bytes]]:
        """Yield the whole frames of a segment, leaving its end after the last of them."""
        while True:
            head = segment.file.pread(_FRAME_HEAD, segment.end)
            length, count, first = (int.from_bytes(head[a:b]) for a, b in ((0, 4), (4, 8), (8, 16)))
            room = self._segment_bytes - segment.end - _FRAME_HEAD
            if first != segment.last or not count or length > room:
                return
            body = segment.file.pread(length, segment.end + _FRAME_HEAD)
            if sha256(segment.chain + head[:16] + body).digest() != head[16:]:
                return
            segment.chain = head[16:]
            segment.end += _FRAME_HEAD + length
            segment.last = first + count
            yield first, count, body
