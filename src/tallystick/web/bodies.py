"""Reading bodies: never more, and never longer, than the limits say."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from time import monotonic

from tallystick.errors import LimitError
from tallystick.web import limits
from tallystick.web.answers import Receive
from tallystick.web.problems import BusyError, SlowError
from tallystick.web.settings import Settings


class DisconnectedError(Exception):
    """The client went away; there is nobody to answer."""


class Budget:
    """Bytes of bodies that all requests together hold in memory; owned by the event loop."""

    def __init__(self, most: int) -> None:
        """Begin empty."""
        self._most = most
        self.held = 0

    def take(self, count: int) -> None:
        """Take a share.

        Raises:
            BusyError: There is no room.
        """
        if self.held + count > self._most:
            raise BusyError(
                f"requests hold {self.held} bytes, {count} more would exceed {self._most}",
                advice="send the same request again",
            )
        self.held += count

    def give_back(self, count: int) -> None:
        """Give a share back."""
        self.held -= count


class Body:
    """The body of one request.

    Attributes:
        declared: `Content-Length`, None for a chunked body.
    """

    def __init__(
        self, receive: Receive, declared: int | None, settings: Settings, budget: Budget
    ) -> None:
        """Read nothing yet."""
        self._receive, self.declared = receive, declared
        self._settings, self._budget = settings, budget
        self._deadline = monotonic() + settings.body_seconds_max
        self.held = 0
        self.complete = declared == 0

    async def read(self, most: int) -> bytes:
        """Return the whole body.

        Raises:
            LimitError: It is longer than `most`; if it says so itself, nothing was read.
            SlowError: It came too slowly.
            BusyError: There is no room for it.
            DisconnectedError: The client went away.
        """
        if self.declared is not None and self.declared > most:
            raise LimitError(f"body has {self.declared} bytes, at most {most} allowed")
        pieces, size = [], 0
        async for piece in self.pieces():
            size += len(piece)
            if size > most:
                raise LimitError(f"body has more than {most} bytes")
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body piece by piece as it arrives, none of them empty.

        Raises:
            SlowError: It came too slowly.
            BusyError: There is no room for it.
            DisconnectedError: The client went away.
        """
        while not self.complete:
            piece = await self._piece()
            if piece:
                self.hold(len(piece))
                yield piece

    def hold(self, count: int) -> None:
        """Count bytes that stay in memory; `release` gives them back."""
        self._budget.take(count)
        self.held += count

    def release(self, count: int | None = None) -> None:
        """Give back bytes that are not held any more, all by default."""
        count = self.held if count is None else count
        self._budget.give_back(count)
        self.held -= count

    def progress(self) -> None:
        """Begin the time for the body anew: a stream brought another line."""
        self._deadline = monotonic() + self._settings.body_seconds_max

    async def linger(self) -> None:
        """Throw away some of a body that is not wanted, so that the client sees the answer."""
        size = 0
        with suppress(TimeoutError, DisconnectedError, SlowError):
            async with asyncio.timeout(limits.LINGER_SECONDS_MAX):
                while not self.complete and size <= limits.LINGER_BYTES_MAX:
                    size += len(await self._piece())

    async def _piece(self) -> bytes:
        left = self._deadline - monotonic()
        pause = min(left, self._settings.body_pause_seconds_max)
        try:
            async with asyncio.timeout(pause):
                message = await self._receive()
        except TimeoutError as error:
            raise SlowError(
                f"the body paused for {self._settings.body_pause_seconds_max:g} s, or was not "
                f"complete after {self._settings.body_seconds_max:g} s"
            ) from error
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        self.complete = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece
