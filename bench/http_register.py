"""Register pre-signed statements over HTTP; every signature is verified by the service.

    python -m bench.http_register --statements 100000 --connections 8

Starts the service as its users do, in a fresh folder with registered issuers, and sends batches
of 100 as CBOR arrays over keep-alive connections from this process, on the same cores. Each
answer must hold one index per entry and one checkpoint. Afterwards the log is checked from its
files, and a sample of entries by proof.

`per_s` is what was answered. `per_s_by_cpu_time` is what the same work would allow on cores that
nobody else uses: no measurement, but on a machine that others use it says what limits.

`--numbered` makes every connection an emitter that numbers its statements; otherwise they are
unnumbered, and the service must look each one up to find retries.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import cbor2

from bench.http_client import Load, send_all
from bench.limits import limits
from bench.machine import machine
from bench.service import children_of
from tallystick.identity import SoftwareSigner, generate
from tallystick.ledger import Home, Ledger, RegistrationPolicy, Rule, create
from tallystick.log import fsck
from tallystick.merkle import leaf_hash, verify_inclusion
from tallystick.statement import (
    Header,
    KeyKind,
    Sequence,
    parse_checkpoint,
    parse_statement,
    parse_tlog_proof,
    parse_vkey,
    sign_statement,
)
from tallystick.statement.governance import IssuerKind, KeyRecord

ORIGIN = "localhost/bench"
PASSPHRASE = b"bench"
BATCH = 100
PROOFS = 20
VERSIONS = ("tallystick", "starlette", "uvicorn", "httptools", "uvloop", "msgspec", "cbor2")


def sign_batches(secret: bytes, count: int, *, numbered: bool) -> list[bytes]:
    """Sign statements of one issuer and return them as CBOR arrays of `BATCH` each."""
    signer, emitter = SoftwareSigner(KeyKind.ED25519, secret), os.urandom(16)
    key_id, issuer, now = signer.public.thumbprint(), signer.public.did(), int(time.time())
    entries: list[bytes] = []
    last = None
    for seq in range(count):
        header = Header(
            algorithm=signer.algorithm,
            key_id=key_id,
            issuer=issuer,
            subject=f"urn:bench:{emitter.hex()}:{seq}",
            issued_at=now,
            type="inference",
            sequence=Sequence(emitter=emitter, epoch=0, seq=seq, prev=last) if numbered else None,
        )
        statement = sign_statement(header, os.urandom(32), signer.sign)
        entries.append(statement.entry)
        last = statement.id
    return [cbor2.dumps(entries[at : at + BATCH]) for at in range(0, count, BATCH)]


def _sign(job: tuple[bytes, int, bool]) -> list[bytes]:
    secret, count, numbered = job
    return sign_batches(secret, count, numbered=numbered)


def prepare(folder: Path, issuers: list[SoftwareSigner]) -> None:
    """Make a ledger in which the issuers are registered."""
    policy = RegistrationPolicy((Rule(frozenset({"inference"}), kinds=frozenset({IssuerKind.AI})),))
    create(Home(folder), ORIGIN, PASSPHRASE, clock=lambda: int(time.time()), policy=policy)
    with Ledger.open(Home(folder), PASSPHRASE) as ledger:
        for signer in issuers:
            ledger.register_key(
                KeyRecord.signed(ORIGIN, signer.public, IssuerKind.AI, "bench", signer.sign)
            )


@contextmanager
def served(folder: Path, workers: int) -> Iterator[tuple[str, int]]:
    """Run the service in a process of its own; yield its address and process id."""
    command = [sys.executable, "-m", "bench.http_service", str(folder), str(workers)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None  # noqa: S101 - a pipe
    try:
        yield process.stdout.readline().strip(), process.pid
    finally:
        process.terminate()
        process.wait(60)


def measure(folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """Sign, serve, send, check."""
    issuers = [generate() for _ in range(chosen.connections)]
    prepare(folder, issuers)
    share = chosen.statements // chosen.connections // BATCH * BATCH
    jobs = [(signer.unsafe_secret(), share, chosen.numbered) for signer in issuers]
    with multiprocessing.Pool() as pool:
        batches = pool.map(_sign, jobs)
    with served(folder, chosen.workers) as (url, process):
        warm = [one[: chosen.warm] for one in batches]
        asyncio.run(send_all(url, warm, BATCH))
        before = cpu_seconds(process)
        load = asyncio.run(send_all(url, [one[chosen.warm :] for one in batches], BATCH))
        used = cpu_seconds(process) - before
        checked = check(url, Path(folder), batches)
    return {
        **figures(load),
        "service_cpu_us_per_statement": 1e6 * used / load.statements,
        "per_s_by_cpu_time": (os.cpu_count() or 1) * load.statements / (used + load.cpu_seconds),
        **checked,
    }


def figures(load: Load) -> dict[str, Any]:
    """Summarise what was answered."""
    cuts = statistics.quantiles(load.latencies_ms, n=100)
    return {
        "statements": load.statements,
        "seconds": load.seconds,
        "per_s": load.statements / load.seconds,
        "batch_p50_ms": cuts[49],
        "batch_p99_ms": cuts[98],
        "client_cpu_us_per_statement": 1e6 * load.cpu_seconds / load.statements,
    }


def cpu_seconds(process: int) -> float:
    """Return what a process and its children have used, by /proc."""
    total, ticks = 0.0, os.sysconf("SC_CLK_TCK")
    for one in (process, *children_of(process)):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / ticks
    return total


def check(url: str, folder: Path, batches: list[list[bytes]]) -> dict[str, Any]:
    """Check that all is there: every file by fsck, some entries by proof over HTTP."""
    time.sleep(1)
    entries = [entry for one in batches for batch in one for entry in cbor2.loads(batch)]
    for entry in random.sample(entries, PROOFS):
        with urlopen(f"{url}/proofs/{parse_statement(entry).id.hex()}") as answer:  # noqa: S310 - loopback
            proof = parse_tlog_proof(answer.read())
        claim = parse_checkpoint(proof.checkpoint.text)
        verify_inclusion(leaf_hash(entry), proof.index, claim.size, proof.path, claim.root)
    home = Home(folder)
    key = json.loads((home.data / "ledger.json").read_bytes())["checkpoint_key"]
    report = fsck(home.places().public, parse_vkey(key))
    if report.damage or report.checkpoint is None or report.checkpoint.size < len(entries):
        raise SystemExit(f"the log is not what was registered: {report}")
    return {"log_size": report.checkpoint.size, "fsck": "no damage", "proofs_checked": PROOFS}


def main() -> None:
    """Measure some rounds and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--statements", type=int, default=100_000)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm", type=int, default=5, help="batches per connection, not counted")
    parser.add_argument("--numbered", action="store_true")
    parser.add_argument("--folder", type=Path, help="on the disk to be measured")
    chosen = parser.parse_args()
    result: dict[str, Any] = {
        "machine": machine(),
        "commit": _commit(),
        "versions": {name: version(name) for name in VERSIONS} | {"pynacl": _optional("pynacl")},
        "options": {k: v for k, v in vars(chosen).items() if k != "folder"},
        "python": platform.python_version(),
        "rounds": [],
    }
    for _ in range(chosen.rounds):
        with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
            limit = limits(Path(name))
            found = measure(Path(name) / "ledger", chosen)
        both = (os.cpu_count() or 1) * limit["ed25519_checks_per_s"]
        found |= {"limits": limit, "share_of_ed25519_limit_all_cores": found["per_s"] / both}
        result["rounds"].append(found)
        print(json.dumps(found), file=sys.stderr)
    print(json.dumps(result, indent=1))


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def _optional(name: str) -> str | None:
    try:
        return version(name)
    except ImportError:
        return None


if __name__ == "__main__":
    main()
