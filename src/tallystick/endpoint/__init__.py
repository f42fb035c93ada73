"""Models that ship with the product, served over the OpenAI protocol.

Start with `tallystick.endpoint.app`; how many answers are made at once, `tallystick.endpoint.turns`
tells, and how the small model computes, `tallystick.endpoint.network`. Serving needs the extra
`web`, the small model the extra `lm`; its card needs nothing.
"""

from typing import TYPE_CHECKING, Any

from tallystick.endpoint.app import endpoint_app
from tallystick.endpoint.card import SMALL_LM, Card, small_lm_card, small_lm_file
from tallystick.endpoint.weights import open_weights
from tallystick.endpoint.work import Answering, Embedding, Piece, ServedModel
from tallystick.errors import missing_extra

if TYPE_CHECKING:
    from tallystick.endpoint.serving import EndpointProcess
    from tallystick.endpoint.small_lm import SmallLm, load_small_lm

__all__ = [
    "SMALL_LM",
    "Answering",
    "Card",
    "Embedding",
    "EndpointProcess",
    "Piece",
    "ServedModel",
    "SmallLm",
    "endpoint_app",
    "load_small_lm",
    "open_weights",
    "small_lm_card",
    "small_lm_file",
]


def __getattr__(name: str) -> Any:
    """Import what needs an optional library when it is asked for.

    Raises:
        MissingExtraError: The library is not installed.
    """
    try:
        match name:
            case "SmallLm" | "load_small_lm":
                from tallystick.endpoint import small_lm

                return getattr(small_lm, name)
            case "EndpointProcess":
                from tallystick.endpoint.serving import EndpointProcess

                return EndpointProcess
    except ModuleNotFoundError as error:
        raise missing_extra(error) from error
    raise AttributeError(name)
