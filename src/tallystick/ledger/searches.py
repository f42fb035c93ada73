"""Saved searches: filters under a name, in one small file of the ledger.

    searches = Searches(home.searches)
    searches.save("mine", Filters(in_name_of="did:key:z6Mk…"))
    ledger.find(searches.get("mine").query(ledger))

Trust: whoever can write the file can make a search find something else under its name.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from tallystick.errors import (
    ConflictError,
    EncodingError,
    InputError,
    LimitError,
    NotFoundError,
)
from tallystick.ledger.reading import Query, Reads
from tallystick.ledger.versioned import parse_versioned
from tallystick.log import PosixDisk, WriterLock

SEARCHES_MAX: Final = 1000
FILE_BYTES_MAX: Final = 8 << 20
VALUE_LETTERS_MAX: Final = 2000
FORMAT: Final = 1
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


class Filters(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True,
              forbid_unknown_fields=True):  # fmt: skip
    """Which statements are asked for; all that is given must hold.

    Attributes:
        issuer: DID of who signed.
        subject: What it is about.
        type: Statement type.
        model: SHA-256 of the model that was used, in hex.
        link: Id of a statement that it points to, in hex.
        emitter: Process that wrote it, in hex.
        in_name_of: DID that signed, was acted for, or is what it is about.
    """

    issuer: str | None = None
    subject: str | None = None
    type: str | None = None
    model: str | None = None
    link: str | None = None
    emitter: str | None = None
    in_name_of: str | None = None

    def query(self, ledger: Reads) -> Query:
        """Return the search; keys of `in_name_of` are looked up.

        Raises:
            EncodingError: Hex that is none.
            LimitError: A value is too long, or a DID has too many keys.
        """
        if long := [name for name, v in self.given().items() if len(v) > VALUE_LETTERS_MAX]:
            raise LimitError(f"{long[0]} has more than {VALUE_LETTERS_MAX} letters")
        return Query(
            issuer=self.issuer,
            subject=self.subject,
            type=self.type,
            model=_bytes("model", self.model),
            link=_bytes("link", self.link),
            emitter=_bytes("emitter", self.emitter),
            in_name_of=ledger.in_name_of(self.in_name_of) if self.in_name_of else None,
        )

    def given(self) -> dict[str, str]:
        """Return what is given, by name."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value}


class _File(msgspec.Struct, forbid_unknown_fields=True):
    searches: dict[str, Filters]
    format: int = FORMAT


class Searches:
    """The saved searches of one ledger."""

    def __init__(self, path: Path) -> None:
        """Read the file when it is needed; there need not be one."""
        self._path = path

    def all(self) -> dict[str, Filters]:
        """Return all of them by name.

        Raises:
            EncodingError: The file is damaged.
            VersionError: It is of a later release.
        """
        data = PosixDisk().read(self._path)
        if data is None:
            return {}
        return parse_versioned(self._path, data, _File, FORMAT, bytes_max=FILE_BYTES_MAX).searches

    def get(self, name: str) -> Filters:
        """Return one.

        Raises:
            NotFoundError: There is none of that name.
        """
        found = self.all().get(name)
        if found is None:
            raise _no_search(name)
        return found

    def save(self, name: str, filters: Filters) -> None:
        """Save a search under a name that is free.

        Raises:
            InputError: The name is no name.
            ConflictError: There is another search of that name, or another process saves one.
            LimitError: There are too many.
        """
        check_name(name)

        def change(searches: dict[str, Filters]) -> None:
            if searches.get(name, filters) != filters:
                raise ConflictError(
                    f"another search is saved as {name}", advice=f"tally search remove {name}"
                )
            searches[name] = filters
            if len(searches) > SEARCHES_MAX:
                raise LimitError(f"there are {SEARCHES_MAX} saved searches, the most there may be")

        self._change(change)

    def remove(self, name: str) -> None:
        """Forget a search.

        Raises:
            NotFoundError: There is none of that name.
        """

        def change(searches: dict[str, Filters]) -> None:
            if searches.pop(name, None) is None:
                raise _no_search(name)

        self._change(change)

    def _change(self, change: Callable[[dict[str, Filters]], None]) -> None:
        lock = WriterLock(self._path.with_name(self._path.name + ".lock"))
        try:
            searches = self.all()
            change(searches)
            PosixDisk().replace(self._path, msgspec.json.encode(_File(searches)))
        finally:
            lock.release()


def check_name(name: str) -> None:
    """Accept a name for a search or a webhook.

    Raises:
        InputError: Something else.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"a name has up to 64 lower-case letters, digits, dots, hyphens, got {name[:80]!r}"
        )


def _no_search(name: str) -> NotFoundError:
    return NotFoundError(f"no search is saved as {name[:80]!r}", advice="tally search list")


def _bytes(name: str, text: str | None) -> bytes | None:
    try:
        return None if text is None else bytes.fromhex(text)
    except ValueError as error:
        raise EncodingError(f"{name} must be hex digits, got {text!r:.80}") from error
