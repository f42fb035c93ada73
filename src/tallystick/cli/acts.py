"""`tally access`: what was done to the service; and how commands record what they do."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.printing import readable
from tallystick.cli.reading import moment
from tallystick.cli.session import Session, pass_session

if TYPE_CHECKING:
    from tallystick.ledger import Found, Reads
    from tallystick.statement.administration import Act, AdminAct


@click.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@pass_session
def access(session: Session, limit: int) -> None:
    """List what was done to the service, newest first: index, time, act, what it was done to.

    Policies, keys of issuers and erasures are among them: their statements are records themselves.
    What was done and could not be registered yet stands first, without an index.
    """
    from tallystick.ledger.acts import kept

    session.give_all(_unregistered(act) for act in reversed(kept(session.home)))
    with session.reader() as ledger:
        session.give_all(_rows(ledger, limit))


def record(
    session: Session, act: "Act", target: str, *, once: bool = True, **details: str | int
) -> None:
    """Register an administrative act, before it is done where it opens something.

    Args:
        session: The ledger.
        act: What is done.
        target: Code of what it is done to.
        once: It can be done once only: after a retry it is not registered again.
        details: Codes and numbers.
    """
    from tallystick.ledger import Query
    from tallystick.statement.administration import AdminAct, parse_act
    from tallystick.statement.governance import StatementType

    said = AdminAct(act=act, target=target, at=int(time.time()), details=details)
    parse_act(said.encode())  # what is wrong shows before it is signed
    with session.reader() as reader:
        operator = reader.at(0).statement.header.issuer
        query = Query(type=StatementType.ACCESS, issuer=operator, subject=said.subject, limit=1)
        if once and reader.find(query).found:
            return
    with session.ledger() as ledger:
        ledger.record_act(said)


def _rows(ledger: "Reads", limit: int) -> Iterator[tuple[dict[str, Any], str]]:
    from itertools import islice

    from tallystick.ledger import Query
    from tallystick.statement.governance import StatementType

    types = (
        *(StatementType.ACCESS, StatementType.POLICY, StatementType.KEY, StatementType.HANDOVER),
        *(StatementType.RETENTION, StatementType.ERASURE),
    )
    operator = ledger.at(0).statement.header.issuer
    queries = [Query(type=type_, issuer=operator) for type_ in types]
    queries[-1] = Query(type=StatementType.ERASURE)  # which others may be allowed to ask for
    found = [one for query in queries for one in islice(ledger.find_all(query), limit)]
    for one in sorted(found, key=lambda one: one.index, reverse=True)[:limit]:
        data = _as_data(one)
        yield data, _line(data)


def _unregistered(said: "AdminAct") -> tuple[dict[str, Any], str]:
    data: dict[str, Any] = {
        "index": None, "id": None, "act": str(said.act), "target": said.target, "at": said.at,
        "issuer": None, "key": None, "details": dict(said.details),
    }  # fmt: skip
    return data, _line(data)


def _as_data(found: "Found") -> dict[str, Any]:
    from tallystick.statement.administration import is_act, parse_act

    header = found.statement.header
    data: dict[str, Any] = {
        "index": found.index,
        "id": found.statement.id.hex(),
        "act": header.type,
        "target": header.subject,
        "at": header.issued_at,
        "issuer": header.issuer,
        "key": header.key_id.hex(),
        "details": {},
    }
    if is_act(found.statement):
        said = parse_act(found.statement.payload)
        data |= {"act": str(said.act), "target": said.target, "at": said.at}
        data["details"] = dict(said.details)
    return data


def _line(data: dict[str, Any]) -> str:
    details = " ".join(f"{name}={value}" for name, value in data["details"].items())
    words = f"{data['act']:<15} {readable(data['target'])}  {details}".rstrip()
    index = "not yet" if data["index"] is None else data["index"]
    return f"{index:>8}  {moment(data['at'])}  {words}"
