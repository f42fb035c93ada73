"""The log at one size, where it lies, and the key that signs for it."""

from dataclasses import dataclass
from pathlib import Path

from tallystick.log.tiles import Tail, TileReader
from tallystick.statement import Checkpoint, Note, Sign, VerifierKey, sign_note


@dataclass(frozen=True, slots=True)
class LogKey:
    """The key that signs checkpoints, and nothing else.

    Attributes:
        verifier: Its public side, named like the log's origin.
        sign: Signs.
    """

    verifier: VerifierKey
    sign: Sign

    def sign_checkpoint(self, checkpoint: Checkpoint) -> bytes:
        """Return the signed note."""
        text = checkpoint.text()
        return Note(text, (sign_note(text, self.verifier, self.sign),)).encode()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The log at one size: what was signed, and all that is needed to prove it.

    Attributes:
        checkpoint: Size and root.
        note: The signed checkpoint; empty for an empty log.
        reader: Reads entries, hashes and proofs at this size.
        tail: What of it is not in files yet.
    """

    checkpoint: Checkpoint
    note: bytes
    reader: TileReader
    tail: Tail


@dataclass(frozen=True, slots=True)
class Places:
    """Where a log lies.

    Attributes:
        public: `checkpoint` and `tile/`; may be served to everybody.
        journal: Recycled segments.
        head: The last signed checkpoint, best on another disk.
    """

    public: Path
    journal: Path
    head: Path
