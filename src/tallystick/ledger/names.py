"""What is registered in somebody's name: signed by them, done for them, or said about them.

    ledger.find(Query(in_name_of=ledger.in_name_of("did:key:z6Mk…")))

A statement is in the name of a DID if it is its issuer, or its subject, or if the statement was
`acted_for` a key of it: so the gateway's records of calls made with an API key, and everything
that registers or retires a key. So is what an agent did under a delegation that the DID gave, or
that passes one of these on; it is not enough to name the delegation: its agent signed, or made the
call that is recorded. Nobody has to agree to what is said about them: that a statement is in
somebody's name is no proof that they knew of it.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from tallystick.ledger.index import Property
from tallystick.statement import Relation, SignedStatement
from tallystick.statement.delegation import FindHolder, Granted, granted_by, is_recorded
from tallystick.statement.governance import StatementType
from tallystick.statement.header import Header

KEYS_MAX: Final = 100
"""Keys of one DID that are searched for."""
GRANTS_MAX: Final = 1000
"""Delegations from one DID, also those that pass others on, that are searched for."""


def _nobody(_statement_id: bytes) -> None:
    return None


class InNameOf:
    """Tells whether a statement is in a DID's name; learns of new keys and grants as it sees them.

    Attributes:
        issuer: The DID.
    """

    __slots__ = ("_grants", "_holder", "_keys", "issuer")

    def __init__(
        self,
        issuer: str,
        keys: Iterable[bytes] = (),
        grants: Iterable[Granted] = (),
        holder: FindHolder = _nobody,
    ) -> None:
        """Begin with what is known.

        Args:
            issuer: The DID.
            keys: Ids of the `key` statements that registered its keys.
            grants: By which others may act for it.
            holder: Finds whose key a statement registered.
        """
        self.issuer = issuer
        self._keys = set(keys)
        self._grants = {grant.id: grant for grant in grants}
        self._holder = holder

    def matches(self, statement: SignedStatement) -> bool:
        """Tell whether a statement is in the DID's name.

        In log order, a key or a grant is seen before what is done for it; so many are learnt as
        are searched for.
        """
        header = statement.header
        self._learn(statement)
        if header.subject == self.issuer:
            if header.type == StatementType.KEY and len(self._keys) < KEYS_MAX:
                self._keys.add(statement.id)
            return True
        if header.issuer == self.issuer:
            return True
        named = header.links.get(Relation.ACTED_FOR, ())
        return any(one in self._keys or self._is_under(one, header) for one in named)

    def _is_under(self, named: bytes, header: Header) -> bool:
        """Tell whether what a statement names lets its signer, or the caller, act for the DID."""
        grant = self._grants.get(named)
        if grant is None:
            return False
        return grant.delegation.agent == header.issuer or is_recorded(grant, header, self._holder)

    def _learn(self, statement: SignedStatement) -> None:
        """Remember a grant that the DID gave, or that passes one of its grants on."""
        if statement.header.type != StatementType.DELEGATION or len(self._grants) >= GRANTS_MAX:
            return
        grant = granted_by(statement, 0)
        if grant is None or grant.issuer != grant.delegation.principal:
            return
        above = self._grants.get(grant.parent or b"")
        first = grant.parent is None and grant.issuer == self.issuer
        if first or (above is not None and above.delegation.agent == grant.issuer):
            self._grants[grant.id] = grant

    def properties(self) -> Iterator[Property]:
        """Yield what to search by; a statement that matches has at least one of them."""
        yield Property("subject", self.issuer.encode())
        yield Property("issuer", self.issuer.encode())
        yield from (Property("link", one) for one in sorted(self._keys | self._grants.keys()))
