"""Leaf hashes of batch statements, kept beside the log for as long as the log.

They let anybody prove a row without the other rows, and survive the erasure of every row: a salted
hash whose salt is destroyed says nothing.

Trust: whoever changes this file makes proofs fail; a changed hash never proves a changed row.
"""

import os
from pathlib import Path

from tallystick.errors import DamagedError, NotFoundError
from tallystick.merkle import HASH_BYTES, tree_root
from tallystick.statement import Batch


class Batches:
    """One file per batch, named by the statement's id."""

    def __init__(self, folder: Path) -> None:
        """Use a folder; it is made when the first batch is kept."""
        self._folder = folder

    def keep(self, statement_id: bytes, leaves: bytes) -> None:
        """Write leaf hashes durably; those that are there already stay."""
        path = self._path(statement_id)
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".new")
        with beside.open("wb") as file:
            file.write(leaves)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def discard(self, statement_id: bytes) -> None:
        """Remove the leaf hashes of a statement that was refused."""
        self._path(statement_id).unlink(missing_ok=True)

    def leaves(self, statement_id: bytes, batch: Batch) -> bytes:
        """Return all leaf hashes of a batch, concatenated.

        Raises:
            NotFoundError: They are not here.
            DamagedError: They do not lead to the batch's root.
        """
        try:
            leaves = self._path(statement_id).read_bytes()
        except FileNotFoundError as error:
            raise NotFoundError(f"no leaf hashes of batch {statement_id.hex()}") from error
        if len(leaves) != batch.rows * HASH_BYTES or tree_root(leaves) != batch.root:
            raise DamagedError(f"leaf hashes of {statement_id.hex()} do not lead to its root")
        return leaves

    def _path(self, statement_id: bytes) -> Path:
        name = statement_id.hex()
        return self._folder / name[:2] / f"{name}.leaves"
