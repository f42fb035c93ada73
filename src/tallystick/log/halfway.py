"""Half-way hashes: the roots of the 16 groups of 16 leaves in every full level-0 tile.

With them a proof costs an eighth of the hashing, for 2 bytes per entry. They are derived from the
tiles, never served, and may be lost at any time: a reader compares them with the tile above and
does without them if they are missing or wrong.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from tallystick.merkle import HASH_BYTES

ROW_BYTES: Final = 16 * HASH_BYTES


class HalfwayStore:
    """One file, a row per tile; missing rows read as None."""

    def __init__(self, path: Path, *, writable: bool = False) -> None:
        """Open the file if it is there; `writable` makes it."""
        self._descriptor: int | None = None
        flags = os.O_RDWR | os.O_CREAT if writable else os.O_RDONLY
        if writable:
            path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):
            self._descriptor = os.open(path, flags, 0o644)

    def row(self, number: int) -> bytes | None:
        """Return the 16 hashes of tile `number`, concatenated."""
        if self._descriptor is None:
            return None
        row = os.pread(self._descriptor, ROW_BYTES, number * ROW_BYTES)
        return row if len(row) == ROW_BYTES and any(row[:HASH_BYTES]) else None

    def keep(self, number: int, row: bytes) -> None:
        """Write a row; it is derived, so failing to is no failure."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.pwrite(self._descriptor, row, number * ROW_BYTES)

    def close(self) -> None:
        """Give the file back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
