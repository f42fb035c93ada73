"""Cursors: where the next page begins. Opaque to clients, and bound to what was asked for."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Final
from urllib.parse import urlencode

from tallystick.errors import EncodingError, InputError
from tallystick.statement import b64

CURSOR: Final = "cursor"
_POSITION_BYTES: Final = 8
_QUERY_BYTES: Final = 8
_FREE: Final = frozenset({CURSOR, "limit"})
"""Fields that may change from page to page."""


def encode_cursor(position: int, query: Mapping[str, str]) -> str:
    """Return the cursor for a position in the answer to a query."""
    return b64.encode_url(position.to_bytes(_POSITION_BYTES) + _digest(query))


def read_cursor(query: Mapping[str, str], default: int) -> int:
    """Return the position that a query continues from.

    Raises:
        InputError: Not a cursor of ours, or one for another query.
    """
    text = query.get(CURSOR)
    if text is None:
        return default
    try:
        data = b64.decode_url(text, CURSOR)
    except EncodingError as error:
        raise InputError("cursor must be one that an earlier answer gave") from error
    if len(data) != _POSITION_BYTES + _QUERY_BYTES or data[_POSITION_BYTES:] != _digest(query):
        raise InputError(
            "cursor belongs to another query", advice="repeat the query without a cursor"
        )
    return int.from_bytes(data[:_POSITION_BYTES])


def next_path(path: str, query: Mapping[str, str], position: int) -> str:
    """Return path and query of the next page."""
    return f"{path}?{urlencode({**query, CURSOR: encode_cursor(position, query)})}"


def _digest(query: Mapping[str, str]) -> bytes:
    asked = sorted((name, value) for name, value in query.items() if name not in _FREE)
    return sha256(repr(asked).encode()).digest()[:_QUERY_BYTES]
