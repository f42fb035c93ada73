"""Which format each small file of a ledger has, and which one this release writes.

    check_formats(home)          # before a command opens the ledger
    seen = stored_formats(home)  # what `tally migrate` shows

The log is not among them: its entries, tiles and checkpoints never change their format. Index and
file of usage are made anew from it, so they are never migrated either.

Trust: whoever changes a number can have a file refused, or one migration step done to it again; the
originals are kept.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from tallystick.errors import ConflictError, EncodingError, VersionError
from tallystick.ledger.home import Home
from tallystick.log import PosixDisk

WRITTEN: Final = {
    "data/ledger.json": 1,
    "data/api-keys.json": 4,
    "data/searches.json": 1,
    "data/bindings.json": 1,
    "data/webhooks.json": 1,
    "data/webhooks/*.json": 1,
    "data/spool/registered.json": 1,
    "keys/*.key": 1,
}
"""Patterns below the ledger's folder, and the format of what this release writes there."""
ALSO_READ: Final = {"keys/*.key": frozenset({2})}
"""Formats beside those, which this release writes where a file holds more: nothing to migrate."""
BEGUN: Final = "migration.json"
"""Lies in `data/` while a migration is under way, and says where the originals are."""


class _Numbered(msgspec.Struct):
    """Any of the files; its other members are not looked at."""

    format: int


@dataclass(frozen=True, slots=True)
class StoredFormat:
    """One file.

    Attributes:
        path: Where it lies, below the ledger's folder.
        seen: Its format.
        written: The format that this release writes.
    """

    path: str
    seen: int
    written: int


def stored_formats(home: Home) -> list[StoredFormat]:
    """Return the formats of all files that have one, as they are now.

    Raises:
        EncodingError: A file has no number that can be read.
    """
    return [
        _stored(home, path, written, ALSO_READ.get(pattern, frozenset()))
        for pattern, written in WRITTEN.items()
        for path in sorted(home.root.glob(pattern))
    ]


def _stored(home: Home, path: Path, written: int, also: frozenset[int]) -> StoredFormat:
    seen = seen_format(path)
    return StoredFormat(
        path.relative_to(home.root).as_posix(), seen, seen if seen in also else written
    )


def check_formats(home: Home) -> None:
    """Refuse a ledger that an older release left, or a newer one.

    Raises:
        VersionError: A file has another format than this release writes.
        ConflictError: A migration was begun and has not ended.
    """
    if (home.data / BEGUN).exists():
        raise ConflictError(
            f"a migration of {home.root} was begun and has not ended",
            advice="run `tally migrate`: it goes on where it was",
        )
    for pattern, written in WRITTEN.items():
        for path in home.root.glob(pattern):
            with suppress(EncodingError, OSError):  # whoever reads the rest of it says so
                seen = seen_format(path)
                if seen not in ALSO_READ.get(pattern, frozenset()):
                    refuse_other(path, seen, written)


def refuse_other(path: Path, seen: object, written: int) -> None:
    """Refuse a format that is not the one that this release writes.

    Raises:
        VersionError: It is another; the advice says whether it can be migrated.
    """
    if seen == written:
        return
    if isinstance(seen, int) and 0 < seen < written:
        raise VersionError(
            f"{path} has format {seen}, this release writes {written}", advice="run `tally migrate`"
        )
    raise VersionError(
        f"{path} has format {seen!r:.40}, this release reads {written}",
        advice="a newer release wrote it: use that one; nothing was changed",
    )


def seen_format(path: Path) -> int:
    """Return the format of a file.

    Raises:
        EncodingError: It is damaged.
    """
    data = PosixDisk().read(path)
    try:
        return msgspec.json.decode(data or b"", type=_Numbered).format
    except (msgspec.DecodeError, RecursionError) as error:
        raise EncodingError(f"{path} is damaged: {error}") from error


def older(formats: list[StoredFormat]) -> Iterator[StoredFormat]:
    """Yield those that are to be migrated."""
    return (one for one in formats if one.seen < one.written)
