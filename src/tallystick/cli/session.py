"""What every command shares: the folder, the passphrase, and how things are said."""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from tallystick.errors import ConflictError, NotFoundError, RefusedError, TallystickError

if TYPE_CHECKING:
    from tallystick.cli.passphrases import Passphrases
    from tallystick.cli.remote import RemoteLedger
    from tallystick.identity import KeyFile, Signer
    from tallystick.ledger import Home, Ledger, LedgerReader
    from tallystick.web.sources import Sources

HEAD: Final = "TALLYSTICK_HEAD"
LOCATION: Final = "TALLYSTICK_DATA_LOCATION"
WAIT_SECONDS: Final = 5.0
"""How long a command waits for another one that is writing."""
WAIT_STEP_SECONDS: Final = 0.1

_Taken = TypeVar("_Taken")


class Session:
    """One run of the command."""

    def __init__(
        self, home: str | None, further: str | None = None, *, as_json: bool, quiet: bool
    ) -> None:
        """Remember the options that stand before the command."""
        self.chosen_home, self.further = home, further
        self.as_json, self.quiet = as_json, quiet
        self.reading_for = "unstated"

    @property
    def home(self) -> "Home":
        """The ledger's folder.

        Raises:
            InputError: A further ledger was named, and not by a name.
        """
        first = self.first_home
        return first if self.further is None else first.further(self.further)

    @property
    def first_home(self) -> "Home":
        """The folder of the first ledger, which the service itself is configured in."""
        from tallystick.ledger import Home, default_home

        return Home(Path(self.chosen_home) if self.chosen_home else default_home())

    def of(self, further: str) -> "Session":
        """Return a session for a further ledger beside the first."""
        return Session(self.chosen_home, further, as_json=self.as_json, quiet=self.quiet)

    def sources(
        self, flags: Mapping[str, Any] | None = None, file: Path | None = None
    ) -> "Sources":
        """Return the ledger's settings, where each came from, and what is wrong.

        Args:
            flags: Options of the command, by setting.
            file: Read instead of the ledger's own.
        """
        from tallystick.web.sources import trace

        own = file or self.home.settings
        if self.further is None:
            return trace(own, os.environ, flags)
        from tallystick.web.further import trace_further

        service = trace(self.first_home.settings, os.environ, flags)
        return trace_further(service, self.further, own)

    def say(self, words: str) -> None:
        """Say something to a person."""
        if not self.quiet:
            click.echo(words, err=True)

    def give(self, data: Mapping[str, Any], text: str) -> None:
        """Give the result: as JSON where that was asked for, else as text."""
        click.echo(json.dumps(data, default=_plain) if self.as_json else text)

    def give_all(self, rows: Iterator[tuple[Mapping[str, Any], str]]) -> None:
        """Give results line by line, as they come."""
        for data, text in rows:
            self.give(data, text)

    def passphrase(self, *, new: bool = False) -> bytes:
        """Return the passphrase: from a file, else asked for; never an empty one.

        Raises:
            InputError: It is empty, or the file cannot be read.
            RefusedError: There is neither a file nor anybody to ask.
        """
        return self._phrases.get(new=new)

    @property
    def knows_passphrase(self) -> bool:
        """Somebody gave the passphrase already."""
        return self._phrases.known

    def generate_passphrase(self) -> bytes:
        """Make a random passphrase and keep it in the ledger's folder, for its owner only.

        Raises:
            InputError: There is one already, or the environment names another.
        """
        phrase, path = self._phrases.generate()
        self.say(f"whoever can read {path} can open the keys beside it: move it away to protect it")
        return phrase

    def passphrase_file(self) -> Path | None:
        """Return the file that a passphrase would be read from, which need not exist."""
        return self._phrases.file()

    @cached_property
    def _phrases(self) -> "Passphrases":
        from tallystick.cli.passphrases import Passphrases

        return Passphrases(self.home, self.first_home, self.further)

    def ledger(self) -> "Ledger | RemoteLedger":
        """Open the ledger for writing; through the service, where one has it open.

        Waits a little for another short command to end.

        Raises:
            ConflictError: Another process is writing to it, and it is no service.
        """
        from tallystick.cli.remote import RemoteLedger, find_service
        from tallystick.ledger import Ledger

        self.need_ledger()
        passphrase = self.passphrase()
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                with self._opening():
                    found = Ledger.open(self.home, passphrase, head=self.head(), place=self.place())
                    self._make_up(found)
                    return found
            except ConflictError:
                if (url := find_service(self.home)) is not None:
                    return RemoteLedger(self.home, url, passphrase)
                if time.monotonic() > deadline:
                    raise
                time.sleep(WAIT_STEP_SECONDS)

    def _make_up(self, ledger: "Ledger") -> None:
        """Register what was done to the ledger's files and could not be registered then."""
        if not (self.home.data / "acts").exists():
            return
        from tallystick.ledger.acts import register_kept

        try:
            register_kept(self.home, ledger, ledger)
        except (TallystickError, OSError) as error:
            self.say(f"note: what was done to the ledger before is not registered yet: {error}")

    def head(self) -> Path | None:
        """Return the folder of the head store, where the settings name another than the usual.

        Raises:
            InputError: The settings are wrong.
        """
        if not self.home.settings.exists() and HEAD not in os.environ:
            return None  # the settings take time to load
        return self.sources().settings().head

    def place(self) -> str | None:
        """Return where the settings say that this machine lies.

        Raises:
            InputError: The settings are wrong.
        """
        files = (self.home.settings, self.first_home.settings)
        if LOCATION not in os.environ and not any(path.exists() for path in files):
            return None  # the settings take time to load
        return self.sources().settings().data_location

    def reader(self, *, with_keys: bool = False) -> "LedgerReader":
        """Open the ledger for reading, beside a running service too."""
        from tallystick.ledger import LedgerReader

        self.need_ledger()
        with self._opening():
            if not with_keys:
                return LedgerReader(self.home)
            return LedgerReader(
                self.home, self.passphrase(), place=self.place(), reading_for=self.reading_for
            )

    def need_ledger(self) -> None:
        """Say so at once if there is no ledger of this release, before a passphrase is asked for.

        Raises:
            NotFoundError: There is none.
            VersionError: Another release left it.
            ConflictError: A migration of it has not ended.
        """
        from tallystick.ledger import read_card
        from tallystick.ledger.formats import check_formats

        read_card(self.home)
        check_formats(self.home)

    def issuers(self) -> "KeyFile":
        """Open the key file of the issuers that were made here."""
        from tallystick.identity import KeyFile

        with self._opening():
            return KeyFile(self.home.issuer_keys, self.passphrase())

    def open_keys_ahead(self) -> None:
        """Begin to derive what opens the key files, which takes 0.1 s each, in a thread.

        Does nothing where a person has to be asked. What is wrong shows where they are opened.
        """
        if self.passphrase_file() is not None:
            Thread(target=self._open_keys, name="tallystick-keys", daemon=True).start()

    def _open_keys(self) -> None:
        from tallystick.identity import KeyFile

        with suppress(TallystickError, OSError):
            for path in (self.home.service_keys, self.home.issuer_keys):
                if path.exists():
                    KeyFile(path, self.passphrase())

    @contextmanager
    def changing_issuers(self) -> Iterator["KeyFile"]:
        """Open that key file to add to it; one command at a time. It is saved in the end.

        Raises:
            RefusedError: The passphrase is not the one that opens the ledger's own keys: a file
                that only another one opens must not be begun.
            ConflictError: Another command has been changing it for too long.
        """
        from tallystick.identity import KeyFile
        from tallystick.log import WriterLock

        passphrase = self.passphrase()
        if self.home.service_keys.exists() and not self.home.issuer_keys.exists():
            with self._opening():
                KeyFile(self.home.service_keys, passphrase)
        path = self.home.issuer_keys.with_name("issuers.lock")
        lock = _patiently(lambda: WriterLock(path))
        try:
            keys = self.issuers()
            yield keys
            keys.save()
        finally:
            lock.release()

    def signer(self, name: str) -> "Signer":
        """Return the key of an issuer that was made here.

        Raises:
            NotFoundError: There is none of that name.
        """
        try:
            return self.issuers().signer(name)
        except NotFoundError as error:
            raise NotFoundError(
                str(error), advice=f"make it with `tally keys create {name}`"
            ) from error

    @contextmanager
    def progress(self, label: str) -> Iterator[Callable[[int, int], None]]:
        """Show how far something is, to a person who watches."""
        if self.quiet or self.as_json or not sys.stderr.isatty():
            yield lambda _done, _all: None
            return
        with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

            def advance(done: int, total: int) -> None:
                bar.length = max(1, total)
                bar.update(done - bar.pos)

            yield advance

    @contextmanager
    def _opening(self) -> Iterator[None]:
        """Let the error of a wrong passphrase say which file it came from."""
        try:
            yield
        except RefusedError as error:
            if error.reason == "passphrase" and self._phrases.came_from is not None:
                error.advice = f"the passphrase came from {self._phrases.came_from}"
            raise


def _patiently(take: Callable[[], _Taken]) -> _Taken:
    """Try again for a while: commands are short.

    Raises:
        ConflictError: Another process has it all the time.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return take()
        except ConflictError:
            if time.monotonic() > deadline:
                raise
        time.sleep(WAIT_STEP_SECONDS)


@contextmanager
def loading(*modules: str) -> Iterator[Callable[[], None]]:
    """Import what a command will need in a thread; yield what waits for it.

    Deriving a key and opening files leave the interpreter idle for a while.
    """
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(need, *modules).result


def need(*modules: str) -> None:
    """Import what a command will need, so that what is not installed shows before it begins."""
    for module in modules:
        importlib.import_module(module)


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


pass_session = click.make_pass_decorator(Session)
