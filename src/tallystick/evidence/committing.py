"""Committing to many rows: salts, leaf hashes and root, on every core.

    with RowCommitter(processes=2) as committer:
        committed = committer.commit(records)

Rows are cut into pieces whose trees are complete subtrees of the batch's tree, so each process
returns the root of its piece and only a handful of hashes are left to be done here.

Pieces travel through shared memory: through the pipe of a pool, handing them over cost as much as
a second core brought.

Trust: that memory holds rows and salts in plain, readable for this user's processes only, until
the committer is closed.
"""

import os
from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from multiprocessing import get_context
from multiprocessing.shared_memory import SharedMemory
from typing import Final, Self

from tallystick.merkle import HASH_BYTES, tree_root
from tallystick.statement import row_leaves
from tallystick.statement.commitment import SALT_BYTES

PIECE_ROWS: Final = 1 << 14
"""Rows of a piece, a power of two."""
SLOTS_EACH: Final = 2
"""Pieces per process that are under way: one is worked on while the next is made ready."""

_OUT_BYTES: Final = SALT_BYTES + HASH_BYTES
_LENGTH: Final = "I"


@dataclass(frozen=True, slots=True)
class CommittedRows:
    """Commitments to the rows of a batch.

    Attributes:
        salts: 32 bytes per row, concatenated; secret.
        leaves: 32 bytes per row, concatenated; public.
        root: Root over the leaves.
    """

    salts: bytes
    leaves: bytes
    root: bytes


class RowCommitter:
    """Commits to rows, with other processes' help if there are many. For one thread at a time."""

    def __init__(self, processes: int = 1) -> None:
        """Use that many processes; with one, everything is done by the caller."""
        self._pool: ProcessPoolExecutor | None = None
        self._slots: list[_Slot] = []
        if processes > 1:
            self._pool = ProcessPoolExecutor(processes, get_context("forkserver"))
            self._slots = [_Slot() for _ in range(SLOTS_EACH * processes)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def commit(self, records: Sequence[bytes]) -> CommittedRows:
        """Salt and hash encoded rows, at least one.

        Raises:
            BrokenProcessPool: A process died.
            OSError: There is no room for shared memory.
        """
        pieces = [records[at : at + PIECE_ROWS] for at in range(0, len(records), PIECE_ROWS)]
        if self._pool is None or len(pieces) == 1:
            done = [_commit(piece) for piece in pieces]
        else:
            done = list(self._spread(self._pool, pieces))
        return CommittedRows(
            b"".join(piece.salts for piece in done),
            b"".join(piece.leaves for piece in done),
            tree_root([piece.root for piece in done]),
        )

    def close(self) -> None:
        """End the processes, and give their memory back."""
        if self._pool is not None:
            self._pool.shutdown()
        for slot in self._slots:
            slot.close()

    def _spread(
        self, pool: ProcessPoolExecutor, pieces: Sequence[Sequence[bytes]]
    ) -> Iterator[CommittedRows]:
        """Have each piece committed to, in order, as many at a time as there are slots."""
        under_way: deque[tuple[_Slot, int, Future[bytes]]] = deque()
        for number, piece in enumerate(pieces):
            if len(under_way) == len(self._slots):
                yield _taken(*under_way.popleft())
            slot = self._slots[number % len(self._slots)]
            name, record_bytes = slot.put(piece)
            future = pool.submit(_commit_shared, name, len(piece), record_bytes)
            under_way.append((slot, len(piece), future))
        while under_way:
            yield _taken(*under_way.popleft())


class _Slot:
    """Shared memory for one piece: salts and leaves, then the records' lengths, then the records.

    Attributes:
        memory: None before the first piece.
    """

    __slots__ = ("memory",)

    def __init__(self) -> None:
        self.memory: SharedMemory | None = None

    def put(self, records: Sequence[bytes]) -> tuple[str, int]:
        """Write a piece; return the memory's name and how many bytes all records have."""
        lengths, joined = array(_LENGTH, map(len, records)).tobytes(), b"".join(records)
        at = _OUT_BYTES * len(records)
        memory = self._room(at + len(lengths) + len(joined))
        view = _bytes_of(memory)
        view[at : at + len(lengths)] = lengths
        at += len(lengths)
        view[at : at + len(joined)] = joined
        return memory.name, len(joined)

    def close(self) -> None:
        """Give the memory back."""
        if self.memory is not None:
            self.memory.close()
            self.memory.unlink()
            self.memory = None

    def _room(self, size: int) -> SharedMemory:
        if self.memory is None or self.memory.size < size:
            self.close()
            self.memory = SharedMemory(create=True, size=size)
        return self.memory


def _taken(slot: _Slot, rows: int, future: Future[bytes]) -> CommittedRows:
    """Wait for a piece and take it out of its slot."""
    root = future.result()
    assert slot.memory is not None  # noqa: S101 - the piece is in it
    view, half = _bytes_of(slot.memory), SALT_BYTES * rows
    return CommittedRows(bytes(view[:half]), bytes(view[half : _OUT_BYTES * rows]), root)


def _commit_shared(name: str, rows: int, record_bytes: int) -> bytes:
    """Commit to the rows in a slot, in another process; return their root."""
    view = _bytes_of(_attached(name))
    at = _OUT_BYTES * rows
    lengths = array(_LENGTH)
    lengths.frombytes(bytes(view[at : at + lengths.itemsize * rows]))
    at += lengths.itemsize * rows
    joined = bytes(view[at : at + record_bytes])
    ends = accumulate(lengths)
    done = _commit([joined[end - n : end] for n, end in zip(lengths, ends, strict=True)])
    view[: _OUT_BYTES * rows] = done.salts + done.leaves
    return done.root


@lru_cache(maxsize=16)
def _attached(name: str) -> SharedMemory:
    """Open a slot that the owner made; names are never used again."""
    return SharedMemory(name)


def _bytes_of(memory: SharedMemory) -> "memoryview[int]":
    assert memory.buf is not None  # noqa: S101 - nobody closed it
    return memory.buf


def _commit(records: Sequence[bytes]) -> CommittedRows:
    salts, leaves = row_leaves(records, os.urandom)
    return CommittedRows(salts, leaves, tree_root(leaves))
