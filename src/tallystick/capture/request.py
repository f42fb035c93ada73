"""Read of a request what the gateway must know; the body itself is passed on byte for byte."""

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from tallystick.capture.problems import ProblemError, not_json

PARAMETER_DEPTH_MAX: Final = 8
"""Nesting of a parameter that is kept as it is; what lies deeper is kept as its JSON text."""
PARAMETER_BYTES_MAX: Final = 1 << 20
"""Length of all parameters together up to which they are kept as values; of longer ones the JSON
text is. As CBOR, numbers may be more than twice as long as they are in JSON."""
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

    def sent(self, model: str | None) -> bytes:
        """Return what an upstream is sent: the body, or the same with another model's name.

        Then the members stand in their order, without blanks between them, each as it came; of one
        that stands twice the last.
        """
        if model is None or model == self.model:
            return self.body
        members = _members(self.body)
        members["model"] = msgspec.Raw(msgspec.json.encode(model))
        return msgspec.json.encode(members)


def parse_request(body: bytes) -> CallRequest:
    """Parse a request body. What the members mean is the upstream's business.

    Of a member that stands twice the last one is read, as most JSON libraries do.

    Raises:
        ProblemError: Not a JSON object.
    """
    try:
        members = {name: raw for name, raw in _members(body).items() if name not in _INPUT}
        large = sum(len(memoryview(raw)) for raw in members.values()) > PARAMETER_BYTES_MAX
        read = _text if large else _plain
        parameters = {name: read(raw) for name, raw in members.items()}
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ProblemError(not_json(str(error))) from error
    model = parameters.get("model")
    return CallRequest(
        body, model[:MODEL_LETTERS_MAX] if isinstance(model, str) else "", parameters
    )


def _plain(raw: msgspec.Raw) -> Any:
    """Return a member's value, or its JSON text where CBOR could not hold the value plainly."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return _text(raw)
    return value if _fits(value, PARAMETER_DEPTH_MAX) else _text(raw)


def _text(raw: msgspec.Raw) -> str:
    return bytes(raw).decode()


def _fits(value: Any, depth: int) -> bool:
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return depth > 0 and all(_fits(item, depth - 1) for item in items)
    return not isinstance(value, int) or value in _INTEGERS
