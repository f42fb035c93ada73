"""Which registered person somebody is who signs in: kept privately, and found by nobody else.

    bindings = Bindings(home.bindings, ledger.api_secret)
    bindings.add(bindings.draft("https://login.example", "u-4711", did, label, now=now))
    bindings.find("https://login.example", "u-4711").did

What a provider calls somebody stands neither in the ledger nor here: stored is only an HMAC-SHA-256
of it under a secret of the ledger's key file. The file is in no backup: bringing one back must not
bring back what was erased since.

Trust: whoever can write the file and has the ledger's secret can make anybody who signs in out to
be any registered person, for what they see here. They can sign nothing in that person's name.
"""

import hmac
import secrets
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Final

import msgspec

from tallystick.errors import ConflictError, LimitError, NotFoundError
from tallystick.ledger.versioned import parse_versioned, replace_private
from tallystick.log import WriterLock

FORMAT: Final = 1
BINDINGS_MAX: Final = 100_000
_LOOK_SECONDS: Final = 1.0
"""How long a change by another process may go unnoticed."""


class SignInBinding(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One person who signs in, as it is stored.

    Attributes:
        id: Names it where it is recorded; tells nothing about it.
        digest: HMAC of provider and subject, in hex.
        did: Who they are in this ledger.
        label: Id of the statement that binds a name to that DID, in hex; None without one. Once
            its content is erased, this counts no more.
        created_at: When it was made, seconds since 1970.
    """

    id: str
    digest: str
    did: str
    label: str | None
    created_at: int


class _File(msgspec.Struct, forbid_unknown_fields=True):
    bindings: list[SignInBinding]
    format: int = FORMAT


Change = Callable[[list[SignInBinding]], list[SignInBinding]]


def _check_room(known: set[str], digest: str) -> None:
    if digest in known:
        raise ConflictError(
            "whoever signs in so is bound to a DID already",
            advice="end that first: `tally persons end-sign-in DID`",
        )
    if len(known) >= BINDINGS_MAX:
        raise LimitError(f"there are {BINDINGS_MAX} of them, the most there may be")


class Bindings:
    """Those of one ledger; safe to share between threads, and to change from outside."""

    def __init__(self, path: Path, secret: bytes) -> None:
        """Read the file when it is needed; there need not be one."""
        self._path, self._secret = path, secret
        self._lock = Lock()
        self._by_digest: dict[str, SignInBinding] = {}
        self._version: tuple[int, int, int] | None = None
        self._looked_at = -_LOOK_SECONDS

    def draft(
        self, provider: str, subject: str, did: str, label: str | None, *, now: int
    ) -> SignInBinding:
        """Return a binding that counts for nothing before `add`."""
        digest = self._digest(provider, subject)
        return SignInBinding(secrets.token_hex(8), digest, did, label, now)

    def add(self, binding: SignInBinding) -> None:
        """Let a binding count from now on.

        Raises:
            ConflictError: Whoever signs in so is somebody else already; or another process writes.
            LimitError: There are too many.
        """

        def change(known: list[SignInBinding]) -> list[SignInBinding]:
            _check_room({one.digest for one in known}, binding.digest)
            return [*known, binding]

        self._change(change)

    def check_room(self, provider: str, subject: str) -> None:
        """Refuse what `add` would refuse, before anything is said of it.

        Raises:
            ConflictError: Whoever signs in so is somebody else already.
            LimitError: There are too many.
        """
        _check_room({one.digest for one in self.known()}, self._digest(provider, subject))

    def remove(self, did: str) -> list[SignInBinding]:
        """Forget who signs in as a DID, and return what was forgotten.

        Raises:
            NotFoundError: Nobody does.
            ConflictError: Another process is writing.
        """
        gone = [one for one in self.known() if one.did == did]
        if not gone:
            raise NotFoundError(f"nobody signs in as {did:.200}")
        self._change(lambda known: [one for one in known if one.did != did])
        return gone

    def forget(self, labels: Collection[bytes], dids: Collection[str] = ()) -> int:
        """Forget those whose names are erased, by label or DID; return how many.

        Raises:
            ConflictError: Another process is writing.
        """
        ids = {one.hex() for one in labels}

        def is_meant(one: SignInBinding) -> bool:
            return one.label in ids or one.did in dids

        gone = [one for one in self.known() if is_meant(one)]
        if gone:
            self._change(lambda known: [one for one in known if not is_meant(one)])
        return len(gone)

    def known(self) -> list[SignInBinding]:
        """Return all of them, the oldest first."""
        with self._lock:
            self._load()
            return sorted(self._by_digest.values(), key=lambda one: (one.created_at, one.id))

    def find(self, provider: str, subject: str) -> SignInBinding | None:
        """Return who somebody is who signs in; None if nobody said."""
        with self._lock:
            now = monotonic()
            if now >= self._looked_at + _LOOK_SECONDS:
                self._looked_at = now
                self._load()
            return self._by_digest.get(self._digest(provider, subject))

    def _digest(self, provider: str, subject: str) -> str:
        said = msgspec.json.encode([provider, subject])
        return hmac.digest(self._secret, b"tallystick/sign-in/1\0" + said, "sha256").hex()

    def _change(self, change: Change) -> None:
        """Read, change and replace the file; one process at a time."""
        lock = WriterLock(self._path.with_name(self._path.name + ".lock"))
        try:
            with self._lock:
                self._load()
                left = change(list(self._by_digest.values()))
                replace_private(self._path, msgspec.json.encode(_File(left)))
                self._load()
        finally:
            lock.release()

    def _load(self) -> None:
        """Read the file again if it is another one than was read last."""
        version = None
        with suppress(FileNotFoundError):
            status = self._path.stat()
            version = status.st_ino, status.st_mtime_ns, status.st_size
        if version != self._version:
            known = [] if version is None else _read(self._path)
            self._by_digest = {one.digest: one for one in known}
            self._version = version


def _read(path: Path) -> list[SignInBinding]:
    return parse_versioned(path, path.read_bytes(), _File, FORMAT).bindings
