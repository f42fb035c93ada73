"""The machine: Python, libraries, file system and disk."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tallystick import __version__
from tallystick.cli.checks.finding import Finding, ok, problem, warning

PYTHON_MIN: Final = (3, 11)
FSYNC_SECONDS_MAX: Final = 0.05
"""A sync that takes longer than this is warned of: every acknowledgement waits for one."""
FSYNC_TIMES: Final = 5
FSYNC_BYTES: Final = 4096
SHARED: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs"})
"""File systems on which locks and syncs are not what a ledger relies on."""
MEMORY: Final = frozenset({"tmpfs", "ramfs"})
_MOUNTS: Final = Path("/proc/self/mounts")
_MIB: Final = 1 << 20


def python() -> Iterator[Finding]:
    """Check the interpreter."""
    version = ".".join(map(str, sys.version_info[:3]))
    seen = f"tallystick {__version__} on Python {version}, {sys.platform}"
    if sys.version_info[:2] < PYTHON_MIN:
        yield problem("python", seen, f"Python {'.'.join(map(str, PYTHON_MIN))} or newer")
    else:
        yield ok("python", seen)


def libraries() -> Iterator[Finding]:
    """Check which libraries are installed."""
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str] = {}
    for name in ("cbor2", "cryptography", "msgspec", "starlette", "uvicorn", "pynacl"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    missing = {"starlette", "uvicorn"} - found.keys()
    seen = ", ".join(f"{name} {number}" for name, number in found.items() if name != "pynacl")
    if missing:
        yield warning(
            "libraries", f"{seen}; no {', '.join(sorted(missing))}", "the extra `web` to serve",
            "pip install 'tallystick[web]'",
        )  # fmt: skip
    else:
        yield ok("libraries", seen)
    if "pynacl" in found:
        yield ok("libsodium", f"installed, by pynacl {found['pynacl']}")
    else:
        yield warning(
            "libsodium", "not installed: signatures are checked by OpenSSL, half as fast",
            mend="pip install 'tallystick[fast]'",
        )  # fmt: skip


def disk(folder: Path, free_min: int) -> Iterator[Finding]:
    """Check free space and file system where the ledger lies."""
    free, kind = shutil.disk_usage(folder).free, file_system(folder)
    seen = f"{free // _MIB} MiB free on {kind or 'an unknown file system'}"
    if free < free_min:
        yield problem(
            "disk", seen, f"at least {free_min // _MIB} MiB", "make room, or move the folder"
        )
    elif kind in SHARED:
        yield warning("disk", seen, "a local file system: locks and syncs of others may not hold")
    elif kind in MEMORY:
        yield warning("disk", f"{seen}: all is lost when the machine ends", "a file system on disk")
    else:
        yield ok("disk", seen)


def sync_time(folder: Path) -> Iterator[Finding]:
    """Measure how long the disk takes to make a write durable, on a file without a name."""
    if not os.access(folder, os.W_OK):
        yield warning("fsync", f"not measured: {folder} cannot be written by this user")
        return
    seconds = median_sync(folder)
    seen = f"{seconds * 1000:.1f} ms"
    if seconds > FSYNC_SECONDS_MAX:
        yield warning("fsync", seen, f"at most {FSYNC_SECONDS_MAX * 1000:.0f} ms", "a faster disk")
    else:
        yield ok("fsync", seen)


def median_sync(folder: Path) -> float:
    """Return the median of some syncs, in seconds; nothing is left in the folder."""
    times: list[float] = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(FSYNC_TIMES):
            begun = time.perf_counter()
            file.write(bytes(FSYNC_BYTES))
            file.flush()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - begun)
    return sorted(times)[FSYNC_TIMES // 2]


def file_system(folder: Path) -> str | None:
    """Return the kind of file system that a folder lies on; None where nothing says so."""
    try:
        lines = _MOUNTS.read_text().splitlines()
    except OSError:
        return None
    mounts = [(Path(parts[1]), parts[2]) for parts in map(str.split, lines) if len(parts) > 2]
    above = [found for found in mounts if folder.resolve().is_relative_to(found[0])]
    return max(above, key=lambda found: len(found[0].parts))[1] if above else None
