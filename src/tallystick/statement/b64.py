"""Base64 in its canonical form only: one text per value."""

import base64
import binascii

from typing import Final

from tallystick.errors import EncodingError

_URL_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")


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
        raw = text.encode("ascii")
        if raw.translate(None, _URL_ALPHABET):
            raise EncodingError(f"{what} is not base64url")
        data = binascii.a2b_base64(raw.translate(_TO_STANDARD) + b"=" * (-len(raw) % 4))
    except ValueError as error:
        raise EncodingError(f"{what} is not base64url") from error
    # Only the last letters can hold spare bits, so only they are encoded again.
    last = len(data) % 3
    if last and encode_url(data[-last:]) != text[-last - 1 :]:
        raise EncodingError(f"{what} is not canonical base64url without padding")
    return data
