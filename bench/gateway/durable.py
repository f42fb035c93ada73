"""How long after a call's end its outcome is on disk, while a load runs.

    python -m bench.gateway.durable --clients 16 --rate 200

prints one JSON object: milliseconds from the moment an intent or outcome was said to the sync that
made it durable. An intent is waited for; an outcome of a whole answer is not, and may take 100 ms.
"""

import argparse
import asyncio
import gc
import json
import sys
import tempfile
import time
from pathlib import Path

import uvicorn
import uvloop

from bench.gateway.figures import summarise_ms
from bench.gateway.ours import PASSPHRASE, make_ledger
from bench.gateway.targets import load_upstream
from bench.machine import machine
from bench.peers.process import ROOT, free_port
from tallystick.capture import Gateway, GatewaySettings, gateway_app
from tallystick.capture.spool import Spooled
from tallystick.ledger import Home, Ledger
from tallystick.ledger.signatures import PooledChecks


class Stopwatch:
    """Measures from the moment an item is said to the moment it is durable."""

    def __init__(self, gateway: Gateway) -> None:
        running = gateway.running
        assert running is not None  # noqa: S101 - it was started
        writer = running.recorder.writer
        self._said_ns: dict[int, int] = {}
        self.took_ns: dict[str, list[int]] = {"intent": [], "outcome": []}
        self._add, self._on_durable = writer.add, writer._on_durable  # noqa: SLF001
        writer.add = self.add  # type: ignore[method-assign]
        writer._on_durable = self.durable  # noqa: SLF001

    def add(self, item: Spooled) -> None:
        self._said_ns[item.number] = time.monotonic_ns()
        self._add(item)

    def durable(self, items: list[Spooled]) -> None:
        now_ns = time.monotonic_ns()
        for item in items:
            took_ns = now_ns - self._said_ns.pop(item.number, now_ns)
            if item.opened:
                self.took_ns["intent" if item.opened > 0 else "outcome"].append(took_ns)
        self._on_durable(items)


async def measure(gateway: Gateway, load: list[str]) -> dict[str, object]:
    """Run the load against the gateway; return its report and the times."""
    port = free_port()
    config = uvicorn.Config(
        gateway_app(gateway), host="127.0.0.1", port=port, http="httptools", lifespan="off",
        ws="none", access_log=False, log_level="warning",
    )  # fmt: skip
    server = uvicorn.Server(config)
    await gateway.start()
    watch = Stopwatch(gateway)
    serving = asyncio.create_task(server.serve())
    gc.freeze()
    command = ["-m", "bench.gateway.load", "--url", f"http://127.0.0.1:{port}", *load]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    server.should_exit = True
    await serving
    await gateway.stop()
    times = {name: summarise_ms(took_ns) for name, took_ns in watch.took_ns.items()}
    report = json.loads(output)
    return {"durable_after": times, "latency": report["latency"], "errors": report["errors"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clients", default="1")
    parser.add_argument("--rate", default="0", help="requests per second, 0: closed loop")
    parser.add_argument("--seconds", default="5")
    args = parser.parse_args()
    load = ["--clients", args.clients, "--rate", args.rate, "--seconds", args.seconds]
    parent = ROOT / "bench" / "out"
    parent.mkdir(parents=True, exist_ok=True)
    with load_upstream([]) as url, tempfile.TemporaryDirectory(dir=parent) as folder:
        signer, home = make_ledger(Path(folder, "data")), Home(Path(folder, "data"))
        with Ledger.open(home, PASSPHRASE, checks=PooledChecks(1)) as ledger:
            gateway = Gateway(ledger, signer, GatewaySettings(upstream=f"{url}/v1"))
            figures = uvloop.run(measure(gateway, load))
    print(json.dumps({"machine": machine(), **figures}))


if __name__ == "__main__":
    main()
