"""All targets, by name."""

from pathlib import Path
from typing import Final

from tests.fuzz.pure import PURE
from tests.fuzz.stored import STORED_TARGETS
from tests.fuzz.target import Target

TARGETS: Final[dict[str, Target]] = {target.name: target for target in (*PURE, *STORED_TARGETS)}

FOUND: Final = Path(__file__).parent / "found"
"""Inputs that once broke something, a folder per target: kept, and run by every test run."""


def found(name: str) -> list[bytes]:
    """Return the inputs that once broke a target."""
    return [path.read_bytes() for path in sorted((FOUND / name).glob("*"))]
