"""What is stored: keys, log, head store, journal, index, vault, spool, API keys, backup."""

import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tallystick.cli.checks.finding import Finding, ok, problem, warning
from tallystick.errors import NotFoundError, RefusedError, TallystickError

if TYPE_CHECKING:
    from tallystick.identity import KeyFile
    from tallystick.ledger import Card, Home
    from tallystick.log import Snapshot

BEHIND_MAX: Final = 65_536
"""Entries that opening a ledger reads into its index without anybody noticing."""
BACKUP_DAYS_MAX: Final = 7
_DAY: Final = 86_400
_NOBODY: Final = bytes(32)
"""No statement has this id."""


@dataclass
class Stored:
    """One ledger's parts; what several checks need is read once."""

    home: "Home"
    head: Path | None
    phrase: Path | None

    @cached_property
    def card(self) -> "Card":
        """Which ledger this is."""
        from tallystick.ledger import read_card

        return read_card(self.home)

    @cached_property
    def snapshot(self) -> "Snapshot":
        """The log as it is published."""
        from tallystick.log import PublicLog
        from tallystick.statement import parse_vkey

        key = parse_vkey(self.card.checkpoint_key)
        return PublicLog(self.home.places().public, key).snapshot()

    @cached_property
    def holder(self) -> str | None:
        """The process that has the ledger open for writing."""
        from tallystick.log import lock_holder

        return lock_holder(self.home.lock)

    def check_ledger(self) -> Iterator[Finding]:
        """Check which ledger this is."""
        yield ok("ledger", f"{self.card.origin} in {self.home.root}")

    def check_log(self) -> Iterator[Finding]:
        """Check that the published checkpoint is signed, and its last entry there."""
        size = self.snapshot.checkpoint.size
        if size:
            self.snapshot.reader.entry(size - 1)
        yield ok("log", f"{size} entries are published, the checkpoint is signed by its key")

    def check_head(self) -> Iterator[Finding]:
        """Check the head store against the published log."""
        from tallystick.ledger.standing import check_history, signed_last

        signed = signed_last(self.home, self.card, self.head)
        check_history(self.snapshot, signed)
        ahead = max(0, signed.size - self.snapshot.checkpoint.size)
        words = f", {ahead} of them not published yet" if ahead else ""
        yield ok("head store", f"{signed.size} entries were signed{words}")

    def check_journal(self) -> Iterator[Finding]:
        """Check that the journal holds what was signed and is not published."""
        from tallystick.ledger.standing import check_signed, signed_last

        if self.holder is not None:
            yield ok("journal", f"process {self.holder} is writing to it: not read")
            return
        signed = signed_last(self.home, self.card, self.head)
        end = check_signed(self.home, self.snapshot, signed)
        yield ok("journal", f"whole up to size {end}")

    def check_index(self) -> Iterator[Finding]:
        """Check that the index is of this log, not beyond it, and not far behind."""
        from tallystick.ledger import Index

        index = Index(self.home.index, bytes.fromhex(self.card.genesis), writable=False)
        try:
            covered = index.size
        finally:
            index.close()
        size = self._signed_size()
        seen = f"covers {covered} of {size} entries"
        if covered > size:
            yield problem("index", seen, f"at most {size}", "tally rebuild-index")
        elif size - covered > BEHIND_MAX:
            yield warning("index", seen, f"at most {BEHIND_MAX} behind", "tally rebuild-index")
        else:
            yield ok("index", seen)

    def _signed_size(self) -> int:
        """Return how far the log goes: what is signed is published a moment later."""
        from tallystick.ledger.standing import signed_last

        published = self.snapshot.checkpoint.size
        try:
            return max(published, signed_last(self.home, self.card, self.head).size)
        except TallystickError:  # `check_head` says so
            return published

    def check_keys(self) -> Iterator[Finding]:
        """Check that the key files open with the passphrase, where that lies in a file."""
        if self.phrase is None:
            yield warning("keys", "not opened: no file holds the passphrase",
                          mend="name it in TALLYSTICK_PASSPHRASE_FILE")  # fmt: skip
            return
        opened = [path for path in (self.home.service_keys, self.home.issuer_keys) if path.exists()]
        names = [name for path in opened for name in self._open(path).names()]
        if self.home.service_keys not in opened:
            yield problem(
                "keys", f"{self.home.service_keys} does not exist: nobody can write",
                "the service's keys", "put the file back from where you keep it",
            )  # fmt: skip
        else:
            yield ok("keys", f"{len(names)} keys in {len(opened)} files open")

    def check_kept(self) -> Iterator[Finding]:
        """Check that keys which are kept elsewhere can be reached, and are the ones they were."""
        from tallystick.identity import KeptSigner

        if self.phrase is None:
            return
        reached = 0
        for path in filter(Path.exists, (self.home.service_keys, self.home.issuer_keys)):
            keys = self._open(path)
            for name in keys.names():
                if (place := keys.reference(name)) is None:
                    continue
                try:
                    signer = keys.signer(name)
                    if isinstance(signer, KeptSigner):
                        signer.reach()
                    reached += 1
                except TallystickError as error:
                    yield problem("custody", f"the key {name!r} at {place}: {error}",
                                  "a key that signs", error.advice or "")  # fmt: skip
        if reached:
            yield ok("custody", f"{reached} keys that are kept elsewhere are there")

    def check_vault(self) -> Iterator[Finding]:
        """Check that the vault opens; its content is checked by `tally fsck --deep`."""
        from tallystick.ledger.creation import VAULT
        from tallystick.vault import Vault

        if self.phrase is None:
            yield warning("vault", "not opened: no file holds the passphrase")
            return
        keys = self._open(self.home.service_keys)
        vault = Vault(self.home.vault, keys.secret(VAULT), writable=False)
        with closing(vault), suppress(NotFoundError):
            vault.get(_NOBODY)
        yield ok("vault", "opens, and can be read")

    def check_spool(self) -> Iterator[Finding]:
        """Check what a gateway made durable and the ledger does not have yet."""
        from tallystick.capture.waiting import waiting

        found = waiting(self.home.spool)
        words = f"{found.items} statements beyond its mark"  # which moves now and then
        words += f", {found.open_intents} calls without outcome"
        words += ", calls pass without evidence" if found.fail_open else ""
        if found.items and self.holder is None:
            yield warning("spool", words, "none while nothing runs", "tally up --upstream URL")
        else:
            yield ok("spool", words)

    def check_api_keys(self) -> Iterator[Finding]:
        """Check the file of API keys."""
        from tallystick.capture import ApiKeys

        known = ApiKeys(self.home.api_keys, b"").known()
        now = int(time.time())
        ended = sum(any(at is not None and at <= now for at in (k.revoked_at, k.expires_at))
                    for k in known)  # fmt: skip
        yield ok("api keys", f"{len(known) - ended} valid, {ended} expired or revoked")

    def check_bindings(self) -> Iterator[Finding]:
        """Check the file that says who signs in as whom, if there is one."""
        from tallystick.capture.bindings import Bindings

        if self.home.bindings.exists():
            known = Bindings(self.home.bindings, b"").known()
            yield ok("sign-ins", f"{len(known)} people are bound to a DID")

    def check_usage(self) -> Iterator[Finding]:
        """Check the file that budgets of API keys are counted in."""
        from tallystick.capture.usage_file import read_usage

        if not self.home.usage.exists():
            yield ok("usage", "nothing was counted yet")
            return
        days = {one.place.day for one in read_usage(self.home.usage)}
        yield ok("usage", f"calls of {len(days)} days are counted")

    def check_backup(self) -> Iterator[Finding]:
        """Check when the last backup was made, as this ledger remembers it."""
        from tallystick.ledger.backups import read_backup_note

        note = read_backup_note(self.home)
        if note is None:
            yield warning("backup", "none is known", "one a week", "tally backup FOLDER")
            return
        age = max(0, int(time.time()) - note.at)
        seen = f"{note.size} entries to {note.folder}, {_age(age)} ago"
        if age > BACKUP_DAYS_MAX * _DAY:
            yield warning("backup", seen, f"at most {BACKUP_DAYS_MAX} days ago",
                          f"tally backup {note.folder}")  # fmt: skip
        else:
            yield ok("backup", seen)

    def _open(self, path: Path) -> "KeyFile":
        from tallystick.identity import KeyFile

        assert self.phrase is not None  # noqa: S101 - whoever calls has looked
        try:
            return KeyFile(path, self.phrase.read_bytes().strip())
        except RefusedError as error:
            error.advice = f"the passphrase came from {self.phrase}"
            raise


def newest_beat(stored: Stored) -> int | None:
    """Return the time of the log's newest heartbeat; None where it cannot be read."""
    from tallystick.ledger.standing import newest_heartbeat

    try:
        return newest_heartbeat(stored.snapshot)
    except (TallystickError, OSError):
        return None


def _age(seconds: int) -> str:
    for size, name in ((_DAY, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds // size} {name}"
    return f"{seconds} seconds"
