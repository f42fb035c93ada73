"""Told to end under load, the service keeps every answer that it gave."""

import json
import time
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals
from threading import Thread
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import cbor2
import pytest

from tallystick.ledger import Home, Ledger
from tallystick.log import fsck
from tallystick.statement import parse_vkey
from tests.ledgers import PASSPHRASE, Issuer, ledger_in, many
from tests.unit.web.child import process
from tests.unit.web.served import CBOR

BATCH = 25


def children_of(pid: int) -> list[str]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [child for task in tasks for child in (task / "children").read_text().split()]


def register(url: str, issuer: Issuer) -> list[dict[str, Any]]:
    """Register a batch that is large enough for the workers."""
    data = cbor2.dumps([statement.entry for statement in many(issuer, BATCH)])
    request = Request(f"{url}/statements", data, {"content-type": CBOR})  # noqa: S310 - loopback
    with urlopen(request, timeout=20) as reply:  # noqa: S310 - loopback
        results: list[dict[str, Any]] = json.loads(reply.read())["results"]
    return results


def send_until_refused(url: str, issuer: Issuer, answered: dict[int, str]) -> None:
    """Register batches until nobody answers any more; note what was acknowledged."""
    while True:
        try:
            results = register(url, issuer)
        except (URLError, OSError, ValueError):
            return
        answered.update((result["index"], result["id"]) for result in results)


@pytest.mark.parametrize(("signal", "workers"), [(SIGTERM, 2), (SIGINT, 0)])
def test_nothing_that_was_acknowledged_is_lost(
    tmp_path: Path, signal: Signals, workers: int
) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic):
        pass
    answered: dict[int, str] = {}
    with process(tmp_path, workers=workers) as (child, url):
        threads = [Thread(target=send_until_refused, args=(url, clinic, answered)) for _ in "four"]
        for thread in threads:
            thread.start()
        while len(answered) < 10 * BATCH:
            time.sleep(0.01)
        child.send_signal(signal)
        status = child.wait(30)
        for thread in threads:
            thread.join(30)

    home = Home(tmp_path)
    key = json.loads((home.data / "ledger.json").read_bytes())["checkpoint_key"]
    report = fsck(home.places().public, parse_vkey(key))
    assert status == 0
    assert not report.damage
    with Ledger.open(home, PASSPHRASE) as ledger:
        assert len(answered) >= 10 * BATCH
        for index, name in answered.items():
            assert ledger.at(index).statement.id.hex() == name


def test_workers_end_with_the_service(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic):
        pass
    with process(tmp_path, workers=2) as (child, url):
        before = children_of(child.pid)
        register(url, clinic)
        children = children_of(child.pid)
        child.send_signal(SIGTERM)
        child.wait(30)

    assert not before
    assert len(children) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)


def test_workers_end_when_the_service_is_killed(tmp_path: Path) -> None:
    clinic = Issuer()
    with ledger_in(tmp_path, clinic):
        pass
    with process(tmp_path, workers=2) as (child, url):
        before = children_of(child.pid)
        register(url, clinic)
        children = children_of(child.pid)
        child.kill()
        child.wait(30)
        end = time.monotonic() + 5
        while any(_runs(pid) for pid in children) and time.monotonic() < end:
            time.sleep(0.02)

    assert not before
    assert len(children) == 2
    assert not any(_runs(pid) for pid in children)


def _runs(pid: str) -> bool:
    """Tell whether a process is there and not merely waiting to be looked at."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
