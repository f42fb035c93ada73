"""Ways in for AI traffic: the OpenAI-compatible gateway, and the keys of those who call it.

Start with `tallystick.capture.gateway`; how one call goes, `tallystick.capture.exchange` tells.
"""

from tallystick.capture.api_keys import ApiKey, ApiKeys, Originator, originator_of
from tallystick.capture.app import gateway_app
from tallystick.capture.gateway import Gateway, GatewayStatus
from tallystick.capture.settings import GATEWAY_TYPES, GatewaySettings

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
