"""Committing to many rows: salts, leaf hashes and root, on every core.

    with RowCommitter(processes=2) as committer:
        committed = committer.commit(records)

Rows are cut into pieces whose trees are complete subtrees of the batch's tree, so each process
returns the root of its piece and only a handful of hashes are left to be done here.
"""

import os
from array import array
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from multiprocessing import get_context
from typing import Final, Self

from tallystick.merkle import tree_root
from tallystick.statement import row_leaves

PIECE_ROWS: Final = 1 << 14
"""Rows of a piece, a power of two."""


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
    """Commits to rows, with other processes' help if there are many."""

    def __init__(self, processes: int = 1) -> None:
        """Use that many processes; with one, everything is done by the caller."""
        self._pool: ProcessPoolExecutor | None = None
        if processes > 1:
            self._pool = ProcessPoolExecutor(processes, get_context("forkserver"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def commit(self, records: Sequence[bytes]) -> CommittedRows:
        """Salt and hash encoded rows, at least one.

        Raises:
            BrokenProcessPool: A process died.
        """
        pieces = [records[at : at + PIECE_ROWS] for at in range(0, len(records), PIECE_ROWS)]
        if self._pool is None or len(pieces) == 1:
            done = [_commit(piece) for piece in pieces]
        else:
            # One string instead of many costs a third to hand over.
            lengths = (array("I", map(len, piece)) for piece in pieces)
            done = list(self._pool.map(_commit_joined, map(b"".join, pieces), lengths))
        return CommittedRows(
            b"".join(piece.salts for piece in done),
            b"".join(piece.leaves for piece in done),
            tree_root([piece.root for piece in done]),
        )

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown()


def _commit_joined(joined: bytes, lengths: "array[int]") -> CommittedRows:
    ends = accumulate(lengths)
    return _commit([joined[end - n : end] for n, end in zip(lengths, ends, strict=True)])


def _commit(records: Sequence[bytes]) -> CommittedRows:
    salts, leaves = row_leaves(records, os.urandom)
    return CommittedRows(salts, leaves, tree_root(leaves))
