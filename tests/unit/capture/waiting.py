"""Wait for what another thread does, but not for ever."""

import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

WAIT_SECONDS = 20.0

T = TypeVar("T")


def eventually(look: Callable[[], T | None], what: str) -> T:
    """Look again and again until something is there; return it."""
    deadline = time.monotonic() + WAIT_SECONDS
    while (found := look()) is None:
        assert time.monotonic() < deadline, f"not there after {WAIT_SECONDS:g} s: {what}"
        time.sleep(0.01)
    return found


def for_ever() -> None:
    """Wait until the process is ended."""
    Event().wait()
