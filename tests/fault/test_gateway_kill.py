"""`kill -9` of a gateway under load: what a caller was told is on the ledger after a restart."""

import asyncio
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tallystick.ledger import Ledger
from tallystick.ledger.maintenance import check, check_statements
from tallystick.statement import Relation
from tests.fault.gateway_child import house_in
from tests.unit.capture.gateways import House, check_numbers, gateway_on, heartbeats, said
from tests.unit.capture.model_api import MODEL, ModelApi, model_api
from tests.unit.capture.served import ask

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = 4
COMMENT = b": tallystick-outcome "

ASKED: Any = {"model": MODEL, "messages": [{"role": "user", "content": "x" * 2000}]}
BODIES = [json.dumps({**ASKED, "stream": stream}).encode() for stream in (False, True)]


@dataclass
class Told:
    """What callers learnt before the gateway died."""

    intents: set[str] = field(default_factory=set)
    outcomes: set[str] = field(default_factory=set)

    def call(self, url: str, body: bytes) -> None:
        answered = ask(f"{url}/chat/completions", body, timeout_s=10)
        self.intents.add(answered.headers["x-tallystick-intent"])
        if "x-tallystick-outcome" in answered.headers:
            self.outcomes.add(answered.headers["x-tallystick-outcome"])
        elif answered.whole and COMMENT in answered.body:
            self.outcomes.add(answered.body.partition(COMMENT)[2].strip().decode())


@contextmanager
def child(folder: Path, upstream: str) -> Iterator[str]:
    """Run a gateway in a process that is killed when the block ends."""
    command = [sys.executable, "-m", "tests.fault.gateway_child", str(folder), upstream]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url, "the gateway did not start"
            yield url
        finally:
            process.send_signal(signal.SIGKILL)


def load(url: str, told: Told, stop: Event) -> None:
    turn = 0
    while not stop.is_set():
        turn += 1
        try:
            told.call(url, BODIES[turn % 2])
        except (OSError, http.client.HTTPException):
            return  # the gateway is dead


def killed_run(folder: Path, upstream: str, told: Told, seconds: float) -> None:
    """Let clients ask a gateway until it is killed."""
    stop = Event()
    with child(folder, upstream) as url:
        threads = [Thread(target=load, args=(url, told, stop)) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join(20)


def kill_again_and_again(folder: Path, api: ModelApi, kills: int, seed: int) -> Told:
    chance, told, house = random.Random(seed), Told(), house_in(folder)
    for _ in range(kills):
        killed_run(folder, api.url, told, chance.uniform(0.05, 0.8))
    with gateway_on(house, api.url):  # registers what was left
        pass
    with house.ledger() as ledger:
        compare(ledger, house, told, kills, f"seed {seed}")
    assert check(ledger.home).damage == ()
    assert list(check_statements(ledger.home)) == []
    return told


def compare(ledger: Ledger, house: House, told: Told, kills: int, words: str) -> None:
    """Hold the ledger against what callers were told, and against itself."""
    all_ = [one.statement for one in said(ledger, house) if one.statement.header.hashed]
    settled = {i for s in all_ for i in s.header.links.get(Relation.GENERATED_BY, ())}
    intents = {s.id for s in all_ if Relation.GENERATED_BY not in s.header.links}
    outcomes = {s.id for s in all_} - intents
    epochs = check_numbers(ledger, house)[-1][0] + 1
    beats = heartbeats(ledger, house)

    assert told.intents <= {id_.hex() for id_ in intents}, words
    assert told.outcomes <= {id_.hex() for id_ in outcomes}, words
    assert settled <= intents
    assert len(settled) == len(outcomes), "an intent has two outcomes"
    assert epochs == kills + 1
    assert [beat.state for beat in beats] == ["start"] * epochs + ["end"]
    assert beats[-1].open_intents == len(intents - settled)
    for statement in all_:
        assert ledger.vault.get(statement.id).commitment() == statement.payload


def test_a_few_kills_lose_no_intent_that_a_caller_saw(tmp_path: Path) -> None:
    kills = int(os.environ.get("TALLYSTICK_KILLS", "3"))
    with model_api() as api:
        told = kill_again_and_again(tmp_path / "ledger", api, min(kills, 10), seed=1)

    assert told.intents
    assert told.outcomes


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_many_kills_lose_no_intent_that_a_caller_saw(tmp_path: Path) -> None:
    kills = int(os.environ.get("TALLYSTICK_KILLS", "200"))
    with model_api() as api:
        for seed in range(-(-kills // 10)):
            folder = tmp_path / str(seed)
            assert kill_again_and_again(folder, api, min(10, kills), seed).intents


def test_intents_of_a_killed_gateway_stay_open_and_the_next_epoch_says_so(tmp_path: Path) -> None:
    asked, may_answer, told = Event(), Event(), Told()

    async def hang(_: Any, __: Any) -> None:
        asked.set()
        await asyncio.to_thread(may_answer.wait, 10)

    house = house_in(tmp_path / "ledger")
    with model_api() as api:
        with child(house.folder, api.url) as url:
            told.call(url, BODIES[0])
            api.answer = hang
            thread = Thread(target=load, args=(url, Told(), Event()))
            thread.start()
            assert asked.wait(10)
        may_answer.set()
        thread.join(20)
        with gateway_on(house, api.url) as kept:
            beats = heartbeats(kept.ledger, house)

            assert [(beat.state, beat.open_intents) for beat in beats] == [
                ("start", 0), ("start", 1),
            ]  # fmt: skip
            status = kept.gateway.status()
            assert status is not None
            assert (status.epoch, status.open_intents) == (1, 1)
