"""Several ledgers behind one address: the first at its root, each further one under a prefix.

`/ledgers/NAME` is to a further ledger what the root is to the first: all paths of the API, the
gateway under `/v1` and the metrics stand under it, and answers name it in their links. Ledgers
share the connection's limits and the processes that check signatures; keys, policy, API keys,
folder and gateway are each one's own.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping

from tallystick.errors import TallystickError, UnavailableError
from tallystick.web.answers import App, Receive, Scope, Send, send_answer
from tallystick.web.lifespan import Guest, run_lifespan
from tallystick.web.problems import native_answer
from tallystick.web.settings import LEDGERS

_log = logging.getLogger(__name__)


Sees = Callable[[str, Scope, Receive, Send], Awaitable[bool]]
"""Tells whether a ledger of a name is there for who asks."""


class Ledgers:
    """The outermost application of a service with several ledgers."""

    def __init__(self, first: App, further: Mapping[str, App], sees: Sees) -> None:
        """Hand requests on by their path.

        Args:
            first: Answers also where there is no further ledger, or none that the caller sees.
            further: Applications by the names of their ledgers.
            sees: Tells whether a ledger is there for who asks.
        """
        self._first, self._further, self._sees = first, dict(further), sees

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run as long as the server does."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        name = _name(scope["path"])
        app = self._first
        asked = scope["type"] == "http" and bool(name)
        if asked and await self._sees(name, scope, receive, send) and name in self._further:
            app, scope = self._further[name], _under(scope, name)
        await app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Start and end all; a further ledger that does not start leaves the others alone."""
        first, further = Guest(self._first), {n: Guest(app) for n, app in self._further.items()}

        async def start() -> str | None:
            if failure := await first.start():
                return failure
            for name, guest in further.items():
                if failure := await guest.start():
                    _log.error("the ledger %s is not served: %s", name, failure)
                    self._further[name] = Closed(name)
            return None

        async def end() -> None:
            for guest in (first, *further.values()):
                await guest.end()

        await run_lifespan(start, end, receive, send)


class Closed:
    """Stands where a ledger would be that could not be opened."""

    def __init__(self, name: str) -> None:
        """Answer for the ledger of that name."""
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Say that it is away; why is for the operator, in the log."""
        if scope["type"] == "http":
            await send_answer(send, native_answer(self._problem()))

    def _problem(self) -> TallystickError:
        return UnavailableError(
            f"the ledger {self._name!r} could not be opened",
            advice="the service's log says why; the other ledgers are served",
        )


def _name(path: str) -> str:
    """Return which further ledger a path leads to; empty if to none."""
    name, slash, _ = path.removeprefix(LEDGERS).partition("/")
    return name if slash and path.startswith(LEDGERS) else ""


def _under(scope: Scope, name: str) -> Scope:
    return {**scope, "root_path": f"{scope.get('root_path', '')}{LEDGERS}{name}"}
