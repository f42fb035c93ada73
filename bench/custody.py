"""What signing costs where a key is kept, and what registering costs with a ledger's keys there.

    python -m bench.custody [--seconds 2] [--places file token keyring kms]

SoftHSM is software: a real module is slower by its bus or network. A signature from elsewhere is
checked before it is used, which the figures include.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.machine import machine
from tallystick.identity import KeyFile
from tallystick.ledger import Home, Ledger, create
from tallystick.statement import KeyKind
from tests.custody import places
from tests.ledgers import ALLOW_ORGANISATIONS, ORIGIN, PASSPHRASE, Issuer, many, submissions

MESSAGE = b"m" * 300
ROUNDS = 200


@contextmanager
def place(name: str, folder: Path) -> Iterator[places.Place | None]:
    """Open a place by its name; None for the ledger's own key file."""
    if name == "file":
        yield None
        return
    folder.mkdir()
    if name == "token":
        with places.token(folder) as token:
            yield token
    elif name == "keyring":
        with places.desktop_keyring(folder) as keyring:
            yield keyring
    else:
        with places.key_service(folder) as service:
            yield service


def signatures(seconds: float, sign: Callable[[bytes], bytes]) -> float:
    """Return signatures a second, one after the other."""
    sign(MESSAGE)
    count, begun = 0, time.perf_counter()
    while (passed := time.perf_counter() - begun) < seconds:
        sign(MESSAGE)
        count += 1
    return count / passed


def registering(folder: Path, keys_in: str | None) -> dict[str, float]:
    """Return the median of registering one statement, and statements a second in hundreds."""
    home, issuer = Home(folder), Issuer()
    create(home, ORIGIN, PASSPHRASE, clock=lambda: int(time.time()), policy=ALLOW_ORGANISATIONS,
           keys_in=keys_in)  # fmt: skip
    with Ledger.open(home, PASSPHRASE) as ledger:
        ledger.register_key(issuer.record())
        single = []
        for statement in many(issuer, ROUNDS):
            begun = time.perf_counter()
            ledger.register(submissions(statement))
            single.append(time.perf_counter() - begun)
        hundreds = [submissions(*many(issuer, 100)) for _ in range(20)]
        begun = time.perf_counter()
        for batch in hundreds:
            ledger.register(batch)
        passed = time.perf_counter() - begun
        proof = time.perf_counter()
        for _ in range(ROUNDS):
            ledger.prove_found(ledger.at(5), ledger.snapshot)
        proof = time.perf_counter() - proof
    return {
        "one_ms": round(sorted(single)[ROUNDS // 2] * 1000, 2),
        "hundreds_per_s": round(2000 / passed),
        "receipts_per_s": round(ROUNDS / proof),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--places", nargs="+", default=["file", "token", "keyring", "kms"])
    chosen = parser.parse_args()
    results: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen.places:
            with place(name, Path(folder) / name) as opened:
                keys = KeyFile(Path(folder) / f"{name}.key", PASSPHRASE)
                found: dict[str, object] = {}
                for kind in KeyKind:
                    at = opened.reference(f"bench-{kind.value}") if opened else None
                    signer = keys.make_signer(kind.value, kind, at=at)
                    found[f"{kind.value}_per_s"] = round(signatures(chosen.seconds, signer.sign))
                keys_in = opened.reference("main-{}") if opened else None
                found.update(registering(Path(folder) / f"{name}-home", keys_in))
                results[name] = found
    print(json.dumps({"machine": machine(), "results": results}, indent=1))


if __name__ == "__main__":
    main()
