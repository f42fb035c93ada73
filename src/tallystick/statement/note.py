"""Signed notes: text with signature lines, the form in which checkpoints travel.

    note = parse_note(data)
    signers = verify_note(note, [parse_vkey("log.example+…")])

Ed25519 signatures (type 0x01) and Ed25519 cosignatures (type 0x04) are checked; lines by other
keys are kept and ignored, as the specification demands.

Source:
    C2SP signed-note v1.0.0, tlog-cosignature v1.0.1.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from tallystick.errors import EncodingError, LimitError, SignatureError
from tallystick.statement import b64
from tallystick.statement.ed25519 import verify_ed25519
from tallystick.statement.signed import Sign

NOTE_BYTES_MAX: Final = 512 * 1024
SIGNATURES_MAX: Final = 100

TYPE_ED25519: Final = 0x01
TYPE_COSIGNATURE: Final = 0x04

_DASH: Final = "\u2014"
_KEY_ID_BYTES: Final = 4
_CONTROL: Final = re.compile("[\x00-\x09\x0b-\x1f]")
_NAME: Final = re.compile(r"[^\s+]+")
_VKEY: Final = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line, not checked.

    Attributes:
        name: Key name.
        key_id: Four bytes; a hint, not a proof.
        blob: What follows the key id: the signature, for cosignatures a time before it.
    """

    name: str
    key_id: bytes
    blob: bytes

    def line(self) -> str:
        """Return the line as it stands in a note, with its newline."""
        return f"{_DASH} {self.name} {b64.encode(self.key_id + self.blob)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A note taken apart; its text must be ignored until a signature is verified.

    Attributes:
        text: Ends in a newline.
        signatures: In the order of the lines.
    """

    text: str
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> bytes:
        """Return the note as it travels."""
        return (self.text + "\n" + "".join(s.line() for s in self.signatures)).encode()


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A key that may sign notes under a name.

    Attributes:
        name: Key name; a log's is its origin.
        kind: `TYPE_ED25519`, `TYPE_COSIGNATURE`, or one that is not checked here.
        public: Key material, 32 bytes for the two kinds above.
    """

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that stand before each of its signatures."""
        material = self.name.encode() + b"\n" + bytes((self.kind,)) + self.public
        return sha256(material).digest()[:_KEY_ID_BYTES]

    def encode(self) -> str:
        """Return the vkey text."""
        return f"{self.name}+{self.key_id.hex()}+{b64.encode(bytes((self.kind,)) + self.public)}"


@dataclass(frozen=True, slots=True)
class NoteSigner:
    """A signature that was verified.

    Attributes:
        key: By which key.
        time: A cosigner's clock, seconds since 1970; None for plain signatures.
    """

    key: VerifierKey
    time: int | None


def parse_note(data: bytes) -> Note:
    """Take a note apart.

    Raises:
        EncodingError: Not a signed note.
        LimitError: Larger than `NOTE_BYTES_MAX`, or more than `SIGNATURES_MAX` signatures.
    """
    if len(data) > NOTE_BYTES_MAX:
        raise LimitError(f"note has {len(data)} bytes, at most {NOTE_BYTES_MAX} allowed")
    try:
        body = data.decode()
    except UnicodeDecodeError as error:
        raise EncodingError("note is not UTF-8") from error
    if _CONTROL.search(body):
        raise EncodingError("note has a control character other than newline")
    text, separator, lines = body.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise EncodingError("note must be text, an empty line, and signature lines")
    rows = lines[:-1].split("\n")
    if len(rows) > SIGNATURES_MAX:
        raise LimitError(f"note has {len(rows)} signatures, at most {SIGNATURES_MAX} allowed")
    return Note(text + "\n", tuple(_parse_line(row) for row in rows))


def parse_vkey(text: str) -> VerifierKey:
    """Read a verifier key.

    Raises:
        EncodingError: Not `name+id+key`, or the id belongs to another name or key.
    """
    match = _VKEY.fullmatch(text)
    if match is None:
        raise EncodingError(f"verifier key must be name+8 hex digits+base64, got {text[:80]!r}")
    if not _is_text(match[1]):
        raise EncodingError(f"the name of a verifier key must be UTF-8, got {match[1][:80]!r}")
    name, key_id, material = match[1], match[2], b64.decode(match[3], "verifier key")
    if len(material) < 2:
        raise EncodingError("verifier key is too short")
    key = VerifierKey(name, material[0], material[1:])
    if key.key_id.hex() != key_id:
        raise EncodingError(f"verifier key id must be {key.key_id.hex()}, got {key_id}")
    if key.kind in {TYPE_ED25519, TYPE_COSIGNATURE} and len(key.public) != 32:
        raise EncodingError(f"an Ed25519 verifier key has 32 bytes, got {len(key.public)}")
    return key


def _is_text(name: str) -> bool:
    """Tell whether a name can be written: a policy keeps octets that are not UTF-8 apart."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def sign_note(text: str, key: VerifierKey, sign: Sign) -> NoteSignature:
    """Sign a note's text as `key`, which must be of `TYPE_ED25519`."""
    return NoteSignature(key.name, key.key_id, sign(text.encode()))


def cosign_note(text: str, key: VerifierKey, time: int, sign: Sign) -> NoteSignature:
    """Cosign a checkpoint as `key`, which must be of `TYPE_COSIGNATURE`, at `time` (seconds)."""
    signature = sign(_cosigned_text(text, time))
    return NoteSignature(key.name, key.key_id, time.to_bytes(8) + signature)


def verify_note(note: Note, keys: Iterable[VerifierKey]) -> list[NoteSigner]:
    """Return who of `keys` signed the note.

    Raises:
        SignatureError: A line by one of `keys` does not verify, or there is none at all.
    """
    known = {(key.name, key.key_id): key for key in keys}
    signers = [
        _verify_line(note.text, line, known[line.name, line.key_id])
        for line in note.signatures
        if (line.name, line.key_id) in known
    ]
    if not signers:
        names = ", ".join(sorted(name for name, _ in known)) or "nobody"
        raise SignatureError(f"note is not signed by any key that is trusted ({names})")
    return signers


def _verify_line(text: str, line: NoteSignature, key: VerifierKey) -> NoteSigner:
    if key.kind == TYPE_ED25519:
        verify_ed25519(key.public, line.blob, text.encode())
        return NoteSigner(key, None)
    if key.kind == TYPE_COSIGNATURE:
        time = int.from_bytes(line.blob[:8])
        verify_ed25519(key.public, line.blob[8:], _cosigned_text(text, time))
        return NoteSigner(key, time)
    raise SignatureError(f"signatures of type {key.kind:#04x} by {key.name} cannot be checked here")


def _cosigned_text(text: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def _parse_line(line: str) -> NoteSignature:
    dash, _, rest = line.partition(" ")
    name, _, blob = rest.partition(" ")
    if dash != _DASH or not _NAME.fullmatch(name):
        raise EncodingError(f"signature line must be '{_DASH} name base64', got {line[:60]!r}")
    data = b64.decode(blob, "signature line")
    if len(data) <= _KEY_ID_BYTES:
        raise EncodingError(f"signature of {name} is too short")
    return NoteSignature(name, data[:_KEY_ID_BYTES], data[_KEY_ID_BYTES:])
