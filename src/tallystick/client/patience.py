"""How long to try: pauses that double with jitter, `Retry-After`, and an end to it."""

import random
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import monotonic, time
from typing import Final

from tallystick.client.http1 import Response
from tallystick.errors import TallystickError

PAUSE_FIRST_SECONDS: Final = 0.1
PAUSE_SECONDS_MAX: Final = 5.0

AGAIN: Final = frozenset({429, 502, 503, 504})
"""Statuses after which the same request is sent again: nothing is known to be wrong with it."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client tries.

    Attributes:
        answer_seconds_max: Until one request is answered.
        retry_seconds_max: From the first request on, in which it is sent again where the service
            is away or busy; 0 sends each request once.
        quiet_seconds_max: In which a stream sends nothing, not even that there is nothing; then
            it counts as broken.
    """

    answer_seconds_max: float = 60.0
    retry_seconds_max: float = 60.0
    quiet_seconds_max: float = 60.0


class Retries:
    """The retries of one request, or of one outage."""

    def __init__(self, patience: Patience) -> None:
        """Begin now."""
        self._seconds_max = patience.retry_seconds_max
        self.alive()
        self.progress()

    def alive(self) -> None:
        """Say that the service is there: an outage begins later than now."""
        self._end = monotonic() + self._seconds_max

    def progress(self) -> None:
        """Say that something new came: the next pause is a short one."""
        self._pause = PAUSE_FIRST_SECONDS

    def pause(self, failure: TallystickError, response: Response | None = None) -> float:
        """Return how long to wait before the next try.

        Raises:
            TallystickError: `failure`: there is no time left for another one.
        """
        # Full jitter: clients that failed together do not come back together.
        seconds = random.uniform(0, self._pause)  # noqa: S311 - no secret
        self._pause = min(2 * self._pause, PAUSE_SECONDS_MAX)
        if response is not None:
            seconds = max(seconds, retry_after(response))
        if monotonic() + seconds >= self._end:
            raise failure
        return seconds


def retry_after(response: Response) -> float:
    """Return the seconds that a response asks to wait; 0 where it asks for nothing readable."""
    text = response.headers.get("retry-after", "")
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time())
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0.0
