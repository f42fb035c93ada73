"""Follow a stream of statements over as many connections as it takes: no loss, no duplicate.

The state is one number: everything up to it has come. It is sent with each new connection, so the
service goes on from there. Without filters every index must follow the one before, and a service
that leaves one out is caught.
"""

from time import monotonic
from typing import Final

from tallystick.client import questions
from tallystick.client.answers import (
    check,
    read_checkpoint_event,
    read_event,
    read_problem_event,
)
from tallystick.client.conversation import Conversation
from tallystick.client.events import Event, EventReader
from tallystick.client.http1 import Line, Request, Response
from tallystick.client.patience import AGAIN, Retries
from tallystick.client.problems import error_of
from tallystick.client.questions import Filters, get
from tallystick.client.steps import Give, Pause, Steps
from tallystick.errors import (
    EncodingError,
    InputError,
    LimitError,
    ProofError,
    TallystickError,
    UnavailableError,
)
from tallystick.statement import Found

EVENTS: Final = "text/event-stream"
PROBLEM_BYTES_MAX: Final = 1 << 20
"""An answer that is no stream."""


class Watch:
    """One subscription.

    Attributes:
        last: Index up to which everything has come; None before anything has.
    """

    def __init__(
        self, conversation: Conversation, since: int | None, filters: Filters, limit: int | None
    ) -> None:
        """Follow from an index on, or what is to come.

        Raises:
            InputError: A filter or number that cannot be.
        """
        for name, number in (("since", since), ("limit", limit)):
            if number is not None and number < (name == "limit"):
                raise InputError(f"{name} must be at least {int(name == 'limit')}, got {number}")
        self._talk, self._filters = conversation, filters
        self._fields = questions.filter_fields(filters)
        self._since, self._left = since, limit
        self.last: int | None = None
        self._ended = self._heard = False

    def run(self) -> Steps[None]:
        """Give statements in log order until the limit is reached; connect as often as needed."""
        retries = Retries(self._talk.patience)
        while not self._ended:
            before, response, self._heard = self.last, None, False
            failure: TallystickError = UnavailableError("the stream ended")
            try:
                response = yield from self._connected()
            except UnavailableError as error:
                failure = error
            if self._ended:
                return
            if self._heard:  # the outage begins now
                retries.alive()
            if self.last != before:
                retries.progress()
            if response is not None:
                failure = error_of(response)
            yield Pause(retries.pause(failure, response))

    def _connected(self) -> Steps[Response | None]:
        """Read one connection to its end; return a response that says to come back later."""
        line = yield from self._talk.line()
        try:
            patience = self._talk.patience
            deadline = monotonic() + patience.answer_seconds_max
            head = yield from line.open(self._talk.ready(self._request()), deadline)
            if head.status >= 300 or _media(head) != EVENTS:
                return (yield from self._refused(line, head, deadline))
            check(head)
            yield from self._read(line)
        finally:
            line.close()
        return None

    def _request(self) -> Request:
        fields = {**self._fields, "since": self._since, "limit": self._left, "entries": "true"}
        resumed = () if self.last is None else (("last-event-id", str(self.last)),)
        return get("/statements/stream", fields, headers=(("accept", EVENTS), *resumed))

    def _refused(self, line: Line, head: Response, deadline: float) -> Steps[Response]:
        body = b""
        while piece := (yield from line.piece(deadline)):
            body += piece
            if len(body) > PROBLEM_BYTES_MAX:
                raise LimitError(f"a problem has more than {PROBLEM_BYTES_MAX} bytes")
        response = Response(head.status, head.headers, body)
        if response.status in AGAIN:
            return response
        check(response)
        raise EncodingError(f"a stream must be {EVENTS}, got {_media(head)!r:.80}")

    def _read(self, line: Line) -> Steps[None]:
        reader, quiet = EventReader(), self._talk.patience.quiet_seconds_max
        while piece := (yield from line.piece(monotonic() + quiet)):
            for event in reader.feed(piece):
                found = self._take(event)
                self._heard = True
                if found is not None:
                    yield Give(found)
                if self._left == 0:
                    self._ended = True
                    return

    def _take(self, event: Event) -> Found | None:
        """Take one event; return the statement that it brings, if it does."""
        match event.name:
            case "statement":
                return self._statement(read_event(event.data), event.last)
            case "checkpoint":
                claim = read_checkpoint_event(event.data, self._talk.trust)
                if event.last is not None:
                    self._covered(event.last, claim.size)
            case "problem":
                raise read_problem_event(event.data)
        return None  # `end`, and what later services may say

    def _statement(self, found: Found, last: int | None) -> Found:
        if last != found.index:
            raise EncodingError(f"the event with id {last} brings the statement {found.index}")
        self._check_next(found.index)
        questions.check_match(self._filters, found.statement)
        self.last = found.index
        self._left = None if self._left is None else self._left - 1
        return found

    def _covered(self, last: int, size: int) -> None:
        """Move on past what was not asked for."""
        if last >= size:
            raise ProofError(f"the checkpoint of size {size} does not cover the id {last}")
        self._check_next(last + 1)
        self.last = last

    def _check_next(self, index: int) -> None:
        """Accept only an index that may come next: later ones only where others are left out."""
        expected = self._since if self.last is None else self.last + 1
        if expected is not None and (index < expected or (index > expected and not self._fields)):
            raise ProofError(f"statement {expected} was to come, and {index} came")


def _media(head: Response) -> str:
    return head.headers.get("content-type", "").partition(";")[0].strip().lower()
