"""Start a peer's server on loopback in a process group of its own, wait for it, stop all of it.

The peer gets a bare environment: what the caller's shell sets (database addresses, keys, proxies)
must not change what is measured.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".oracles" / "peers"

_READY_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 15.0
_POLL_S = 0.1
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR")
_LOG_TAIL_CHARACTERS = 2000


class PeerError(Exception):
    """A peer is not installed, did not start, or ended by itself."""


def free_port() -> int:
    """Return a loopback port that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def serving(
    command: Sequence[str], *, ready_url: str, log: Path, environment: Mapping[str, str]
) -> Iterator[int]:
    """Run a server until the block ends; yields its process group.

    Args:
        command: What to run, from the repository's root.
        ready_url: Answers 200 once the server can be used.
        log: File for its output, overwritten.
        environment: Variables beside the few that are kept.

    Raises:
        PeerError: It ended, or was not ready in two minutes; the end of its log is in the message.
    """
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**kept, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_ready(process, ready_url, log)
            yield process.pid
        finally:
            _stop(process)


def _wait_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while not answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            tail = log.read_text(errors="replace")[-_LOG_TAIL_CHARACTERS:]
            raise PeerError(f"{process.args!r} is not ready at {url}:\n{tail}")
        time.sleep(_POLL_S)


def answers(url: str) -> bool:
    """Say whether a GET of `url` is answered with 200 within two seconds."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the whole group: first politely, then at once."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        if _ended(process):
            return
    raise PeerError(f"processes of group {process.pid} are still there")


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Wait until no process of the group is left, workers included; False if it takes too long."""
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    while process.poll() is None or group_members(process.pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def group_members(group: int) -> list[int]:
    """Return the processes of a group, from /proc; empty where there is no /proc."""
    return [pid for pid, fields in _stat_lines() if int(fields[2]) == group and fields[0] != "Z"]


def group_usage(group: int) -> dict[str, float]:
    """Return CPU seconds used so far and bytes resident now, summed over a group's processes."""
    ticks_per_s, page_bytes = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    members = [fields for _, fields in _stat_lines() if int(fields[2]) == group]
    return {
        "cpu_s": sum(int(fields[11]) + int(fields[12]) for fields in members) / ticks_per_s,
        "rss_bytes": float(sum(int(fields[21]) for fields in members) * page_bytes),
        "processes": len(members),
    }


def _stat_lines() -> Iterator[tuple[int, list[str]]]:
    """Yield each process with the fields of its stat line from the third, the state, on."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            yield int(path.parent.name), path.read_text().rpartition(")")[2].split()
