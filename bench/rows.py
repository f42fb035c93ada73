"""Commitments to rows: leaves and root, encoding and vault apart, on one core and on two.

python -m bench.rows
"""

import json
import os
import tempfile
import time
from pathlib import Path

from bench.limits import limits
from bench.machine import machine
from tallystick.evidence import encode_row
from tallystick.evidence.committing import RowCommitter
from tallystick.vault import Vault

ROWS = 1_000_000
ROW_BYTES = 194
VAULT_ROWS = 20_000


def main() -> None:
    """Measure and print JSON."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result = {
            "machine": machine(),
            "limits": limits(folder),
            "rows": ROWS,
            "row_bytes": ROW_BYTES,
            "commit_rows_per_s": {n: _commit(n) for n in (1, 2)},
            "encode_rows_per_s": _encode(),
            "vault_rows_per_s": _vault(folder),
        }
    print(json.dumps(result, indent=1))


def _commit(processes: int) -> dict[str, float]:
    records = [os.urandom(ROW_BYTES) for _ in range(ROWS)]
    with RowCommitter(processes) as committer:
        committer.commit(records[: 1 << 16])  # the processes start
        rates = []
        for _ in range(5):
            began = time.perf_counter()
            committer.commit(records)
            rates.append(ROWS / (time.perf_counter() - began))
    rates.sort()
    return {"min": rates[0], "median": rates[2], "max": rates[-1]}


def _encode() -> float:
    rows = [{"case": f"c{n}", "x": n * 0.5, "label": "benign"} for n in range(50_000)]
    began = time.perf_counter()
    for row in rows:
        encode_row(row)
    return len(rows) / (time.perf_counter() - began)


def _vault(folder: Path) -> float:
    vault = Vault(folder / "vault", os.urandom(32))
    records = [os.urandom(ROW_BYTES) for _ in range(VAULT_ROWS)]
    began = time.perf_counter()
    vault.put_rows(b"b" * 32, os.urandom(32 * VAULT_ROWS), records)
    seconds = time.perf_counter() - began
    vault.close()
    return VAULT_ROWS / seconds


if __name__ == "__main__":
    main()
