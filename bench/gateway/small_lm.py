"""Many clients that stream answers of a real model through the gateway: does every frame arrive?

    python -m bench.gateway.small_lm --clients 16 --rounds 4

The small model runs in a process of its own, as behind `tally up`, the gateway on a fresh ledger in
another one, the clients here. Each client asks the model alone first, then through the gateway,
with the same seeds, so the same tokens must come: frames are counted and their texts compared, and
so is what the ledger has recorded in the end. All share this machine's cores.

`bench/gateway/upstream.py`, which the latency figures use, answers with a canned text instead:
there the upstream must cost nothing.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from bench.gateway.ours import PASSPHRASE, TOKEN
from bench.machine import machine
from bench.peers.process import ROOT, free_port, serving
from tallystick.endpoint import SMALL_LM, EndpointProcess, small_lm_card
from tallystick.evidence import Outcome
from tallystick.ledger import Found, Home, LedgerReader, Query

QUESTIONS = ("What does os.path.join do?", "Explain json.dumps.", "Tell me about asyncio.Task.")
TEMPERATURE = 1.6
"""High, so that chance keeps most answers from ending soon."""
OURS = {"PYTHONPATH": str(ROOT / "src")}
"""The gateway that is measured is the one beside this file."""


@dataclass(frozen=True)
class Answer:
    """One stream as it came: its frames' texts, and when each was there."""

    texts: tuple[str, ...]
    whole: bool
    times_s: tuple[float, ...]

    @property
    def gaps_ms(self) -> list[float]:
        pairs = zip(self.times_s, self.times_s[1:], strict=False)
        return [1000 * (later - earlier) for earlier, later in pairs]


async def ask(host: str, port: int, key: str, seed: int, tokens: int) -> Answer:
    """Stream one answer over a connection of its own."""
    said = {"role": "user", "content": QUESTIONS[seed % len(QUESTIONS)]}
    asked = {"model": SMALL_LM, "messages": [said], "seed": seed, "temperature": TEMPERATURE,
             "max_tokens": tokens, "stream": True}  # fmt: skip
    body = json.dumps(asked).encode()
    reader, writer = await asyncio.open_connection(host, port)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    writer.write(head.encode() + body)
    begun, texts, times, whole = time.perf_counter(), [], [], False
    while line := await reader.readline():
        if line.startswith(b"data: [DONE]"):
            whole = True
        elif line.startswith(b"data: "):
            delta = json.loads(line[6:])["choices"][0]["delta"]
            texts.append(delta.get("content", ""))
            times.append(time.perf_counter() - begun)
    writer.close()
    return Answer(tuple(texts), whole, tuple(times))


async def many(url: str, key: str, seeds: Sequence[int], tokens: int) -> tuple[list[Answer], float]:
    """Let all clients ask at once; return their answers, and how long all of it took."""
    host, port = url.removeprefix("http://").partition("/")[0].split(":")
    begun = time.perf_counter()
    asking = (ask(host, int(port), key, seed, tokens) for seed in seeds)
    answers = await asyncio.gather(*asking)
    return answers, time.perf_counter() - begun


def figures(rounds: Sequence[tuple[list[Answer], float]]) -> dict[str, Any]:
    """Return what a client sees: frames, tokens per second, and the time between two tokens."""
    answers = [answer for found, _ in rounds for answer in found]
    frames = sum(len(answer.texts) for answer in answers)
    gaps = [gap for answer in answers for gap in answer.gaps_ms]
    cuts = quantiles(gaps, n=100)
    return {
        "streams": len(answers),
        "whole": sum(answer.whole for answer in answers),
        "frames": frames,
        "frames_per_s": round(frames / sum(seconds for _, seconds in rounds)),
        "first_frame_ms_p50": round(1000 * median(a.times_s[0] for a in answers), 1),
        "between_frames_ms": {"p50": round(cuts[49], 2), "p99": round(cuts[98], 2)},
    }


def recorded(folder: Path) -> list[Outcome]:
    """Return the outcomes that the ledger has."""
    with LedgerReader(Home(folder), PASSPHRASE) as ledger:
        found: list[Found] = []
        before: int | None = ledger.snapshot.checkpoint.size
        while before is not None:
            page = ledger.find(Query(type="inference", before=before))
            found += page.found
            before = page.next
        values = [ledger.vault.get(one.statement.id).values() for one in found]
    return [Outcome.read(content) for content in values if content["phase"] == "outcome"]


def measure(clients: int, rounds: int, tokens: int) -> dict[str, Any]:
    """Ask the model alone, then through the gateway, and compare."""
    seeds = [range(clients * at, clients * (at + 1)) for at in range(rounds)]
    with tempfile.TemporaryDirectory() as name, EndpointProcess() as model:
        folder, port = Path(name) / "ledger", free_port()
        folder.mkdir()
        command = [sys.executable, "-m", "bench.gateway.ours", "--port", str(port),
                   "--upstream", model.url.removesuffix("/v1"), "--data", str(folder)]  # fmt: skip
        asyncio.run(many(model.url, "none", seeds[0], 4))  # both are warm before the clock runs
        alone = [asyncio.run(many(model.url, "none", some, tokens)) for some in seeds]
        url = f"http://127.0.0.1:{port}/v1"
        with serving(command, ready_url=f"{url}/models", log=Path(name) / "log", environment=OURS):
            key = (folder / TOKEN).read_text()
            through = [asyncio.run(many(url, key, some, tokens)) for some in seeds]
        outcomes = recorded(folder)
    expected = [answer.texts for found, _ in alone for answer in found]
    came = [answer.texts for found, _ in through for answer in found]
    return {
        "model": {"name": SMALL_LM, "sha256": small_lm_card().weights_sha256},
        "clients": clients,
        "alone": figures(alone),
        "through_gateway": figures(through),
        "streams_that_differ": sum(a != b for a, b in zip(expected, came, strict=True)),
        "recorded": {
            "outcomes": len(outcomes),
            "ok": sum(outcome.status == "ok" for outcome in outcomes),
            "answers_as_read": sorted(o.answer or "" for o in outcomes)
            == sorted("".join(texts) for texts in came),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=200, help="most of an answer")
    args = parser.parse_args()
    before = machine()
    found = measure(args.clients, args.rounds, args.tokens)
    print(json.dumps({"machine": before, **found}, indent=1))


if __name__ == "__main__":
    main()
