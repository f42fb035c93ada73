"""JSON with one meaning, and its one canonical form (JCS), for histories of did:webvh.

    value = parse_json(line, "entry")     # no name twice, no number that two readers read otherwise
    canonical(value)                      # the bytes that are hashed and signed

Source:
    RFC 8785; RFC 7493 (I-JSON) for what is refused; ECMA-262 `Number::toString` for numbers.
"""

import json
import math
from decimal import Decimal
from typing import Any, Final, NoReturn

from tallystick.errors import EncodingError

DEPTH_MAX: Final = 32
"""Objects and arrays within each other."""
INTEGER_MAX: Final = 2**53 - 1
"""Beyond it a reader who has only doubles reads another number."""
_DIGITS_MIN: Final = 16
"""Of the smallest integer beyond it."""
_PLAIN_BELOW: Final = 21
_PLAIN_ABOVE: Final = -6
"""Decimal points between these places are written without an exponent."""


def parse_json(data: bytes, what: str) -> Any:
    """Parse UTF-8 JSON that every reader reads alike.

    Raises:
        EncodingError: Not JSON, or a name stands twice, or it is nested too deeply.
    """
    try:
        value = json.loads(
            data.decode(),
            object_pairs_hook=_unambiguous,
            parse_int=_integer,
            parse_constant=_refuse_constant,
        )
    except (ValueError, OverflowError, RecursionError) as error:
        raise EncodingError(f"{what} is not JSON: {error}") from error
    canonical(value)
    return value


def canonical(value: Any) -> bytes:
    """Return the canonical form of a value that JSON can hold.

    Raises:
        EncodingError: It cannot, or not so that every reader reads the same.
    """
    try:
        return _text(value, 0).encode()
    except UnicodeEncodeError as error:
        raise EncodingError("a text in JSON has half of a surrogate pair") from error


def _text(value: Any, depth: int) -> str:
    if depth > DEPTH_MAX:
        raise EncodingError(f"JSON is nested more than {DEPTH_MAX} deep")
    if value is None or isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, dict):
        names = sorted(value, key=_utf16)
        members = (f"{_text(name, depth)}:{_text(value[name], depth + 1)}" for name in names)
        return "{" + ",".join(members) + "}"
    return "[" + ",".join(_text(one, depth + 1) for one in value) + "]"


def _utf16(name: str) -> bytes:
    """Order names as JavaScript does, by 16-bit units."""
    return name.encode("utf-16-be", "surrogatepass")


def _number(value: float) -> str:
    if isinstance(value, int):
        if abs(value) > INTEGER_MAX:
            raise EncodingError(f"an integer has at most 53 bits, got {value.bit_length()}")
        return str(value)
    if not math.isfinite(value):
        raise EncodingError("a number in JSON is too large for a double")
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    text = "".join(map(str, digits)).rstrip("0")
    if not text:
        return "0"
    point = len(digits) + int(exponent)  # where the decimal point stands, from the first digit
    return ("-" if sign else "") + _placed(text, point)


def _placed(digits: str, point: int) -> str:
    if len(digits) <= point <= _PLAIN_BELOW:
        return digits + "0" * (point - len(digits))
    if 0 < point <= _PLAIN_BELOW:
        return f"{digits[:point]}.{digits[point:]}"
    if _PLAIN_ABOVE < point <= 0:
        return "0." + "0" * -point + digits
    fraction = f".{digits[1:]}" if digits[1:] else ""
    return f"{digits[0]}{fraction}e{point - 1:+d}"


def _unambiguous(members: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(members)
    if len(content) != len(members):
        raise ValueError("an object has two members of the same name")
    return content


def _integer(text: str) -> float:
    """Read an integer; a large one is a double, if it is written as that one is."""
    if len(text) < _DIGITS_MIN or abs(int(text)) <= INTEGER_MAX:
        return int(text)
    if _number(float(text)) != text:
        raise ValueError(f"{text[:40]} is another number to readers who have only doubles")
    return float(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
