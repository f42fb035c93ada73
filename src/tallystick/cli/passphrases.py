"""Where the passphrase of a ledger's key files comes from: a file, else a person."""

import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tallystick.errors import InputError, RefusedError

if TYPE_CHECKING:
    from tallystick.ledger import Home

PASSPHRASE_FILE: Final = "TALLYSTICK_PASSPHRASE_FILE"  # noqa: S105 - its name, not the phrase
_BESIDE: Final = "passphrase"


class Passphrases:
    """Finds one ledger's passphrase, once.

    Attributes:
        came_from: The file it was read from; None if a person gave it.
    """

    def __init__(self, home: "Home", first: "Home", further: str | None) -> None:
        """Look for the passphrase of the ledger in `home`.

        Args:
            home: The ledger.
            first: The first ledger of the service, the same one if it is not a further one.
            further: Name of a further ledger.
        """
        self._home, self._first, self._further = home, first, further
        self._phrase: bytes | None = None
        self.came_from: Path | None = None

    def get(self, *, new: bool) -> bytes:
        """Return it, from `file` or a person; a new one is not taken from the ledger's folder.

        Raises:
            InputError: It is empty, or the file cannot be read.
            RefusedError: There is neither a file nor anybody to ask.
        """
        if self._phrase is None:
            file = None if new and PASSPHRASE_FILE not in os.environ else self.file()
            self._phrase = _ask(self._further, new=new) if file is None else _read(file)
            self.came_from = file
        return self._phrase

    @property
    def known(self) -> bool:
        """Somebody gave it already."""
        return self._phrase is not None

    def file(self) -> Path | None:
        """Return the file that it would be read from, which need not exist; None without one.

        The one that the environment names, else `passphrase` in the ledger's folder. That of a
        further ledger has the name of the first one's with `.NAME` behind it; where there is none,
        and none lies in its folder, the first one's opens it, too.
        """
        for file in (self._named(), _beside(self._home)):
            if file is not None:
                return file
        named = os.environ.get(PASSPHRASE_FILE)
        return Path(named) if named else _beside(self._first)

    def generate(self) -> tuple[bytes, Path]:
        """Make a random one and keep it in the ledger's folder, for its owner only.

        Returns:
            The passphrase, and the file.

        Raises:
            InputError: There is one already, or the environment names another.
        """
        path = self._home.root / _BESIDE
        if named := self._named():
            raise InputError(
                f"{PASSPHRASE_FILE} names {named}, and a passphrase was to be generated",
                advice="leave out one of them",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise InputError(f"{path} is there already") from error
        self._phrase = secrets.token_urlsafe(24).encode()
        with os.fdopen(descriptor, "wb") as file:
            file.write(self._phrase + b"\n")
        return self._phrase, path

    def _named(self) -> Path | None:
        """Return the file that the environment names for this very ledger."""
        named = os.environ.get(PASSPHRASE_FILE)
        if named is None or self._further is None:
            return Path(named) if named else None
        own = Path(f"{named}.{self._further}")
        return own if own.exists() else None


def _beside(home: "Home") -> Path | None:
    path = home.root / _BESIDE
    return path if path.exists() else None


def _read(file: Path) -> bytes:
    try:
        phrase = file.read_bytes().strip()
    except OSError as error:
        raise InputError(f"cannot read the passphrase: {error}") from error
    if not phrase:
        raise InputError(f"{file} holds an empty passphrase")
    return phrase


def _ask(further: str | None, *, new: bool) -> bytes:
    if not sys.stdin.isatty():
        raise RefusedError(
            "no passphrase, and nobody to ask",
            reason="passphrase",
            advice=f"put it into a file and name that in {PASSPHRASE_FILE}",
        )
    whose = "" if further is None else f" of the ledger {further}"
    text: str = click.prompt(
        f"Passphrase{whose}", hide_input=True, confirmation_prompt=new, err=True
    )
    if not text.strip():
        raise InputError("the passphrase is empty")
    return text.encode()
