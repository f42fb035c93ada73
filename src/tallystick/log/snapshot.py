"""The log at one size, where it lies, and the key that signs for it."""

from dataclasses import dataclass
from pathlib import Path

from tallystick.log.tiles import Tail, TileReader
from tallystick.statement import (
    Checkpoint,
    Note,
    Sign,
    VerifierKey,
    parse_note,
    sign_note,
    verify_note,
)


@dataclass(frozen=True, slots=True)
class LogKey:
    """The key that signs checkpoints, and nothing else.

    Attributes:
        verifier: Its public side, named like the log's origin.
        sign: Signs.
        before: Keys that signed what is stored, and sign nothing any more.
    """

    verifier: VerifierKey
    sign: Sign
    before: tuple[VerifierKey, ...] = ()

    def sign_checkpoint(self, checkpoint: Checkpoint) -> bytes:
        """Return the signed note."""
        text = checkpoint.text()
        return Note(text, (sign_note(text, self.verifier, self.sign),)).encode()

    def sign_too(self, note: bytes) -> bytes:
        """Return a note of the key before with the signature of this one behind its own.

        Raises:
            SignatureError: None of the keys signed it.
        """
        parsed = parse_note(note)
        signers = verify_note(parsed, [self.verifier, *self.before])
        if any(signer.key == self.verifier for signer in signers):
            return note
        mine = sign_note(parsed.text, self.verifier, self.sign)
        return Note(parsed.text, (*parsed.signatures, mine)).encode()


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
