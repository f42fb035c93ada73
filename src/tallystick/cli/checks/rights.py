"""Who may read secrets, and where may be written."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tallystick.cli.checks.finding import Finding, ok, problem, warning

OWNER_ONLY: Final = 0o600
_OTHERS: Final = 0o077
_GROUP_READS: Final = 0o040


def secret_file(name: str, path: Path) -> Iterator[Finding]:
    """Check that a file exists, and that only its owner may read it."""
    try:
        status = path.stat()
    except FileNotFoundError:
        yield problem(name, f"{path} does not exist", "a file that its owner alone may read")
        return
    mode = stat.S_IMODE(status.st_mode)
    if too_wide(mode, status.st_uid, os.geteuid()):
        yield problem(
            name,
            f"{path} has rights {mode:04o}: others than its owner may use it",
            f"{OWNER_ONLY:04o}",
            f"chmod {OWNER_ONLY:o} {path}",
        )
    elif not os.access(path, os.R_OK):
        yield problem(
            name, f"{path} cannot be read by user {os.geteuid()}", mend=f"chown it to {_user()}"
        )
    else:
        yield ok(name, f"{path} has rights {mode:04o}")


def too_wide(mode: int, owner: int, user: int) -> bool:
    """Tell whether a secret's rights let others in.

    What root hands to a service of another user may be read by a group: so do systemd's
    credentials look, and keys that root keeps for a group.

    Args:
        mode: Permission bits of the file.
        owner: User id of its owner.
        user: User id of the service.
    """
    return bool(mode & (_OTHERS & ~_GROUP_READS if owner == 0 != user else _OTHERS))


def writable_folder(name: str, path: Path) -> Iterator[Finding]:
    """Check that files can be made in a folder, or the folder itself where there is none yet."""
    if path.exists() and not path.is_dir():
        yield problem(name, f"{path} is no folder", "a folder")
        return
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        yield problem(
            name, f"{there} cannot be written by user {os.geteuid()}", "a folder of the service's",
            f"chown it to {_user()}",
        )  # fmt: skip
    elif there != path:
        yield ok(name, f"{path} is not there yet, and can be made")
    else:
        yield from _open_folder(name, path)


def _open_folder(name: str, path: Path) -> Iterator[Finding]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & stat.S_IWOTH:
        yield warning(
            name, f"everybody may write to {path}", "its owner alone", f"chmod o-w {path}"
        )
    else:
        yield ok(name, f"{path} can be written")


def _user() -> str:
    return f"the user of the service, now {os.geteuid()}"
