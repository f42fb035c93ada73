"""Read a ledger beside the process that writes it: what is published, and nothing newer."""

from typing import Self

from tallystick.errors import DamagedError, InputError, RefusedError
from tallystick.identity import KeyFile, Signer
from tallystick.ledger.assembly import catch_up, check_genesis
from tallystick.ledger.batches import Batches
from tallystick.ledger.creation import API, RECEIPT, VAULT, read_card
from tallystick.ledger.erasures import check_carried_out
from tallystick.ledger.home import Home
from tallystick.ledger.index import Index
from tallystick.ledger.located import check_placed
from tallystick.ledger.reading import Reads
from tallystick.log import HalfwayStore, PublicLog, Snapshot
from tallystick.statement import parse_vkey
from tallystick.vault import ReadBook, Vault
from tallystick.vault.reads import UNSTATED


class LedgerReader(Reads):
    """A ledger opened for reading, as of the checkpoint that was published then."""

    def __init__(
        self,
        home: Home,
        passphrase: bytes | None = None,
        *,
        place: str | None = None,
        reading_for: str = UNSTATED,
    ) -> None:
        """Open a ledger.

        Args:
            home: Its folder.
            passphrase: Opens its key file, for receipts and content; neither without it.
            place: Where this machine lies, for a vault that says where its content may lie.
            reading_for: What content is read for; noted with every read.

        Raises:
            NotFoundError: There is no ledger.
            RefusedError: The passphrase is wrong.
            DamagedError: The log or its index is.
        """
        self.home, self.card, self._place = home, read_card(home), place
        self._reading_for = reading_for
        self.batches = Batches(home.rows)
        self._keys = KeyFile(home.service_keys, passphrase) if passphrase is not None else None
        self._vault: Vault | None = None
        self._halfway = HalfwayStore(home.halfway)
        log = PublicLog(
            home.places().public, parse_vkey(self.card.checkpoint_key), halfway=self._halfway
        )
        self._snapshot = _published(log, home)
        check_genesis(self._snapshot, self.card)
        self._index = Index(home.index, bytes.fromhex(self.card.genesis), writable=False)
        catch_up(self._index, self._snapshot)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def snapshot(self) -> Snapshot:
        """The log as it was published when this was opened."""
        return self._snapshot

    @property
    def index(self) -> Index:
        """The index, up to date with `snapshot`."""
        return self._index

    @property
    def vault(self) -> Vault:
        """Encrypted content.

        Raises:
            RefusedError: Opened without a passphrase.
            LocationError: Content may not lie here, or nobody says where here is.
            ErasedError: It was restored, and still holds what the log says is erased.
        """
        if self._vault is None:
            vault = Vault(self.home.vault, self._opened().secret(VAULT), writable=False)
            try:
                check_placed(vault, self._index, self._snapshot, self._place)
                check_carried_out(vault, self._index, self._snapshot)
            except BaseException:
                vault.close()
                raise
            vault.book = ReadBook(self.home.reads, self._reading_for)
            self._vault = vault
        return self._vault

    @property
    def receipt_signer(self) -> Signer:
        """Signs receipts.

        Raises:
            RefusedError: Opened without a passphrase.
        """
        return self._opened().signer(RECEIPT)

    @property
    def api_secret(self) -> bytes:
        """Key under which API keys are hashed.

        Raises:
            RefusedError: Opened without a passphrase.
        """
        return self._opened().secret(API)

    def close(self) -> None:
        """Give all files back."""
        self._index.close()
        self._halfway.close()
        if self._vault is not None:
            self._vault.close()

    def _opened(self) -> KeyFile:
        if self._keys is None:
            raise RefusedError(
                "the key file is not open: receipts and content need it", reason="passphrase"
            )
        return self._keys


def _published(log: PublicLog, home: Home) -> Snapshot:
    """Return what is published; where there is a ledger, something is."""
    try:
        return log.snapshot()
    except InputError as error:
        raise DamagedError(
            f"the published checkpoint of {home.root} cannot be read: {error}",
            advice="run `tally fsck`; put the file `checkpoint` back from a backup",
        ) from error
