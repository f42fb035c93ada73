"""The evidence of one attempt at a call: its intent, its outcome, and what names them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tallystick.capture.api_keys import ApiKey
from tallystick.capture.callers import Caller
from tallystick.capture.problems import Headers
from tallystick.capture.relay import Message, Receive, Send
from tallystick.capture.request import CallRequest
from tallystick.capture.routes import Target
from tallystick.capture.running import Running
from tallystick.capture.spool import Spooled
from tallystick.capture.usage import mark_of
from tallystick.errors import UnavailableError
from tallystick.evidence import Intent, Outcome
from tallystick.statement import Relation
from tallystick.vault import About

Links = Mapping[str, tuple[bytes, ...]]

INTENT_HEADER: Final = b"x-tallystick-intent"
OUTCOME_HEADER: Final = b"x-tallystick-outcome"
ATTEMPT_HEADER: Final = b"x-tallystick-attempt"
COMMENT: Final = b": tallystick-outcome %s\n\n"
"""The comment that ends a stream; the outcome's id in hex goes in."""
UNRECORDED: Final = b"unrecorded"
"""Stands in place of the intent's id where a call is passed on without evidence."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What all attempts at one call have in common.

    Attributes:
        operation: OpenTelemetry's name for what is asked.
        path: Path under the upstream's base URL.
        scope: ASGI scope.
        receive: ASGI receive; the body was read.
        send: ASGI send.
        caller: For whom.
        request: The body, read as far as needed.
        about: Whom it is about, where the caller says.
    """

    operation: str
    path: str
    scope: Message
    receive: Receive
    send: Send
    caller: Caller
    request: CallRequest
    about: About | None = None


class CallEvidence:
    """What is said about one attempt.

    Attributes:
        intent: Its intent, once it was said.
        outcome: Its outcome, once it was said.
        unrecorded: It goes on without evidence.
    """

    __slots__ = (
        "_asked", "_concluded", "_first", "_number", "_running", "_target", "intent", "outcome",
        "unrecorded",
    )  # fmt: skip

    def __init__(
        self,
        running: Running,
        asked: Asked,
        target: Target | None,
        number: int,
        first: "CallEvidence | None",
    ) -> None:
        """Say nothing yet; see `tallystick.capture.attempt.Attempt`."""
        self._running, self._asked, self._target = running, asked, target
        self._number, self._first = number, first
        self.intent: Spooled | None = None
        self.outcome: Spooled | None = None
        self.unrecorded = self._concluded = False

    @property
    def key(self) -> ApiKey | None:
        """The API key under which the call came."""
        return self._asked.caller.key

    async def intend(self, *, acting: bool) -> str | None:
        """Make the intent durable; return why it is not.

        Args:
            acting: The call is made, under the delegation of its key if that has one. A call that
                is refused names none, since the ledger may not take what none allows.
        """
        why = self._running.why_not_recorded()
        if why is not None:
            return why
        self.intent = self._say_intent(self._links(acting=acting))
        try:
            await self._running.recorder.writer.durable(self.intent)
        except UnavailableError as error:
            return str(error)
        return None

    def _say_intent(self, links: Links) -> Spooled:
        running, asked, target = self._running, self._asked, self._target
        running.served += 1
        running.recorder.beat()
        request = asked.request
        record = Intent(
            operation=asked.operation,
            request=request.body,
            model=request.model,
            parameters=request.parameters,
            upstream="" if target is None else target.upstream.base + asked.path,
            sent_model=None if target is None else target.model,
            attempt=self._number if self._number > 1 else None,
            started_ms=time.time_ns() // 1_000_000,
            api_key=asked.caller.key.id if asked.caller.key else None,
        )
        return running.recorder.say(
            record,
            asked.about,
            links=links,
            assurance=asked.caller.assurance,
            model=running.models.resolve(record.sent_model or request.model),
        )

    def _links(self, *, acting: bool) -> Links:
        links, first = self._asked.caller.links, self._first
        if acting and self.key is not None and self.key.delegation is not None:
            named = links.get(Relation.ACTED_FOR, ())
            links = {**links, Relation.ACTED_FOR: (*named, bytes.fromhex(self.key.delegation))}
        if first is None or first.intent is None:
            return links
        return {**links, Relation.DERIVED_FROM: (first.intent.statement.id,)}

    def conclude(self, **fields: Any) -> None:
        """Say the outcome and count it, once; without an intent it is only counted.

        Args:
            fields: Members of `tallystick.evidence.Outcome`.
        """
        if self._concluded or (self.intent is None and not self.unrecorded):
            return
        record, self._concluded = Outcome(**fields), True
        if self.intent is not None:
            intent = self.intent.statement
            self.outcome = self._running.recorder.say(
                record,
                self._asked.about,
                subject=intent.header.subject,
                links={Relation.GENERATED_BY: (intent.id,)},
                model=self._running.models.resolve(record.model),
            )
        self._count(record)

    def _count(self, record: Outcome) -> None:
        """Count what became of the call, by the outcome's own time where it is recorded."""
        key, meter = self._asked.caller.key, self._running.meter
        if self.outcome is None:
            meter.count(key, record, None)
        else:
            statement = self.outcome.statement
            meter.count(key, record, mark_of(statement), statement.header.issued_at)

    async def lost(self) -> str | None:
        """Wait until the outcome is durable; return why it is not, where that matters."""
        if self.outcome is None or self._running.settings.fail_open:
            return None
        try:
            await self._running.recorder.writer.durable(self.outcome)
        except UnavailableError as error:
            return str(error)
        return None

    def ids(self) -> Headers:
        """Return the headers that name the evidence, and what is left of the caller's budget."""
        return [*self._ids(), *self._running.meter.headers(self._asked.caller.key)]

    def _ids(self) -> Headers:
        if self.intent is None:
            return [(INTENT_HEADER, UNRECORDED)] if self.unrecorded else []
        ids = [(INTENT_HEADER, self.intent.statement.id.hex().encode())]
        if self.outcome is not None:
            ids.append((OUTCOME_HEADER, self.outcome.statement.id.hex().encode()))
        if self._number > 1:
            ids.append((ATTEMPT_HEADER, b"%d" % self._number))
        return ids

    def comment(self) -> bytes:
        """Return what ends a stream: nothing where there is no outcome."""
        return b"" if self.outcome is None else COMMENT % self.outcome.statement.id.hex().encode()
