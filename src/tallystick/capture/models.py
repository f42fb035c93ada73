"""Which registered model stands behind a name that callers ask for."""

from collections.abc import Iterator, Mapping
from itertools import takewhile
from threading import Lock

from tallystick.errors import DamagedError, EncodingError, NotFoundError
from tallystick.evidence import Model
from tallystick.ledger import Found, Ledger, Query
from tallystick.statement.governance import StatementType
from tallystick.vault import unsafe_unrecorded


class ModelNames:
    """Digests of models by name: what the operator gave, then what the ledger has.

    A name belongs to the issuer that registered it first; only that issuer's newer statements
    change it, so that nobody takes over another one's name. That the upstream really runs the
    model of that name is its operator's claim, and not checked here.
    """

    def __init__(self, ledger: Ledger, given: Mapping[str, bytes] | None = None) -> None:
        """Begin with the names that are given; `refresh` reads the ledger."""
        self._ledger, self._given = ledger, dict(given or {})
        self._lock = Lock()
        self._digests: dict[str, bytes] = {}
        self._owners: dict[str, str] = {}
        self._seen = -1

    def resolve(self, name: str | None) -> bytes | None:
        """Return the digest of the artifact, None where none is registered under that name."""
        if not name:
            return None
        return self._given.get(name) or self._digests.get(name)

    def refresh(self) -> None:
        """Take in models that were registered since the last time; any thread may call it."""
        with self._lock:
            for found in reversed(list(self._newer())):
                self._seen = found.index
                self._take(found)

    def _newer(self) -> Iterator[Found]:
        """Return model statements beyond the last one seen, newest first."""
        found = self._ledger.find_all(Query(type=StatementType.MODEL))
        return takewhile(lambda one: one.index > self._seen, found)

    def _take(self, found: Found) -> None:
        header = found.statement.header
        try:
            with unsafe_unrecorded():  # a model's name is about nobody
                name = Model.read(self._ledger.vault.get(found.statement.id).values()).name
        except (NotFoundError, DamagedError, EncodingError):
            return  # erased, unreadable, or of another shape: it names nothing here
        if header.model is None or self._owners.setdefault(name, header.issuer) != header.issuer:
            return
        self._digests[name] = header.model
