"""What is registered in somebody's name: signed by them, done for them, or said about them.

    ledger.find(Query(in_name_of=ledger.in_name_of("did:key:z6Mk…")))

A statement is in the name of a DID if it is its issuer, or its subject, or if the statement was
`acted_for` a key of it: so the gateway's records of calls made with an API key, and everything
that registers or retires a key. Nobody has to agree to what is said about them: that a statement
is in somebody's name is no proof that they knew of it.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from tallystick.ledger.index import Property
from tallystick.statement import Relation, SignedStatement
from tallystick.statement.governance import StatementType

KEYS_MAX: Final = 100
"""Keys of one DID that are searched for."""


class InNameOf:
    """Tells whether a statement is in a DID's name; learns of new keys as it sees them.

    Attributes:
        issuer: The DID.
    """

    __slots__ = ("_keys", "issuer")

    def __init__(self, issuer: str, keys: Iterable[bytes] = ()) -> None:
        """Begin with the ids of the `key` statements that are known."""
        self.issuer = issuer
        self._keys = set(keys)

    def matches(self, statement: SignedStatement) -> bool:
        """Tell whether a statement is in the DID's name.

        In log order, a key is seen before what is done for it; `KEYS_MAX` of them are learnt.
        """
        header = statement.header
        if header.subject == self.issuer:
            if header.type == StatementType.KEY and len(self._keys) < KEYS_MAX:
                self._keys.add(statement.id)
            return True
        if header.issuer == self.issuer:
            return True
        return any(one in self._keys for one in header.links.get(Relation.ACTED_FOR, ()))

    def properties(self) -> Iterator[Property]:
        """Yield what to search by; a statement that matches has at least one of them."""
        yield Property("subject", self.issuer.encode())
        yield Property("issuer", self.issuer.encode())
        yield from (Property("link", key) for key in sorted(self._keys))
