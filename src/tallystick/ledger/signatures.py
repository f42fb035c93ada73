"""Parsing and checking many statements: pure, so it runs ahead of admission and on every core."""

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Final, Protocol

from tallystick.errors import SignatureError, TallystickError
from tallystick.identity import fastest_equation
from tallystick.ledger.shapes import parse_header_again
from tallystick.ledger.worker import Worker
from tallystick.statement import PublicKey, SignedStatement, parse_statement
from tallystick.statement.ed25519 import verify_ed25519
from tallystick.statement.governance import KeyRecord
from tallystick.statement.keys import ALGORITHMS, KeyKind

Question = tuple[PublicKey, bytes, bytes, int]
"""Key, signature, message, algorithm."""
Keys = Mapping[tuple[str, bytes], tuple[int, KeyRecord]]
"""Registered keys by issuer and key id, as `LedgerState.keys` has them: none is ever removed."""

CHUNK: Final = 128
"""Entries that one process examines at a time."""
INLINE_MAX: Final = 16
"""So few entries are examined by the caller: asking a process costs more."""


@dataclass(frozen=True, slots=True)
class Examined:
    """An entry that is a statement.

    Attributes:
        statement: Parsed.
        signed: The signature matches the registered key that the header names.
    """

    statement: SignedStatement
    signed: bool


class SignatureChecks(Protocol):
    """Parses entries and answers whether their signatures match."""

    def examine(self, entries: Sequence[bytes], keys: Keys) -> list[Examined | TallystickError]:
        """Return one answer per entry, in order; an error where it is no statement."""
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

    def examine(self, entries: Sequence[bytes], keys: Keys) -> list[Examined | TallystickError]:
        """Return one answer per entry, in order."""
        return [self._examine(entry, keys) for entry in entries]

    def close(self) -> None:
        """Nothing is held."""

    def _examine(self, entry: bytes, keys: Keys) -> Examined | TallystickError:
        try:
            statement = parse_statement(entry, parse_header_again)
        except TallystickError as error:
            return error
        found = keys.get((statement.header.issuer, statement.header.key_id))
        signed = found is not None and self._matches(*question(statement, found[1].key))
        return Examined(statement, signed)

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
        """Prepare for `processes` workers, 0 or more.

        None is started before there are many entries to examine: an idle ledger pays for none.
        Until they are ready the caller examines, as it always does where entries are few.
        """
        self._inline, self._processes = InlineChecks(), processes
        self._workers: list[Worker] = []
        self._starting: list[Worker] = []
        self._lock = Lock()
        self._idle: SimpleQueue[Worker] = SimpleQueue()

    def examine(self, entries: Sequence[bytes], keys: Keys) -> list[Examined | TallystickError]:
        """Return one answer per entry, in order."""
        if len(entries) < INLINE_MAX or not self._processes:
            return self._inline.examine(entries, keys)
        self._start_once()
        asked: deque[tuple[Worker, Sequence[bytes]]] = deque()
        try:
            return self._examine(entries, keys, asked)
        except BaseException:
            for worker, _ in asked:
                worker.abandon()
            raise
        finally:
            for worker, _ in asked:
                self._idle.put(worker)

    def close(self) -> None:
        """End the workers."""
        for worker in self._workers:
            worker.close()

    def _start_once(self) -> None:
        with self._lock:
            if not self._workers:
                self._workers = [Worker() for _ in range(self._processes)]
                self._starting = [*self._workers]

    def _examine(
        self, entries: Sequence[bytes], keys: Keys, asked: deque[tuple[Worker, Sequence[bytes]]]
    ) -> list[Examined | TallystickError]:
        """Spread entries over the workers that are idle; `asked` are those that work for us."""
        answers: list[Examined | TallystickError] = []
        for at in range(0, len(entries), CHUNK):
            chunk = entries[at : at + CHUNK]
            worker = self._idle_worker(wait=not asked)
            if worker is None and not asked:
                answers += self._inline.examine(chunk, keys)
                continue
            if worker is None:
                answers += self._answers(*asked[0], keys)
                worker, _ = asked.popleft()
            asked.append((worker, chunk))
            worker.ask(chunk, keys)
        while asked:
            answers += self._answers(*asked[0], keys)
            self._idle.put(asked.popleft()[0])
        return answers

    def _idle_worker(self, *, wait: bool) -> Worker | None:
        """Return a worker that nobody uses.

        Waits only for a caller who holds none, and only for a worker that another caller uses.
        """
        with suppress(Empty):
            return self._idle.get_nowait()
        with self._lock:
            for worker in self._starting:
                if worker.is_ready():
                    self._starting.remove(worker)
                    return worker
            wait = wait and not self._starting
        return self._idle.get() if wait else None

    def _answers(
        self, worker: Worker, chunk: Sequence[bytes], keys: Keys
    ) -> list[Examined | TallystickError]:
        """Take a worker's answers; what it could not read, or a dead one's work, is done here."""
        answers = worker.answers()
        if answers is None:
            return self._inline.examine(chunk, keys)
        return [
            self._inline.examine([entry], keys)[0] if answer is None else Examined(*answer)
            for entry, answer in zip(chunk, answers, strict=True)
        ]


class BorrowedChecks:
    """Checks that several ledgers use, and none of them ends."""

    def __init__(self, checks: SignatureChecks) -> None:
        """Lend `checks`, which may be used by several threads."""
        self._checks = checks

    def examine(self, entries: Sequence[bytes], keys: Keys) -> list[Examined | TallystickError]:
        """Return one answer per entry, in order."""
        return self._checks.examine(entries, keys)

    def close(self) -> None:
        """Leave them to their owner."""
