"""Wake an event loop at exact times: loop timers count whole milliseconds, which is too coarse.

At 700 requests a second one is due every 1.43 ms. The kernel's timer file descriptor wakes the
loop within microseconds; where there is none, the loop's own timer has to do.
"""

import asyncio
import contextlib
import ctypes
import os
import time
from collections.abc import Callable, Iterator

from bench.gateway.figures import NS_PER_S

_CLOCK_MONOTONIC = 1
_TFD_NONBLOCK = os.O_NONBLOCK
_TFD_TIMER_ABSTIME = 1
_FALLBACK_S = 0.001


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


@contextlib.contextmanager
def ticking(first_ns: int, interval_ns: int, tick: Callable[[], None]) -> Iterator[None]:
    """Call `tick` at `first_ns` (monotonic clock) and every `interval_ns` from then on."""
    loop = asyncio.get_running_loop()
    timer = _timer(first_ns, interval_ns)
    if timer is None:
        task = loop.create_task(_tick_coarsely(first_ns, tick))
        yield
        task.cancel()
        return

    def on_readable() -> None:
        os.read(timer, 8)
        tick()

    loop.add_reader(timer, on_readable)
    try:
        yield
    finally:
        loop.remove_reader(timer)
        os.close(timer)


def _timer(first_ns: int, interval_ns: int) -> int | None:
    """Return a timer file descriptor, or None where the system has no such thing."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "timerfd_create"):
        return None
    descriptor: int = libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_NONBLOCK)
    if descriptor < 0:
        return None
    times = _Itimerspec(_timespec(interval_ns), _timespec(first_ns))
    if libc.timerfd_settime(descriptor, _TFD_TIMER_ABSTIME, ctypes.byref(times), None) != 0:
        os.close(descriptor)
        return None
    return descriptor


def _timespec(nanoseconds: int) -> _Timespec:
    return _Timespec(nanoseconds // NS_PER_S, nanoseconds % NS_PER_S)


async def _tick_coarsely(first_ns: int, tick: Callable[[], None]) -> None:
    await asyncio.sleep(max(0, first_ns - time.monotonic_ns()) / NS_PER_S)
    while True:
        tick()
        await asyncio.sleep(_FALLBACK_S)
