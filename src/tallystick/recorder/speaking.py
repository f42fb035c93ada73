"""What applications said becomes statements: numbered, signed, sealed, in the spool.

Everything that this does can be done again after a crash with the same result: a statement's
subject is computed from the frame that it says, so that one which the spool has is not made twice.
"""

import os
import uuid
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec

from tallystick.capture.spool import Spool, Spooled
from tallystick.evidence import Change, Intent, Numbering, Outcome, Record
from tallystick.recorder.frames import Frame
from tallystick.recorder.said import Asked, Closed, Ended, Missed, Said, parse
from tallystick.recorder.sealing import Sealing
from tallystick.recorder.taken import Progress
from tallystick.statement import Relation, SignedStatement
from tallystick.statement.commitment import commit_encoded
from tallystick.vault import About, SealedContent

UNRECORDED: Final = "recorder.unrecorded"
"""Name of the change that says how many calls went on without a record."""

DAMAGED: Final = "recorder.damaged"
"""Name of the change that says that a file of an application could not be read to its end."""


class Speaker:
    """Speaks for one epoch of a recorder; belongs to one thread.

    Attributes:
        open_intents: Calls that have not ended, of all epochs.
        fresh: Spooled since the owner emptied it, and not synced yet.
    """

    def __init__(
        self, numbering: Numbering, spool: Spool, sealing: Sealing, left: Sequence[Spooled]
    ) -> None:
        """Go on behind what an earlier run left in the spool."""
        self._numbering, self._spool, self._sealing = numbering, spool, sealing
        self._stuck: Spooled | None = None
        self.fresh: list[Spooled] = []
        self._left = {item.statement.header.subject: item for item in left}
        self.open_intents = spool.mark.open_intents + sum(item.opened for item in left)

    def take(self, frame: Frame, progress: Progress) -> None:
        """Say what a frame says, unless the spool has it already; or that it cannot be read.

        Raises:
            UnavailableError: The spool is full.
            OSError: The spool cannot be written.
        """
        said, subject = _read(frame, progress), urn_of(frame)
        item = self._left.get(subject)
        if item is None and not isinstance(said, Closed):
            record, about, links = _record(said, progress)
            item = self._say(record, about, subject=subject, links=links)
        if isinstance(said, Asked) and item is not None:
            progress.intents[frame.number] = item.statement.id.hex()
        elif isinstance(said, Ended):
            progress.intents.pop(said.number, None)
        self._left.pop(subject, None)
        progress.frames = frame.number + 1

    def heartbeat(self, state: str) -> None:
        """Say how far this epoch counted.

        Raises:
            UnavailableError: The spool is full.
            OSError: The spool cannot be written.
        """
        self._write(self._numbering.heartbeat(state, self.open_intents), None)

    def damaged(self, frames: int, reason: str) -> None:
        """Say that the rest of an application's file cannot be read.

        Raises:
            UnavailableError: The spool is full.
            OSError: The spool cannot be written.
        """
        self._say(Change(what=DAMAGED, after={"frames": frames}, reason=reason), None)

    def _say(self, record: Record, about: About | None, **members: Any) -> Spooled:
        content = commit_encoded(record.values(), os.urandom)
        statement = self._numbering.sign(record.statement_type, content.commitment, **members)
        return self._write(statement, self._sealing.seal(statement.id, content.plain, about))

    def _write(self, statement: SignedStatement, sealed: SealedContent | None) -> Spooled:
        """Spool a statement: its number is taken, so where there is no room it waits for some."""
        item = self._spool.take(statement, sealed)
        self._numbering.take(statement)
        self._stuck = item
        self.go_on()
        return item

    def go_on(self) -> None:
        """Write what found no room.

        Raises:
            UnavailableError: There is none yet.
            OSError: The spool cannot be written.
        """
        item = self._stuck
        if item is None:
            return
        self._spool.write(item)
        self._stuck = None
        self._left[item.statement.header.subject] = item
        self.open_intents += item.opened
        self.fresh.append(item)


def _read(frame: Frame, progress: Progress) -> Said | str:
    """Read what a frame says; why it cannot be read, where that is so."""
    try:
        said = parse(frame.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"not what this release writes: {error}"
    if isinstance(said, Ended) and said.number not in progress.intents:
        return f"the end of call {said.number}, which did not begin"
    return said


def urn_of(frame: Frame) -> str:
    """Return the subject of the statement that says a frame (RFC 9562, version 8)."""
    octets = bytearray(
        sha256(b"tallystick/frame/1" + frame.process + frame.number.to_bytes(8)).digest()[:16]
    )
    octets[6], octets[8] = octets[6] & 0x0F | 0x80, octets[8] & 0x3F | 0x80
    return uuid.UUID(bytes=bytes(octets)).urn


def _record(
    said: Asked | Ended | Missed | str, progress: Progress
) -> tuple[Record, About | None, Mapping[str, tuple[bytes, ...]]]:
    if isinstance(said, str):
        after = {"frames": progress.frames, "left_out": 1}
        return Change(what=DAMAGED, after=after, reason=said), None, {}
    if isinstance(said, Missed):
        after = {"passed": said.passed, "since_ms": said.since_ms, "until_ms": said.until_ms}
        return Change(what=UNRECORDED, after=after, reason=said.reason), None, {}
    about = None if said.subject is None else About(said.subject, said.purpose)
    if isinstance(said, Asked):
        return _intent(said), about, {}
    intent = bytes.fromhex(progress.intents[said.number])
    return _outcome(said), about, {Relation.GENERATED_BY: (intent,)}


def _intent(said: Asked) -> Intent:
    return Intent(
        operation=said.operation,
        request=said.request,
        model=said.model,
        parameters=said.parameters,
        upstream="",
        started_ms=said.started_ms,
        function=said.function or None,
    )


def _outcome(said: Ended) -> Outcome:
    return Outcome(
        status=said.status,
        response=said.response,
        answer=said.answer,
        model=said.model,
        usage=said.usage,
        duration_ms=said.duration_ms,
        error=said.error,
    )
