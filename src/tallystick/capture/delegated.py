"""Whether the delegation behind an API key holds, asked before each call.

    problem = delegations.problem(caller.key)       # None: the agent may act

A delegation is read once, and again only when the log has another delegation, revocation or key
statement: what else is registered cannot end it. Whether it has is looked up once for all calls
between two that registered something. Its time is compared at every call.
"""

from typing import Final

from tallystick.capture.api_keys import ApiKey
from tallystick.capture.problems import Problem, delegation_refused
from tallystick.ledger import Ledger
from tallystick.ledger.acting import Acting, read_acting
from tallystick.ledger.index import Property
from tallystick.statement.delegation import Fault
from tallystick.statement.governance import StatementType

KEPT_MAX: Final = 10_000
"""Delegations that are kept in memory."""
_DECIDING: Final = tuple(
    Property("type", type_.encode()) for type_ in (StatementType.DELEGATION, StatementType.KEY)
)

_Mark = tuple[int, ...]
"""Indexes of the newest statements of each type that can end a delegation."""


class Delegations:
    """Reads delegations for one gateway. Belongs to the event loop's thread."""

    def __init__(self, ledger: Ledger) -> None:
        """Look them up in an open ledger."""
        self._ledger = ledger
        self._kept: dict[bytes, Acting | None] = {}
        self._mark: _Mark = ()
        self._seen = -1

    def problem(self, key: ApiKey | None) -> Problem | None:
        """Return what the caller is told if its delegation does not hold.

        None if it does, or if the key acts for nobody else.
        """
        if key is None or key.delegation is None:
            return None
        acting, size = self._read(bytes.fromhex(key.delegation))
        if acting is None:
            fault: Fault | None = Fault("unknown", "it is not registered in this ledger")
        else:
            now = self._ledger.clock()
            fault = acting.fault(key.issuer, StatementType.INFERENCE, now, size)
        return None if fault is None else delegation_refused(fault.reason, fault.words)

    def _read(self, delegation: bytes) -> tuple[Acting | None, int]:
        size = self._ledger.index.size  # never ahead of what can be found and read
        if size != self._seen:
            self._look(size)
        if delegation not in self._kept:
            if len(self._kept) >= KEPT_MAX:
                del self._kept[next(iter(self._kept))]
            self._kept[delegation] = read_acting(self._ledger, delegation)
        return self._kept[delegation], size

    def _look(self, size: int) -> None:
        """Forget what was read if something that may end a delegation was registered since."""
        mark = tuple(next(self._ledger.index.find([one], size), -1) for one in _DECIDING)
        if mark != self._mark:
            self._kept.clear()
        self._mark, self._seen = mark, size
