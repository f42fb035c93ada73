"""The vault: content put durably, read, and all about one subject erased.

python -m bench.vault --records 100000
"""

import argparse
import json
import os
import random
import tempfile
import time
from pathlib import Path

from bench.limits import limits
from bench.machine import machine
from tallystick.ledger import Submission
from tallystick.statement import ErasureReason, Preimage, commit
from tallystick.vault import About, ReadBook, SealedContent, Vault
from tests.ledgers import Issuer, ledger_in

CONTENT_BYTES = 4000
TOGETHER = 256
"""Records of one call, as many as a busy ledger takes at once."""
READ = 20_000
ABOUT_ONE = 1000
SUBJECT = About("erase-me")


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="Where to; a folder of the system's otherwise.")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        result = {"machine": machine(), "limits": limits(folder), "records": chosen.records}
        result |= _vault(folder / "vault.sqlite", chosen.records)
        result["ledger_erase_subject_s"] = _ledger(folder / "ledger")
    print(json.dumps(result, indent=1))


def _content() -> Preimage:
    return commit({"text": os.urandom(CONTENT_BYTES)}, os.urandom)


def _vault(path: Path, records: int) -> dict[str, float]:
    vault = Vault(path, os.urandom(32))
    ids = [os.urandom(32) for _ in range(records)]
    every, content = max(1, records // ABOUT_ONE), _content()
    began = time.perf_counter()
    for at in range(0, records, TOGETHER):
        vault.put([_sealed(vault, ids, n, every, content) for n in _some(at, records)])
    put = records / (time.perf_counter() - began)
    wanted = random.sample(ids, min(READ, records))
    began = time.perf_counter()
    for one in wanted:
        vault.get(one)
    got = len(wanted) / (time.perf_counter() - began)
    vault.book = ReadBook(path.parent / "reads")
    began = time.perf_counter()
    for one in wanted:
        vault.get(one)
    vault.book.turn()
    noted = len(wanted) / (time.perf_counter() - began)
    began = time.perf_counter()
    targets = vault.about(SUBJECT.subject)
    vault.erase(targets)
    erased = time.perf_counter() - began
    vault.close()
    return {
        "put_per_s": put, "get_per_s": got, "get_noted_per_s": noted,
        "erased": len(targets), "erase_subject_s": erased,
        "file_bytes": path.stat().st_size,
    }  # fmt: skip


def _some(at: int, records: int) -> range:
    return range(at, min(at + TOGETHER, records))


def _sealed(vault: Vault, ids: list[bytes], n: int, every: int, content: Preimage) -> SealedContent:
    about = SUBJECT if n % every == 0 else About(f"case-{n % 5000}")
    return vault.seal(ids[n], content, about)


def _ledger(folder: Path) -> float:
    """Erase a subject with 1 000 records in a ledger: found, signed, registered, destroyed."""

    issuer = Issuer()
    with ledger_in(folder, issuer) as ledger:
        for _ in range(ABOUT_ONE):
            statement, content = issuer.content({"text": os.urandom(CONTENT_BYTES)})
            ledger.register([Submission(statement.entry, content, about=SUBJECT)])
        began = time.perf_counter()
        ledger.erase(ledger.vault.about(SUBJECT.subject), ErasureReason.CONSENT_WITHDRAWN)
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
