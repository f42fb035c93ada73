"""The base 58 of Bitcoin addresses, which did:key uses. Quadratic: for short inputs only."""

from typing import Final

from tallystick.errors import EncodingError

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUE: Final = {letter: value for value, letter in enumerate(_ALPHABET)}

TEXT_MAX: Final = 128
"""Longest text that is decoded: a P-256 did:key has 48 letters."""


def encode(data: bytes) -> str:
    """Encode bytes; each leading zero byte becomes a leading `1`."""
    number, letters = int.from_bytes(data), ""
    while number:
        number, digit = divmod(number, 58)
        letters = _ALPHABET[digit] + letters
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + letters


def decode(text: str) -> bytes:
    """Decode text.

    Raises:
        EncodingError: Longer than `TEXT_MAX`, or with a letter outside the alphabet.
    """
    if len(text) > TEXT_MAX:
        raise EncodingError(f"base58 text has {len(text)} letters, at most {TEXT_MAX} allowed")
    number = 0
    for letter in text:
        if letter not in _VALUE:
            raise EncodingError(f"{letter!r} is not a base58 letter")
        number = number * 58 + _VALUE[letter]
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8)
