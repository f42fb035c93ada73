"""What is measured of a ledger at one size; each pass in a fresh process, on a copy."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.growth_home import PASSPHRASE, Clock, Growing, opened, peak_mib
from bench.made import COMMON, OFTEN, RARE, Maker, Prechecked, chosen
from bench.report import spread, timed
from tallystick.identity import KeyFile
from tallystick.ledger import Home, Ledger, LedgerReader, Query, Submission, read_card
from tallystick.ledger.creation import checkpoint_key
from tallystick.ledger.ledger import PUBLISH_SECONDS
from tallystick.ledger.maintenance import check
from tallystick.log import EmbeddedLog, HalfwayStore, PosixDisk
from tallystick.statement import sign_statement

BATCH = 256
BATCHES = 400
ENTRY_BYTES = 512
QUERIES = 300
RECEIPTS = 3000
LONE = 300
PAGE = 20


def log_pass(folder: Path) -> dict[str, float]:
    """Append fresh entries of 512 bytes in the log layer, bundles, tiles, checkpoint included."""
    home = Home(folder)
    key = checkpoint_key(KeyFile(home.service_keys, PASSPHRASE), read_card(home).origin)
    halfway = HalfwayStore(home.halfway, writable=True)
    began = time.perf_counter()
    log = EmbeddedLog(home.places(), key, PosixDisk(), os.urandom, halfway)
    opening, closing = time.perf_counter() - began, threading.Event()
    publisher = threading.Thread(target=_publish, args=(log, closing))
    publisher.start()
    times, began = [], time.perf_counter()
    noise = os.urandom(ENTRY_BYTES * BATCH)
    for number in range(BATCHES):
        entries = [
            (number * BATCH + at).to_bytes(8) + noise[at * ENTRY_BYTES + 8 : (at + 1) * ENTRY_BYTES]
            for at in range(BATCH)
        ]
        times.append(timed(lambda batch=entries: log.append(batch)))  # type: ignore[misc]
    log.integrate()
    seconds = time.perf_counter() - began
    closing.set()
    publisher.join()
    log.close()
    found = spread(times)
    return {
        "open_s": round(opening, 3),
        "append_per_s": round(BATCH * BATCHES / seconds),
        "append_p50_ms": found["p50_ms"],
        "append_p99_ms": found["p99_ms"],
        "peak_mib": peak_mib(),
    }


def _publish(log: EmbeddedLog, closing: threading.Event) -> None:
    while not closing.wait(PUBLISH_SECONDS):
        log.integrate()


def register_pass(folder: Path) -> dict[str, float]:
    """Register fresh statements in batches of 256: rules, retries, journal, tiles, index."""
    clock, checks = Clock(), Prechecked()
    growing = Growing(folder, clock, checks)
    with opened(folder, clock, checks) as ledger:
        first = ledger.snapshot.checkpoint.size
        while len(growing.times) < min(BATCHES, max(first // BATCH, 40)):
            growing.register(ledger, ledger.snapshot.checkpoint.size, BATCH)
        count = ledger.snapshot.checkpoint.size - first
        last = timed(ledger.publish)
    found = spread(growing.times)
    per_s = round(count / (sum(growing.times) + last))
    return {"per_s": per_s, **found, "peak_mib": peak_mib()}


def lone_pass(folder: Path) -> dict[str, float]:
    """One writer: a signed statement in, its signature checked, a receipt out, each alone."""
    clock, times, maker = Clock(), [], Maker()
    with opened(folder, clock, Prechecked()) as ledger:
        for at in range(LONE):
            issuer = maker.issuers[at % len(maker.issuers)]
            header = issuer.header(COMMON)
            statement = sign_statement(header, os.urandom(32), issuer.signer.sign)
            submission = Submission(statement.entry)
            times.append(timed(lambda s=submission: _register_and_prove(ledger, s)))  # type: ignore[misc]
    return spread(times)


def _register_and_prove(ledger: Ledger, submission: Submission) -> None:
    ledger.prove_registered(ledger.register_one(submission))


def read_pass(folder: Path) -> dict[str, Any]:
    """Open, then receipts, searches and retries of random statements."""
    clock, checks, maker = Clock(), Prechecked(), Maker()
    began = time.perf_counter()
    with opened(folder, clock, checks) as ledger:
        opening = time.perf_counter() - began
        memory = peak_mib()
        size = ledger.snapshot.checkpoint.size
        found: dict[str, Any] = {"open_s": round(opening, 3), "peak_mib_opened": memory}
        found["queries"] = {
            name: spread(times) for name, times in _queries(ledger, maker, checks, size).items()
        }
        found |= _receipts(ledger, size)
    return {**found, "peak_mib": peak_mib()}


def _receipts(ledger: Ledger, size: int) -> dict[str, float]:
    """Make receipts of entries that were found already: path from tiles, header, signature."""
    found = [ledger.at(index) for index in chosen(size, RECEIPTS, seed=2)]
    snapshot = ledger.snapshot
    times = [timed(lambda f=one: ledger.prove_found(f, snapshot)) for one in found]  # type: ignore[misc]
    return {
        "receipts_per_s": round(RECEIPTS / sum(times)),
        "receipt_p50_ms": spread(times)["p50_ms"],
    }


def _queries(ledger: Ledger, maker: Maker, checks: Prechecked, size: int) -> dict[str, list[float]]:
    """Return the seconds of each search; every target is another one, so nothing is cached."""
    low = 200  # the first entries are keys
    numbers = [low + n for n in chosen(size - 2 * low, QUERIES)]
    wanted = [maker.statement(number) for number in numbers]
    checks.tell(wanted)
    steps: dict[str, list[Callable[[], object]]] = {
        "get by id": [lambda s=s: ledger.get(s.id) for s in wanted],  # type: ignore[misc]
        "prove by id": [lambda s=s: ledger.prove(s.id) for s in wanted],  # type: ignore[misc]
        "find by subject": [_find(ledger, 1, subject=s.header.subject) for s in wanted],
        "find by issuer": [
            _find(ledger, PAGE, issuer=s.header.issuer, before=n)
            for s, n in zip(wanted, numbers, strict=True)
        ],
        "find by type": [_find(ledger, PAGE, type=OFTEN, before=n) for n in numbers],
        "find by rare type": [_find(ledger, 1, type=RARE, before=n) for n in numbers],
        "find by issuer and type": [
            _find(ledger, 1, issuer=s.header.issuer, type=COMMON, before=n)
            for s, n in zip(wanted, numbers, strict=True)
        ],
        "find by time": [
            _find(ledger, PAGE, since=s.header.issued_at, until=s.header.issued_at) for s in wanted
        ],
        "retry": [lambda s=s: _retry(ledger, s.entry) for s in wanted],  # type: ignore[misc]
    }
    return {name: [timed(step) for step in made] for name, made in steps.items()}


def _find(ledger: Ledger, limit: int, **wanted: Any) -> Callable[[], object]:
    query = Query(limit=limit, **wanted)
    return lambda: ledger.find(query)


def _retry(ledger: Ledger, entry: bytes) -> None:
    if not ledger.register_one(Submission(entry)).existed:
        raise AssertionError("a retry was registered anew")


def reader_pass(folder: Path) -> dict[str, float]:
    """Open beside a writer, for reading, without keys."""
    began = time.perf_counter()
    with LedgerReader(Home(folder)) as ledger:
        opening = time.perf_counter() - began
        size = ledger.snapshot.checkpoint.size
    return {"open_s": round(opening, 3), "size": size, "peak_mib": peak_mib()}


def fsck_pass(folder: Path) -> dict[str, float]:
    """Check every file of the log against every other."""
    began = time.perf_counter()
    report = check(Home(folder))
    seconds = time.perf_counter() - began
    if report.damage:
        raise AssertionError(f"fsck found {report.damage[:3]}")
    return {"seconds": round(seconds, 2), "peak_mib": peak_mib()}


PASSES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "log": log_pass,
    "register": register_pass,
    "lone": lone_pass,
    "read": read_pass,
    "reader": reader_pass,
    "fsck": fsck_pass,
}
"""Measurements by name; fsck is the last, so that it also reads what is cold."""
