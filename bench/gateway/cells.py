"""The loads every target gets, and one run of one of them."""

import json
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from typing import Any

from bench.gateway.targets import Endpoint
from bench.peers.process import ROOT, group_usage

_GRACE_S = 60.0


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of load.

    Attributes:
        clients: Connections, each with one request at a time.
        rate_per_s: Requests due per second over all clients; 0: each client sends its next
            request when the last one is answered.
        stream: Whether answers are streamed.
    """

    clients: int
    rate_per_s: int
    stream: bool

    @property
    def name(self) -> str:
        """For example `c16-700-stream`, or `c1-closed` for a closed loop."""
        pace = str(self.rate_per_s) if self.rate_per_s else "closed"
        return f"c{self.clients}-{pace}" + ("-stream" if self.stream else "")


CELLS = {
    cell.name: cell
    for stream in (False, True)
    for cell in (
        Cell(1, 0, stream),  # latency of a lone client
        Cell(16, 10, stream),  # a rate that the slowest peer holds
        Cell(16, 700, stream),  # the rate we promise
        Cell(16, 0, stream),  # as fast as it goes
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long and how big; seconds and bytes as in `bench.gateway.load`."""

    seconds: float
    warmup_s: float
    drain_s: float
    prompt_bytes: int
    answer_bytes: int
    parts: int

    def load_arguments(self) -> list[str]:
        return [
            *("--seconds", str(self.seconds), "--warmup", str(self.warmup_s)),
            *("--drain", str(self.drain_s), "--prompt-bytes", str(self.prompt_bytes)),
            *("--answer-bytes", str(self.answer_bytes), "--parts", str(self.parts)),
        ]

    def upstream_arguments(self) -> list[str]:
        return ["--answer-bytes", str(self.answer_bytes), "--parts", str(self.parts)]


def run_cell(cell: Cell, endpoint: Endpoint, upstream_url: str, effort: Effort) -> dict[str, Any]:
    """Run one cell against one target.

    Returns:
        The load generator's report, with `upstream_cpu_share` (of one core), and where the
        target's processes are known `target_cpu_ms_per_request` and `target_rss_bytes`.
    """
    before = upstream_stats(upstream_url)
    used_before = group_usage(endpoint.group) if endpoint.group else {}
    figures = _load(cell, endpoint, effort)
    after = upstream_stats(upstream_url)
    figures["upstream_cpu_share"] = (after["cpu_s"] - before["cpu_s"]) / figures["wall_s"]
    if endpoint.group:
        used = group_usage(endpoint.group)
        requests = max(after["requests"] - before["requests"], 1)
        cpu_s = used["cpu_s"] - used_before["cpu_s"]
        figures["target_cpu_ms_per_request"] = cpu_s * 1000 / requests
        figures["target_rss_bytes"] = used["rss_bytes"]
    return figures


def _load(cell: Cell, endpoint: Endpoint, effort: Effort) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.gateway.load", "--url", endpoint.base_url]
    command += ["--key", endpoint.key, "--clients", str(cell.clients)]
    command += ["--rate", str(cell.rate_per_s), *(["--stream"] if cell.stream else [])]
    limit_s = effort.seconds + effort.warmup_s + effort.drain_s + _GRACE_S
    done = subprocess.run(
        [*command, *effort.load_arguments()],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=limit_s,
    )
    figures: dict[str, Any] = json.loads(done.stdout)
    figures["settings"].pop("key")
    return figures


def upstream_stats(upstream_url: str) -> dict[str, float]:
    """Ask the load upstream for its own requests and CPU seconds so far."""
    with urllib.request.urlopen(f"{upstream_url}/bench/stats", timeout=5) as response:  # noqa: S310
        stats: dict[str, float] = json.load(response)
        return stats
