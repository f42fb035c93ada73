"""One call, from its intent to its outcome.

The walk, in this order, because each step rests on the one before:

1. the caller is identified, the request read;
2. the intent is numbered, signed, spooled and synced: only now is the model called;
3. the answer is passed on: a stream as it comes, anything else when it is whole;
4. the outcome is numbered, signed and spooled, and named: in a header of a whole answer, in a
   comment at the end of a stream. A stream's `[DONE]` waits until the outcome is synced, and does
   not come at all if that fails: the stream breaks off, and the intent stays open.

Whatever goes wrong on the way is an outcome, too.
"""

import asyncio
import time
from typing import Any, Final

from tallystick.capture.answer import Answer, read_answer, read_stream
from tallystick.capture.api_keys import ApiKey
from tallystick.capture.callers import Caller
from tallystick.capture.connection import Response
from tallystick.capture.problems import (
    Headers,
    Problem,
    ProblemError,
    not_durable,
    outcome_lost,
)
from tallystick.capture.relay import Kept, Message, Receive, Send, StreamEnd, Watch, read_body
from tallystick.capture.request import CallRequest, parse_request
from tallystick.capture.running import Running
from tallystick.capture.spool import Spooled
from tallystick.capture.upstream import (
    UPSTREAM_ERRORS,
    Trouble,
    describe,
    passed_headers,
    sent_headers,
)
from tallystick.capture.usage import mark_of
from tallystick.errors import UnavailableError
from tallystick.evidence import Intent, Outcome
from tallystick.statement import Relation

INTENT_HEADER: Final = b"x-tallystick-intent"
OUTCOME_HEADER: Final = b"x-tallystick-outcome"
COMMENT: Final = b": tallystick-outcome %s\n\n"
"""The comment that ends a stream; the outcome's id in hex goes in."""
UNRECORDED: Final = b"unrecorded"
"""Stands in place of the intent's id where a call is passed on without evidence."""
DONE_SECONDS: Final = 1.0
"""How long an upstream may keep a stream open after it said that it is done."""
LARGE_BYTES: Final = 256 << 10
"""Answers beyond this are read in another thread."""

_EVENTS: Final = b"text/event-stream"
_NOTHING: Final = Answer()


class Exchange:
    """Serves one request; used once."""

    __slots__ = (
        "_asked_ns", "_counted", "_end", "_first_ns", "_intent", "_kept", "_key", "_operation",
        "_outcome", "_path", "_receive", "_response", "_running", "_scope", "_send", "_started",
        "_unrecorded",
    )  # fmt: skip

    def __init__(
        self, running: Running, operation: str, path: str, scope: Message, receive: Receive,
        send: Send,
    ) -> None:  # fmt: skip
        """Serve a request of an ASGI server.

        Args:
            running: The gateway.
            operation: OpenTelemetry's name for what is asked.
            path: Path under the upstream's base URL.
            scope: ASGI scope.
            receive: ASGI receive.
            send: ASGI send.
        """
        self._running, self._operation, self._path = running, operation, path
        self._scope, self._receive, self._send = scope, receive, send
        self._asked_ns, self._first_ns = time.monotonic_ns(), 0
        self._kept = Kept(running.settings.answer_bytes_max)
        self._intent: Spooled | None = None
        self._outcome: Spooled | None = None
        self._response: Response | None = None
        self._end: StreamEnd | None = None
        self._key: ApiKey | None = None
        self._started = self._unrecorded = self._counted = False

    async def run(self) -> None:
        """Serve it."""
        running = self._running
        running.enter()
        try:
            await self._serve(running.callers.identify(self._scope))
        except ProblemError as error:
            await self._answer(error.problem)
        except asyncio.CancelledError:
            self._conclude("cancelled", None, error="the gateway was stopped")
            raise
        finally:
            running.leave()
            if self._response is not None:
                self._response.close()  # nothing happens if it was read to its end

    async def _serve(self, caller: Caller) -> None:
        running = self._running
        self._key = caller.key
        request, problem = await self._read_request()
        if request is None:
            return
        problem = problem or running.meter.refusal(caller.key, request)
        why = await self._intend(caller, request)
        if why is not None:
            passed = problem is None and running.settings.fail_open
            if passed or self._intent is None:
                running.recorder.miss(why, passed=passed)
            self._unrecorded = passed and self._intent is None
            problem = problem if passed else not_durable(why)
        if problem is not None:
            self._conclude("refused", problem.status, error=problem.message)
            raise ProblemError(problem)
        await self._call(caller, request)

    async def _read_request(self) -> tuple[CallRequest | None, Problem | None]:
        """Read the request, as far as it can be, and say what is wrong with it."""
        request = CallRequest(b"")
        try:
            body = await read_body(self._receive, self._running.settings.request_bytes_max)
            if body is None:
                return None, None
            request = CallRequest(body)
            request = parse_request(body)
            self._running.check_room()
        except ProblemError as error:
            return request, error.problem
        return request, None

    # --- the intent

    async def _intend(self, caller: Caller, request: CallRequest) -> str | None:
        """Make the intent durable; return why it is not."""
        why = self._running.why_not_recorded()
        if why is not None:
            return why
        self._intent = self._say_intent(caller, request)
        try:
            await self._running.recorder.writer.durable(self._intent)
        except UnavailableError as error:
            return str(error)
        return None

    def _say_intent(self, caller: Caller, request: CallRequest) -> Spooled:
        running = self._running
        running.served += 1
        running.recorder.beat()
        record = Intent(
            operation=self._operation,
            request=request.body,
            model=request.model,
            parameters=request.parameters,
            upstream=running.upstream.base + self._path,
            started_ms=time.time_ns() // 1_000_000,
            api_key=caller.key.id if caller.key else None,
        )
        return running.recorder.say(
            record,
            links=caller.links,
            assurance=caller.assurance,
            model=running.models.resolve(request.model),
        )

    # --- the call

    async def _call(self, caller: Caller, request: CallRequest) -> None:
        trouble: Trouble | None = None
        watch = Watch(self._receive)
        try:
            async with asyncio.timeout(self._running.settings.total_s):
                await self._ask(caller, request)
        except asyncio.CancelledError:
            if not watch.gone:
                raise
        except UPSTREAM_ERRORS as error:
            trouble = describe(error)
        finally:
            watch.end()
        if watch.gone:
            self._conclude("cancelled", self._status, error="the caller went away")
        elif trouble is not None:
            await self._fail(trouble)
        else:
            await self._finish()

    async def _ask(self, caller: Caller, request: CallRequest) -> None:
        """Ask the model, and take its answer; pass on of it what can be passed on now."""
        headers = sent_headers(self._scope["headers"], caller.authorization)
        query = self._scope.get("query_string", b"")
        response = self._response = await self._running.upstream.ask(
            "POST", self._path, query, headers, request.body
        )
        if response.content_type == _EVENTS:
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

    async def _finish(self) -> None:
        """Record an answer that came to its end, and pass on what is left of it."""
        answer = await self._read()
        status, error = self._judge(answer)
        self._conclude(status, self._status, answer, error)
        if self._end is not None:
            await self._end_stream((self._end.held or b"") + self._comment())
        elif self._started:
            await self._pass(b"", last=True)
        else:
            await self._pass_whole()

    async def _end_stream(self, rest: bytes) -> None:
        """End a stream, or break it off where its outcome is lost."""
        if await self._lost() is None:
            await self._pass(rest, last=True)

    async def _pass_whole(self) -> None:
        if self._running.recorder.writer.failure is not None and self._intent is not None:
            why = await self._lost()
            if why is not None:
                raise ProblemError(outcome_lost(self._intent.statement.id.hex(), why))
        data = self._kept.data()
        await self._start((b"content-length", str(len(data)).encode()))
        await self._pass(data, last=True)

    async def _fail(self, trouble: Trouble) -> None:
        """Record that the upstream failed, and let the caller see it.

        Raises:
            ProblemError: What the caller is told, where nothing was passed on yet.
        """
        problem = trouble.problem
        status = self._status if self._started else problem.status
        self._conclude(trouble.status, status, error=problem.message)
        if not self._started:
            raise ProblemError(problem)
        if self._end is not None and await self._lost() is None:
            await self._pass(self._comment())
        # The response is left unfinished: the server breaks the connection off, as the upstream did

    def _conclude(
        self,
        status: Any,
        http_status: int | None,
        answer: Answer = _NOTHING,
        error: str | None = None,
    ) -> None:
        """Record the outcome and count it, once; without an intent it is only counted."""
        if self._counted or (self._intent is None and not self._unrecorded):
            return
        now_ns, first_ns = time.monotonic_ns(), self._first_ns
        record = Outcome(
            status=status,
            http_status=http_status,
            **self._kept.fields(),
            **answer.fields(),
            first_byte_ms=_ms(first_ns - self._asked_ns) if first_ns else None,
            duration_ms=_ms(now_ns - self._asked_ns),
            error=error,
        )
        if self._intent is not None:
            intent = self._intent.statement
            self._outcome = self._running.recorder.say(
                record,
                subject=intent.header.subject,
                links={Relation.GENERATED_BY: (intent.id,)},
                model=self._running.models.resolve(answer.model),
            )
        self._count(record)

    def _count(self, record: Outcome) -> None:
        """Count what became of the call, by the outcome's own time where it is recorded."""
        self._counted, meter = True, self._running.meter
        if self._outcome is None:
            meter.count(self._key, record, None)
        else:
            statement = self._outcome.statement
            meter.count(self._key, record, mark_of(statement), statement.header.issued_at)

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
            return "malformed", f"not what {self._operation} is answered with"
        if self._end is not None and not answer.complete:
            return "broken", "the stream ended without saying that it is done"
        return "ok", None

    async def _lost(self) -> str | None:
        """Wait until the outcome is durable; return why it is not, where that matters."""
        if self._outcome is None or self._running.settings.fail_open:
            return None
        try:
            await self._running.recorder.writer.durable(self._outcome)
        except UnavailableError as error:
            return str(error)
        return None

    # --- to the caller

    @property
    def _status(self) -> int | None:
        return None if self._response is None else self._response.status

    async def _answer(self, problem: Problem) -> None:
        body = problem.body()
        headers = [*problem.headers(), (b"content-length", str(len(body)).encode()), *self._ids()]
        headers += self._running.meter.headers(self._key)
        await self._send(
            {"type": "http.response.start", "status": problem.status, "headers": headers}
        )
        await self._pass(body, last=True)

    async def _start(self, *more: tuple[bytes, bytes]) -> None:
        """Pass on status and headers."""
        assert self._response is not None  # noqa: S101 - there is an answer
        self._started = True
        headers = [*passed_headers(self._response.raw_headers), *more, *self._ids()]
        headers += self._running.meter.headers(self._key)
        await self._send(
            {"type": "http.response.start", "status": self._response.status, "headers": headers}
        )

    async def _pass(self, body: bytes, *, last: bool = False) -> None:
        """Pass bytes on; waits while the caller reads slower than the model writes."""
        await self._send({"type": "http.response.body", "body": body, "more_body": not last})

    def _ids(self) -> Headers:
        if self._intent is None:
            return [(INTENT_HEADER, UNRECORDED)] if self._unrecorded else []
        ids = [(INTENT_HEADER, self._intent.statement.id.hex().encode())]
        if self._outcome is not None:
            ids.append((OUTCOME_HEADER, self._outcome.statement.id.hex().encode()))
        return ids

    def _comment(self) -> bytes:
        return b"" if self._outcome is None else COMMENT % self._outcome.statement.id.hex().encode()


def _ms(nanoseconds: int) -> float:
    return round(nanoseconds / 1_000_000, 3)
