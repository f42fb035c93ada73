"""Encrypted key files: named secrets under one passphrase.

Whoever has the file but not the passphrase learns the names and public keys in it, and can at
most delete it. Whoever has both can sign as every issuer in it.

The file is JSON: `{"format": 1, "kdf": {…scrypt…}, "keys": {name: {public parts, sealed}}}`.
Each secret is sealed with AES-256-GCM, its name and public parts authenticated with it.

Source:
    RFC 7914 (scrypt), NIST SP 800-38D (GCM).
"""

import os
import secrets
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from tallystick.errors import (
    ConflictError,
    EncodingError,
    NotFoundError,
    RefusedError,
    VersionError,
)
from tallystick.identity.signer import SECRET_BYTES, SoftwareSigner
from tallystick.statement import b64
from tallystick.statement.keys import KeyKind

FORMAT: Final = 1
SYMMETRIC: Final = "symmetric"
"""Kind of a secret that encrypts and does not sign."""

_SCRYPT_N: Final = 2**15
_SCRYPT_COSTS: Final = frozenset(2**bits for bits in range(14, 21))
_KINDS: Final = frozenset(kind.value for kind in KeyKind)
_FILE_MAX: Final = 1 << 20
_DERIVING: Final = Lock()
"""Whoever needs what another thread is deriving waits for that, and does not derive it again."""


class _Kdf(msgspec.Struct, forbid_unknown_fields=True):
    salt: str
    n: int = _SCRYPT_N
    r: int = 8
    p: int = 1
    name: str = "scrypt"


class _Sealed(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    kind: str
    nonce: str
    sealed: str
    did: str | None = None
    issuer: str | None = None  # where it is not the DID of this key


class _File(msgspec.Struct, forbid_unknown_fields=True):
    kdf: _Kdf
    keys: dict[str, _Sealed]
    format: int = FORMAT


class KeyFile:
    """Secrets read from one file; `save` writes them back atomically, for the owner only."""

    def __init__(self, path: Path, passphrase: bytes) -> None:
        """Open a key file that exists, or begin an empty one."""
        self.path = path
        self._file = _read(path) if path.exists() else _File(_Kdf(_fresh()), {})
        self._cipher = AESGCM(_derive(self._file.kdf, passphrase))
        for name in self._file.keys:
            self._open(name)  # a wrong passphrase shows here, not at the first signature
            break

    def names(self) -> list[str]:
        """Return the names of all secrets."""
        return sorted(self._file.keys)

    def signer(self, name: str) -> SoftwareSigner:
        """Return a signing key.

        Raises:
            NotFoundError: No signing key of that name.
            VersionError: Of a kind that this release does not know.
        """
        kind = self._member(name).kind
        if kind == SYMMETRIC:
            raise NotFoundError(f"{name!r} in {self.path} encrypts, it does not sign")
        secret = self._open(name)
        if kind not in _KINDS:
            raise VersionError(f"{name!r} in {self.path} is of unknown kind {kind!r:.40}")
        return SoftwareSigner(KeyKind(kind), secret, self._file.keys[name].issuer)

    def secret(self, name: str) -> bytes:
        """Return a 32-byte symmetric key.

        Raises:
            NotFoundError: No symmetric key of that name.
        """
        if self._member(name).kind != SYMMETRIC:
            raise NotFoundError(f"{name!r} in {self.path} signs, it does not encrypt")
        return self._open(name)

    def add_signer(self, name: str, signer: SoftwareSigner) -> None:
        """Add a signing key; `save` makes it durable.

        Raises:
            ConflictError: The name is taken.
        """
        kind, did = signer.public.kind.value, signer.public.did()
        issuer = None if signer.issuer == did else signer.issuer
        self._seal(name, kind, did, signer.unsafe_secret(), issuer)

    def rename(self, name: str, new: str) -> None:
        """Give a signing key another name; `save` makes it durable.

        Raises:
            NotFoundError: No signing key of that name.
            ConflictError: The new name is taken.
        """
        self.add_signer(new, self.signer(name))
        del self._file.keys[name]

    def remove_signer(self, name: str) -> None:
        """Forget a signing key; `save` makes that durable.

        Raises:
            NotFoundError: No signing key of that name.
        """
        self.signer(name)
        del self._file.keys[name]

    def add_secret(self, name: str) -> None:
        """Add a fresh symmetric key; `save` makes it durable.

        Raises:
            ConflictError: The name is taken.
        """
        self._seal(name, SYMMETRIC, None, secrets.token_bytes(SECRET_BYTES))

    def save(self) -> None:
        """Replace the file: written beside it, synced, renamed, readable by its owner only."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = self.path.with_name(self.path.name + ".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(self._file)))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)

    def _member(self, name: str) -> _Sealed:
        if name not in self._file.keys:
            have = ", ".join(self.names()) or "none"
            raise NotFoundError(f"no key {name!r} in {self.path}, it has: {have}")
        return self._file.keys[name]

    def _seal(
        self, name: str, kind: str, did: str | None, secret: bytes, issuer: str | None = None
    ) -> None:
        if name in self._file.keys:
            raise ConflictError(f"{self.path} already has a key {name!r}")
        nonce = secrets.token_bytes(12)
        sealed = self._cipher.encrypt(nonce, secret, _authenticated(name, kind, did, issuer))
        self._file.keys[name] = _Sealed(
            kind, b64.encode_url(nonce), b64.encode_url(sealed), did, issuer
        )

    def _open(self, name: str) -> bytes:
        member = self._file.keys[name]
        nonce, sealed = (b64.decode_url(t, "key file") for t in (member.nonce, member.sealed))
        try:
            return self._cipher.decrypt(
                nonce, sealed, _authenticated(name, member.kind, member.did, member.issuer)
            )
        except (InvalidTag, ValueError) as error:
            raise RefusedError(
                f"{self.path} does not open: wrong passphrase, or the file was changed",
                reason="passphrase",
                advice="give the passphrase by TALLYSTICK_PASSPHRASE_FILE or at the prompt",
            ) from error


def _read(path: Path) -> _File:
    if path.stat().st_size > _FILE_MAX:
        raise EncodingError(f"{path} is larger than {_FILE_MAX} bytes: not a key file")
    try:
        version = msgspec.json.decode(path.read_bytes(), type=dict).get("format")
        if version != FORMAT:
            raise VersionError(f"{path} has format {version!r}, this release reads {FORMAT}")
        file = msgspec.json.decode(path.read_bytes(), type=_File)
    except (ValueError, RecursionError) as error:
        raise EncodingError(f"{path} is not a key file: {error}") from error
    kdf = file.kdf
    if (kdf.name, kdf.r, kdf.p) != ("scrypt", 8, 1) or kdf.n not in _SCRYPT_COSTS:
        raise EncodingError(
            f"{path} asks for an unknown or unreasonable key derivation: "
            f"{kdf.name!r:.40}, n {kdf.n}, r {kdf.r}, p {kdf.p}"
        )
    return file


def _derive(kdf: _Kdf, passphrase: bytes) -> bytes:
    salt = b64.decode_url(kdf.salt, "key file salt")
    with _DERIVING:
        return _scrypt(salt, kdf.n, passphrase)


@lru_cache(maxsize=8)
def _scrypt(salt: bytes, n: int, passphrase: bytes) -> bytes:
    """Derive a key; remembered, for one process opens the same file several times.

    Nothing leaks by it that an open file does not hold in memory already.
    """
    return Scrypt(salt=salt, length=32, n=n, r=8, p=1).derive(passphrase)


def _authenticated(name: str, kind: str, did: str | None, issuer: str | None) -> bytes:
    issued = "" if issuer is None else f"\n{issuer}"
    return f"tallystick/key/{FORMAT}\n{name}\n{kind}\n{did or ''}{issued}".encode()


def _fresh() -> str:
    return b64.encode_url(secrets.token_bytes(16))
