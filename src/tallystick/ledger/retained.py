"""What must be kept longer; part of `tallystick.ledger.rules`.

Reasons, besides `payload`:

    erasure.retained        something of it must be kept longer

A statement's age counts from the newest heartbeat at or before it, never from what its issuer says
of its time, and "now" is the newest heartbeat of all: so the verdict is a pure function of the log.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from tallystick.errors import RefusedError
from tallystick.statement import Erasure, Header, SignedStatement
from tallystick.statement.retention import Retention

Kept = tuple[Header, int]
"""Header of a registered statement, and the ledger's time when it was registered."""
FindKept = Callable[[bytes], Kept | None]
"""Finds one by its id."""
_NEVER: Final = Retention()


def _nothing(_id: bytes) -> Kept | None:
    return None


class Retained:
    """The rules of retention as the log says so far.

    Attributes:
        rules: The newest.
        stored: Finds what is registered.
    """

    def __init__(self, stored: FindKept = _nothing, rules: Retention = _NEVER) -> None:
        """Begin with what is stored."""
        self.rules, self.stored = rules, stored
        self._fresh: dict[bytes, Kept] = {}

    def apply(self, statement: SignedStatement, now: int) -> None:
        """Remember an entry that cannot be found yet."""
        if self.rules.rules:
            self._fresh[statement.id] = statement.header, now

    def settle(self) -> None:
        """Forget what can be found by now."""
        self._fresh.clear()

    def check_erasure(self, erasure: Erasure, now: int) -> None:
        """Refuse to erase what must be kept longer, unless the reason comes first.

        Raises:
            RefusedError: `reason` is `erasure.retained`.
        """
        if all(not rule.least or erasure.reason in rule.despite for rule in self.rules.rules):
            return
        for target in erasure.erased:
            kept = self._fresh.get(target) or self.stored(target)
            rule = None if kept is None else self.rules.rule_for(kept[0])
            if kept is None or rule is None or erasure.reason in rule.despite:
                continue
            until = kept[1] + rule.least
            if now < until:
                when = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                before = ", ".join(sorted(rule.despite)) or "no reason"
                raise RefusedError(
                    f"content of {target.hex()} must be kept until {when}: it is not erased for "
                    f"{str(erasure.reason)!r}, before that only for {before}",
                    reason="erasure.retained",
                    advice="see `tally retention show`",
                )
