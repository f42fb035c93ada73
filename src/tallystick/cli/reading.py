"""`tally find` and `tally show`: look into a ledger or a bundle."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tallystick.cli.session import Session, find_id, parse_id, pass_session
from tallystick.errors import InputError, NotFoundError, RefusedError

LETTERS_MAX: Final = 300
"""Letters of one value that are shown; `--json` gives all."""

if TYPE_CHECKING:
    from tallystick.ledger import Found, LedgerReader, Query
    from tallystick.statement import SignedStatement


@click.command()
@click.option("--issuer", metavar="DID")
@click.option("--subject")
@click.option("--type", "type_")
@click.option("--model", metavar="SHA256")
@click.option("--link", metavar="ID|INDEX", help="Statements that point to this one.")
@click.option("--since", metavar="TIME", help="Issued at or after, such as 2026-11-22T09:00.")
@click.option("--until", metavar="TIME")
@click.option("--limit", default=20, show_default=True)
@click.option("--before", metavar="INDEX", type=int, help="Only below this index.")
@pass_session
def find(session: Session, /, limit: int, before: int | None, **wanted: str | None) -> None:
    """Search statements, newest first."""
    from tallystick.ledger.reading import END

    with session.reader() as ledger:
        query = _query(ledger, wanted, limit, END if before is None else before)
        page = ledger.find(query)
        session.give_all((_brief(found), _line(found)) for found in page.found)
    session.say(
        f"{len(page.found)} found"
        + (f"; more with --before {page.next}" if page.next is not None else "")
    )


@click.command()
@click.argument("what", metavar="ID|INDEX|FILE")
@pass_session
def show(session: Session, what: str) -> None:
    """Show a statement by id or index, or what is in a bundle file. Nothing is verified."""
    if Path(what).is_file():
        session.give_all(_of_bundle(Path(what)))
        return
    with session.reader() as ledger:
        found = ledger.get(find_id(ledger, what))
        data = _brief(found) | _details(found.statement)
    content = _content(session, found)
    session.give(data | ({"content": content} if content else {}), _card(data, content))


def _query(
    ledger: "LedgerReader", wanted: dict[str, str | None], limit: int, before: int
) -> "Query":
    from tallystick.ledger import Query

    model, link = wanted["model"], wanted["link"]
    return Query(
        issuer=wanted["issuer"],
        subject=wanted["subject"],
        type=wanted["type_"],
        model=parse_id(model) if model else None,
        link=find_id(ledger, link) if link else None,
        since=_time(wanted["since"]),
        until=_time(wanted["until"]),
        limit=limit,
        before=before,
    )


def _time(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"a time is such as 2026-11-22T09:00, got {text!r}") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _brief(found: "Found") -> dict[str, Any]:
    header = found.statement.header
    return {
        "index": found.index,
        "id": found.statement.id.hex(),
        "type": header.type,
        "issuer": header.issuer,
        "subject": header.subject,
        "issued_at": header.issued_at,
    }


def _line(found: "Found") -> str:
    header = found.statement.header
    when = _moment(header.issued_at)
    return (
        f"{found.index:>8}  {header.type or '-':<11} {when}  "
        f"{found.statement.id.hex()[:16]}…  {header.issuer[:28]}…"
    )


def _details(statement: "SignedStatement") -> dict[str, Any]:
    header = statement.header
    sequence = header.sequence
    return {
        "algorithm": header.algorithm,
        "key_id": header.key_id.hex(),
        "commitment": statement.payload.hex() if header.hashed else None,
        "inline": None if header.hashed else _inline(statement),
        "links": {relation: [t.hex() for t in ids] for relation, ids in header.links.items()},
        "model": header.model.hex() if header.model else None,
        "assurance": header.assurance,
        "sequence": {
            "emitter": sequence.emitter.hex(),
            "epoch": sequence.epoch,
            "seq": sequence.seq,
        }
        if sequence
        else None,
    }


def _inline(statement: "SignedStatement") -> Any:
    from tallystick.statement import dcbor

    return dcbor.decode(statement.payload, "payload")


def _content(session: Session, found: "Found") -> dict[str, Any] | None:
    """Open the content, if the key file can be opened without asking."""
    try:
        with session.reader(with_keys=True) as ledger:
            return _values(ledger, found)
    except RefusedError:
        return None


def _values(ledger: "LedgerReader", found: "Found") -> dict[str, Any] | None:
    try:
        return ledger.vault.get(found.statement.id).values()
    except NotFoundError:
        return None


def _card(data: dict[str, Any], content: dict[str, Any] | None) -> str:
    """Put a statement on lines: what is public first, then what the vault holds."""
    shown = {name: value for name, value in data.items() if value is not None and value != {}}
    shown["issued_at"] = _moment(data["issued_at"])
    lines = [f"{name:<12} {_short(value)}" for name, value in shown.items()]
    if content:
        lines += ["content", *(f"  {name:<14} {_short(value)}" for name, value in content.items())]
    return "\n".join(lines)


def _short(value: Any) -> str:
    text = _readable(value)
    return text if len(text) <= LETTERS_MAX else text[:LETTERS_MAX] + "…"


def _readable(value: Any) -> str:
    """Return text that a terminal can show: bytes that are no text as hex."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_readable(member)}" for name, member in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_readable, value))
    if isinstance(value, bytes):
        try:
            text = value.decode()
        except UnicodeDecodeError:
            return str(value.hex())
    else:
        text = str(value)
    return text if text.isprintable() else repr(text)


def _of_bundle(file: Path) -> Iterator[tuple[dict[str, Any], str]]:
    from tallystick.ledger import Found
    from tallystick.statement import parse_receipt, parse_statement
    from tallystick.verify import parse_bundle

    for member in parse_bundle(file.read_bytes()).members:
        index = parse_receipt(member.receipt).index
        found = Found(index, parse_statement(member.entry))
        yield _brief(found) | _details(found.statement), _line(found)


def _moment(seconds: int | None) -> str:
    if seconds is None:
        return "-" * 20
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
