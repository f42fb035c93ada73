"""`tally bench`: what this machine and disk can do, and how much of it the ledger uses."""

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import click

from tallystick.cli.session import Session, pass_session
from tallystick.errors import InputError

ENTRY_BYTES: Final = 512
BATCH: Final = 256
_SECONDS_EACH: Final = 1.5


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to write meanwhile; the disk of the ledger by default.",
)
@pass_session
def bench(session: Session, folder: Path | None) -> None:
    """Measure this machine, and this ledger on it. Takes about ten seconds."""
    base = folder or session.home.root
    if folder is not None and not folder.is_dir():
        raise InputError(f"no such folder: {folder}")
    if not base.is_dir():
        raise InputError(
            f"no folder {base} to measure in", advice="give --folder, or make a ledger"
        )
    results: dict[str, Any] = {}
    with _scratch(base) as scratch:
        for name, measure in _MEASURES.items():
            results[name] = measure(scratch)
            session.say(f"{name:<44} {_said(results[name])}")
    limit = results["Ed25519 checks, one core"]["per_s"]
    share = results["register, each signature checked"]["per_s"] / limit
    results["share of the signature limit"] = round(share, 2)
    if session.as_json:
        session.give(results, "")


def _hashes(_scratch: Path) -> dict[str, float]:
    data = os.urandom(65)
    return _rate(lambda: sha256(data).digest(), 1000)


def _signatures(_scratch: Path) -> dict[str, float]:
    from tallystick.identity import fastest_equation, generate

    signer, equation = generate(), fastest_equation()
    message = os.urandom(300)
    signature, public = signer.sign(message), signer.public.raw
    return _rate(lambda: equation(public, signature, message), 50)


def _syncs(scratch: Path) -> dict[str, float]:
    from tallystick.log import PosixDisk

    file = PosixDisk().block_file(scratch / "sync", 1 << 20)

    def write() -> None:
        file.pwrite(b"x" * 4096, 0)
        file.datasync()

    result = _latency(write)
    file.close()
    return result


def _append(scratch: Path) -> dict[str, float]:
    entries = [os.urandom(ENTRY_BYTES) for _ in range(BATCH)]
    with _log(scratch / "append") as log:
        result = _rate(lambda: log.append(entries), 4)
    return {"per_s": result["per_s"] * BATCH}


def _lone_writer(scratch: Path) -> dict[str, float]:
    entry = [os.urandom(ENTRY_BYTES)]
    with _log(scratch / "lone") as log:
        return _latency(lambda: log.append(entry))


def _register(scratch: Path) -> dict[str, float]:
    from tallystick.ledger import Submission

    with _ledger(scratch / "register") as (ledger, issuer):
        batches = [
            [Submission(issuer(f"urn:bench:{n}/{m}")) for m in range(BATCH)] for n in range(16)
        ]
        began = time.perf_counter()
        for batch in batches:
            ledger.register(batch)
        seconds = time.perf_counter() - began
    return {"per_s": len(batches) * BATCH / seconds}


_MEASURES: Final[dict[str, Callable[[Path], dict[str, float]]]] = {
    "SHA-256 of 65 bytes, one core": _hashes,
    "Ed25519 checks, one core": _signatures,
    "sync of 4 KiB": _syncs,
    f"append, {ENTRY_BYTES} B, batches of {BATCH}": _append,
    "append, one writer": _lone_writer,
    "register, each signature checked": _register,
}


def _rate(step: Callable[[], object], chunk: int) -> dict[str, float]:
    """Repeat for a while and count."""
    count, began = 0, time.perf_counter()
    while (seconds := time.perf_counter() - began) < _SECONDS_EACH:
        for _ in range(chunk):
            step()
        count += chunk
    return {"per_s": count / seconds}


def _latency(step: Callable[[], object]) -> dict[str, float]:
    """Repeat for a while and time each."""
    times: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < _SECONDS_EACH:
        at = time.perf_counter()
        step()
        times.append(1000 * (time.perf_counter() - at))
    cuts = statistics.quantiles(times, n=100)
    return {"p50_ms": cuts[49], "p99_ms": cuts[98]}


@contextmanager
def _scratch(base: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def _log(folder: Path) -> Iterator[Any]:
    from tallystick.identity import generate
    from tallystick.log import EmbeddedLog, LogKey, Places, PosixDisk
    from tallystick.statement import VerifierKey

    signer = generate()
    key = LogKey(VerifierKey("localhost/bench", 1, signer.public.raw), signer.sign)
    places = Places(folder / "log", folder / "journal", folder / "head")
    log = EmbeddedLog(places, key, PosixDisk(), os.urandom)
    yield log
    log.close()


@contextmanager
def _ledger(folder: Path) -> Iterator[tuple[Any, Callable[[str], bytes]]]:
    from tallystick.identity import generate
    from tallystick.ledger import Home, Ledger, RegistrationPolicy, Rule, create
    from tallystick.statement import Header, sign_statement
    from tallystick.statement.governance import IssuerKind, KeyRecord

    now, signer = int(time.time()), generate()
    did, home = signer.public.did(), Home(folder)
    allowed = RegistrationPolicy((Rule(frozenset({"inference"}), frozenset({did})),))
    create(home, "localhost/bench", b"bench", clock=lambda: now, policy=allowed)

    def sign(subject: str) -> bytes:
        header = Header(
            algorithm=signer.algorithm,
            key_id=signer.public.thumbprint(),
            issuer=did,
            subject=subject,
            issued_at=now,
            type="inference",
        )
        return sign_statement(header, os.urandom(32), signer.sign).entry

    with Ledger.open(home, b"bench") as ledger:
        ledger.register_key(
            KeyRecord.signed("localhost/bench", signer.public, IssuerKind.AI, "bench", signer.sign)
        )
        yield ledger, sign


def _said(result: dict[str, float]) -> str:
    if "per_s" in result:
        return f"{result['per_s']:>12,.0f} /s"
    return f"p50 {result['p50_ms']:.2f} ms, p99 {result['p99_ms']:.2f} ms"
