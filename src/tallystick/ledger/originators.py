"""Who is behind registered statements, and how strongly that is known: for one, or for a page.

    originators = Originators(ledger.index, ledger.snapshot)
    for found in page.found:
        originators.of(found.statement, found.index).assurance

What several statements rest on, such as a delegation or the key of a gateway's callers, is looked
up and checked once. Without `contents` no approval is opened: then a passkey counts for nothing,
and what is said of the basis says so.
"""

from collections.abc import Iterable
from dataclasses import replace

from tallystick.ledger.approved import Contents, approved_behind, chains_of
from tallystick.ledger.delegated import fault_of_key, find_granted, key_holder
from tallystick.ledger.entries import read_statement
from tallystick.ledger.index import Index, Property
from tallystick.log import Snapshot
from tallystick.statement import Found, SignedStatement
from tallystick.statement.assurance import Known, assurance_of, intent_of, is_intent_for
from tallystick.statement.delegation import Granted
from tallystick.statement.keychain import KeyChains


class Originators:
    """Computes originators as of one state of the log. Belongs to one thread."""

    def __init__(self, index: Index, snapshot: Snapshot, contents: Contents | None = None) -> None:
        """Look up nothing yet; `contents` opens approvals."""
        self._index, self._snapshot, self._contents = index, snapshot, contents
        self._grants: dict[bytes, Granted | None] = {}
        self._chains: dict[str, KeyChains] = {}
        self._holders: dict[bytes, tuple[int, str] | None] = {}
        self._statements: dict[bytes, Found] = {}

    def all_of(self, page: Iterable[Found]) -> list[Known]:
        """Return the originators of statements, in their order."""
        found = list(page)
        self._statements.update((one.statement.id, one) for one in found)
        return [self.of(one.statement, one.index) for one in found]

    def of(self, statement: SignedStatement, at: int) -> Known:
        """Return the originator of a registered statement.

        Args:
            statement: Registered; its signature was verified then.
            at: Where.
        """
        intent = self._intent_of(statement, at)
        if intent is not None:
            return replace(self.of(intent.statement, intent.index), claimed=None)

        def holder(statement_id: bytes) -> str | None:
            return self._holder(statement_id, at)

        approved = None
        if self._contents is not None:
            snapshot, contents = self._snapshot, self._contents
            approved = approved_behind(self._index, snapshot, statement, at, contents)
        return assurance_of(statement.header, at, self._grant, holder, approved=approved)

    def _grant(self, statement_id: bytes) -> Granted | None:
        """Find a grant; none whose key had ended, as in a bundle, where it does not verify."""
        if statement_id not in self._grants:
            grant = find_granted(self._index, self._snapshot, statement_id)
            if grant is not None and fault_of_key(grant, self._keys_of(grant.issuer)):
                grant = None
            self._grants[statement_id] = grant
        return self._grants[statement_id]

    def _keys_of(self, issuer: str) -> KeyChains:
        if issuer not in self._chains:
            self._chains[issuer] = chains_of(self._index, self._snapshot, issuer)
        return self._chains[issuer]

    def _holder(self, statement_id: bytes, before: int) -> str | None:
        if statement_id not in self._holders:
            self._holders[statement_id] = key_holder(self._index, self._snapshot, statement_id)
        known = self._holders[statement_id]
        return None if known is None or known[0] >= before else known[1]

    def _intent_of(self, statement: SignedStatement, at: int) -> Found | None:
        """Return the intent whose outcome a statement is."""
        named = intent_of(statement.header)
        if named is None:
            return None
        if named not in self._statements:
            for place in self._index.find([Property("id", named)], at):
                one = read_statement(self._snapshot.reader, place)
                self._statements[one.id] = Found(place, one)
        intent = self._statements.get(named)
        if intent is None or intent.index >= at:
            return None
        return intent if is_intent_for(intent.statement.header, statement.header) else None


def known_originator(
    index: Index,
    snapshot: Snapshot,
    statement: SignedStatement,
    at: int,
    contents: Contents | None = None,
) -> Known:
    """Return the originator of one registered statement; see `Originators`."""
    return Originators(index, snapshot, contents).of(statement, at)
