"""The page of the Python API: directives that mkdocstrings fills in when the site is built."""

import importlib
from typing import Final

from tools.reference_text import summary

PACKAGES: Final = (
    "tallystick.client",
    "tallystick.ledger",
    "tallystick.evidence",
    "tallystick.verify",
    "tallystick.statement",
    "tallystick.merkle",
    "tallystick.identity",
    "tallystick.vault",
    "tallystick.log",
    "tallystick.errors",
)
"""Public packages in the order in which they are learned."""

_HEAD: Final = """\
# Python

What each package lists in `__all__` is public; everything else may change in any release.

"""


def api_page() -> str:
    """Return the page."""
    return _HEAD + "\n".join(_package(name) for name in PACKAGES)


def _package(name: str) -> str:
    module = importlib.import_module(name)
    public = getattr(module, "__all__", ())
    if not summary(module):
        raise ValueError(f"{name} says nothing about itself")
    members = "".join(f"        - {member}\n" for member in public)
    options = f"      members:\n{members}" if members else ""
    return f"## {name}\n\n::: {name}\n    options:\n      show_root_heading: false\n{options}"
