"""Ways in for AI traffic: the OpenAI-compatible gateway, and the keys of those who call it.

Start with `tallystick.capture.gateway`; how one call goes, `tallystick.capture.exchange` tells.
The gateway needs the extra `web`; keys and settings need nothing.
"""

from typing import TYPE_CHECKING, Any

from tallystick.capture.api_keys import ApiKey, ApiKeys, Originator, originator_of
from tallystick.capture.settings import GATEWAY_TYPES, GatewaySettings
from tallystick.errors import missing_extra

if TYPE_CHECKING:
    from tallystick.capture.app import gateway_app
    from tallystick.capture.gateway import Gateway, GatewayStatus

__all__ = [
    "GATEWAY_TYPES",
    "ApiKey",
    "ApiKeys",
    "Gateway",
    "GatewaySettings",
    "GatewayStatus",
    "Originator",
    "gateway_app",
    "originator_of",
]


def __getattr__(name: str) -> Any:
    """Import what needs an HTTP library when it is asked for.

    Raises:
        MissingExtraError: The library is not installed.
    """
    try:
        match name:
            case "gateway_app":
                from tallystick.capture.app import gateway_app

                return gateway_app
            case "Gateway" | "GatewayStatus":
                from tallystick.capture import gateway

                return getattr(gateway, name)
    except ModuleNotFoundError as error:
        raise missing_extra(error) from error
    raise AttributeError(name)
