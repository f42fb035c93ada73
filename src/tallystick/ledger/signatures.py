"""Checking many signatures: pure, so it runs ahead of admission and on every core."""

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Final, Protocol

from tallystick.errors import SignatureError
from tallystick.identity import fastest_equation
from tallystick.statement import PublicKey, SignedStatement
from tallystick.statement.ed25519 import verify_ed25519
from tallystick.statement.keys import ALGORITHMS, KeyKind

Question = tuple[PublicKey, bytes, bytes, int]
"""Key, signature, message, algorithm."""

CHUNK: Final = 64
"""Questions that one process answers at a time."""


class SignatureChecks(Protocol):
    """Answers whether signatures match."""

    def check(self, questions: Sequence[Question]) -> list[bool]:
        """Return one answer per question, in order."""
        ...

    def close(self) -> None:
        """Give processes back."""
        ...


def question(statement: SignedStatement, key: PublicKey) -> Question:
    """Ask whether `key` signed `statement`."""
    return key, statement.signature, statement.signed_bytes(), statement.header.algorithm


class InlineChecks:
    """Checks in the calling thread, with the fastest library that is installed."""

    def __init__(self) -> None:
        """Look which library is installed."""
        self._equation = fastest_equation()

    def check(self, questions: Sequence[Question]) -> list[bool]:
        """Return one answer per question, in order."""
        return [self._matches(*q) for q in questions]

    def close(self) -> None:
        """Nothing is held."""

    def _matches(self, key: PublicKey, signature: bytes, message: bytes, algorithm: int) -> bool:
        try:
            if key.kind is KeyKind.ED25519 and algorithm in ALGORITHMS[key.kind]:
                verify_ed25519(key.raw, signature, message, self._equation)
            else:
                key.verify(signature, message, algorithm)
        except SignatureError:
            return False
        return True


class PooledChecks:
    """Checks in other processes; threads do not help, the libraries are too quick for them."""

    def __init__(self, processes: int) -> None:
        """Start `processes` workers; small questions are still answered inline."""
        context = multiprocessing.get_context("forkserver")
        self._pool = ProcessPoolExecutor(processes, context, initializer=_start)
        self._inline = InlineChecks()

    def check(self, questions: Sequence[Question]) -> list[bool]:
        """Return one answer per question, in order."""
        if len(questions) < CHUNK // 4:
            return self._inline.check(questions)
        chunks = [questions[at : at + CHUNK] for at in range(0, len(questions), CHUNK)]
        return [answer for answers in self._pool.map(_check, chunks) for answer in answers]

    def close(self) -> None:
        """End the workers."""
        self._pool.shutdown(cancel_futures=True)


_worker: InlineChecks | None = None


def _start() -> None:
    global _worker  # noqa: PLW0603 - one per worker process
    _worker = InlineChecks()


def _check(questions: Sequence[Question]) -> list[bool]:
    assert _worker is not None  # noqa: S101 - the initializer ran
    return _worker.check(questions)
