"""Recording in the application: a decorator, a context, and the forwarder behind them.

    @tallystick.record
    def answer(question: str) -> str: ...

The application writes what it says into a file, encrypted; another process signs and registers
it. See `tallystick.recorder.calls` for the one and `tallystick.recorder.forwarder` for the other.
"""

from tallystick.recorder.calls import Call, record, recording

__all__ = ["Call", "record", "recording"]
