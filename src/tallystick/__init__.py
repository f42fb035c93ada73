"""The evidence ledger for AI: `connect` speaks to a service, `record` records calls."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tallystick.client import connect, connect_async
    from tallystick.recorder import record, recording

__all__ = ["__version__", "connect", "connect_async", "record", "recording"]

__version__ = "0.1.0"

_LAZY: Final = {
    "connect": "client",
    "connect_async": "client",
    "record": "recorder",
    "recording": "recorder",
}
"""Loaded when somebody asks for them, so that importing the package costs nothing."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"tallystick.{_LAZY[name]}"), name)
