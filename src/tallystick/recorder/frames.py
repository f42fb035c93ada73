"""A file of encrypted frames: what an application said, until the forwarder has taken it.

The writer makes a key for each file and seals it for the forwarder's public key: once its process
is gone, only the forwarder can read what it wrote, and no word of a prompt ever lies on the disk
in clear. A frame is handed to the operating system by one `write`, so that it survives the death
of the process; a power cut may take what was not synced yet, and cuts the file there.

    file  = magic | process, 16 bytes | length of the sealed key, 2 bytes | sealed key | frames
    frame = length of what follows, 4 bytes | AES-256-GCM of the body, nonce = number of the frame

A frame's number is its place, so none can be left out, put in front or repeated; what is cut off
at the end cannot be seen here, only that the writer never said it ended.

Source:
    RFC 9180 (HPKE, base mode: X25519, HKDF-SHA256, AES-256-GCM); NIST SP 800-38D.
"""

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from tallystick.errors import DamagedError, LimitError

MAGIC: Final = b"tallystick/frames/1\n"
PROCESS_BYTES: Final = 16
FRAME_BYTES_MAX: Final = 4 << 20
"""Longest body: what it says must also fit into the forwarder's spool, and one request."""
_CLOSED: Final = -1
_LENGTH_BYTES: Final = 4
_KEY_BYTES: Final = 32
_TAG_BYTES: Final = 16
_HEAD_BYTES: Final = len(MAGIC) + PROCESS_BYTES + 2
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class FrameWriter:
    """Appends frames to a file of its own; safe to share between threads."""

    def __init__(self, path: Path, public: bytes, process: bytes) -> None:
        """Begin a file.

        Args:
            path: Must not exist yet.
            public: The forwarder's X25519 public key, 32 bytes.
            process: 16 bytes that name who writes.

        Raises:
            OSError: It cannot be written.
        """
        key = os.urandom(_KEY_BYTES)
        sealed = _SUITE.encrypt(key, X25519PublicKey.from_public_bytes(public), MAGIC + process)
        self._cipher, self._process, self._lock = AESGCM(key), process, Lock()
        self._number = 0
        self.bytes = 0
        self._descriptor = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        self._write(MAGIC + process + len(sealed).to_bytes(2) + sealed)

    def write(self, body: bytes) -> int:
        """Hand a frame to the operating system; return its number.

        Raises:
            LimitError: It is too long.
            OSError: The disk does not take it; nothing was said.
        """
        if len(body) > FRAME_BYTES_MAX:
            raise LimitError(f"a frame has {len(body)} bytes, at most {FRAME_BYTES_MAX} are taken")
        with self._lock:
            number = self._number
            sealed = self._cipher.encrypt(_nonce(number), body, self._process)
            self._write(len(sealed).to_bytes(_LENGTH_BYTES) + sealed)
            self._number = number + 1
            return number

    def lock(self) -> None:
        """Show, for as long as this process lives or until `close`, that more may be written."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def sync(self) -> None:
        """Wait until the disk has what was written.

        Raises:
            OSError: It does not take it.
        """
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Give the file back; what it says stays."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, _CLOSED
            if descriptor != _CLOSED:
                os.close(descriptor)

    def leave(self) -> None:
        """Close the file, in a process that was forked: the lock may be held for ever there."""
        self._lock = Lock()
        self.close()

    def _write(self, data: bytes) -> None:
        """Append all of it, or nothing: a file that is cut in the middle of a frame ends there."""
        written = os.write(self._descriptor, data)
        if written != len(data):
            os.ftruncate(self._descriptor, self.bytes)
            raise OSError(f"the disk took {written} of {len(data)} bytes")
        self.bytes += written


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a file.

    Attributes:
        process: Who wrote it.
        number: Its place in the file, from 0 on.
        body: What it says.
        end: Offset of what follows it.
    """

    process: bytes
    number: int
    body: bytes
    end: int


class FrameReader:
    """Reads a file's frames in order, again and again as it grows."""

    def __init__(self, path: Path, private: bytes) -> None:
        """Open a file.

        Args:
            path: Where it lies; it may still be written.
            private: The forwarder's X25519 private key, 32 bytes.

        Raises:
            DamagedError: It is no such file, or sealed for another forwarder.
            BlockingIOError: Its beginning is not whole yet.
        """
        self.path, self._number = path, 0
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            sealed = file.read(int.from_bytes(head[-2:]))
        if MAGIC.startswith(head[: len(MAGIC)]) and (
            len(head) < _HEAD_BYTES or len(sealed) < int.from_bytes(head[-2:])
        ):
            raise BlockingIOError(f"{path} has only just been begun")
        if not head.startswith(MAGIC):
            raise DamagedError(f"{path} holds no frames that this release reads")
        self.process = head[len(MAGIC) : -2]
        self._at = _HEAD_BYTES + len(sealed)
        try:
            key = _SUITE.decrypt(
                sealed, X25519PrivateKey.from_private_bytes(private), MAGIC + self.process
            )
        except (InvalidTag, ValueError) as error:
            raise DamagedError(f"{path} is sealed for another forwarder, or was changed") from error
        self._cipher = AESGCM(key)

    def skip(self, frames: int) -> None:
        """Go past frames that were taken before.

        Raises:
            DamagedError: There are fewer.
        """
        for _ in self.read(frames):
            pass
        if self._number < frames:
            raise self._damaged()

    def read(self, most: int) -> Iterator[Frame]:
        """Yield what follows and is whole, at most so many frames.

        Raises:
            DamagedError: A frame was changed, or another one was put in its place.
        """
        with self.path.open("rb") as file:
            file.seek(self._at)
            for _ in range(most):
                head = file.read(_LENGTH_BYTES)
                length = int.from_bytes(head)
                if len(head) < _LENGTH_BYTES:
                    return
                if not _TAG_BYTES <= length <= FRAME_BYTES_MAX + _TAG_BYTES:
                    raise self._damaged()
                sealed = file.read(length)
                if len(sealed) < length:
                    return
                yield self._opened(sealed)

    def _opened(self, sealed: bytes) -> Frame:
        try:
            body = self._cipher.decrypt(_nonce(self._number), sealed, self.process)
        except InvalidTag as error:
            raise self._damaged() from error
        self._at += _LENGTH_BYTES + len(sealed)
        self._number += 1
        return Frame(self.process, self._number - 1, body, self._at)

    def _damaged(self) -> DamagedError:
        return DamagedError(
            f"frame {self._number} of {self.path} was changed, left out or put elsewhere",
            advice="what stands before it was taken; nothing behind it can be",
        )


def is_written(path: Path) -> bool:
    """Tell whether a process may still write more into a file."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _nonce(number: int) -> bytes:
    return number.to_bytes(12)
