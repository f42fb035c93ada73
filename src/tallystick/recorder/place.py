"""The folder that an application and its forwarder share, and what stands in it.

recorder.json     who speaks, to which log, and the key that frames are sealed for
keys.json         the issuer's key and the forwarder's own, encrypted under a passphrase
calls/            one file of frames for each process that records
spool/            signed, and waiting for the ledger
taken.json        how far the forwarder has what stands in `calls`
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from tallystick.errors import InputError, NotFoundError
from tallystick.ledger.versioned import parse_versioned

FOLDER: Final = "TALLYSTICK_RECORDER"
"""Variable that names the folder."""
SUFFIX: Final = ".frames"
"""Of a file that the forwarder may read; while it is made it has none."""
FORMAT: Final = 1


class Card(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What everybody who uses the folder must know; nothing in it is secret.

    Attributes:
        name: Of the recorder; tells those of one issuer apart.
        issuer: DID that signs.
        url: The service.
        genesis: Id of the log's first statement, in hex.
        trust: Verifier key of the log, pinned.
        seal_for: The forwarder's X25519 public key, in hex.
        fail_open: Calls go on where nothing can be recorded, and are counted.
        format: Version of the folder's layout.
    """

    name: str
    issuer: str
    url: str
    genesis: str
    trust: str
    seal_for: str
    fail_open: bool = False
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Place:
    """Paths in a recorder's folder."""

    root: Path

    @property
    def card(self) -> Path:
        """Who speaks."""
        return self.root / "recorder.json"

    @property
    def keys(self) -> Path:
        """Keys, encrypted."""
        return self.root / "keys.json"

    @property
    def api_key(self) -> Path:
        """The service's API key, for the owner only; need not exist."""
        return self.root / "api.key"

    @property
    def passphrase(self) -> Path:
        """What opens the keys, where it was generated."""
        return self.root / "passphrase"

    @property
    def calls(self) -> Path:
        """Files of frames."""
        return self.root / "calls"

    @property
    def spool(self) -> Path:
        """What is signed."""
        return self.root / "spool"

    @property
    def taken(self) -> Path:
        """How far the forwarder came."""
        return self.root / "taken.json"

    @property
    def lock(self) -> Path:
        """Held by the forwarder."""
        return self.root / "forwarder.lock"

    @property
    def words(self) -> Path:
        """What forwarders said that an application started."""
        return self.root / "forwarder.log"

    def read_card(self) -> Card:
        """Return who speaks.

        Raises:
            NotFoundError: There is no recorder.
            InputError: It is not readable as one.
            VersionError: Another release made it.
        """
        try:
            data = self.card.read_bytes()
        except FileNotFoundError as error:
            raise NotFoundError(
                f"there is no recorder in {self.root}",
                advice="make one with `tally recorder create`",
            ) from error
        except OSError as error:
            raise InputError(f"{self.card} cannot be read: {error}") from error
        return parse_versioned(self.card, data, Card, FORMAT)
