"""Where a ledger lies: one folder, its parts apart by what they may be trusted with.

HOME/
  tallystick.toml   settings
  trust.policy      tlog-policy with the key of this log, for verifying
  keys/             encrypted key files        whoever opens them signs as you
  head/             last signed checkpoint     keep it on another disk, out of backups
  data/
    log/            checkpoint and tiles       public; serve it to everybody
    journal/        entries not yet in tiles
    rows/           leaf hashes of batches     public
    index/          for searching              rebuilt from the log
    vault/          encrypted content          unreadable without the key file
    spool/          what a gateway has not registered yet
    api-keys.json   who may call the gateway   no key can be read from it
    bindings.json   who signs in as which person  no name can be read from it; in no backup
    asked.sqlite    what people are asked  unreadable without the key file
    usage.sqlite    what was used              rebuilt from the log and the vault
    reads/          who read content       until it is registered
    searches.json   saved searches
    webhooks.json   who is told of what        secrets in it are encrypted
    webhooks/       how far each has come      whoever writes it can have things sent again
  ledgers/NAME/     a further ledger that the same service opens, with all of these of its own
"""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from tallystick.errors import InputError
from tallystick.log import Places

ENVIRONMENT = "TALLYSTICK_HOME"
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Home:
    """Paths of one ledger."""

    root: Path

    @property
    def settings(self) -> Path:
        """Settings file."""
        return self.root / "tallystick.toml"

    @property
    def trust(self) -> Path:
        """The log's own key as a trust policy."""
        return self.root / "trust.policy"

    @property
    def service_keys(self) -> Path:
        """Key file of the service: checkpoint, receipt, operator and vault keys."""
        return self.root / "keys" / "service.key"

    @property
    def issuer_keys(self) -> Path:
        """Key file of the issuers that were made here."""
        return self.root / "keys" / "issuers.key"

    @property
    def ledgers(self) -> Path:
        """Folder of the further ledgers."""
        return self.root / "ledgers"

    def further(self, name: str) -> Self:
        """Return where a further ledger of that name lies; it need not be there.

        Raises:
            InputError: Not a name that can stand in a URL and be a folder everywhere.
        """
        if not _NAME.fullmatch(name):
            raise InputError(
                f"a ledger's name has 1 to 63 of a-z, 0-9 and, between them, -; got {name[:80]!r}"
            )
        return type(self)(self.ledgers / name)

    def further_names(self) -> list[str]:
        """Return the names of the further ledgers, in order; what is no ledger is passed over."""
        cards = self.ledgers.glob("*/data/ledger.json")
        return sorted(name for card in cards if _NAME.fullmatch(name := card.parent.parent.name))

    @property
    def data(self) -> Path:
        """What a backup copies."""
        return self.root / "data"

    @property
    def lock(self) -> Path:
        """Held by the one writing process."""
        return self.data / "lock"

    @property
    def index(self) -> Path:
        """Folder of the index."""
        return self.data / "index"

    @property
    def vault(self) -> Path:
        """Encrypted content."""
        return self.data / "vault" / "vault.sqlite"

    @property
    def rows(self) -> Path:
        """Leaf hashes of batches."""
        return self.data / "rows"

    @property
    def spool(self) -> Path:
        """What a gateway has made durable and not yet registered."""
        return self.data / "spool"

    @property
    def api_keys(self) -> Path:
        """Digests of the keys under which callers reach the gateway."""
        return self.data / "api-keys.json"

    @property
    def bindings(self) -> Path:
        """Which registered person somebody is who signs in."""
        return self.data / "bindings.json"

    @property
    def reads(self) -> Path:
        """Who read content, until that is registered."""
        return self.data / "reads"

    @property
    def searches(self) -> Path:
        """Saved searches."""
        return self.data / "searches.json"

    @property
    def webhooks(self) -> Path:
        """Which webhooks there are."""
        return self.data / "webhooks.json"

    @property
    def webhook_progress(self) -> Path:
        """Folder of how far each webhook has come."""
        return self.data / "webhooks"

    @property
    def usage(self) -> Path:
        """What callers of the gateway used, by key, model and day."""
        return self.data / "usage.sqlite"

    @property
    def asked(self) -> Path:
        """Invitations and approvals that people were not done with."""
        return self.data / "asked.sqlite"

    @property
    def halfway(self) -> Path:
        """Derived hashes that make proofs cheaper."""
        return self.data / "halfway"

    def make(self) -> None:
        """Make the folders; what is not public is its owner's alone."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.data.mkdir(exist_ok=True)
        places = self.places()
        for folder in (places.head.parent, places.journal, self.vault.parent, self.spool):
            folder.mkdir(mode=0o700, exist_ok=True)

    def places(self, head: Path | None = None) -> Places:
        """Return where the log engine writes; `head` overrides the head store's folder."""
        return Places(
            public=self.data / "log",
            journal=self.data / "journal",
            head=(head or self.root / "head") / "checkpoint",
        )


def default_home() -> Path:
    """Return `$TALLYSTICK_HOME`, else the user's data folder."""
    if named := os.environ.get(ENVIRONMENT):
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "tallystick"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "tallystick"
