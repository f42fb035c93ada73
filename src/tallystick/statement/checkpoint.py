"""The body of a checkpoint: which log, how many entries, which root.

Read `parse_checkpoint` first. Nothing here may be believed: no signature is checked, that is
`tallystick.verify.open_checkpoint`.

Source:
    C2SP tlog-checkpoint v1.0.0, section "Note text".
"""

import re
from dataclasses import dataclass
from typing import Final

from tallystick.errors import EncodingError
from tallystick.statement import b64

ORIGIN_MAX: Final = 255
HASH_BYTES: Final = 32

_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
_ORIGIN: Final = re.compile(r"[^\s+]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A log's claim about itself; parsed, not yet believed.

    Attributes:
        origin: Name of the log, never empty.
        size: Number of leaves, zero for an empty log.
        root: Root hash over those leaves, `HASH_BYTES` long.
    """

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{b64.encode(self.root)}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Parse the signed text of a checkpoint.

    Args:
        text: Note text without signature lines.

    Returns:
        The three mandatory lines; extension lines are left out.

    Raises:
        EncodingError: A line breaks its grammar.
    """
    # Only U+000A ends a line; splitlines() would also cut at U+2028 and others.
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1]:
        raise EncodingError(f"checkpoint must be at least three lines, got {text[:80]!r}")
    origin, size, root_b64 = lines[:3]
    check_origin(origin)
    if not _SIZE.fullmatch(size):
        raise EncodingError(f"size must be plain decimal below 10**18, got {size[:40]!r}")
    if not all(lines[3:-1]):
        raise EncodingError("an extension line is empty")
    return Checkpoint(origin=origin, size=int(size), root=_root(root_b64))


def check_origin(origin: str) -> None:
    """Refuse a name that no checkpoint and no key could carry.

    Raises:
        EncodingError: Empty, too long, or with a space or plus sign.
    """
    if not _ORIGIN.fullmatch(origin) or len(origin) > ORIGIN_MAX:
        raise EncodingError(
            f"origin must be 1..{ORIGIN_MAX} characters without space or plus, got {origin[:60]!r}"
        )


def _root(text: str) -> bytes:
    root = b64.decode(text, "root")
    if len(root) != HASH_BYTES:
        raise EncodingError(f"root must have {HASH_BYTES} bytes, got {len(root)}")
    return root
