"""Small files that only a ledger's own folder has: API keys, searches, webhooks. Backed up whole.

No key can be read from them, and secrets in them are encrypted under the ledger's key file. They
change in place, so a backup holds them as they were then: an API key that was revoked since is
valid again after a restore, unless a newer file is there, which stays.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tallystick.errors import DamagedError, EncodingError, VersionError
from tallystick.ledger.formats import WRITTEN, seen_format
from tallystick.ledger.home import Home
from tallystick.ledger.versioned import replace_private

PATTERNS: Final = (
    "data/api-keys.json", "data/searches.json", "data/webhooks.json", "data/webhooks/*.json",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Beside:
    """One such file.

    Attributes:
        path: Below the ledger's folder.
        data: What is in it.
        changed_ns: When it was changed, nanoseconds since 1970.
    """

    path: str
    data: bytes
    changed_ns: int


def read_beside(home: Home) -> list[Beside]:
    """Read them all, of a ledger or a backup.

    Raises:
        DamagedError: One is damaged.
        VersionError: A newer release wrote one.
    """
    return [
        _read(home.root, path, WRITTEN[pattern])
        for pattern in PATTERNS
        for path in sorted(home.root.glob(pattern))
    ]


def write_beside(files: list[Beside], into: Home) -> tuple[str, ...]:
    """Write them where no newer ones are; return which newer ones stay."""
    kept = []
    for one in files:
        path = into.root / one.path
        if path.exists() and path.stat().st_mtime_ns > one.changed_ns:
            kept.append(one.path)
            continue
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_private(path, one.data)
        os.utime(path, ns=(one.changed_ns, one.changed_ns))
    return tuple(kept)


def _read(root: Path, path: Path, written: int) -> Beside:
    changed_ns, data = path.stat().st_mtime_ns, path.read_bytes()
    try:
        seen = seen_format(path)
    except EncodingError as error:
        raise DamagedError(str(error), advice="no good copy was replaced") from error
    if seen > written:
        raise VersionError(
            f"{path} has format {seen}, this release reads {written}",
            advice="a newer release wrote it: use that one; nothing was changed",
        )
    return Beside(path.relative_to(root).as_posix(), data, changed_ns)
