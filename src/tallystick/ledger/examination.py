"""Check what lies beside the public log: head store, journal, keys, index and vault.

None of it is needed to believe a statement. It is needed to go on writing, to search, and to show
content.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec

from tallystick.errors import (
    ConflictError,
    DamagedError,
    EncodingError,
    ErasedError,
    NotFoundError,
    RefusedError,
    TallystickError,
)
from tallystick.identity import KeyFile
from tallystick.ledger.assembly import check_index
from tallystick.ledger.creation import VAULT, read_card
from tallystick.ledger.home import Home
from tallystick.ledger.index import Index, Property
from tallystick.ledger.standing import check_signed, signed_last
from tallystick.log import (
    Damage,
    PublicLog,
    WriterLock,
    leftovers,
)
from tallystick.statement import SignedStatement, parse_erasure, parse_vkey
from tallystick.statement.governance import StatementType
from tallystick.vault import Vault


@dataclass(slots=True)
class Examination:
    """What was found beside the public log.

    Attributes:
        damage: What is wrong.
        notes: In words: what is not there, and what could not be checked.
        opened: Records of the vault that opened and match what their statements commit to.
        closed: Statements whose content is not in the vault, and of which no statement says that
            it was erased.
        erased: Statements whose content was erased, as a registered statement says.
        head_checked: Head store and journal were checked.
    """

    damage: list[Damage] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    opened: int = 0
    closed: int = 0
    erased: int = 0
    head_checked: bool = False


class Examiner:
    """Checks the parts of one ledger; give `see` to `check_statements`, then call `finish`."""

    def __init__(self, home: Home, passphrase: bytes | None, head: Path | None = None) -> None:
        """Open what can be opened; without a passphrase no content is checked.

        Args:
            home: The ledger.
            passphrase: Opens its key file.
            head: Folder of the head store, if it is not in `home`.
        """
        self.home, self.card, self._head = home, read_card(home), head
        self.found = Examination()
        public = home.places().public
        self.snapshot = PublicLog(public, parse_vkey(self.card.checkpoint_key)).snapshot()
        self._index: Index | None = None
        self._vault: Vault | None = None
        self._gone = set[bytes]()
        self._erasing = set[bytes]()
        for one in leftovers(public, self.snapshot):
            if isinstance(one, Damage):
                self.found.damage.append(one)
            else:
                self.found.notes.append(f"{one} is no file of a log")
        self._attempt("head, journal", self._check_head)
        self._attempt("index", self._open_index)
        for path in (self.home.api_keys, self.home.bindings):
            self._attempt(path.name, partial(_check_json, path))
        self._attempt("keys, vault", lambda: self._open_vault(passphrase))

    def see(self, index: int, statement: SignedStatement) -> None:
        """Check that the index finds a statement, and that its content is what it commits to."""
        if self._index is not None and index < self._index.start:
            wanted = [Property("id", statement.id)]
            try:
                if index not in self._index.find(wanted, index + 1):
                    self._damaged("index", f"entry {index} is not found in it", index)
            except TallystickError as error:
                self._damaged("index", str(error), index)
        if statement.header.type == StatementType.ERASURE:
            with suppress(EncodingError):  # of an older release, which meant something else by it
                self._erasing |= parse_erasure(statement).erased.keys()
        if self._vault is not None and statement.header.hashed:
            self._see_content(self._vault, index, statement)

    def finish(self) -> Examination:
        """Close everything; return what was found."""
        for part in (self._index, self._vault):
            if part is not None:
                part.close()
        self.found.erased = len(self._gone & self._erasing)
        self.found.closed += len(self._gone - self._erasing)
        if self.found.erased:
            self.found.notes.append(f"content of {self.found.erased} statements was erased")
        if self.found.closed:
            self.found.notes.append(f"the vault lacks content of {self.found.closed} statements")
        return self.found

    def _see_content(self, vault: Vault, index: int, statement: SignedStatement) -> None:
        try:
            if vault.get(statement.id).commitment() != statement.payload:
                raise DamagedError("the content is not what the statement commits to")
            self.found.opened += 1
        except ErasedError:
            self._gone.add(statement.id)
        except NotFoundError:
            self.found.closed += 1
        except TallystickError as error:
            self._damaged("vault", f"entry {index}: {error}", index)

    def _check_head(self) -> None:
        """Check that what was signed last is public, or in the journal."""
        try:
            lock = WriterLock(self.home.lock)
        except ConflictError:
            self.found.notes.append("the ledger is open: head store and journal were not checked")
            return
        try:
            check_signed(self.home, self.snapshot, signed_last(self.home, self.card, self._head))
            self.found.head_checked = True
        finally:
            lock.release()

    def _open_index(self) -> None:
        self._index = Index(self.home.index, bytes.fromhex(self.card.genesis), writable=False)
        check_index(self._index, self.snapshot)

    def _open_vault(self, passphrase: bytes | None) -> None:
        if not self.home.service_keys.exists():
            self.found.notes.append(
                "there is no service key file: nobody can write or open content"
            )
        elif passphrase is None:
            self.found.notes.append("without a passphrase keys and content were not checked")
        else:
            keys = KeyFile(self.home.service_keys, passphrase)
            self._vault = Vault(self.home.vault, keys.secret(VAULT), writable=False)
            self._vault.check()

    def _attempt(self, what: str, step: Callable[[], None]) -> None:
        try:
            step()
        except RefusedError:
            raise  # a wrong passphrase is no damage
        except TallystickError as error:
            self._damaged(what, str(error))
        except PermissionError as error:
            self.found.notes.append(f"{what} could not be checked: {error}")

    def _damaged(self, path: str, what: str, index: int | None = None) -> None:
        self.found.damage.append(Damage(path, what, index))


def _check_json(path: Path) -> None:
    if path.exists():
        try:
            msgspec.json.decode(path.read_bytes(), type=dict)
        except (ValueError, RecursionError) as error:
            raise DamagedError(f"it is not readable: {error}") from error
