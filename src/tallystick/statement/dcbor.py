"""Deterministic CBOR out, strict CBOR in.

Maps are sorted by length, then bytewise. For the maps of this format (small integers, or text
keys only) that is the same order as RFC 8949 section 4.2.1 asks for; `encode` of a map that mixes
key types is refused, because there the two orders part.
"""

import io
from collections.abc import Mapping
from typing import Any, Final, NoReturn

import cbor2

from tallystick.errors import EncodingError

DEPTH_MAX: Final = 16
"""Nesting of arrays and maps that is accepted."""


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
_CONTAINERS: Final = (dict, list, tuple, Mapping)
_NO_TAGS: Final = dict.fromkeys(_BUILT_IN_TAGS, _refuse_tag)


def encode(value: object) -> bytes:
    """Encode deterministically: shortest forms, sorted maps, definite lengths.

    Raises:
        EncodingError: The value has no CBOR form, or a map mixes text keys with others.
    """
    _check_map_keys(value)
    try:
        return cbor2.dumps(value, canonical=True)
    except (cbor2.CBORError, TypeError, ValueError, RecursionError) as error:
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
    stream = io.BytesIO(data)
    try:
        value = cbor2.CBORDecoder(
            stream,
            max_depth=DEPTH_MAX,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            semantic_decoders=_NO_TAGS,
        ).decode()
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise EncodingError(f"{what} is not one strict CBOR item: {error}") from error
    if stream.tell() != len(data):
        extra = len(data) - stream.tell()
        raise EncodingError(f"{what} is followed by {extra} bytes that belong to nothing")
    return value


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


def bstr_head(length: int) -> bytes:
    """Return the CBOR head of a byte string of that many bytes."""
    if length < 24:
        return bytes((0x40 | length,))
    if length < 2**8:
        return b"\x58" + length.to_bytes(1)
    if length < 2**16:
        return b"\x59" + length.to_bytes(2)
    return b"\x5a" + length.to_bytes(4)


def _check_map_keys(value: object) -> None:
    if isinstance(value, Mapping):
        if len({isinstance(key, str) for key in value}) > 1:
            raise EncodingError("a map must not mix text keys with others")
        value = value.values()
    elif not isinstance(value, list | tuple):
        return
    for item in value:
        if isinstance(item, _CONTAINERS):  # most are not: a call for each would cost more
            _check_map_keys(item)
