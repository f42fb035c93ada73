"""Deterministic CBOR out, strict CBOR in.

Maps are sorted by length, then bytewise. For the maps of this format (small integers, or text
keys only) that is the same order as RFC 8949 section 4.2.1 asks for; `encode` of a map that mixes
key types is refused, because there the two orders part.
"""

import io
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn

import cbor2

from tallystick.errors import EncodingError

DEPTH_MAX: Final = 16
"""Nesting of arrays and maps that is accepted, and written."""


def _refuse_tag(_value: object, _immutable: bool = False) -> NoReturn:  # noqa: FBT001, FBT002 - cbor2 calls it so
    raise ValueError("tags are not allowed here")


# Tags that cbor2 would turn into objects: dates, big numbers, shared references (cycles!),
# regular expressions, sets, addresses. None has a place in what we read.
_BUILT_IN_TAGS: Final = (
    *range(6),
    25,
    28,
    29,
    30,
    35,
    36,
    37,
    52,
    54,
    100,
    256,
    258,
    260,
    261,
    1004,
    43000,
    55799,
)
_PLAIN: Final = frozenset({str, bytes, bool, float, type(None)})
_SCALARS: Final = (str, bytes, bytearray, float)
_INT_MIN, _INT_MAX = -(2**64), 2**64 - 1
_NO_TAGS: Final = dict.fromkeys(_BUILT_IN_TAGS, _refuse_tag)


def encode(value: object, depth: int = DEPTH_MAX) -> bytes:
    """Encode deterministically: shortest forms, sorted maps, definite lengths.

    What `decode` would not read is not written: dates, sets, numbers beyond 64 bits.

    Args:
        value: Maps, arrays, text, bytes, numbers, true, false and null.
        depth: Most nesting of arrays and maps.

    Raises:
        EncodingError: The value has no plain CBOR form, is nested deeper than `depth`, or a map
            mixes text keys with others.
    """
    if type(value) is bytes:  # most of what is long: no second walk over it
        return bstr(value)
    _check(value, depth)
    try:
        if type(value) is str:
            return tstr(value)
        if type(value) is int and value >= 0:
            return head(0, value)
        return cbor2.dumps(value, canonical=True)
    except (cbor2.CBORError, TypeError, ValueError) as error:
        raise EncodingError(f"value has no deterministic CBOR form: {error}") from error


def decode(data: bytes, what: str) -> Any:
    """Decode one item that fills `data` exactly.

    Whether the bytes are in deterministic order is not checked: they are kept verbatim, and what
    is signed is the bytes.

    Args:
        data: The encoded item.
        what: Name of the item, for the message.

    Raises:
        EncodingError: Truncated, followed by more bytes, nested deeper than `DEPTH_MAX`, or with
            duplicate keys, indefinite lengths or tags.
    """
    value, rest = decode_first(data, what)
    if rest:
        raise EncodingError(f"{what} is followed by {len(rest)} bytes that belong to nothing")
    return value


def decode_first(data: bytes, what: str) -> tuple[Any, bytes]:
    """Decode the item that `data` begins with; return it, and the bytes behind it.

    Raises:
        EncodingError: As `decode`, but for bytes that follow.
    """
    stream = io.BytesIO(data)
    try:
        value = cbor2.CBORDecoder(
            stream,
            max_depth=DEPTH_MAX,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            semantic_decoders=_NO_TAGS,
            tag_hook=_refuse_tag,
        ).decode()
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise EncodingError(f"{what} is not one strict CBOR item: {error}") from error
    return value, data[stream.tell() :]


def decode_deterministic(data: bytes, what: str) -> Any:
    """Decode one item and insist that these are the only bytes that encode it.

    Raises:
        EncodingError: As `decode`, or another encoding of the same value would be shorter or
            sorted differently.
    """
    value = decode(data, what)
    if encode(value) != data:
        raise EncodingError(f"{what} is not deterministically encoded CBOR")
    return value


def head(major: int, value: int) -> bytes:
    """Return the shortest CBOR head of a major type (0 to 7) with a value of up to 64 bits."""
    if value < 24:
        return bytes((major << 5 | value,))
    if value < 2**8:
        return bytes((major << 5 | 24, value))
    if value < 2**16:
        return bytes((major << 5 | 25,)) + value.to_bytes(2)
    if value < 2**32:
        return bytes((major << 5 | 26,)) + value.to_bytes(4)
    return bytes((major << 5 | 27,)) + value.to_bytes(8)


def bstr_head(length: int) -> bytes:
    """Return the CBOR head of a byte string of that many bytes."""
    return head(2, length)


def bstr(data: bytes) -> bytes:
    """Encode a byte string."""
    return head(2, len(data)) + data


def tstr(text: str) -> bytes:
    """Encode a text string.

    Raises:
        UnicodeEncodeError: It holds half a surrogate pair.
    """
    data = text.encode()
    return head(3, len(data)) + data


def _check(value: object, room: int) -> None:
    """Refuse what could not be read again; `room` is how deep it may still go."""
    if type(value) in _PLAIN or isinstance(value, _SCALARS):
        return
    if isinstance(value, int):
        if not _INT_MIN <= value <= _INT_MAX:
            raise EncodingError("a whole number must fit 64 bits; write it as text or bytes")
    elif isinstance(value, Mapping | list | tuple):
        if not room:
            raise EncodingError("value is nested too deeply to be read again")
        for item in _members(value):
            if type(item) not in _PLAIN:  # most are plain: a call for each would cost more
                _check(item, room - 1)
    else:
        raise EncodingError(f"{type(value).__name__} has no plain CBOR form")


def _members(value: Mapping[Any, Any] | list[Any] | tuple[Any, ...]) -> Iterable[Any]:
    """Return what a container holds, after a look at the keys of a map."""
    if not isinstance(value, Mapping):
        return value
    texts = sum(isinstance(key, str) for key in value)
    if texts != len(value):
        if texts:
            raise EncodingError("a map must not mix text keys with others")
        for key in value:
            _check(key, 0)
    return value.values()
