"""From registering a statement until a webhook's target has it: p50 and p95, on loopback.

    python -m bench.webhooks --rate 50 --seconds 20

A service in this process, one webhook, one target in another thread; statements are registered
one by one at a steady rate. Delay is taken by one clock: from before `register` until the target
has read the whole message.
"""

import argparse
import json
import statistics
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

from bench.machine import machine
from tallystick.identity import generate
from tallystick.ledger import Home, Ledger, RegistrationPolicy, Rule, Submission, create
from tallystick.ledger.searches import Filters
from tallystick.statement import Header, sign_statement
from tallystick.statement.governance import IssuerKind, KeyRecord
from tallystick.web.server import Server
from tallystick.web.service import Served
from tallystick.web.settings import Settings
from tallystick.webhooks.store import Webhooks

ORIGIN = "localhost/bench"
WAIT_SECONDS = 30


class Target(BaseHTTPRequestHandler):
    """Notes when each statement came."""

    came: dict[int, float] = {}  # noqa: RUF012 - one target
    messages = 0

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        now = time.perf_counter()
        Target.messages += 1
        for one in body["data"]["statements"]:
            Target.came.setdefault(one["index"], now)
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
        pass


def run(rate: int, seconds: float) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory() as folder,
        ThreadingHTTPServer(("127.0.0.1", 0), Target) as target,
    ):
        Thread(target=target.serve_forever, daemon=True).start()
        signer = generate()
        rule = Rule(frozenset({"inference"}), kinds=frozenset({IssuerKind.ORGANISATION}))
        policy = RegistrationPolicy((rule,))
        create(Home(Path(folder)), ORIGIN, b"bench", clock=lambda: int(time.time()), policy=policy)
        with Ledger.open(Home(Path(folder)), b"bench") as ledger:
            kind, public = IssuerKind.ORGANISATION, signer.public
            ledger.register_key(KeyRecord.signed(ORIGIN, public, kind, "Bench", signer.sign))
            delays = _measure(
                ledger, signer, f"http://127.0.0.1:{target.server_port}/", rate, seconds
            )
        target.shutdown()
    delays.sort()
    return {
        "rate": rate,
        "statements": len(delays),
        "messages": Target.messages,
        "p50_ms": round(1000 * statistics.median(delays), 1),
        "p95_ms": round(1000 * delays[int(0.95 * len(delays))], 1),
        "max_ms": round(1000 * delays[-1], 1),
    }


def _measure(ledger: Ledger, signer: Any, url: str, rate: int, seconds: float) -> list[float]:
    listening = Event()
    settings = Settings(port=0, workers=0, webhook_loopback=True)
    server = Server(Served(ledger, settings), on_listening=lambda _: listening.set())
    thread = Thread(target=server.run)
    thread.start()
    listening.wait(WAIT_SECONDS)
    Webhooks(ledger.home.webhooks).add(
        "bench",
        url,
        Filters(type="inference"),
        ledger.api_secret,
        start=ledger.snapshot.checkpoint.size,
        now=int(time.time()),
    )
    time.sleep(1.5)  # until the service has seen the webhook
    sent: dict[int, float] = {}
    begun = time.perf_counter()
    for number in range(int(rate * seconds)):
        time.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        entry = _statement(signer, number)
        at = time.perf_counter()
        [made] = ledger.register([Submission(entry)])
        sent[made.index] = at  # type: ignore[union-attr]
    until = time.perf_counter() + WAIT_SECONDS
    while sent.keys() - Target.came.keys() and time.perf_counter() < until:
        time.sleep(0.05)
    server.stop()
    thread.join(WAIT_SECONDS)
    if missing := sent.keys() - Target.came.keys():
        raise SystemExit(f"{len(missing)} statements did not come")
    return [Target.came[index] - at for index, at in sent.items()]


def _statement(signer: Any, number: int) -> bytes:
    header = Header(
        algorithm=signer.algorithm,
        key_id=signer.public.thumbprint(),
        issuer=signer.public.did(),
        subject=f"urn:example:{number}",
        issued_at=int(time.time()),
        type="inference",
    )
    return sign_statement(header, b"p" * 32, signer.sign).entry


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    found = run(options.rate, options.seconds)
    print(json.dumps({**found, "machine": machine()}, indent=1))
