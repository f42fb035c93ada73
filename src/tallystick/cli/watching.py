"""`tally watch`: statements as they are registered, from a service or beside whoever writes."""

import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

from tallystick.cli.filters import filter_options, read_filters, saved_option
from tallystick.cli.reading import brief, line, originator
from tallystick.cli.session import Session, pass_session
from tallystick.errors import InputError, NotFoundError, RefusedError, UnavailableError

if TYPE_CHECKING:
    from tallystick.client import Filters as Asked
    from tallystick.client import Originator, Told
    from tallystick.ledger import Found
    from tallystick.ledger.searches import Filters
    from tallystick.statement.assurance import Known

    Seen: TypeAlias = tuple[Found, Known | Originator | None]

POLL_SECONDS: Final = 0.5
"""How often it is looked whether a ledger that no service has open has grown."""
FIRST_SECONDS_MAX: Final = 3.0
"""How long a service elsewhere may take to answer for the first time."""
AWAY_SECONDS_MAX: Final = 24 * 3600.0
"""How long a service elsewhere may be away before the command ends."""


@click.command()
@saved_option
@filter_options
@click.option(
    "--since",
    metavar="INDEX",
    type=click.IntRange(min=0),
    help="Begin at this index; 0 is the whole log [the next one to come].",
)
@click.option("--limit", type=click.IntRange(min=1), help="End after so many.")
@click.option("--url", metavar="URL", help="A service elsewhere, instead of this ledger.")
@click.option(
    "--with-key",
    is_flag=True,
    help="Send the API key in TALLYSTICK_API_KEY to --url: a private log asks for one.",
)
@pass_session
def watch(
    session: Session,
    /,
    since: int | None,
    limit: int | None,
    url: str | None,
    *,
    with_key: bool,
    **wanted: str | None,
) -> None:
    """Show statements as they are registered, in log order, until ^C.

    Follows the service that has the ledger open, and the ledger itself where none has; goes on
    where it was when a connection breaks. What is shown is not verified.
    """
    if url is None:
        session.need_ledger()
    follower = _Follower(session, read_filters(session, wanted), since, limit)
    try:
        seen = follower.elsewhere(url, _key(url, wanted=with_key)) if url else follower.beside()
        session.give_all(map(_row, seen))
    except KeyboardInterrupt:
        where = "" if follower.position is None else f"; go on with --since {follower.position}"
        session.say(f"stopped{where}")


def _row(seen: "Seen") -> tuple[dict[str, Any], str]:
    """Show a statement, and for whom it was made, where whoever has the log computed that."""
    found, who = seen
    if who is None:
        return brief(found), line(found, None)
    return brief(found) | originator(who), line(found, str(who.assurance))


def _key(url: str, *, wanted: bool) -> str | None:
    """Return the key to send; no key goes to where somebody points unless that is said.

    Raises:
        InputError: It is to be sent, and there is none.
    """
    from tallystick.cli.remote import API_KEY

    if not wanted:
        return None
    if not (key := os.environ.get(API_KEY)):
        raise InputError(f"--with-key sends the key in {API_KEY} to {url}, and there is none")
    return key


class _Follower:
    """Goes through a log, from service to files and back.

    Attributes:
        position: Index of the next statement; None before anything is known.
    """

    def __init__(
        self, session: Session, filters: "Filters", since: int | None, limit: int | None
    ) -> None:
        self._session, self._filters, self._left = session, filters, limit
        self._asked: Asked = filters.given()  # type: ignore[assignment]
        self.position = since

    def elsewhere(self, url: str, key: str | None) -> "Iterator[Seen]":
        """Follow a service somewhere."""
        from tallystick.client import Patience, connect

        soon, late = (Patience(retry_seconds_max=s) for s in (FIRST_SECONDS_MAX, AWAY_SECONDS_MAX))
        with connect(url, api_key=key, patience=soon) as client:
            client.checkpoint()  # an address that is wrong shows at once
        with connect(url, api_key=key, patience=late) as client:
            found = client.watch(self.position, limit=self._left, **self._asked)
            yield from map(self._told, found)

    def beside(self) -> "Iterator[Seen]":
        """Follow this ledger: through its service while there is one, else through its files."""
        from tallystick.cli.remote import connect_beside, find_service

        home = self._session.home
        while self._left != 0:
            url = find_service(home)
            if url is not None:
                try:
                    with connect_beside(home, url) as client:
                        found = client.watch(self.position, limit=self._left, **self._asked)
                        yield from map(self._told, found)
                except (UnavailableError, RefusedError, NotFoundError):
                    # It ended, or was killed, or keeps the log from us: the files are still there.
                    pass
            yield from self._read()
            time.sleep(POLL_SECONDS)

    def _read(self) -> "Iterator[Seen]":
        """Read what is published and was not read yet."""
        from tallystick.ledger.originators import known_originator

        with self._session.reader() as ledger:
            size = ledger.snapshot.checkpoint.size
            if self.position is None:
                self.position = size
            if self.position > size:
                raise NotFoundError(
                    f"the log has {size} entries, and {self.position} was asked for",
                    advice="is it the same log? It may be an older copy, brought back",
                )
            query = self._filters.query(ledger)
            for index in range(self.position, size):
                if self._left == 0:
                    return
                found = ledger.at(index)
                self.position = index + 1
                if query.matches(found.statement):
                    self._passed(found)
                    log, said = ledger.snapshot, found.statement
                    yield found, known_originator(ledger.index, log, said, found.index)

    def _told(self, found: "Told") -> "Seen":
        self._passed(found)
        return found, found.originator

    def _passed(self, found: "Found") -> None:
        self.position = found.index + 1
        self._left = None if self._left is None else self._left - 1
