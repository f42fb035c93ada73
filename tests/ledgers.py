"""Small ledgers and issuers for tests."""

import itertools
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tallystick.identity import Signer, generate
from tallystick.ledger import (
    Home,
    Ledger,
    PooledChecks,
    RegistrationPolicy,
    Rule,
    Submission,
    create,
)
from tallystick.ledger.signatures import INLINE_MAX
from tallystick.merkle import tree_root
from tallystick.statement import (
    Batch,
    Header,
    Preimage,
    Sequence,
    SignedStatement,
    commit,
    row_leaves,
    sign_statement,
)
from tallystick.statement.governance import IssuerKind, KeyRecord
from tallystick.statement.labels import BATCH_MEDIA_TYPE

ORIGIN = "localhost/test"
PASSPHRASE = b"correct horse"
START = 1_790_000_000
WORKER_SECONDS_MAX = 20


class Clock:
    """Stands still until a test moves it."""

    def __init__(self, now: int = START) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


@dataclass
class Issuer:
    """A key that signs and counts."""

    name: str = "Clinic North"
    kind: IssuerKind = IssuerKind.ORGANISATION
    signer: Signer = field(default_factory=generate)
    emitter: bytes = field(default_factory=lambda: os.urandom(16))
    last: SignedStatement | None = None

    @property
    def did(self) -> str:
        return self.signer.issuer

    def record(self, origin: str = ORIGIN) -> KeyRecord:
        name = None if self.kind is IssuerKind.PERSON else self.name
        return KeyRecord.signed(origin, self.signer.public, self.kind, name, self.signer.sign)

    def header(self, **changes: Any) -> Header:
        members: dict[str, Any] = {
            "algorithm": self.signer.algorithm,
            "key_id": self.signer.public.thumbprint(),
            "issuer": self.did,
            "subject": uuid.uuid4().urn,
            "issued_at": START,
            "type": "inference",
            **changes,
        }
        return Header(**members)

    def sign(self, payload: bytes = b"p" * 32, **changes: Any) -> SignedStatement:
        return sign_statement(self.header(**changes), payload, self.signer.sign)

    def content(self, values: dict[str, Any], **changes: Any) -> tuple[SignedStatement, Preimage]:
        preimage = commit(values, os.urandom)
        return self.sign(preimage.commitment(), **changes), preimage

    def numbered(self, epoch: int = 0, **changes: Any) -> SignedStatement:
        last = self.last
        sequence = Sequence(
            emitter=self.emitter,
            epoch=epoch,
            seq=last.header.sequence.seq + 1 if last and last.header.sequence else 0,
            prev=last.id if last else None,
        )
        self.last = self.sign(sequence=sequence, **changes)
        return self.last

    def batch(self, records: list[bytes], **changes: Any) -> tuple[SignedStatement, bytes, bytes]:
        """Return a batch statement with its salts and leaves."""
        salts, leaves = row_leaves(records, os.urandom)
        payload = Batch(rows=len(records), root=tree_root(leaves)).encode()
        members = {"type": "dataset", "hashed": False, "content_type": BATCH_MEDIA_TYPE, **changes}
        return self.sign(payload, **members), salts, leaves


ALLOW_ORGANISATIONS = RegistrationPolicy(
    (Rule(frozenset({"inference", "dataset", "decision", "call"}),
          kinds=frozenset({IssuerKind.ORGANISATION})),)
)  # fmt: skip


@contextmanager
def ledger_in(
    folder: Path, *issuers: Issuer, clock: Clock | None = None,
    policy: RegistrationPolicy = ALLOW_ORGANISATIONS, **options: Any,
) -> Iterator[Ledger]:  # fmt: skip
    """Open the ledger in a folder, made with its issuers if there is none."""
    home, clock = Home(folder), clock or Clock()
    fresh = not (home.data / "ledger.json").exists()
    if fresh:
        create(home, ORIGIN, PASSPHRASE, clock=clock, policy=policy)
    with Ledger.open(home, PASSPHRASE, clock=clock, **options) as ledger:
        for issuer in issuers if fresh else ():
            ledger.register_key(issuer.record())
        yield ledger


def submissions(*statements: SignedStatement) -> list[Submission]:
    return [Submission(statement.entry) for statement in statements]


def many(issuer: Issuer, count: int) -> list[SignedStatement]:
    return [issuer.sign(subject=f"urn:example:{next(_COUNT)}") for _ in range(count)]


_COUNT = itertools.count()


def started_pool(workers: int) -> PooledChecks:
    """Return checks whose workers are ready, so that they do examine the next entries."""
    pool = PooledChecks(workers)
    pool.examine([b""] * INLINE_MAX, {})
    until = time.monotonic() + WORKER_SECONDS_MAX
    while not all(worker.is_ready() for worker in pool._workers):
        assert time.monotonic() < until
        time.sleep(0.01)
    return pool
