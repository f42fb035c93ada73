"""A process that parses statements and checks signatures, and the pipe to it.

Not a `multiprocessing` pool: that would run the caller's main module again in every worker, and
costs several threads and queues. Here the owner writes a message and reads one, nothing more.

A worker that is ready says so with an empty message.

A message is its length in four bytes and MessagePack: the entries and the keys that were
registered since the last message in one direction, for each entry the parsed statement and
whether it is signed in the other. Keys are never removed, so a worker only ever learns more.

Trust: workers are this program; whoever controls one can have false signatures accepted.
"""

import gc
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from select import POLLIN, poll
from typing import IO, TYPE_CHECKING, Final

import msgspec

from tallystick.statement import SignedStatement
from tallystick.statement.governance import KeyRecord, parse_key_record

if TYPE_CHECKING:
    from tallystick.ledger.signatures import Keys

CLOSE_SECONDS_MAX: Final = 5
GC_OBJECTS: Final = 100_000
"""Objects made between two searches for cycles."""
_LENGTH_BYTES: Final = 4

_Known = dict[tuple[str, bytes], tuple[int, KeyRecord]]
_Answers = list[tuple[SignedStatement, bool] | None]
"""None where the entry is no statement: the owner finds out why."""


LEDGERS_MAX: Final = 64
"""Ledgers whose keys a worker remembers; one that was opened again counts as another."""


class _Question(msgspec.Struct, array_like=True):
    fresh: bool  # forget the keys of all ledgers first
    ledger: int
    records: list[bytes]
    entries: list[bytes]


_encode = msgspec.msgpack.Encoder().encode
_parse_question = msgspec.msgpack.Decoder(_Question).decode
_parse_answers = msgspec.msgpack.Decoder(_Answers).decode


class Worker:
    """One process. Used by one thread at a time: `ask`, then `answers`."""

    def __init__(self) -> None:
        """Start it; it is ready some 200 ms later, and asking before that only waits."""
        self._process, self._greeted = self._start(), False
        self._taught: dict[int, tuple[Keys, int]] = {}

    def ask(self, entries: Sequence[bytes], keys: "Keys") -> None:
        """Send entries; a process that died is replaced first."""
        if self._process.poll() is not None:
            self._restart()
        fresh = id(keys) not in self._taught and len(self._taught) == LEDGERS_MAX
        if fresh:
            self._taught.clear()
        _, known = self._taught.get(id(keys), (keys, 0))
        # Copied in one step, because the sequencer may be adding a key just now.
        records = list(keys.values()) if len(keys) > known else []
        taught = [r.encode() for _, r in records[known:]]
        # Held, so that no other ledger's keys get the same id.
        self._taught[id(keys)] = keys, max(known, len(records))
        question = _Question(fresh, id(keys), taught, list(entries))
        with suppress(OSError):  # it died just now: `answers` will say so
            assert self._process.stdin is not None  # noqa: S101 - a pipe
            _write(self._process.stdin, _encode(question))

    def is_ready(self) -> bool:
        """Whether it would begin at once; one that died counts as ready, asking replaces it."""
        assert self._process.stdout is not None  # noqa: S101 - a pipe
        said = poll()
        said.register(self._process.stdout, POLLIN)
        return self._greeted or bool(said.poll(0))

    def answers(self) -> _Answers | None:
        """Return the answers to what was asked; None if the process died."""
        assert self._process.stdout is not None  # noqa: S101 - a pipe
        if not self._greeted:
            self._greeted = _read(self._process.stdout) is not None
        data = _read(self._process.stdout)
        return None if data is None else _parse_answers(data)

    def abandon(self) -> None:
        """Replace the process, because its answer will not be read."""
        self._restart()

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        try:
            self._process.wait(CLOSE_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _restart(self) -> None:
        self.close()
        self._process, self._greeted, self._taught = self._start(), False, {}

    @staticmethod
    def _start() -> subprocess.Popen[bytes]:
        path = os.pathsep.join(folder for folder in sys.path if folder)
        return subprocess.Popen(  # noqa: S603 - this module
            [sys.executable, "-c", f"from {__name__} import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # the terminal's ^C is the owner's business
            env={**os.environ, "PYTHONPATH": path},
        )


def main() -> None:
    """Answer until the pipe is closed."""
    from tallystick.ledger.signatures import InlineChecks

    # What is made here lives for one message and forms no cycles: looking for them costs a tenth.
    gc.freeze()
    gc.set_threshold(GC_OBJECTS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's ^C is the owner's business
    checks, of_ledgers = InlineChecks(), defaultdict[int, _Known](dict)
    _tell(b"")
    while data := _read(sys.stdin.buffer):
        question = _parse_question(data)
        if question.fresh:
            of_ledgers.clear()
        keys = of_ledgers[question.ledger]
        _learn(keys, question.records)
        answers = checks.examine(question.entries, keys)
        found = [
            None if isinstance(answer, Exception) else (answer.statement, answer.signed)
            for answer in answers
        ]
        _tell(_encode(found))


def _tell(data: bytes) -> None:
    with suppress(BrokenPipeError):
        _write(sys.stdout.buffer, data)


def _learn(keys: _Known, records: list[bytes]) -> None:
    for data in records:
        record = parse_key_record(data)
        keys[record.issuer, record.key.thumbprint()] = (0, record)


def _write(pipe: IO[bytes], data: bytes) -> None:
    pipe.write(len(data).to_bytes(_LENGTH_BYTES) + data)
    pipe.flush()


def _read(pipe: IO[bytes]) -> bytes | None:
    head = pipe.read(_LENGTH_BYTES)
    data = pipe.read(int.from_bytes(head))
    return data if len(head) == _LENGTH_BYTES and len(data) == int.from_bytes(head) else None
