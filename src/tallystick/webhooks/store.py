"""Which webhooks there are: where to, about what, with which secrets. Changed by commands.

The service reads the file again within a second of a change; how far each webhook has come it
keeps elsewhere (`progress`), so that nobody writes what somebody else does.

Trust: whoever can write the file can send what is public in the ledger to a URL of theirs; to read
the secrets they need the ledger's key file.
"""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from tallystick.errors import ConflictError, LimitError, NotFoundError
from tallystick.ledger.searches import Filters, check_name
from tallystick.ledger.versioned import parse_versioned, replace_private
from tallystick.log import PosixDisk, WriterLock
from tallystick.webhooks.signing import generate_secret, open_sealed, seal

WEBHOOKS_MAX: Final = 100
"""Webhooks of one ledger: each has a thread."""
FILE_BYTES_MAX: Final = 8 << 20
OVERLAP_SECONDS: Final = 86_400
"""How long the old secret is valid after a new one was made."""
FORMAT: Final = 1


class OldSecret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A secret that was replaced.

    Attributes:
        sealed: Encrypted.
        until: When it ends, seconds since 1970.
    """

    sealed: str
    until: int


class Webhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One webhook as it is stored.

    Attributes:
        id: Names it for ever; a webhook that is removed and added again has another one.
        name: For people.
        url: Where to.
        filters: About what; they never change, so that a message id says what is in a message.
        sealed: The secret, encrypted.
        start: Index of the first statement that may be told.
        created_at: Seconds since 1970.
        entries: Whether statements come with their signed bytes.
        old: The secret before.
        paused: Whether somebody paused it.
        resumed: How often somebody resumed it.
    """

    id: str
    name: str
    url: str
    filters: Filters
    sealed: str
    start: int
    created_at: int
    entries: bool = False
    old: OldSecret | None = None
    paused: bool = False
    resumed: int = 0

    def secrets(self, ledger_secret: bytes, now: int) -> list[bytes]:
        """Return the secrets to sign with now, the newest first.

        Raises:
            DamagedError: One cannot be opened.
        """
        sealed = [self.sealed]
        if self.old is not None and now < self.old.until:
            sealed.append(self.old.sealed)
        return [open_sealed(one, ledger_secret, self.id) for one in sealed]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    webhooks: list[Webhook]
    format: int = FORMAT


Change = Callable[[dict[str, Webhook]], None]


class Webhooks:
    """The webhooks of one ledger."""

    def __init__(self, path: Path) -> None:
        """Read the file when it is needed; there need not be one."""
        self._path = path

    @property
    def version(self) -> tuple[int, int, int] | None:
        """Changes whenever the file does."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def all(self) -> list[Webhook]:
        """Return all, in the order in which they were added.

        Raises:
            EncodingError: The file is damaged.
            VersionError: It is of a later release.
        """
        data = PosixDisk().read(self._path)
        if data is None:
            return []
        return parse_versioned(self._path, data, _File, FORMAT, bytes_max=FILE_BYTES_MAX).webhooks

    def get(self, name: str) -> Webhook:
        """Return one.

        Raises:
            NotFoundError: There is none of that name.
        """
        found = next((one for one in self.all() if one.name == name), None)
        if found is None:
            raise _no_webhook(name)
        return found

    def add(
        self,
        name: str,
        url: str,
        filters: Filters,
        ledger_secret: bytes,
        *,
        start: int,
        now: int,
        entries: bool = False,
    ) -> tuple[bytes, Webhook]:
        """Add a webhook; the URL was checked before.

        Returns:
            The secret, which is shown once, and what is stored.

        Raises:
            InputError: The name is none.
            ConflictError: It is taken, or another process changes webhooks.
            LimitError: There are too many.
        """
        check_name(name)
        secret, webhook_id = generate_secret(), secrets.token_hex(8)
        made = Webhook(
            id=webhook_id,
            name=name,
            url=url,
            filters=filters,
            sealed=seal(secret, ledger_secret, webhook_id),
            start=start,
            created_at=now,
            entries=entries,
        )

        def change(webhooks: dict[str, Webhook]) -> None:
            if name in webhooks:
                raise ConflictError(f"there is a webhook {name} already")
            if len(webhooks) >= WEBHOOKS_MAX:
                raise LimitError(f"there are {WEBHOOKS_MAX} webhooks, the most there may be")
            webhooks[name] = made

        self._change(change)
        return secret, made

    def rotate(self, name: str, ledger_secret: bytes, *, now: int) -> tuple[bytes, Webhook]:
        """Make a new secret; the one that is valid now stays so for `OVERLAP_SECONDS`.

        Raises:
            NotFoundError: There is none of that name.
            ConflictError: Another process changes webhooks.
        """
        secret = generate_secret()

        def change(one: Webhook) -> Webhook:
            return msgspec.structs.replace(
                one,
                sealed=seal(secret, ledger_secret, one.id),
                old=OldSecret(one.sealed, now + OVERLAP_SECONDS),
            )

        return secret, self._change_one(name, change)

    def pause(self, name: str) -> Webhook:
        """Deliver nothing until `resume`.

        Raises:
            NotFoundError: There is none of that name.
        """
        return self._change_one(name, lambda one: msgspec.structs.replace(one, paused=True))

    def resume(self, name: str) -> Webhook:
        """Go on where it was, whoever paused it.

        Raises:
            NotFoundError: There is none of that name.
        """
        return self._change_one(
            name,
            lambda one: msgspec.structs.replace(one, paused=False, resumed=one.resumed + 1),
        )

    def remove(self, name: str) -> Webhook:
        """Forget a webhook.

        Raises:
            NotFoundError: There is none of that name.
        """
        removed: list[Webhook] = []

        def change(webhooks: dict[str, Webhook]) -> None:
            if name not in webhooks:
                raise _no_webhook(name)
            removed.append(webhooks.pop(name))

        self._change(change)
        return removed[0]

    def _change_one(self, name: str, change: Callable[[Webhook], Webhook]) -> Webhook:
        changed: list[Webhook] = []

        def change_all(webhooks: dict[str, Webhook]) -> None:
            if name not in webhooks:
                raise _no_webhook(name)
            webhooks[name] = change(webhooks[name])
            changed.append(webhooks[name])

        self._change(change_all)
        return changed[0]

    def _change(self, change: Change) -> None:
        """Read, change and replace the file, one process at a time."""
        lock = WriterLock(self._path.with_name(self._path.name + ".lock"))
        try:
            webhooks = {one.name: one for one in self.all()}
            change(webhooks)
            replace_private(self._path, msgspec.json.encode(_File(list(webhooks.values()))))
        finally:
            lock.release()


def _no_webhook(name: str) -> NotFoundError:
    return NotFoundError(f"there is no webhook {name[:80]!r}", advice="tally webhooks list")
