"""Registering a stream of lines (NDJSON) as it arrives, answering line by line in order.

As many lines as have arrived are registered together, and their answers are sent before more is
read. So a client that does not read its answers is not read from either, and memory stays
bounded: read while you send. The last line of the answer is the end (`StreamEnd`), with one
checkpoint for all that are registered.
"""

import logging
from collections.abc import AsyncIterator, Iterator
from typing import Final

from tallystick.errors import LimitError, TallystickError
from tallystick.ledger import Registered
from tallystick.log import Snapshot
from tallystick.web.answers import API, NDJSON, NEVER, encode_json
from tallystick.web.bodies import Body, DisconnectedError
from tallystick.web.call import Call
from tallystick.web.intake import Read
from tallystick.web.problems import Problem, problem_of
from tallystick.web.registration import results, take
from tallystick.web.schemas import StreamEnd
from tallystick.web.submissions import read_line

STREAM_BATCH_MAX: Final = 512
"""Lines that are registered at once."""

_log = logging.getLogger(__name__)


async def register_stream(call: Call, *, prove: bool) -> None:
    """Register every line of the body.

    Raises:
        TallystickError: Before the first answer; later ones stand in the last line.
    """
    answer, problem = _StreamAnswer(call), None
    try:
        async for lines in batches(call.body, call.service.settings.line_bytes_max):
            reads = await call.blocking(_read_lines, lines)
            taken = await take(call, reads, prove=prove)
            await answer.send([*results(taken)])
            answer.count(taken.snapshot, taken.answers)
    except DisconnectedError:
        raise
    except Exception as error:
        if not answer.begun:
            raise
        if not isinstance(error, TallystickError):
            _log.exception("a stream ended half-way")
        problem = problem_of(error)
    await answer.end(problem)


async def batches(body: Body, line_bytes_max: int) -> AsyncIterator[list[bytes]]:
    """Yield the lines of a body that are not blank, as many at a time as have arrived.

    Raises:
        LimitError: A line is too long.
    """
    begun: list[bytes] = []  # pieces of a line whose end has not come
    async for piece in body.pieces():
        head, newline, rest = piece.rpartition(b"\n")
        begun.append(head if newline else rest)
        size = sum(map(len, begun))
        if newline:
            body.progress()
            for lines in _cut(b"".join(begun), line_bytes_max):
                yield lines
            body.release(body.held - len(rest))
            begun, size = [rest], len(rest)
        if size > line_bytes_max:
            raise LimitError(f"a line has more than {line_bytes_max} bytes")
    for lines in _cut(b"".join(begun), line_bytes_max):
        yield lines


def _cut(text: bytes, line_bytes_max: int) -> Iterator[list[bytes]]:
    lines = [line for line in text.split(b"\n") if line.strip()]
    if lines and (longest := max(map(len, lines))) > line_bytes_max:
        raise LimitError(f"a line has {longest} bytes, at most {line_bytes_max} allowed")
    for at in range(0, len(lines), STREAM_BATCH_MAX):
        yield lines[at : at + STREAM_BATCH_MAX]


def _read_lines(lines: list[bytes]) -> list[Read]:
    return [read_line(line) for line in lines]


class _StreamAnswer:
    """The answer to a stream, as far as it was sent."""

    def __init__(self, call: Call) -> None:
        self._send = call.send
        self.begun = False
        self._newest: Snapshot | None = None
        self._registered = self._refused = 0

    async def send(self, rows: list[object], *, more: bool = True) -> None:
        """Send lines; waits while the client does not take them."""
        if not self.begun:
            self.begun = True
            headers = [API, (b"content-type", NDJSON.encode()), NEVER]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        body = b"".join([encode_json(row) + b"\n" for row in rows])
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    def count(self, newest: Snapshot | None, answers: list[Registered | TallystickError]) -> None:
        """Remember what the last line says."""
        registered = sum(isinstance(answer, Registered) for answer in answers)
        self._registered += registered
        self._refused += len(answers) - registered
        self._newest = newest or self._newest

    async def end(self, problem: Problem | None) -> None:
        """Send the last line."""
        note = None if self._newest is None else self._newest.note.decode()
        end = StreamEnd(note, self._registered, self._refused, problem)
        await self.send([end], more=False)
