"""Start and end: ours, and that of the applications mounted beside us.

Source:
    ASGI 3.0, "Lifespan Protocol".
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from tallystick.web.answers import App, Message, Receive, Send

_STARTED: Final = "lifespan.startup.complete"

_log = logging.getLogger(__name__)


async def run_lifespan(
    start: Callable[[], Awaitable[str | None]],
    end: Callable[[], Awaitable[None]],
    receive: Receive,
    send: Send,
) -> None:
    """Answer the server's lifespan messages, from its start to its end.

    Args:
        start: Returns why it could not, None if it could.
        end: Called if it could.
        receive: Of the application.
        send: Of the application.
    """
    await receive()
    if failure := await start():
        await send({"type": "lifespan.startup.failed", "message": failure})
        return
    await send({"type": _STARTED})
    await receive()
    await end()
    await send({"type": "lifespan.shutdown.complete"})


class Lifespan:
    """The lifespan of one ledger's service."""

    def __init__(self, guest: App | None, close: Callable[[], None]) -> None:
        """Start and end `guest` with us; call `close`, which may block, after it ended."""
        self._guest = None if guest is None else Guest(guest)
        self._close = close

    async def run(self, receive: Receive, send: Send) -> None:
        """Run from the server's start to its end."""
        await run_lifespan(self._start, self._end, receive, send)

    async def _start(self) -> str | None:
        return None if self._guest is None else await self._guest.start()

    async def _end(self) -> None:
        if self._guest is not None:
            await self._guest.end()
        await asyncio.to_thread(self._close)


class Guest:
    """Another ASGI application, which believes to run in a server of its own."""

    def __init__(self, app: App) -> None:
        """Take the application; many know nothing of lifespans, which is allowed."""
        self._app = app
        self._task: asyncio.Task[None] | None = None
        self._in: asyncio.Queue[Message] = asyncio.Queue()
        self._out: asyncio.Queue[Message] = asyncio.Queue()

    async def start(self) -> str | None:
        """Start it; return why it could not, None if it could."""
        self._task = asyncio.create_task(self._run())
        answer = await self._say("lifespan.startup")
        failed = answer is not None and answer["type"] != _STARTED
        return (
            str(answer.get("message") or "the gateway did not start") if failed and answer else None
        )

    async def end(self) -> None:
        """Tell it to end, and wait until it has."""
        await self._say("lifespan.shutdown")
        if self._task is not None:
            await self._task

    async def _say(self, kind: str) -> Message | None:
        """Send a message and return the answer; None from an application without lifespan."""
        if self._task is None or self._task.done():
            return None
        await self._in.put({"type": kind})
        answer = asyncio.ensure_future(self._out.get())
        await asyncio.wait({answer, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        answer.cancel()
        return None

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        try:
            await self._app(scope, self._in.get, self._out.put)
        except Exception as error:  # noqa: BLE001 - whoever knows no lifespan may raise anything
            _log.debug("the mounted application runs without lifespan: %r", error)
