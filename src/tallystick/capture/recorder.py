"""What the gateway says: intents, outcomes, heartbeats, changes.

Each is numbered, signed, sealed for the vault, and spooled.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tallystick.capture.spool import Spool, Spooled
from tallystick.capture.writing import SpoolWriter
from tallystick.evidence import Change, Numbering, Record
from tallystick.evidence.numbering import HEARTBEAT_SECONDS
from tallystick.statement.commitment import commit_encoded
from tallystick.statement.governance import StatementType
from tallystick.vault import About, SealedContent

GATEWAY_TYPES: Final = frozenset(
    {StatementType.INFERENCE, StatementType.HEARTBEAT, StatementType.CHANGE}
)
"""What the registration policy must allow the gateway's issuer."""
UNRECORDED: Final = "gateway.unrecorded"
"""Name of the change that says how many calls went without evidence."""
FAIL_OPEN: Final = "gateway.fail_open"
"""Name of the change that says whether calls are passed on without evidence."""

QUIET_SECONDS: Final = 15 * HEARTBEAT_SECONDS
"""Between two heartbeats of a gateway that is not called."""

Clock = Callable[[], int]
"""Seconds since 1970."""
Seal = Callable[[bytes, bytes, About | None], SealedContent]
"""Encrypts what `commit_encoded` encoded, for the statement with an id, about somebody."""


@dataclass(slots=True)
class Unrecorded:
    """Calls that came while nothing could be recorded.

    Attributes:
        passed: Passed on to the model all the same, because the gateway fails open.
        refused: Refused.
        since_ms: When the first of them came, milliseconds since 1970.
        reason: Why nothing could be recorded.
    """

    passed: int = 0
    refused: int = 0
    since_ms: int = 0
    reason: str = ""


class Recorder:
    """Speaks for one epoch of one gateway. Belongs to the event loop's thread."""

    def __init__(
        self, numbering: Numbering, seal: Seal, spool: Spool, writer: SpoolWriter, clock: Clock
    ) -> None:
        """Go on where `spool` ends, in a new epoch."""
        self._numbering, self._seal, self._spool, self.writer = numbering, seal, spool, writer
        self._clock = clock
        self.open_intents = spool.mark.open_intents
        self.unrecorded = Unrecorded()
        self._beaten_at = 0
        self._said_since = self._quiet = False

    @property
    def last_seq(self) -> int:
        """Number of the newest statement of this epoch; -1 before the first."""
        last = self._numbering.last
        return last.header.sequence.seq if last and last.header.sequence else -1

    def say(self, record: Record, about: About | None = None, **members: Any) -> Spooled:
        """Number and spool a record; `writer.durable` waits for it.

        The number is taken here and now, and never lost: see `tallystick.capture.writing`.

        Args:
            record: What to say.
            about: Whom its content is about.
            members: Further members of `tallystick.statement.Header`.

        Raises:
            EncodingError: A value has no CBOR form; no number was taken.
        """
        content = commit_encoded(record.values(), os.urandom)
        statement = self._numbering.sign(record.statement_type, content.commitment, **members)
        sealed = self._seal(statement.id, content.plain, about)
        self._numbering.take(statement)
        item = self._spool.take(statement, sealed)
        self.open_intents += item.opened
        self._said_since = True
        self.writer.add(item)
        return item

    def heartbeat(self, state: str) -> Spooled:
        """Say how far this epoch counted, and how many intents have no outcome."""
        self._quiet = state == "beat" and not self._said_since
        interval_s = QUIET_SECONDS if self._quiet else HEARTBEAT_SECONDS
        statement = self._numbering.heartbeat(state, self.open_intents, interval_s)
        self._numbering.take(statement)
        item = self._spool.take(statement, None)
        self._beaten_at, self._said_since = self._clock(), False
        self.writer.add(item)
        return item

    def beat(self) -> None:
        """Say a heartbeat if one is due: each minute, and less often while nothing is said."""
        due_s = QUIET_SECONDS if self._quiet and not self._said_since else HEARTBEAT_SECONDS
        if self._clock() - self._beaten_at >= due_s:
            self.heartbeat("beat")

    def miss(self, reason: str, *, passed: bool) -> None:
        """Count a call that cannot be recorded."""
        unrecorded = self.unrecorded
        if not unrecorded.passed + unrecorded.refused:
            unrecorded.since_ms, unrecorded.reason = _now_ms(), reason
        unrecorded.passed += passed
        unrecorded.refused += not passed

    def account(self) -> None:
        """Record how many calls went without evidence, if any did."""
        missed = self.unrecorded
        if not missed.passed + missed.refused or self.writer.failure is not None:
            return
        self.unrecorded = Unrecorded()
        after = {
            "passed": missed.passed,
            "refused": missed.refused,
            "since_ms": missed.since_ms,
            "until_ms": _now_ms(),
        }
        self.say(Change(what=UNRECORDED, after=after, reason=missed.reason))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
