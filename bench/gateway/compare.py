"""What gateways add to the latency of a model's answer, measured side by side in one run.

    python -m bench.gateway.compare --rounds 3 --workers 1 2 \\
        --gateway 'ours=.venv/bin/tally ... --port {port} --upstream {upstream} --data {folder}'

All targets run at the same time and take turns, cell by cell and round by round, so that a slow
minute of the machine hits all of them. `added` is the target's percentile minus the direct one
of the same round and cell; printed is the median over the rounds. It writes one JSON file.
"""

import argparse
import contextlib
import json
import signal
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from bench.gateway.cells import CELLS, Effort, run_cell
from bench.gateway.targets import Command, Direct, Endpoint, LiteLLM, Target, load_upstream
from bench.machine import machine
from bench.peers.process import ROOT

_SETTLE_S = 0.5  # between two loads, so that what one left behind does not burden the next
_KINDS = (("latency", "p50_ms"), ("latency", "p99_ms"), ("first_byte", "p50_ms"))

Runs = dict[str, dict[str, list[dict[str, Any]]]]
"""Cell name to target name to one report per round."""


def compare(targets: list[Target], cells: list[str], rounds: int, effort: Effort) -> dict[str, Any]:
    """Run every cell against every target, in alternation; the first target must be `Direct`."""
    report: dict[str, Any] = {"machine": machine()}
    with contextlib.ExitStack() as stack:
        upstream_url = stack.enter_context(load_upstream(effort.upstream_arguments()))
        endpoints = {one.name: stack.enter_context(one.running(upstream_url)) for one in targets}
        runs: Runs = {cell: {name: [] for name in endpoints} for cell in cells}
        for number in range(rounds):
            for cell in cells:
                for name in turn(list(endpoints), number):
                    time.sleep(_SETTLE_S)
                    figures = run_cell(CELLS[cell], endpoints[name], upstream_url, effort)
                    runs[cell][name].append(figures)
    report["targets"] = {name: described(endpoint) for name, endpoint in endpoints.items()}
    return report | {"rounds": rounds, "runs": runs, "added": added(runs)}


def turn(names: list[str], number: int) -> list[str]:
    """Return the order of a round: another target comes first each time."""
    shift = number % len(names)
    return names[shift:] + names[:shift]


def described(endpoint: Endpoint) -> dict[str, str]:
    return {"version": endpoint.version, "command": endpoint.command}


def added(runs: Runs) -> dict[str, Any]:
    """Return target minus direct in milliseconds, median over the rounds, by cell and target."""
    return {
        cell: {
            name: {
                f"{kind}_{part}": _median_added(reports, by_target["direct"], kind, part)
                for kind, part in _KINDS
            }
            for name, reports in by_target.items()
            if name != "direct"
        }
        for cell, by_target in runs.items()
    }


def _median_added(
    reports: list[dict[str, Any]], direct: list[dict[str, Any]], kind: str, part: str
) -> float | None:
    pairs = zip(reports, direct, strict=True)
    differences = [
        one[kind][part] - base[kind][part] for one, base in pairs if one[kind] and base[kind]
    ]
    return statistics.median(differences) if differences else None


def table(report: dict[str, Any]) -> str:
    """Return the figures as lines of text: one per cell and target, medians over the rounds."""
    head = ("cell", "target", "req/s", "p50 ms", "p99 ms", "+p50", "+p99", "+first", "not ok")
    lines = [_line(head)]
    for cell, by_target in report["runs"].items():
        for name, reports in by_target.items():
            more = report["added"][cell].get(name, {})
            bad = sum(sum(one["errors"].values()) for one in reports)
            lines.append(
                _line(
                    (
                        cell,
                        name,
                        f"{statistics.median(one['achieved_per_s'] for one in reports):.0f}",
                        *(_ms(_median(reports, part)) for part in ("p50_ms", "p99_ms")),
                        *(_ms(more.get(f"{kind}_{part}")) for kind, part in _KINDS),
                        f"{bad}/{sum(one['due'] for one in reports)}",
                    )
                )
            )
    return "\n".join(lines)


def _median(reports: list[dict[str, Any]], part: str) -> float | None:
    values = [one["latency"][part] for one in reports if one["latency"]]
    return statistics.median(values) if values else None


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _line(fields: tuple[str, ...]) -> str:
    return f"{fields[0]:<20}{fields[1]:<14}" + "".join(f"{field:>10}" for field in fields[2:])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cells", nargs="+", default=list(CELLS), choices=list(CELLS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2], help="LiteLLM variants")
    parser.add_argument("--gateway", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--ready-path", default="/v1/models", help="of the gateways given")
    parser.add_argument("--gateway-key", default="sk-bench", help="their bearer token")
    parser.add_argument("--gateway-version", default="-")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--warmup", type=float, default=1)
    parser.add_argument("--drain", type=float, default=5)
    parser.add_argument("--prompt-bytes", type=int, default=4096)
    parser.add_argument("--answer-bytes", type=int, default=4096)
    parser.add_argument("--parts", type=int, default=32)
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "out" / "gateway.json")
    return parser


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwind: stop what was started
    args = _parser().parse_args()
    effort = Effort(
        seconds=args.seconds,
        warmup_s=args.warmup,
        drain_s=args.drain,
        prompt_bytes=args.prompt_bytes,
        answer_bytes=args.answer_bytes,
        parts=args.parts,
    )
    targets: list[Target] = [Direct(), *(LiteLLM(workers) for workers in args.workers)]
    for given in args.gateway:
        name, _, template = given.partition("=")
        targets.append(
            Command(
                name=name,
                template=template,
                ready_path=args.ready_path,
                version=args.gateway_version,
                key=args.gateway_key,
            )
        )
    report = compare(targets, args.cells, args.rounds, effort)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=1))
    print(table(report))


if __name__ == "__main__":
    main()
