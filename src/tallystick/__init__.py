"""The evidence ledger for AI: `connect` and `connect_async` speak to a service."""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tallystick.client import connect, connect_async

__all__ = ["__version__", "connect", "connect_async"]

__version__ = "0.1.0"

_LAZY: Final = frozenset({"connect", "connect_async"})
"""Loaded when somebody asks for them, so that importing the package costs nothing."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tallystick import client

    return getattr(client, name)
