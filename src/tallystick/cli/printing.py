"""Values as a terminal may show them: whoever signed a name must not steer who reads it."""

from typing import Any, Final

LETTERS_MAX: Final = 300
"""Letters of one value that are shown; `--json` gives all."""


def short(value: Any) -> str:
    """Return a value in words, cut where it is long."""
    text = readable(value)
    return text if len(text) <= LETTERS_MAX else text[:LETTERS_MAX] + "…"


def readable(value: Any) -> str:
    """Return text that a terminal can show: bytes that are no text as hex, no control letters."""
    if isinstance(value, dict):
        return ", ".join(f"{readable(name)} {readable(member)}" for name, member in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(readable, value))
    if isinstance(value, bytes):
        try:
            text = value.decode()
        except UnicodeDecodeError:
            return str(value.hex())
    else:
        text = str(value)
    return text if text.isprintable() else repr(text)
