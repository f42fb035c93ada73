"""The ledger that grows: making it, growing it, copying it, and counting its bytes."""

import os
import re
import resource
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.made import ORIGIN, PER_SECOND, POLICY, START, Maker, Prechecked
from tallystick.errors import TallystickError
from tallystick.ledger import Home, Ledger, Submission, create
from tallystick.log.layout import ENTRIES, tile_path
from tallystick.merkle import Tile, tile_width

PASSPHRASE = b"bench"
BATCH = 2048
_KIB_PER_MIB = 1024
_LENGTH_BYTES = 2  # before each entry in a bundle


class Clock:
    """Says the issue time of the statements that are being registered."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now

    def follow(self, number: int) -> None:
        """Move to when statement `number` is issued; never back."""
        self.now = max(self.now, START + number // PER_SECOND)


def make_home(folder: Path) -> None:
    """Make a ledger with all issuers registered."""
    home = Home(folder)
    create(home, ORIGIN, PASSPHRASE, clock=Clock(), policy=POLICY)
    with Ledger.open(home, PASSPHRASE, clock=Clock()) as ledger:
        for issuer in Maker().issuers:
            ledger.register_key(issuer.record())


@contextmanager
def opened(folder: Path, clock: Clock, checks: Prechecked) -> Iterator[Ledger]:
    """Open the ledger as a service does; the clock goes on where the log is."""
    with Ledger.open(Home(folder), PASSPHRASE, clock=clock, checks=checks) as ledger:
        clock.follow(ledger.snapshot.checkpoint.size)
        yield ledger


class Growing:
    """Registers statement after statement; statement n comes about at index n."""

    def __init__(self, folder: Path, clock: Clock, checks: Prechecked) -> None:
        self._folder, self._clock, self._checks = folder, clock, checks
        self._maker = Maker()
        self.times: list[float] = []

    def to(self, size: int) -> dict[str, float]:
        """Grow to at least this size; say how fast, making of statements left out."""
        with opened(self._folder, self._clock, self._checks) as ledger:
            began = first = ledger.snapshot.checkpoint.size
            while first < size:
                self.register(ledger, first, min(BATCH, size - first))
                first = ledger.snapshot.checkpoint.size
        seconds = sum(self.times)
        per_s = (first - began) / seconds if seconds else 0.0
        return {"size": first, "per_s": round(per_s), "seconds": seconds, "peak_mib": peak_mib()}

    def register(self, ledger: Ledger, first: int, count: int) -> None:
        """Register statements `first` and following in one call, timed.

        Raises:
            TallystickError: Any of them was refused or known before.
        """
        statements = self._maker.statements(first, count)
        self._checks.tell(statements)
        self._clock.follow(first)
        submissions = [Submission(s.entry) for s in statements]
        began = time.perf_counter()
        answers = ledger.register(submissions)
        self.times.append(time.perf_counter() - began)
        for answer in answers:
            if isinstance(answer, TallystickError):
                raise answer
            if answer.existed:
                raise AssertionError(f"statement at {answer.index} was new, and was found")


def clone(home: Path, to: Path) -> Path:
    """Copy a ledger that is closed; what is never overwritten is linked."""
    shutil.copytree(home, to, copy_function=_copy)
    return to


def _copy(source: str, target: str) -> None:
    if "/data/log/tile/" in source or source.endswith(".run"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def stored_bytes(home: Path) -> dict[str, float]:
    """Return bytes per entry of a closed ledger: the entries' own, beyond them, with the index."""
    data = Home(home).data
    size = int((data / "log" / "checkpoint").read_text().splitlines()[1])
    own = _bundle_bytes(data / "log", size) - _LENGTH_BYTES * size
    log = _bytes(data / "log") + (data / "halfway").stat().st_size
    index = _bytes(data / "index")
    return {
        "entry": round(own / size, 2),
        "log_beyond_entries": round((log - own) / size, 2),
        "with_index": round((log - own + index) / size, 2),
        "allocated_log_beyond_entries": round((_allocated(data / "log") - own) / size, 2),
        "journal_bytes": _bytes(data / "journal"),
    }


def _bundle_bytes(log: Path, size: int) -> int:
    """Return the bytes of the bundles of this size; older partial ones are not among them."""
    tiles = (
        Tile(ENTRIES, number, tile_width(0, number, size)) for number in range(-(-size // 256))
    )
    return sum((log / tile_path(tile)).stat().st_size for tile in tiles)


def _bytes(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def _allocated(folder: Path) -> int:
    return sum(512 * p.stat().st_blocks for p in folder.rglob("*"))


def peak_mib() -> float:
    """Return the most memory that this process ever had resident.

    Linux hands `ru_maxrss` of the parent on to a child, so its own peak is asked for first.
    """
    with suppress(OSError):
        found = re.search(
            r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE
        )
        if found:
            return round(int(found[1]) / _KIB_PER_MIB, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB_PER_MIB, 1)
