"""Shapes in which a batch can be made durable: the table of docs/adr/0001-journal.md.

    python -m bench.journal_layouts --folder /var/tmp

Each shape writes and syncs the same batches of 256 entries of 512 bytes. They take turns, so that
the machine's moods hit all.
"""

import argparse
import os
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.limits import limits
from bench.machine import machine
from bench.report import spread, tell, timed
from tallystick.log import PosixDisk

BATCH, ENTRY_BYTES = 256, 512
ROUNDS, EACH = 5, 40
SEGMENT_BYTES = 8 << 20
TILE_BYTES = 256 * 32

Step = Callable[[bytes], None]


def new_files(folder: Path) -> Step:
    """A bundle and a tile per batch, each a new file, synced with their folder."""
    disk, count = PosixDisk(), 0
    folder.mkdir()

    def step(batch: bytes) -> None:
        nonlocal count
        count += 1
        paths = [folder / f"bundle{count}", folder / f"tile{count}"]
        disk.write(paths[0], batch)
        disk.write(paths[1], batch[:TILE_BYTES])
        disk.sync(paths)

    return step


def growing_file(folder: Path) -> Step:
    """Append to one file."""
    descriptor = os.open(folder / "growing", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def step(batch: bytes) -> None:
        os.write(descriptor, batch)
        os.fdatasync(descriptor)

    return step


def filled_file(folder: Path) -> Step:
    """Overwrite a file that was filled with zeros once, again and again from its start."""
    file, at = PosixDisk().block_file(folder / "filled", SEGMENT_BYTES), 0

    def step(batch: bytes) -> None:
        nonlocal at
        file.pwrite(batch, at)
        file.datasync()
        at = (at + len(batch)) % (SEGMENT_BYTES - len(batch))

    return step


def sqlite_rows(folder: Path) -> Step:
    """One row per entry in SQLite, WAL, `synchronous=FULL`."""
    database = sqlite3.connect(folder / "rows.sqlite", isolation_level=None)
    database.execute("PRAGMA journal_mode=wal")
    database.execute("PRAGMA synchronous=full")
    database.execute("CREATE TABLE entries (idx INTEGER PRIMARY KEY, data BLOB)")

    def step(batch: bytes) -> None:
        database.execute("BEGIN")
        rows = [(batch[at : at + ENTRY_BYTES],) for at in range(0, len(batch), ENTRY_BYTES)]
        database.executemany("INSERT INTO entries (data) VALUES (?)", rows)
        database.execute("COMMIT")

    return step


SHAPES = {
    "new bundle and tile files": new_files,
    "append to a growing file": growing_file,
    "overwrite a filled file": filled_file,
    "SQLite, WAL, synchronous=FULL": sqlite_rows,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, help="on the disk to measure")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        about = {"machine": machine(), "limits": limits(folder / "limits")}
        steps = {shape: make(folder / str(at) if make is new_files else folder)
                 for at, (shape, make) in enumerate(SHAPES.items())}  # fmt: skip
        times: dict[str, list[float]] = {shape: [] for shape in steps}
        for _ in range(ROUNDS):
            for shape, step in steps.items():
                times[shape] += [_one(step) for _ in range(EACH)]
    rows = [{"shape": shape, **spread(found)} for shape, found in times.items()]
    tell("journal layouts", rows, {**about, "layouts": rows})


def _one(step: Step) -> float:
    batch = os.urandom(BATCH * ENTRY_BYTES)
    return timed(lambda: step(batch))


if __name__ == "__main__":
    main()
