"""Offline verification of evidence bundles: the whole, and what is beyond the signature checks.

    python -m bench.bundle

Two bundles: a decision by itself, and an answer with its intent, its model and the selection of
rows that the model was trained on. The same signature checks are also run alone, and taken off.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.limits import limits
from bench.machine import machine
from bench.report import spread, tell, timed
from tallystick.evidence import Decision, Emitter, Model, Outcome, Shown, build_bundle, encode_row
from tallystick.identity import SoftwareSigner, generate
from tallystick.ledger import Home, Ledger, RegistrationPolicy, Rule, create
from tallystick.merkle import tree_root
from tallystick.statement import keys, note
from tallystick.statement.ed25519 import verify_ed25519
from tallystick.statement.governance import IssuerKind, KeyRecord
from tallystick.verify import TrustPolicy, Verdict, examine, parse_policy

TIMES = 500
ROWS = 100
ORIGIN = "localhost/bench"
PASSPHRASE = b"bench"
TARGET_MS = 1.0
DIGEST = b"m" * 32

Check = tuple[bytes, bytes, bytes]
"""Public key, signature, message."""


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        about = {"machine": machine(), "limits": limits(folder)}
        trust, bundles = _bundles(folder / "home")
    rows = [{"bundle": what, **_measure(data, trust)} for what, data in bundles.items()]
    tell("bundle", rows, {**about, "target_beyond_ms": TARGET_MS, "bundle": rows})


def _measure(data: bytes, trust: TrustPolicy) -> dict[str, Any]:
    """Verify one bundle often; then its signatures alone, as often."""
    report = examine(data, trust)
    if report.verdict is not Verdict.VERIFIED:
        raise AssertionError(f"the bundle does not verify: {report.checks}")
    with _heard() as checks:
        examine(data, trust)
    whole = spread([timed(lambda: examine(data, trust)) for _ in range(TIMES)])
    alone = spread([timed(lambda: _check(checks)) for _ in range(TIMES)])
    return {
        "bytes": len(data),
        "statements": len(report.statements),
        "signatures": len(checks),
        "whole_p50_ms": whole["p50_ms"],
        "whole_p99_ms": whole["p99_ms"],
        "signatures_p50_ms": alone["p50_ms"],
        "beyond_p50_ms": round(whole["p50_ms"] - alone["p50_ms"], 3),
    }


def _check(checks: list[Check]) -> None:
    for public, signature, message in checks:
        verify_ed25519(public, signature, message)


@contextmanager
def _heard() -> Iterator[list[Check]]:
    """Hear of every signature that is checked meanwhile."""
    checks: list[Check] = []

    def hear(public: bytes, signature: bytes, message: bytes) -> None:
        checks.append((public, signature, message))
        verify_ed25519(public, signature, message)

    for module in (keys, note):
        module.verify_ed25519 = hear  # type: ignore[attr-defined]
    try:
        yield checks
    finally:
        for module in (keys, note):
            module.verify_ed25519 = verify_ed25519  # type: ignore[attr-defined]


def _bundles(folder: Path) -> tuple[TrustPolicy, dict[str, bytes]]:
    """Make a ledger with a story and export two bundles of it."""
    home, person, clinic, ai = Home(folder), generate(), generate(), generate()
    policy = RegistrationPolicy((Rule(frozenset({"*"}), kinds=frozenset(IssuerKind)),))
    create(home, ORIGIN, PASSPHRASE, clock=_now, policy=policy)
    with Ledger.open(home, PASSPHRASE) as ledger:
        for signer, kind in (
            (person, IssuerKind.PERSON),
            (clinic, IssuerKind.ORGANISATION),
            (ai, IssuerKind.AI),
        ):
            ledger.register_key(_record(signer, kind))
        trust = parse_policy(home.trust.read_bytes())
        with Emitter(ledger, person) as emitter:
            decision = Decision(outcome="accept", reason="agrees with the biopsy", shown="Benign")
            lone = emitter.register(decision)
        answer = _answer(ledger, clinic, ai)
        return trust, {
            "a decision": build_bundle(ledger, lone.id).encode(),
            "an answer, down to the rows": build_bundle(ledger, answer, Shown(rows=True)).encode(),
        }


def _answer(ledger: Ledger, clinic: SoftwareSigner, ai: SoftwareSigner) -> bytes:
    with Emitter(ledger, clinic) as emitter:
        batch = emitter.register_rows([encode_row({"case": n, "x": n / 7}) for n in range(ROWS)])
    leaves = ledger.leaves(ledger.get(batch.id).statement)
    with Emitter(ledger, ai) as emitter:
        chosen = emitter.register_selection(leaves, links={"derived_from": (batch.id,)})
        model = Model(
            name="m",
            digest=DIGEST,
            algorithm="a",
            parameters={},
            rows=ROWS,
            row_root=tree_root(leaves),
            software={},
        )
        emitter.register(model, links={"used": (chosen.id,)}, model=DIGEST)
        outcome = Outcome(status="ok", response=b"{}", answer="yes", duration_ms=1.0)
        return emitter.register(outcome, model=DIGEST).id


def _record(signer: SoftwareSigner, kind: IssuerKind) -> KeyRecord:
    name = None if kind is IssuerKind.PERSON else "Bench"
    return KeyRecord.signed(ORIGIN, signer.public, kind, name, signer.sign)


def _now() -> int:
    return int(time.time())


if __name__ == "__main__":
    main()
