"""`tally reads`: who read content, what for, and when."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.arguments import find_id
from tallystick.cli.printing import readable
from tallystick.cli.reading import moment
from tallystick.cli.registering import read_about
from tallystick.cli.session import Session, pass_session
from tallystick.errors import InputError

if TYPE_CHECKING:
    from tallystick.ledger import Reads
    from tallystick.ledger.erasures import Targets
    from tallystick.ledger.reads import Run


@click.command()
@click.argument("statement", required=False, metavar="[STATEMENT]")
@click.option("--about", "--subject", metavar="REF", help="Of all that is kept about this subject.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=1000, show_default=True)
@pass_session
def reads(session: Session, statement: str | None, about: str | None, limit: int) -> None:
    """List who read content, newest first: index, when, who, what for, how many records.

    All of it, that of a STATEMENT (an id or index), or that of a subject.
    """
    if statement is not None and about is not None:
        raise InputError("give either a statement, or --about REF")
    read_about(about, None)
    register_noted(session)
    with session.reader(with_keys=True) as ledger:
        wanted = _wanted(ledger, statement, about)
        session.give_all(_rows(ledger, wanted, limit))


def register_noted(session: Session) -> None:
    """Register what is noted; a service does so by itself, every few seconds."""
    from tallystick.ledger import Ledger
    from tallystick.ledger.reads import count_pending

    session.need_ledger()
    if not count_pending(session.home.reads):
        return
    with session.ledger() as ledger:
        if isinstance(ledger, Ledger):
            ledger.register_reads()
        else:
            session.say("some reads are noted and not registered yet: the service is about to")


def _wanted(ledger: "Reads", statement: str | None, about: str | None) -> "Targets | None":
    if about is not None:
        return ledger.vault.about(about)
    return None if statement is None else {find_id(ledger, statement): None}


def _rows(
    ledger: "Reads", wanted: "Targets | None", limit: int
) -> Iterator[tuple[dict[str, Any], str]]:
    from itertools import islice

    from tallystick.ledger.reads import reads_of

    for index, run in islice(reads_of(ledger, wanted), limit):
        yield _as_data(index, run), _line(index, run)


def _as_data(index: int, run: "Run") -> dict[str, Any]:
    return {
        "index": index,
        "who": run.who,
        "purpose": run.purpose,
        "first": run.first,
        "last": run.last,
        "records": {
            one.hex(): None if at is None else sorted(at) for one, at in run.records.items()
        },
    }


def _line(index: int, run: "Run") -> str:
    count = len(run.records)
    return (
        f"{index:>8}  {moment(run.first)}  {readable(run.who)}  {readable(run.purpose)}  "
        f"{count} record{'' if count == 1 else 's'}"
    )
