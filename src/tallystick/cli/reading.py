"""`tally find` and `tally show`: look into a ledger or a bundle."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tallystick.cli.arguments import find_id
from tallystick.cli.filters import filter_options, read_filters, saved_option
from tallystick.cli.printing import readable, short
from tallystick.cli.session import Session, pass_session
from tallystick.cli.tabling import table
from tallystick.errors import InputError, NotFoundError, RefusedError

if TYPE_CHECKING:
    from tallystick.client import Originator
    from tallystick.ledger import Found, LedgerReader
    from tallystick.statement import SignedStatement
    from tallystick.statement.assurance import Known

COLUMNS: Final = (
    "index", "id", "type", "issuer", "subject", "issued_at", "known_by", "principal", "agent",
)  # fmt: skip
"""Of a table of statements."""


@click.command()
@saved_option
@filter_options
@click.option("--since", metavar="TIME", help="Issued at or after, such as 2026-11-22T09:00.")
@click.option("--until", metavar="TIME")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@click.option(
    "--before", metavar="INDEX", type=click.IntRange(min=0), help="Only below this index."
)
@click.option("--csv", "as_table", is_flag=True, help="Write a table, for spreadsheets.")
@pass_session
def find(
    session: Session, /, limit: int, before: int | None, *, as_table: bool, **wanted: str | None
) -> None:
    """Search statements, newest first.

    For whom each was made is computed from the log alone: with --json and --csv it says how
    strongly that is known. Approvals are not opened for it; `tally show` does.
    """
    from tallystick.ledger.originators import Originators
    from tallystick.ledger.reading import END

    if as_table and session.as_json:
        raise InputError("give either --csv or --json")

    filters = read_filters(session, wanted)
    with session.reader() as ledger:
        query = replace(
            filters.query(ledger),
            since=seconds_of(wanted["since"]),
            until=seconds_of(wanted["until"]),
            limit=limit,
            before=END if before is None else before,
        )
        page = ledger.find(query)
        known = Originators(ledger.index, ledger.snapshot).all_of(page.found)
    rows = [
        (brief(found) | originator(who), line(found, str(who.assurance)))
        for found, who in zip(page.found, known, strict=True)
    ]
    if as_table:
        click.echo(table([data for data, _ in rows], COLUMNS), nl=False)
    else:
        session.give_all(iter(rows))
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
    if "/" in what or what.endswith(".json"):
        raise NotFoundError(f"no such file: {what}")
    with session.reader() as ledger:
        found = ledger.get(find_id(ledger, what))
        data = brief(found) | _details(found.statement)
        since = _since(ledger, found)
    content, why = _content(session, found)
    data |= _originator(session, found) | since
    known = {"content": content} if content is not None else {"content_missing": why}
    session.give(data | (known if content is not None or why else {}), _card(data, content, why))


def seconds_of(text: str | None) -> int | None:
    """Return a time that somebody gave in seconds since 1970; UTC unless it says otherwise.

    Raises:
        InputError: Not a time.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"a time is such as 2026-11-22T09:00, got {text!r}") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def brief(found: "Found") -> dict[str, Any]:
    """Return what stands in one line of a list, as data."""
    header = found.statement.header
    return {
        "index": found.index,
        "id": found.statement.id.hex(),
        "type": header.type,
        "issuer": header.issuer,
        "subject": header.subject,
        "issued_at": header.issued_at,
    }


def line(found: "Found", known_by: str | None = None) -> str:
    """Return a statement as one line of a list."""
    header = found.statement.header
    when = moment(header.issued_at)
    return (
        f"{found.index:>8}  {readable(header.type or '-'):<11} {when}  "
        f"{found.statement.id.hex()[:16]}…  {readable(header.issuer[:28])}…"
        f"{'  ' + readable(known_by) if known_by else ''}"
    )


def originator(known: "Known | Originator") -> dict[str, Any]:
    """Return for whom a statement was made, as it stands in a list."""
    return {
        "known_by": str(known.assurance),
        "principal": known.principal,
        "agent": known.agent,
    }


def _since(ledger: "LedgerReader", found: "Found") -> dict[str, Any]:
    """Return what became of it since: erased, published, or rows of it erased."""
    from tallystick.evidence.erased import retrain_due, retrained_by
    from tallystick.ledger import erasures_of, publications_of

    data: dict[str, Any] = {}
    if by := erasures_of(ledger, found.statement.id):
        data["erased_by"] = [one.index for one in by]
    if shown := publications_of(ledger, found.statement.id):
        data["published_by"] = [one.index for one in shown]
    if found.statement.header.type == "model":
        if count := retrain_due(ledger, found):
            rows = f"{count} row{'' if count == 1 else 's'}"
            data["retrain_due"] = f"{rows} that it used erased since"
        elif (newer := retrained_by(ledger, found)) is not None:
            data["retrained_by"] = newer.index
    return data


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


def _originator(session: Session, found: "Found") -> dict[str, Any]:
    """Return for whom it was made, as computed; what the header claims stands beside it."""
    from tallystick.ledger.originators import known_originator

    with _with_content(session, wanted="acted_for" in found.statement.header.links) as ledger:
        known = known_originator(
            ledger.index, ledger.snapshot, found.statement, found.index, ledger.content
        )
    data = originator(known) | {
        "basis": known.basis,
        "delegation": known.delegation.hex() if known.delegation else None,
    }
    if known.exceeded:
        data["problem"] = f"claims {known.claimed!r:.40}, which is more than there is evidence for"
    return data


def _with_content(session: Session, *, wanted: bool) -> "LedgerReader":
    """Open the ledger, with content where that is wanted and somebody knows the passphrase."""
    if wanted:
        with suppress(RefusedError):
            return session.reader(with_keys=True)
    return session.reader()


def _inline(statement: "SignedStatement") -> Any:
    from tallystick.statement import dcbor

    return dcbor.decode(statement.payload, "payload")


def _content(session: Session, found: "Found") -> tuple[dict[str, Any] | None, str]:
    """Open the content; where that cannot be, say why. Inline payloads have none."""
    if not found.statement.header.hashed:
        return None, ""
    try:
        with session.reader(with_keys=True) as ledger:
            return ledger.vault.get(found.statement.id).values(), ""
    except RefusedError as error:
        return None, f"not opened: {error}"
    except NotFoundError as error:
        return None, f"not in the vault: {error}"


def _card(data: dict[str, Any], content: dict[str, Any] | None, why: str) -> str:
    """Put a statement on lines: what is public first, then what the vault holds."""
    shown = {name: value for name, value in data.items() if value is not None and value != {}}
    shown["issued_at"] = moment(data["issued_at"])
    lines = [f"{name:<12} {short(value)}" for name, value in shown.items()]
    if content is not None:
        lines += ["content", *_fields(content)]
    elif why:
        lines.append(f"{'content':<12} {short(why)}")
    return "\n".join(lines)


def _fields(content: dict[str, Any]) -> Iterator[str]:
    for name, value in content.items():
        yield f"  {readable(name):<14} {short(value)}"


def _of_bundle(file: Path) -> Iterator[tuple[dict[str, Any], str]]:
    from tallystick.cli.disclosed import content_of
    from tallystick.ledger import Found
    from tallystick.statement import parse_receipt, parse_statement
    from tallystick.verify import parse_bundle

    for member in parse_bundle(file.read_bytes()).members:
        index = parse_receipt(member.receipt).index
        found = Found(index, parse_statement(member.entry))
        disclosed = content_of(member)
        lines = [line(found), *_fields(disclosed.shown), *disclosed.missing()]
        data = brief(found) | _details(found.statement) | {"disclosed": disclosed.as_data()}
        yield data, "\n".join(lines)


def moment(seconds: int | None) -> str:
    """Return seconds since 1970 as people read them."""
    if seconds is None:
        return "-" * 20
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
