"""One call, from the request to the answer: who calls, what is asked, and whom to ask for it.

Asking itself, and the evidence of it, is `tallystick.capture.attempt`; where a route names several
targets, attempt follows attempt until one can be passed on, or none is left.
"""

import asyncio
import random
from typing import Final

from tallystick import tracing
from tallystick.capture.about import read_about
from tallystick.capture.attempt import Again, Attempt
from tallystick.capture.call_evidence import Asked
from tallystick.capture.callers import Caller
from tallystick.capture.problems import Headers, Problem, ProblemError, not_durable
from tallystick.capture.relay import Message, Receive, Send, Watch, read_body
from tallystick.capture.request import CallRequest, parse_request
from tallystick.capture.routes import Target
from tallystick.capture.running import Running

PAUSE_SECONDS: Final = 0.1
"""Before the second attempt; doubled before each further one, and varied by half."""
PAUSE_SECONDS_MAX: Final = 5.0
"""Longest pause, also where the upstream asks for a longer one: the caller waits."""


class Exchange:
    """Serves one request; used once."""

    __slots__ = ("_attempt", "_operation", "_path", "_receive", "_running", "_scope", "_send")

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
        self._attempt: Attempt | None = None

    async def run(self) -> None:
        """Serve it."""
        running = self._running
        running.enter()
        try:
            await self._serve(running.callers.identify(self._scope))
        except ProblemError as error:
            await self._answer(error.problem)
        except asyncio.CancelledError:
            if self._attempt is not None:
                self._attempt.conclude("cancelled", None, error="the gateway was stopped")
            raise
        finally:
            running.leave()
            if self._attempt is not None:
                self._attempt.close()

    async def _serve(self, caller: Caller) -> None:
        request, targets, problem = await self._read_request()
        if request is None:
            return
        problem = problem or self._running.meter.refusal(caller.key, request)
        about = None
        try:
            about = read_about(self._scope["headers"])
        except ProblemError as error:
            # Nothing is kept of what is about somebody whom nobody could find again.
            request, problem = CallRequest(b""), error.problem
        asked = Asked(
            self._operation, self._path, self._scope, self._receive, self._send, caller, request,
            about,
        )  # fmt: skip
        first = self._attempt = Attempt(self._running, asked, targets[0] if targets else None)
        await self._begin(first, problem)
        again = await first.call(last=len(targets) == 1)
        for number, target in enumerate(targets[1:], 2):
            if again is None or not await self._pause(_pause_s(number, again)):
                return
            self._attempt = attempt = Attempt(self._running, asked, target, number, first.evidence)
            await self._begin(attempt, None)
            again = await attempt.call(last=number == len(targets))

    async def _pause(self, seconds: float) -> bool:
        """Wait; tell whether the caller is still there: nobody else is asked for who went away."""
        watch = Watch(self._receive)
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            if not watch.gone:
                raise
        finally:
            watch.end()
        return not watch.gone

    async def _read_request(
        self,
    ) -> tuple[CallRequest | None, tuple[Target, ...], Problem | None]:
        """Read the request, as far as it can be, and say what is wrong with it."""
        request = CallRequest(b"")
        try:
            body = await read_body(self._receive, self._running.settings.request_bytes_max)
            if body is None:
                return None, (), None
            request = CallRequest(body)
            request = parse_request(body)
            self._running.check_room()
            return request, self._running.routes.targets(request.model), None
        except ProblemError as error:
            return request, (), error.problem

    async def _begin(self, attempt: Attempt, problem: Problem | None) -> None:
        """Make an attempt's intent durable.

        Raises:
            ProblemError: The call is refused: for the problem given, or because it cannot be
                recorded.
        """
        running = self._running
        evidence = attempt.evidence
        problem = problem or running.not_delegated(evidence.key)
        with tracing.part("gateway.intent"):
            why = await evidence.intend(acting=problem is None)
        if why is not None:
            passed = problem is None and running.settings.fail_open
            if passed or evidence.intent is None:
                running.recorder.miss(why, passed=passed)
            evidence.unrecorded = passed and evidence.intent is None
            problem = problem if passed else not_durable(why)
        if problem is not None:
            attempt.conclude("refused", problem.status, error=problem.message)
            raise ProblemError(problem)

    async def _answer(self, problem: Problem) -> None:
        """Answer with a problem."""
        body = problem.body()
        ids: Headers = self._attempt.evidence.ids() if self._attempt is not None else []
        headers = [*problem.headers(), (b"content-length", str(len(body)).encode()), *ids]
        await self._send(
            {"type": "http.response.start", "status": problem.status, "headers": headers}
        )
        await self._send({"type": "http.response.body", "body": body, "more_body": False})


def _pause_s(number: int, again: Again) -> float:
    """Return how long to wait before an attempt: as asked for, else longer each time."""
    wanted = again.retry_after.strip()
    if wanted.isdigit() and len(wanted) < 6:
        return min(float(wanted), PAUSE_SECONDS_MAX)
    pause_s: float = min(PAUSE_SECONDS * 2 ** (number - 2), PAUSE_SECONDS_MAX)
    return pause_s * random.uniform(0.5, 1.5)  # noqa: S311 - spreads load, guards nothing
