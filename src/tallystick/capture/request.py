"""Read of a request what the gateway must know; the body itself is passed on byte for byte."""

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from tallystick.capture.problems import ProblemError, not_json

PARAMETER_DEPTH_MAX: Final = 8
"""Nesting of a parameter that is kept as it is; what lies deeper is kept as its JSON text."""
MODEL_LETTERS_MAX: Final = 256

_INPUT: Final = frozenset({"messages", "input"})
_INTEGERS: Final = range(-(2**63), 2**64)

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class CallRequest:
    """One request, read as far as needed.

    Attributes:
        body: As it came.
        model: The model asked for; empty where it is not said.
        parameters: All members but the input, ready to be committed to.
    """

    body: bytes
    model: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)


def parse_request(body: bytes) -> CallRequest:
    """Parse a request body. What the members mean is the upstream's business.

    Of a member that stands twice the last one is read, as most JSON libraries do.

    Raises:
        ProblemError: Not a JSON object.
    """
    try:
        members = _members(body)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ProblemError(not_json(str(error))) from error
    parameters = {name: _plain(raw) for name, raw in members.items() if name not in _INPUT}
    model = parameters.get("model")
    return CallRequest(
        body, model[:MODEL_LETTERS_MAX] if isinstance(model, str) else "", parameters
    )


def _plain(raw: msgspec.Raw) -> Any:
    """Return a member's value, or its JSON text where CBOR could not hold the value plainly."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return bytes(raw).decode()
    return value if _fits(value, PARAMETER_DEPTH_MAX) else bytes(raw).decode()


def _fits(value: Any, depth: int) -> bool:
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return depth > 0 and all(_fits(item, depth - 1) for item in items)
    return not isinstance(value, int) or value in _INTEGERS
