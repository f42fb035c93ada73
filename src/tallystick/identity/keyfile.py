"""Encrypted key files: named secrets under one passphrase.

Whoever has the file but not the passphrase learns the names and public keys in it, and can at
most delete it. Whoever has both can sign as every issuer in it.

The file is JSON: `{"format": 1, "kdf": {…scrypt…}, "keys": {name: {public parts, sealed}}}`.
Each secret is sealed with AES-256-GCM, its name and public parts authenticated with it.

A signing key may be kept elsewhere: then `at` is its reference (`tallystick.identity.custody`), and
what is sealed is its public key, so that nobody without the passphrase names another key. A file
with such a key has format 2, which is format 1 otherwise.

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
    InputError,
    NotFoundError,
    RefusedError,
    UnavailableError,
    VersionError,
)
from tallystick.identity.custody import FILE, KeptSigner, create_key, open_key, split_reference
from tallystick.identity.signer import (
    SECRET_BYTES,
    HeldKey,
    Signer,
    SoftwareSigner,
    generate,
)
from tallystick.statement import b64
from tallystick.statement.keys import KeyKind, PublicKey, parse_cose_key

FORMAT: Final = 1
FORMAT_KEPT: Final = 2
"""Of a file that names a key which is kept elsewhere."""
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
    at: str | None = None  # where it is kept, if not here


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
        self._passphrase = passphrase  # opens the files beside it, which references name
        self._cipher = AESGCM(_derive(self._file.kdf, passphrase))
        for name in self._file.keys:
            self._open(name)  # a wrong passphrase shows here, not at the first signature
            break

    def names(self) -> list[str]:
        """Return the names of all secrets."""
        return sorted(self._file.keys)

    def signer(self, name: str) -> Signer:
        """Return a signing key; one that is kept elsewhere is reached for when it signs.

        Raises:
            NotFoundError: No signing key of that name.
            VersionError: Of a kind that this release does not know.
        """
        member = self._member(name)
        kind = member.kind
        if kind == SYMMETRIC:
            raise NotFoundError(f"{name!r} in {self.path} encrypts, it does not sign")
        secret = self._open(name)
        if kind not in _KINDS:
            raise VersionError(f"{name!r} in {self.path} is of unknown kind {kind!r:.40}")
        if member.at is None:
            return SoftwareSigner(KeyKind(kind), secret, member.issuer)
        return KeptSigner(member.at, parse_cose_key(secret), member.issuer, self._open_kept)

    def reference(self, name: str) -> str | None:
        """Return where a key is kept; None if it is in this file.

        Raises:
            NotFoundError: No key of that name.
        """
        return self._member(name).at

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

    def add_kept(
        self, name: str, reference: str, public: PublicKey, issuer: str | None = None
    ) -> None:
        """Add a signing key that is kept elsewhere; `save` makes that durable.

        Args:
            name: What it is called here.
            reference: Where it is kept.
            public: What it is.
            issuer: DID that it signs as, where that names an earlier key of the same issuer.

        Raises:
            ConflictError: The name is taken.
            InputError: Not a reference.
        """
        split_reference(reference)
        issued = None if issuer == public.did() else issuer
        self._seal(name, public.kind.value, public.did(), public.encode(), issued, reference)

    def make_signer(
        self,
        name: str,
        kind: KeyKind = KeyKind.ED25519,
        issuer: str | None = None,
        *,
        at: str | None = None,
        existing: bool = False,
    ) -> Signer:
        """Make a signing key, here or elsewhere, and add it; `save` makes that durable.

        Args:
            name: What it is called here.
            kind: Curve.
            issuer: DID that it signs as, where that names an earlier key of the same issuer.
            at: Where it is to be kept; in this file by default.
            existing: Take the key that lies there already.

        Raises:
            ConflictError: The name is taken, or a key lies there.
            TallystickError: As `tallystick.identity.custody.create_key`.
        """
        if at is None:
            made = generate(kind, issuer)
            self.add_signer(name, made)
            return made
        if name in self._file.keys:
            raise ConflictError(f"{self.path} already has a key {name!r}")
        held = self._open_kept(at) if existing else self._make_kept(at, kind)
        if held.public.kind is not kind:
            raise InputError(f"the key at {at} is {held.public.kind.value}, wanted is {kind.value}")
        self.add_kept(name, at, held.public, issuer)
        return self.signer(name)

    def rename(self, name: str, new: str) -> None:
        """Give a signing key another name; `save` makes it durable.

        Raises:
            NotFoundError: No signing key of that name.
            ConflictError: The new name is taken.
        """
        member, signer = self._member(name), self.signer(name)
        if isinstance(signer, SoftwareSigner) and member.at is None:
            self.add_signer(new, signer)
        else:
            self.add_kept(new, member.at or "", signer.public, signer.issuer)
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
        kept = any(member.at is not None for member in self._file.keys.values())
        self._file.format = FORMAT_KEPT if kept else FORMAT
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = self.path.with_name(self.path.name + ".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(self._file)))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)

    def _open_kept(self, reference: str) -> HeldKey:
        if split_reference(reference)[0] != FILE:
            return open_key(reference)
        path, name = _place(reference)
        if not path.exists():
            raise UnavailableError(f"the key file {path} is not there", advice="mount its disk")
        return KeyFile(path, self._passphrase).signer(name)

    def _make_kept(self, reference: str, kind: KeyKind) -> HeldKey:
        if split_reference(reference)[0] != FILE:
            return create_key(reference, kind)
        path, name = _place(reference)
        beside = KeyFile(path, self._passphrase)
        made = beside.make_signer(name, kind)
        beside.save()
        return made

    def _member(self, name: str) -> _Sealed:
        if name not in self._file.keys:
            have = ", ".join(self.names()) or "none"
            raise NotFoundError(f"no key {name!r} in {self.path}, it has: {have}")
        return self._file.keys[name]

    def _seal(
        self,
        name: str,
        kind: str,
        did: str | None,
        secret: bytes,
        issuer: str | None = None,
        at: str | None = None,
    ) -> None:
        if name in self._file.keys:
            raise ConflictError(f"{self.path} already has a key {name!r}")
        nonce = secrets.token_bytes(12)
        member = _Sealed(kind, b64.encode_url(nonce), "", did, issuer, at)
        sealed = self._cipher.encrypt(nonce, secret, _authenticated(name, member))
        member.sealed = b64.encode_url(sealed)
        self._file.keys[name] = member

    def _open(self, name: str) -> bytes:
        member = self._file.keys[name]
        nonce, sealed = (b64.decode_url(t, "key file") for t in (member.nonce, member.sealed))
        try:
            return self._cipher.decrypt(nonce, sealed, _authenticated(name, member))
        except (InvalidTag, ValueError) as error:
            raise RefusedError(
                f"{self.path} does not open: wrong passphrase, or the file was changed",
                reason="passphrase",
                advice="give the passphrase by TALLYSTICK_PASSPHRASE_FILE or at the prompt",
            ) from error


def _place(reference: str) -> tuple[Path, str]:
    path, _, name = split_reference(reference)[1].rpartition("#")
    if not path.startswith("/") or not name:
        raise InputError(f"a key in a file is file:/ABSOLUTE/PATH#NAME, got {reference[:60]!r}")
    return Path(path), name


def _read(path: Path) -> _File:
    if path.stat().st_size > _FILE_MAX:
        raise EncodingError(f"{path} is larger than {_FILE_MAX} bytes: not a key file")
    try:
        version = msgspec.json.decode(path.read_bytes(), type=dict).get("format")
        if version not in {FORMAT, FORMAT_KEPT}:
            raise VersionError(
                f"{path} has format {version!r}, this release reads {FORMAT} and {FORMAT_KEPT}"
            )
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


def _authenticated(name: str, member: _Sealed) -> bytes:
    """Return the public parts that a seal covers."""
    more = "" if member.issuer is None else f"\n{member.issuer}"
    more += "" if member.at is None else f"\n\n{member.at}"  # no issuer is empty
    head = f"tallystick/key/{FORMAT}\n{name}\n{member.kind}\n{member.did or ''}"
    return (head + more).encode()


def _fresh() -> str:
    return b64.encode_url(secrets.token_bytes(16))
