"""Base64 in its canonical form only: one text per value."""

import base64
import binascii
from typing import Final

from tallystick.errors import EncodingError

_STANDARD: Final = bytes.maketrans(b"-_+/", b"+/**")
"""The URL alphabet in letters of the standard one; what only that one has becomes no letter."""


def encode(data: bytes) -> str:
    """Encode with padding, as notes and checkpoints do."""
    return base64.b64encode(data).decode()


def decode(text: str, what: str) -> bytes:
    """Decode text that `encode` would write.

    Raises:
        EncodingError: Another alphabet, missing padding, or spare bits that are not zero.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise EncodingError(f"{what} is not base64") from error
    if encode(data) != text:
        raise EncodingError(f"{what} is not canonical base64")
    return data


def encode_url(data: bytes) -> str:
    """Encode for URLs and JSON members, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_url(text: str, what: str) -> bytes:
    """Decode text that `encode_url` would write.

    Raises:
        EncodingError: Another alphabet, padding, or spare bits that are not zero.
    """
    try:
        standard = text.encode("ascii").translate(_STANDARD) + b"=" * (-len(text) % 4)
        data = binascii.a2b_base64(standard)
    except (binascii.Error, ValueError) as error:
        raise EncodingError(f"{what} is not base64url") from error
    if binascii.b2a_base64(data, newline=False) != standard:
        raise EncodingError(f"{what} is not canonical base64url without padding")
    return data
