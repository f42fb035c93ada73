"""`tally usage`: what callers of the gateway used, and whether the upstream says the same."""

import sys
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tallystick.cli.accounts import COLUMNS, Comparison, Line, Numbers, compare, read_account
from tallystick.cli.allowances import budget_data, budget_words
from tallystick.cli.gateways import GATEWAY
from tallystick.cli.printing import readable
from tallystick.cli.session import Session, pass_session
from tallystick.errors import ConflictError, InputError, VerificationError

if TYPE_CHECKING:
    from tallystick.capture import ApiKey
    from tallystick.capture.usage import Counts
    from tallystick.capture.usage_file import Used

_DAY: Final = click.DateTime(["%Y-%m-%d"])
_COUNTS: Final = {
    "calls": "calls",
    "uncounted": "without count",
    "prompt_tokens": "prompt tokens",
    "completion_tokens": "completion tokens",
    "errors": "errors",
    "refused": "refused",
}
"""What is counted, and what a person calls it."""
_NAMES_MAX: Final = 40
"""Letters of the first column."""


@click.command()
@click.option("--since", type=_DAY, metavar="DAY", help="First day of UTC, such as 2026-11-01.")
@click.option("--until", type=_DAY, metavar="DAY", help="Last day of UTC.")
@click.option(
    "--by", type=click.Choice(["key", "model", "day"]), default="key", show_default=True,
    help="What a line stands for.",
)  # fmt: skip
@click.option(
    "--against",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Compare with the upstream's own account: .csv, .tsv, .json or JSON lines.",
)
@click.option(
    "--tolerance", type=click.FloatRange(min=0, max=100), default=0.0, show_default=True,
    metavar="PERCENT", help="How much two numbers may differ and still agree.",
)  # fmt: skip
@click.option("--rebuild", is_flag=True, help="Count anew from the ledger; the gateway is off.")
@pass_session
def usage(
    session: Session,
    since: datetime | None,
    until: datetime | None,
    by: str,
    against: Path | None,
    tolerance: float,
    *,
    rebuild: bool,
) -> None:
    """Show calls, tokens and errors of the gateway's callers, and what is used of budgets.

    With --against, compare calls and tokens per day and model with an account that has the columns
    day, model, requests, prompt_tokens and completion_tokens, and exit with 1 if they differ.
    """
    session.need_ledger()
    first, last = (None if day is None else f"{day:%Y-%m-%d}" for day in (since, until))
    if rebuild:
        _rebuild(session)
    if against is not None:
        _reconcile(session, against, first, last, tolerance)
        return
    rows = _read(session, first, last)
    if not rows:
        session.say("nothing was counted on these days")
        return
    _show(session, rows, by)


def _read(session: Session, since: str | None, until: str | None) -> "list[Used]":
    from tallystick.capture.usage_file import read_usage

    if since is not None and until is not None and until < since:
        raise InputError(f"--until {until} lies before --since {since}")
    return read_usage(session.home.usage, since or "", until or "9")


# --- the table


def _show(session: Session, rows: "list[Used]", by: str) -> None:
    keys = _keys(session) if by == "key" else {}
    grouped = _grouped(rows, by)
    if not session.as_json:
        click.echo(_columns([_named(by, name, keys) for name in grouped], by, _COUNTS.values()))
    session.give_all(_lines(session, grouped, by, keys))


def _lines(
    session: Session, grouped: "dict[str, Counts]", by: str, keys: "dict[str, ApiKey]"
) -> Iterator[tuple[dict[str, Any], str]]:
    from tallystick.capture.budgets import day_of
    from tallystick.capture.usage_file import read_spending

    day = day_of(int(time.time()))
    spending = read_spending(session.home.usage, day)
    names = [_named(by, name, keys) for name in grouped]
    for name, words in zip(grouped, names, strict=True):
        counts, key = grouped[name], keys.get(name)
        data: dict[str, Any] = {by: name}
        if by == "key":
            data |= {"label": key.label if key else None}
            data |= {"budget": budget_data(key, spending, day) if key else None}
        data |= {column: getattr(counts, column) for column in _COUNTS}
        line = _columns(names, words, [str(number) for number in counts.values()])
        yield data, f"{line}  {budget_words(key, spending, day) if key else ''}".rstrip()


def _columns(names: list[str], first: str, others: Iterable[str]) -> str:
    """Return a line of the table: names to the left, numbers to the right."""
    width = max(map(len, names))
    cells = [
        text.rjust(max(len(head), 7)) for text, head in zip(others, _COUNTS.values(), strict=True)
    ]
    return "  ".join([first.ljust(width), *cells])


def _grouped(rows: "list[Used]", by: str) -> "dict[str, Counts]":
    from tallystick.capture.usage import Counts

    grouped: dict[str, Counts] = {}
    for row in rows:
        grouped.setdefault(getattr(row.place, by), Counts()).add(row.counts)
    return dict(sorted(grouped.items()))


def _keys(session: Session) -> "dict[str, ApiKey]":
    from tallystick.capture import ApiKeys

    return {key.id: key for key in ApiKeys(session.home.api_keys, b"").known()}


def _named(by: str, name: str, keys: "dict[str, ApiKey]") -> str:
    label = f" {readable(keys[name].label)}" if name in keys and keys[name].label else ""
    return (readable(name) if name else "(none named)" if by == "model" else "-")[
        :_NAMES_MAX
    ] + label[:_NAMES_MAX]


# --- the upstream's account


def _reconcile(
    session: Session, file: Path, since: str | None, until: str | None, percent: float
) -> None:
    there = read_account(file)
    days = sorted(line.day for line in there)
    since, until = since or days[0], until or days[-1]
    rows = _read(session, since, until)
    within = {line: numbers for line, numbers in there.items() if since <= line.day <= until}
    found = list(compare(_here(rows), within, percent))
    session.give_all((_as_data(one), _sentence(one)) for one in found)
    sys.stdout.flush()
    _say_apart(session, rows, since, until)
    wrong = sum(one.verdict != "equal" for one in found)
    if wrong:
        raise VerificationError(f"{wrong} of {len(found)} days and models do not agree")


def _here(rows: "list[Used]") -> dict[Line, Numbers]:
    """Return what was counted here, as far as the upstream named its model."""
    here: dict[Line, Numbers] = {}
    for row in rows:
        counts, line = row.counts, Line(row.place.day, row.place.model)
        if line.model and counts.calls:
            numbers = Numbers(counts.calls, counts.prompt_tokens, counts.completion_tokens)
            here[line] = here.get(line, Numbers()).plus(numbers)
    return here


def _say_apart(session: Session, rows: "list[Used]", since: str, until: str) -> None:
    unnamed = sum(row.counts.calls for row in rows if not row.place.model)
    uncounted = sum(row.counts.uncounted for row in rows if row.place.model)
    session.say(f"compared {since} to {until}, days of UTC")
    if unnamed:
        session.say(f"{unnamed} calls were not compared: no answer named a model")
    if uncounted:
        session.say(f"{uncounted} calls were compared without tokens: their answers gave no count")


def _as_data(one: Comparison) -> dict[str, Any]:
    sides = (("here", one.here), ("there", one.there))
    numbers = {
        side: None if said is None else {name: getattr(said, name) for name in COLUMNS}
        for side, said in sides
    }
    return {"day": one.line.day, "model": one.line.model, "verdict": one.verdict, **numbers}


def _sentence(one: Comparison) -> str:
    words = one.verdict
    if one.here is not None and one.there is not None:
        parts = [
            f"{name} {getattr(one.here, name)} here, {getattr(one.there, name)} there"
            f" ({getattr(one.here, name) - getattr(one.there, name):+d})"
            for name in one.differing
        ]
        words += f": {'; '.join(parts)}" if parts else ""
    else:
        said = one.here or one.there
        words += ": " + ", ".join(f"{name} {getattr(said, name)}" for name in COLUMNS)
    return f"{one.line.day}  {readable(one.line.model)}  {words}"


# --- from the ledger


def _rebuild(session: Session) -> None:
    """Put the counts of the ledger in the place of the file."""
    from tallystick.capture.settings import GATEWAY_NAME
    from tallystick.capture.usage import Source, recorded
    from tallystick.capture.usage_file import replace_usage
    from tallystick.evidence import emitter_id

    issuer = session.signer(GATEWAY).issuer
    with session.reader(with_keys=True) as ledger:
        emitter = emitter_id(bytes.fromhex(ledger.card.genesis), issuer, GATEWAY_NAME)
        counted = recorded(Source(ledger, issuer, emitter))
    try:
        replace_usage(session.home.usage, counted.table, counted.mark)
    except ConflictError as error:
        raise ConflictError(
            "a gateway is running, and counts by itself", advice="end the service first"
        ) from error
    session.say(f"counted {counted.outcomes} calls from the ledger")
    if counted.unreadable:
        session.say(f"{counted.unreadable} more cannot be counted: their content is not readable")
