"""Pieces of Markdown that several pages of the reference share."""

import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Final

_MEMBER: Final = re.compile(r"^ {4}(\w+): (.*)$")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; bars in cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |\n"
        for line in lines
    )


def summary(thing: object) -> str:
    """Return what a docstring says before its sections, as one paragraph."""
    text = inspect.cleandoc(getattr(thing, "__doc__", None) or "")
    before = re.split(r"^(?:Args|Attributes|Raises|Returns|Source):", text, flags=re.MULTILINE)[0]
    return " ".join(before.split())


def members(thing: object) -> dict[str, str]:
    """Return the texts of the section "Attributes" of a docstring, by name.

    Raises:
        ValueError: The docstring has no such section.
    """
    text = inspect.cleandoc(getattr(thing, "__doc__", None) or "")
    _, found, section = text.partition("Attributes:\n")
    if not found:
        raise ValueError(f"{thing!r} has no section Attributes")
    texts: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        if begins := _MEMBER.match(line):
            name = begins[1]
            texts[name] = begins[2]
        elif line.startswith(" " * 8) and name:
            texts[name] += " " + line.strip()
        elif line.strip():
            break
    return texts
