"""Ways in for AI traffic: the OpenAI-compatible gateway, and the keys of those who call it.

Start with `tallystick.capture.gateway`; how one call goes, `tallystick.capture.exchange` tells.
The gateway needs the extra `web`; keys and settings need nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from tallystick.errors import missing_extra

if TYPE_CHECKING:
    from tallystick.capture.api_keys import ApiKey, ApiKeys, Originator, originator_of
    from tallystick.capture.app import gateway_app
    from tallystick.capture.gateway import Gateway, GatewayStatus
    from tallystick.capture.recorder import GATEWAY_TYPES
    from tallystick.capture.settings import GatewaySettings, RouteSettings, UpstreamSettings

_MODULES: Final = {
    "ApiKey": "api_keys",
    "ApiKeys": "api_keys",
    "GATEWAY_TYPES": "recorder",
    "Gateway": "gateway",
    "GatewaySettings": "settings",
    "GatewayStatus": "gateway",
    "Originator": "api_keys",
    "RouteSettings": "settings",
    "UpstreamSettings": "settings",
    "gateway_app": "app",
    "originator_of": "api_keys",
}
"""Imported when asked for: settings are read by commands that start in no time."""

__all__ = [
    "GATEWAY_TYPES",
    "ApiKey",
    "ApiKeys",
    "Gateway",
    "GatewaySettings",
    "GatewayStatus",
    "Originator",
    "RouteSettings",
    "UpstreamSettings",
    "gateway_app",
    "originator_of",
]


def __getattr__(name: str) -> Any:
    """Import a module when something of it is asked for.

    Raises:
        MissingExtraError: A library that it needs is not installed.
    """
    if name not in _MODULES:
        raise AttributeError(name)
    try:
        return getattr(import_module(f"tallystick.capture.{_MODULES[name]}"), name)
    except ModuleNotFoundError as error:
        raise missing_extra(error) from error
