"""The `.tlog-proof` text form of a proof, for tools of the C2SP family.

Source:
    C2SP tlog-proof (untagged, 2026-06).
"""

import re
from dataclasses import dataclass
from typing import Final

from tallystick.errors import EncodingError
from tallystick.merkle import HASH_BYTES
from tallystick.statement import b64
from tallystick.statement.note import Note, parse_note

_MAGIC: Final = "c2sp.org/tlog-proof@v1"
_INDEX: Final = re.compile(r"index (0|[1-9][0-9]{0,17})", re.ASCII)
_PATH_MAX: Final = 63


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A proof as text, parsed and not yet believed.

    Attributes:
        index: Leaf index.
        path: Inclusion path, from the leaf upwards.
        checkpoint: Signed note over the tree.
        extra: Data for the application that nobody signed.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: Note
    extra: bytes | None = None

    def encode(self) -> bytes:
        """Return the text."""
        lines = [_MAGIC]
        if self.extra is not None:
            lines.append("extra " + b64.encode(self.extra))
        lines.append(f"index {self.index}")
        lines += [b64.encode(node) for node in self.path]
        return "\n".join([*lines, "", ""]).encode() + self.checkpoint.encode()


def parse_tlog_proof(data: bytes) -> TlogProof:
    """Parse a proof; no signature and no path is checked here.

    Raises:
        EncodingError: Not such a text.
    """
    head, separator, note = data.partition(b"\n\n")
    try:
        lines = head.decode().split("\n")
    except UnicodeDecodeError as error:
        raise EncodingError("proof is not UTF-8") from error
    if not separator or lines[0] != _MAGIC:
        raise EncodingError(f"proof must begin with {_MAGIC!r}, got {lines[0][:60]!r}")
    extra = None
    if len(lines) > 1 and lines[1].startswith("extra "):
        extra = b64.decode(lines.pop(1).removeprefix("extra "), "extra")
    index = _INDEX.fullmatch(lines[1]) if len(lines) > 1 else None
    path = tuple(b64.decode(line, "proof line") for line in lines[2:])
    if index is None or len(path) > _PATH_MAX or any(len(node) != HASH_BYTES for node in path):
        raise EncodingError("proof must have an index line and at most 63 hashes of 32 bytes")
    return TlogProof(int(index[1]), path, parse_note(note), extra)
