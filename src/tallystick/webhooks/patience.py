"""How long to wait, and when to try again: pauses that double, jitter, what the target asks for.

Source:
    RFC 9110, section 10.2.3 "Retry-After".
"""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

ATTEMPT_SECONDS_MAX: Final = 15.0
"""Until the head of the answer is there, connecting included."""
FIRST_SECONDS: Final = 0.5
PAUSE_SECONDS_MAX: Final = 900.0
"""Longest pause that we choose ourselves."""
RETRY_AFTER_SECONDS_MAX: Final = 86_400.0
"""Longest pause that a target may ask for."""
_DOUBLINGS_MAX: Final = 32


def pause_seconds(failures: int, retry_after: str | None, now: datetime) -> float:
    """Return how long to wait after so many failures in a row, at least one.

    Args:
        failures: In a row, this one included.
        retry_after: What the target asked for, as it said it.
        now: With its offset.
    """
    doubled = FIRST_SECONDS * 2.0 ** min(failures - 1, _DOUBLINGS_MAX)
    # Between half and all of it, so that many targets behind one door do not come at once.
    chosen = min(doubled, PAUSE_SECONDS_MAX) * random.uniform(0.5, 1.0)  # noqa: S311
    return max(chosen, min(_asked(retry_after, now), RETRY_AFTER_SECONDS_MAX))


def _asked(text: str | None, now: datetime) -> float:
    """Return the seconds that a target asks for; 0 where it says nothing that we understand."""
    if text is None or len(text) > 40:
        return 0.0
    if text.strip().isascii() and text.strip().isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
