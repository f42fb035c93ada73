"""Registrations that took too long to wait for, until somebody asks what became of them."""

import asyncio
from collections.abc import Awaitable
from typing import Final

from tallystick.web import limits
from tallystick.web.intake import Taken

RETRY_SECONDS: Final = 1
"""When a client should ask again."""


class Running:
    """Remembers tasks by statement id, the newest `RUNNING_MAX`; owned by the event loop."""

    def __init__(self) -> None:
        """Begin empty."""
        self._tasks: dict[bytes, asyncio.Future[Taken]] = {}

    async def wait(self, work: Awaitable[Taken], statement_id: bytes, seconds: float) -> Taken:
        """Wait for a registration.

        Raises:
            TimeoutError: It is still running; `outcome` will know.
        """
        task = asyncio.ensure_future(work)
        try:
            return await asyncio.wait_for(asyncio.shield(task), seconds)
        except TimeoutError:
            self._keep(statement_id, task)
            raise

    def is_running(self, statement_id: bytes) -> bool:
        """Tell whether a registration has not ended yet."""
        task = self._tasks.get(statement_id)
        return task is not None and not task.done()

    def outcome(self, statement_id: bytes) -> Taken | None:
        """Return what a registration came to; None if nothing is remembered.

        Raises:
            TallystickError: It failed as a whole.
        """
        task = self._tasks.get(statement_id)
        return task.result() if task is not None and task.done() else None

    def _keep(self, statement_id: bytes, task: asyncio.Future[Taken]) -> None:
        self._tasks.pop(statement_id, None)
        self._tasks[statement_id] = task
        task.add_done_callback(_look)
        while len(self._tasks) > limits.RUNNING_MAX:
            del self._tasks[next(iter(self._tasks))]


def _look(task: asyncio.Future[Taken]) -> None:
    """Take notice of an error, so that asyncio does not say that nobody did."""
    if not task.cancelled():
        task.exception()
