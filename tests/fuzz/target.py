"""What is fuzzed: an entry point for bytes that nobody vouches for, and what may leave it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tallystick.errors import TallystickError

VECTORS: Final = Path(__file__).resolve().parents[2] / "vectors"

Errors = tuple[type[TallystickError], ...]


@dataclass(frozen=True, slots=True)
class Target:
    """One entry point.

    Attributes:
        name: Also the name of its folders of inputs.
        call: Takes hostile bytes; asserts whatever must hold of what it accepts.
        errors: The only errors that may leave it.
        seeds: Valid examples, at least one, each of which `call` accepts.
        slow: Too slow for a coverage-guided fuzzer.
    """

    name: str
    call: Callable[[bytes], object]
    errors: Errors
    seeds: tuple[bytes, ...]
    slow: bool = False

    def accepts(self, data: bytes) -> bool:
        """Call with bytes; anything but one of `errors` escapes and is a defect."""
        said = "accepted"
        try:
            self.call(data)
        except self.errors as error:
            said = str(error)
        assert said, "an error without a word"
        return said == "accepted"


def vectors(pattern: str) -> tuple[bytes, ...]:
    """Read golden vectors."""
    found = tuple(path.read_bytes() for path in sorted(VECTORS.glob(pattern)))
    assert found, f"no vectors like {pattern}"
    return found
