"""From the spool to the ledger: in order, the same bytes again and again until it has them."""

import logging
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from tallystick.capture.spool import Spool, Spooled
from tallystick.client import Client
from tallystick.errors import TallystickError, UnavailableError
from tallystick.recorder.sealing import Sealing

BATCH_MAX: Final = 256
BATCH_BYTES_MAX: Final = 4 << 20
RETRY_SECONDS: Final = 1.0
RETRY_SECONDS_MAX: Final = 30.0

_log = logging.getLogger(__name__)


class Delivery:
    """Belongs to one thread.

    Attributes:
        waiting: Durable, and not registered yet.
        trouble: Why the ledger takes nothing; None while it does.
    """

    def __init__(
        self, client: Client, sealing: Sealing, spool: Spool, left: Sequence[Spooled]
    ) -> None:
        """Begin with what an earlier run left."""
        self._client, self._sealing, self._spool = client, sealing, spool
        self.waiting = deque(left)
        self.trouble: TallystickError | None = None
        self._pause_s, self._not_before = RETRY_SECONDS, 0.0

    def add(self, items: Sequence[Spooled]) -> None:
        """Deliver these, too."""
        self.waiting.extend(items)

    def step(self) -> bool:
        """Register some; tell whether the ledger took any."""
        if not self.waiting or time.monotonic() < self._not_before:
            return False
        batch = self._batch()
        taken, self.trouble = self._register(batch)
        for _ in range(taken):
            self.waiting.popleft()
        if self.trouble is None:
            self._pause_s = RETRY_SECONDS
        else:
            self._not_before = time.monotonic() + self._pause_s
            self._pause_s = min(2 * self._pause_s, RETRY_SECONDS_MAX)
        return taken > 0

    def finish(self, seconds: float) -> None:
        """Register what waits, as far as that goes in time and without trouble."""
        until = time.monotonic() + seconds
        while self.waiting and time.monotonic() < until and self.step():
            pass

    def _register(self, batch: Sequence[Spooled]) -> tuple[int, TallystickError | None]:
        """Return how many of these the ledger has, and why it does not have the next one."""
        items = [self._sealing.submission(one.statement.entry, one.sealed) for one in batch]
        try:
            answers = self._client.register(items)
        except TallystickError as error:
            return 0, error
        errors = [(at, e) for at, e in enumerate(answers) if isinstance(e, TallystickError)]
        taken, trouble = errors[0] if errors else (len(batch), None)
        try:
            self._spool.settle(batch[:taken])
        except OSError as error:  # they are registered; the mark follows later
            _log.warning("the spool's mark cannot be moved: %s", error)
        return taken, trouble

    def _batch(self) -> list[Spooled]:
        """Take the oldest ones; only one after a refusal, since each try may be recorded."""
        refused = self.trouble is not None and not isinstance(self.trouble, UnavailableError)
        batch: list[Spooled] = []
        size = 0
        for item in self.waiting:
            batch.append(item)
            size += item.size
            if refused or len(batch) == BATCH_MAX or size >= BATCH_BYTES_MAX:
                break
        return batch
