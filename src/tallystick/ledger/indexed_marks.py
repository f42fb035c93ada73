"""Holds and restrictions as the index finds them."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from tallystick.ledger.entries import read_statement
from tallystick.ledger.index import Index, Property
from tallystick.ledger.marks import Marked, marked_by
from tallystick.log import Snapshot
from tallystick.statement import SignedStatement
from tallystick.statement.marks import Lifting, Mark, read_mark


class IndexedMarks:
    """Finds them by the index; implements `FindMarks`."""

    def __init__(
        self, index: Index, snapshot: Callable[[], Snapshot], before: int | None = None
    ) -> None:
        """Look at the log as it is when asked, or at its entries below `before`."""
        self._index, self._snapshot, self._before = index, snapshot, before

    def get(self, statement_id: bytes) -> Marked | None:
        """Return a mark by the id of its statement, and whether it was lifted since."""
        for at in self._find(Property("id", statement_id)):
            statement = self._read(at)
            if statement.id == statement_id:
                return self._marked(statement, at)
        return None

    def naming(self, target: bytes, type_: str) -> Iterator[Marked]:
        """Yield marks of a type that name a statement, lifted ones too, the newest first."""
        for at in self._find(Property("link", target), Property("type", type_.encode())):
            found = self._marked(self._read(at), at)
            if found is not None and found.type == type_ and target in found.mark.marked:
                yield found

    def all(self, type_: str) -> Iterator[Marked]:
        """Yield all marks of a type, lifted ones too, the newest first."""
        for at in self._find(Property("type", type_.encode())):
            found = self._marked(self._read(at), at)
            if found is not None and found.type == type_:
                yield found

    def _marked(self, statement: SignedStatement, at: int) -> Marked | None:
        found = marked_by(statement, at)
        if found is None:
            return None
        wanted = Property("link", found.id), Property("type", found.type.encode())
        for end in self._find(*wanted):
            said = read_mark(later := self._read(end))
            if later.header.type == found.type and _lifts(said, found.id):
                return replace(found, lifted=end)
        return found

    def _find(self, *wanted: Property) -> Iterator[int]:
        size = self._snapshot().checkpoint.size if self._before is None else self._before
        return self._index.find(list(wanted), size)

    def _read(self, index: int) -> SignedStatement:
        return read_statement(self._snapshot().reader, index)


def _lifts(said: Mark | Lifting | None, statement_id: bytes) -> bool:
    return isinstance(said, Lifting) and statement_id in said.lifted
