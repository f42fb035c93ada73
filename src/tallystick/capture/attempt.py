"""One attempt at a call: an intent, one model asked, an outcome.

The walk, in this order, because each step rests on the one before:

1. the intent is numbered, signed, spooled and synced: only now is the model called;
2. the answer is passed on: a stream as it comes, anything else when it is whole;
3. the outcome is numbered, signed and spooled, and named: in a header of a whole answer, in a
   comment at the end of a stream. A stream's `[DONE]` waits until the outcome is synced, and does
   not come at all if that fails: the stream breaks off, and the intent stays open.

Whatever goes wrong on the way is an outcome, too. As long as nothing was passed on, another attempt
may follow.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final

from tallystick import tracing
from tallystick.capture.answer import Answer, read_answer, read_stream
from tallystick.capture.call_evidence import Asked, CallEvidence
from tallystick.capture.call_span import tell_asked, tell_outcome
from tallystick.capture.connection import Response
from tallystick.capture.problems import ProblemError, outcome_lost
from tallystick.capture.relay import Kept, StreamEnd, Watch
from tallystick.capture.routes import Target
from tallystick.capture.running import Running
from tallystick.capture.upstream import (
    UPSTREAM_ERRORS,
    Trouble,
    describe,
    passed_headers,
    sent_headers,
)

DONE_SECONDS: Final = 1.0
"""How long an upstream may keep a stream open after it said that it is done."""
LARGE_BYTES: Final = 256 << 10
"""Answers beyond this are read in another thread."""
PASSING: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""Answers of an upstream that another attempt may change."""

_EVENTS: Final = b"text/event-stream"
_NOTHING: Final = Answer()


@dataclass(frozen=True, slots=True)
class Again:
    """The attempt failed, and nothing was passed on.

    Attributes:
        retry_after: What the upstream said of when to ask again; empty where it said nothing.
    """

    retry_after: bytes = b""


class Attempt:
    """Asks one model; used once."""

    __slots__ = (
        "_asked", "_asked_ns", "_end", "_first_ns", "_kept", "_response", "_running", "_span",
        "_started", "_target", "evidence",
    )  # fmt: skip

    def __init__(
        self,
        running: Running,
        asked: Asked,
        target: Target | None,
        number: int = 1,
        first: CallEvidence | None = None,
    ) -> None:
        """Prepare to ask.

        Args:
            running: The gateway.
            asked: The call.
            target: Whom to ask; None where nobody answers for that model.
            number: Counts the attempts at the call, from 1.
            first: Evidence of the first of them, where this is a later one.

        Attributes:
            evidence: What is said about it.
        """
        self._running, self._asked, self._target = running, asked, target
        self.evidence = CallEvidence(running, asked, target, number, first)
        self._asked_ns, self._first_ns = time.monotonic_ns(), 0
        self._kept = Kept(running.settings.answer_bytes_max)
        self._response: Response | None = None
        self._end: StreamEnd | None = None
        self._span: tracing.Span | None = None
        self._started = False

    # --- the call

    async def call(self, *, last: bool) -> Again | None:
        """Ask the model, and pass its answer on, or say that another attempt may follow.

        Args:
            last: None may, so whatever comes is passed on.

        Raises:
            ProblemError: What the caller is told, where nothing was passed on.
        """
        with tracing.part(self._asked.operation, "client") as span:
            self._span = span
            if span is not None:
                tell_asked(span, self._asked, self._target, self.evidence)
            try:
                return await self._call(last=last)
            finally:
                self._span = None  # whatever is said from here on, the span has ended

    async def _call(self, *, last: bool) -> Again | None:
        trouble: Trouble | None = None
        watch = Watch(self._asked.receive)
        try:
            async with asyncio.timeout(self._running.settings.total_s):
                await self._ask(last=last)
        except asyncio.CancelledError:
            if not watch.gone:
                raise
        except UPSTREAM_ERRORS as error:
            assert self._target is not None  # noqa: S101 - somebody was asked
            trouble = describe(error, self._target.upstream.name)
        finally:
            watch.end()
        if watch.gone:
            self.conclude("cancelled", self._status, error="the caller went away")
        elif trouble is not None:
            return await self._fail(trouble, last=last)
        else:
            return await self._finish(last=last)
        return None

    async def _ask(self, *, last: bool) -> None:
        """Ask the model, and take its answer; pass on of it what can be passed on now."""
        asked, target = self._asked, self._target
        assert target is not None  # noqa: S101 - without one the call was refused
        upstream = target.upstream
        authorization = upstream.authorization(asked.caller.brought)
        headers = sent_headers(asked.scope["headers"], authorization)
        query = asked.scope.get("query_string", b"")
        response = self._response = await upstream.ask(
            "POST", asked.path, query, headers, asked.request.sent(target.model)
        )
        if response.content_type == _EVENTS and (last or response.status not in PASSING):
            self._end = StreamEnd()
            await self._start()
            await self._stream(response, self._end)
        else:
            await self._gather(response)

    async def _stream(self, response: Response, end: StreamEnd) -> None:
        """Pass a stream on as it comes, up to where it says that it is done."""
        while end.held is None and (chunk := await response.readany()):
            self._take(chunk)
            if passing := end.cut(chunk):
                await self._pass(passing)
        if end.held is None:
            return
        try:  # whatever happens after that line, the answer is complete
            async with asyncio.timeout(DONE_SECONDS):
                while chunk := await response.readany():
                    self._take(chunk)
                    end.cut(chunk)
        except UPSTREAM_ERRORS:
            return

    async def _gather(self, response: Response) -> None:
        """Hold an answer until it is whole; pass it on as it comes if it is too large for that."""
        most = self._running.settings.answer_bytes_max
        while chunk := await response.readany():
            if not self._started and self._kept.total_bytes + len(chunk) > most:
                await self._start()
                await self._pass(self._kept.data())
            self._take(chunk)
            if self._started:
                await self._pass(chunk)

    def _take(self, chunk: bytes) -> None:
        if not self._first_ns:
            self._first_ns = time.monotonic_ns()
        self._kept.add(chunk)

    # --- the outcome

    async def _finish(self, *, last: bool) -> Again | None:
        """Record an answer that came to its end, and pass on what is left of it."""
        answer = await self._read()
        status, error = self._judge(answer)
        self.conclude(status, self._status, answer, error)
        if not (last or self._started) and self._status in PASSING and self._response is not None:
            return Again(self._response.header(b"retry-after"))
        if self._end is not None:
            await self._end_stream((self._end.held or b"") + self.evidence.comment())
        elif self._started:
            await self._pass(b"", last=True)
        else:
            await self._pass_whole()
        return None

    async def _end_stream(self, rest: bytes) -> None:
        """End a stream, or break it off where its outcome is lost."""
        if await self.evidence.lost() is None:
            await self._pass(rest, last=True)

    async def _pass_whole(self) -> None:
        intent = self.evidence.intent
        if self._running.recorder.writer.failure is not None and intent is not None:
            why = await self.evidence.lost()
            if why is not None:
                raise ProblemError(outcome_lost(intent.statement.id.hex(), why))
        data = self._kept.data()
        await self._start((b"content-length", str(len(data)).encode()))
        await self._pass(data, last=True)

    async def _fail(self, trouble: Trouble, *, last: bool) -> Again | None:
        """Record that the upstream failed; let the caller see it, unless another attempt follows.

        Raises:
            ProblemError: What the caller is told, where nothing was passed on yet.
        """
        problem = trouble.problem
        status = self._status if self._started else problem.status
        self.conclude(trouble.status, status, error=problem.message)
        if not self._started:
            if not last:
                return Again()
            raise ProblemError(problem)
        if self._end is not None and await self.evidence.lost() is None:
            await self._pass(self.evidence.comment())
        # The response is left unfinished: the server breaks the connection off, as the upstream did
        return None

    def conclude(
        self,
        status: Any,
        http_status: int | None,
        answer: Answer = _NOTHING,
        error: str | None = None,
    ) -> None:
        """Record the outcome, once; there is none without an intent."""
        if self._span is not None:
            tell_outcome(self._span, status, self._status, answer)
        first_ns = self._first_ns
        self.evidence.conclude(
            status=status,
            http_status=http_status,
            **self._kept.fields(),
            **answer.fields(),
            first_byte_ms=_ms(first_ns - self._asked_ns) if first_ns else None,
            duration_ms=_ms(time.monotonic_ns() - self._asked_ns),
            error=error,
        )

    async def _read(self) -> Answer:
        """Read the answer, if all of it was kept."""
        if not self._kept.whole:
            return _NOTHING
        read = read_answer if self._end is None else read_stream
        if self._kept.kept_bytes <= LARGE_BYTES:
            return read(self._kept.data())
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, read, self._kept.data())

    def _judge(self, answer: Answer) -> tuple[str, str | None]:
        """Return the status of an answer that came to its end, and what is wrong with it."""
        status = self._status or 0
        if not 200 <= status < 300:
            return "error", answer.error or f"the upstream answered with HTTP {status}"
        if not self._kept.whole:
            return "ok", None
        if answer.error is not None:
            return "error", answer.error
        if not answer.readable:
            return "malformed", f"not what {self._asked.operation} is answered with"
        if self._end is not None and not answer.complete:
            return "broken", "the stream ended without saying that it is done"
        return "ok", None

    # --- to the caller

    @property
    def _status(self) -> int | None:
        return None if self._response is None else self._response.status

    def close(self) -> None:
        """Give up what was not read of the answer; nothing happens if all was."""
        if self._response is not None:
            self._response.close()

    async def _start(self, *more: tuple[bytes, bytes]) -> None:
        """Pass on status and headers."""
        assert self._response is not None  # noqa: S101 - there is an answer
        self._started = True
        headers = [*passed_headers(self._response.raw_headers), *more, *self.evidence.ids()]
        await self._asked.send(
            {"type": "http.response.start", "status": self._response.status, "headers": headers}
        )

    async def _pass(self, body: bytes, *, last: bool = False) -> None:
        """Pass bytes on; waits while the caller reads slower than the model writes."""
        await self._asked.send({"type": "http.response.body", "body": body, "more_body": not last})


def _ms(nanoseconds: int) -> float:
    return round(nanoseconds / 1_000_000, 3)
