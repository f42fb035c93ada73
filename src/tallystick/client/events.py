"""Server-sent events: bytes in, events out, in bounded memory.

Source:
    WHATWG HTML, sections 9.2.5 and 9.2.6.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tallystick.errors import EncodingError, LimitError

EVENT_BYTES_MAX: Final = 1 << 20
"""One event, comments before it included."""

_END: Final = re.compile(rb"\r\n|\n|\r(?=[^\n])", re.DOTALL)
"""Ends a line. A lone carriage return counts once the next byte shows that it is alone."""
_DIGITS: Final = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        name: Its type.
        data: Its lines, joined.
        last: Index up to which everything has been sent, if the event says so.
    """

    name: str
    data: str
    last: int | None


class EventReader:
    """Reads one stream."""

    def __init__(self) -> None:
        """Begin at its begin."""
        self._rest = b""
        self._size = 0
        self._fields: dict[str, list[str]] = {}

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take bytes and yield the events that they complete.

        Raises:
            EncodingError: Not UTF-8, or an id that is no index.
            LimitError: An event is too large.
        """
        # What was there before holds no end of a line, but for a carriage return at its end.
        text, at, searched = self._rest + data, 0, max(0, len(self._rest) - 1)
        while end := _END.search(text, searched):
            line, at = text[at : end.start()], end.end()
            searched = at
            self._count(len(line))
            if not line:
                yield from self._complete()
            else:
                self._take(line)
        self._rest = text[at:]
        if self._size + len(self._rest) > EVENT_BYTES_MAX:
            raise LimitError(f"an event has more than {EVENT_BYTES_MAX} bytes")

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > EVENT_BYTES_MAX:
            raise LimitError(f"an event has more than {EVENT_BYTES_MAX} bytes")

    def _take(self, line: bytes) -> None:
        if line.startswith(b":"):
            self._size -= len(line)  # a comment is nothing that is kept
            return
        try:
            name, _, value = line.decode().partition(":")
        except UnicodeDecodeError as error:
            raise EncodingError("a stream of events must be UTF-8") from error
        self._fields.setdefault(name, []).append(value.removeprefix(" "))

    def _complete(self) -> Iterator[Event]:
        fields, self._fields, self._size = self._fields, {}, 0
        if "data" not in fields:
            return
        last = fields.get("id", [None])[-1]
        if last is not None and not _DIGITS.fullmatch(last):
            raise EncodingError(f"the id of an event must be an index, got {last[:40]!r}")
        name = fields.get("event", ["message"])[-1]
        yield Event(name, "\n".join(fields["data"]), None if last is None else int(last))
