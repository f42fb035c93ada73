"""Under which delegation an agent acts for somebody, and whether it still holds.

    acting = find_acting(ledger, "did:key:z6Mk…", agent, "inference", now)
    acting = read_acting(ledger, delegation_id)
    acting.fault(agent, "inference", now, size)     # None: it holds

Trust: what is found is as complete as the index. Admission and the verifier decide by themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from tallystick.errors import NotFoundError
from tallystick.ledger.approved import chains_of
from tallystick.ledger.delegated import fault_of_key, find_granted
from tallystick.ledger.reading import Query, Reads
from tallystick.statement.delegation import Fault, Granted, fault_of, links_of
from tallystick.statement.governance import StatementType

LOOKED_AT_MAX: Final = 10_000
"""Delegations that are looked at, the newest first, for one that allows something."""


@dataclass(frozen=True, slots=True)
class Acting:
    """A delegation with those that it passes on, as the log had them.

    Attributes:
        leaf: The delegation itself.
        grants: All of its chain, by id.
        key_fault: Why one of the keys that signed them is not believed any more, if that is so.
    """

    leaf: Granted
    grants: Mapping[bytes, Granted]
    key_fault: Fault | None

    @property
    def principal(self) -> str:
        """For whom the first of the chain lets others act."""
        *_, first = filter(None, links_of(self.leaf, self.grants.get))
        return first.delegation.principal

    def fault(self, agent: str, type_: str, now: int, size: int) -> Fault | None:
        """Say why `agent` may not act under it now, None if it may.

        Args:
            agent: Who is to act.
            type_: Of the statement that is made.
            now: Seconds since 1970.
            size: Of the log.
        """
        return fault_of(self.leaf, agent, type_, now, size, self.grants.get) or self.key_fault


def read_acting(ledger: Reads, delegation: bytes) -> Acting | None:
    """Read a delegation and all that it passes on; None if there is none with that id."""
    index, snapshot = ledger.index, ledger.snapshot
    grants: dict[bytes, Granted] = {}

    def look_up(statement_id: bytes) -> Granted | None:
        grant = find_granted(index, snapshot, statement_id)
        if grant is not None:
            grants[statement_id] = grant
        return grant

    leaf = look_up(delegation)
    if leaf is None:
        return None
    faults = [
        fault_of_key(link, chains_of(index, snapshot, link.issuer))
        for link in filter(None, links_of(leaf, look_up))
    ]
    return Acting(leaf, grants, next(filter(None, faults), None))


def find_acting(ledger: Reads, principal: str, agent: str, type_: str, now: int) -> Acting:
    """Find the newest delegation by which an agent may do something for a principal.

    Raises:
        NotFoundError: There is none that holds; says why the newest does not, if there is one.
    """
    size, why = ledger.snapshot.checkpoint.size, ""
    every = ledger.find_all(Query(type=StatementType.DELEGATION, limit=1000))
    for found in islice(every, LOOKED_AT_MAX):
        acting = read_acting(ledger, found.statement.id)
        if acting is None or acting.leaf.delegation.agent != agent or acting.principal != principal:
            continue
        fault = acting.fault(agent, type_, now, size)
        if fault is None:
            return acting
        why = why or f"; the newest one, at index {found.index}, does not allow it: {fault.words}"
    raise NotFoundError(
        f"no delegation lets {agent:.200} register {type_} statements for {principal:.200}{why}",
        advice="the principal signs one: `tally delegate AGENT --as NAME --types inference`",
    )
