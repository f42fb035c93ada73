"""What spans cost a gateway call and a registration: none made, exported, and a hanging collector.

    python -m bench.spans --rounds 3 --requests 1500
    python -m bench.spans --baseline OTHER/src        another state of the code beside it

One connection, one request after the other, against the service as `tally up` runs it; each mode in
turn in a process of its own with a fresh ledger. `cpu_ms` is the service's, its export included.
"""

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cbor2

from bench.gateway.ours import PASSPHRASE, make_ledger
from bench.machine import machine

WARM = 200
CALL = b'{"model":"bench","messages":[{"role":"user","content":"how are you?"}]}'
TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


def serve(folder: Path, upstream: str, endpoint: str, count: int) -> None:
    """Make a ledger and statements for it, and serve it."""
    from tallystick.capture import Gateway, GatewaySettings, gateway_app
    from tallystick.ledger import Home
    from tallystick.statement import Header, sign_statement
    from tallystick.web import Settings
    from tallystick.web.opening import open_ledger
    from tallystick.web.server import serve as serve_ledger
    from tallystick.web.service import Served

    signer = make_ledger(folder)
    key, did = signer.public.thumbprint(), signer.public.did()
    entries = [
        sign_statement(
            Header(
                algorithm=signer.algorithm, key_id=key, issuer=did, subject=uuid.uuid4().urn,
                issued_at=int(time.time()), type="inference",
            ),
            b"p" * 32, signer.sign,
        ).entry
        for _ in range(count)
    ]  # fmt: skip
    (folder / "statements").write_bytes(cbor2.dumps(entries))
    options: dict[str, Any] = {"otlp_endpoint": endpoint} if endpoint else {}
    settings = Settings(port=0, workers=0, **options)
    ledger = open_ledger(Home(folder), PASSPHRASE, settings)
    gateway = Gateway(ledger, signer, GatewaySettings(upstream=f"{upstream}/v1"))
    served = Served(ledger, settings, gateway_app(gateway), gateway_status=gateway.status)
    serve_ledger(served, on_listening=lambda url: print(url, flush=True))


@contextmanager
def child(*arguments: str, source: str = "") -> Iterator[tuple[str, int]]:
    """Run a program that prints one line when it is ready; yield that and its process."""
    environ = {**os.environ, "OTEL_EXPORTER_OTLP_TIMEOUT": "2"}
    if source:
        environ["PYTHONPATH"] = os.pathsep.join([source, environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        try:
            line = process.stdout.readline() if process.stdout is not None else ""
            yield line.strip(), process.pid
        finally:
            process.terminate()


def measure(folder: Path, upstream: str, endpoint: str, source: str, count: int) -> dict[str, Any]:
    """Measure one mode once."""
    arguments = (
        "bench.spans",
        "--serve",
        str(folder),
        upstream,
        endpoint or "-",
        str(count + WARM),
    )
    with child(*arguments, source=source) as (url, pid):
        entries = cbor2.loads((folder / "statements").read_bytes())
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
        calls = [CALL] * (count + WARM)
        return {
            "call": _timed(connection, pid, "/v1/chat/completions", "application/json", calls),
            "register": _timed(connection, pid, "/statements", "application/cose", entries),
        }


def _timed(
    connection: http.client.HTTPConnection, pid: int, path: str, media: str, bodies: list[bytes]
) -> dict[str, float]:
    times, before = list[float](), 0.0
    for at, body in enumerate(bodies):
        if at == WARM:
            before = _cpu_ms(pid)
        begun = time.perf_counter()
        connection.request("POST", path, body, {"content-type": media})
        answer = connection.getresponse()
        answer.read()
        times.append((time.perf_counter() - begun) * 1000)
        if answer.status not in {200, 201}:
            raise RuntimeError(f"{path} was answered with {answer.status}")
    time.sleep(1.5)  # what is exported after the answer is its cost, too
    kept = sorted(times[WARM:])
    cpu = (_cpu_ms(pid) - before) / len(kept)
    p99 = kept[len(kept) * 99 // 100]
    return {"median_ms": statistics.median(kept), "p99_ms": p99, "cpu_ms": cpu}


def _cpu_ms(pid: int) -> float:
    """Return the CPU time of a process and the children that it waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_MS


class _Collector(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def collect() -> None:
    """Be a collector that throws away what it gets."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Collector) as server:
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


def compare(rounds: int, count: int, baseline: str) -> dict[str, Any]:
    """Measure all modes in turn; return the median of each figure over the rounds."""
    seen: dict[str, list[dict[str, Any]]] = {}
    with ExitStack() as opened:
        said, _ = opened.enter_context(child("bench.gateway.upstream"))
        upstream: str = json.loads(said)["url"]
        collector, _ = opened.enter_context(child("bench.spans", "--collect"))
        hanging = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        modes = {"off": ("", ""), "on": (collector, "")}
        modes["hanging"] = (f"http://127.0.0.1:{hanging.getsockname()[1]}", "")
        if baseline:
            modes["baseline"] = ("", baseline)
        for _ in range(rounds):
            for mode, (endpoint, source) in modes.items():
                with tempfile.TemporaryDirectory() as folder:
                    made = measure(Path(folder) / "l", upstream, endpoint, source, count)
                seen.setdefault(mode, []).append(made)
                print(mode, json.dumps(made), file=sys.stderr)
    return {
        mode: {
            what: {name: round(statistics.median(r[what][name] for r in runs), 3)
                   for name in runs[0][what]}
            for what in ("call", "register")
        }
        for mode, runs in seen.items()
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=1500)
    parser.add_argument("--baseline", default="", help="a src folder to compare with")
    parser.add_argument("--serve", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--collect", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.collect:
        collect()
    elif args.serve:
        folder, upstream, endpoint, count = args.serve
        serve(Path(folder), upstream, endpoint.removeprefix("-"), int(count))
    else:
        found = compare(args.rounds, args.requests, args.baseline)
        print(json.dumps({"machine": machine(), "modes": found}, indent=2))


if __name__ == "__main__":
    main()
