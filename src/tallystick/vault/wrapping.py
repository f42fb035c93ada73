"""Keys of the vault: the master wraps a key per subject and purpose, and that one record keys.

A record that is about nobody in particular hangs on the master directly: its own key is all that
is to be destroyed. Wrapped keys always have the same length, so that they can be overwritten
exactly where they lie.

Source:
    NIST SP 800-38D (AES-GCM).
"""

import os
from dataclasses import dataclass
from hashlib import sha256
from hmac import digest
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tallystick.errors import DamagedError

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
WRAPPED_BYTES: Final = NONCE_BYTES + KEY_BYTES + TAG_BYTES
"""Length of every wrapped key; destroyed ones are as many zeros."""
DESTROYED: Final = bytes(WRAPPED_BYTES)
# A record's key encrypts one message only, so its nonce need not vary.
_ONCE: Final = bytes(NONCE_BYTES)


@dataclass(frozen=True, slots=True)
class About:
    """Whom a record is about, and what for. Lies in the vault only, and there only as a digest.

    Attributes:
        subject: The operator's reference, such as a random number of a case.
        purpose: Sets records of one subject apart that are erased apart.
    """

    subject: str
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class Beside:
    """Whom a record is about: the same as another one, whoever that is.

    Attributes:
        statement: The other one; where it is about nobody, or erased, so is this.
    """

    statement: bytes


@dataclass(frozen=True, slots=True)
class Named:
    """The same as the vault's file has it: digests under its own key, that tell nobody's name.

    Attributes:
        subject: Digest of the reference.
        purpose: Digest of the purpose.
    """

    subject: bytes
    purpose: bytes


class Wrapping:
    """Encrypts under one key: the master, or the key of a subject."""

    __slots__ = ("_cipher", "_names")

    def __init__(self, key: bytes) -> None:
        """Use a 32-byte key."""
        self._cipher = AESGCM(key)
        self._names = digest(key, b"tallystick/vault/names/1", "sha256")

    def name(self, text: str) -> bytes:
        """Return what stands for a text in the file; without the key it cannot be guessed."""
        return digest(self._names, text.encode(), "sha256")

    def wrap(self, key: bytes, place: bytes) -> bytes:
        """Encrypt a key that belongs to a place."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, key, place)

    def unwrap(self, wrapped: Any, place: bytes) -> bytes:
        """Decrypt a key.

        Raises:
            DamagedError: It was changed, or belongs to another place or another key.
        """
        try:
            return self._cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], place)
        except (InvalidTag, ValueError, TypeError) as error:  # a database may hold any type
            raise _undecipherable(place) from error


def seal(plain: bytes, place: bytes) -> tuple[bytes, bytes]:
    """Encrypt content under a fresh key; return key and content."""
    key = os.urandom(KEY_BYTES)
    return key, AESGCM(key).encrypt(_ONCE, plain, place)


def unseal(key: bytes, sealed: bytes, place: bytes) -> bytes:
    """Decrypt content.

    Raises:
        DamagedError: It was changed, or its key is another one.
    """
    try:
        return AESGCM(key).decrypt(_ONCE, sealed, place)
    except (InvalidTag, ValueError, TypeError) as error:
        raise _undecipherable(place) from error


def subject_place(subject: bytes, purpose: bytes) -> bytes:
    """Name the place of a subject's key, so that one cannot be put in the place of another."""
    return sha256(b"tallystick/vault/subject/1" + subject + purpose).digest()


def _undecipherable(place: bytes) -> DamagedError:
    return DamagedError(
        f"vault content of {place[:32].hex()} does not decrypt: it was changed, "
        "or the vault key is another one"
    )
