"""Requests of people, and their answers, as the index finds them."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from tallystick.errors import EncodingError
from tallystick.ledger.appeals import Requested, requested_by
from tallystick.ledger.entries import read_statement
from tallystick.ledger.index import Index, Property
from tallystick.log import Snapshot
from tallystick.statement import Header, SignedStatement, parse_erasure
from tallystick.statement.appeal import ANSWERS, Asked, Withdrawn, read_reply, read_request
from tallystick.statement.governance import StatementType


class IndexedAppeals:
    """Finds them by the index; implements `FindAppeals`."""

    def __init__(
        self, index: Index, snapshot: Callable[[], Snapshot], before: int | None = None
    ) -> None:
        """Look at the log as it is when asked, or at its entries below `before`."""
        self._index, self._snapshot, self._before = index, snapshot, before

    def get(self, statement_id: bytes) -> Requested | None:
        """Return a request by the id of its statement, and what became of it since."""
        found = self._named(statement_id)
        return None if found is None else self._requested(*found)

    def naming(self, target: bytes, type_: str) -> Iterator[Requested]:
        """Yield requests of a type about a statement, ended ones too, the newest first."""
        for at in self._find(Property("link", target), Property("type", type_.encode())):
            found = self._requested(self._read(at), at)
            if found is not None and found.type == type_ and found.asked.keeps(target):
                yield found

    def all(self, type_: str) -> Iterator[Requested]:
        """Yield all requests of a type, ended ones too, the newest first."""
        for at in self._find(Property("type", type_.encode())):
            found = self._requested(self._read(at), at)
            if found is not None and found.type == type_:
                yield found

    def header(self, statement_id: bytes) -> Header | None:
        """Return the header of a statement."""
        found = self._named(statement_id)
        return None if found is None else found[0].header

    def is_erased(self, statement_id: bytes) -> bool:
        """Tell whether all content of a statement was erased."""
        by = Property("type", StatementType.ERASURE.encode())
        for at in self._find(Property("link", statement_id), by):
            try:
                erased = parse_erasure(self._read(at)).erased
            except EncodingError:
                continue  # of an older release, or of another type
            if statement_id in erased and erased[statement_id] is None:
                return True
        return False

    def _named(self, statement_id: bytes) -> tuple[SignedStatement, int] | None:
        for at in self._find(Property("id", statement_id)):
            statement = self._read(at)
            if statement.id == statement_id:
                return statement, at
        return None

    def _requested(self, statement: SignedStatement, at: int) -> Requested | None:
        asked = read_request(statement)
        if not isinstance(asked, Asked):
            return None
        found = requested_by(statement, at, asked)
        for type_ in (found.type, *ANSWERS):
            for end in self._find(Property("link", found.id), Property("type", type_.encode())):
                later = self._read(end)
                reply = read_reply(later)
                if reply is not None and reply.request == found.id:
                    return replace(found, ended=end, answer=later.id)
                if read_request(later) == Withdrawn(found.id):
                    return replace(found, ended=end)
        return found

    def _find(self, *wanted: Property) -> Iterator[int]:
        size = self._snapshot().checkpoint.size if self._before is None else self._before
        return self._index.find(list(wanted), size)

    def _read(self, index: int) -> SignedStatement:
        return read_statement(self._snapshot().reader, index)
