"""`tally retention`: how long content is kept, what is over, and the proof that it went."""

import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import click

from tallystick.cli.arguments import check_did, check_type
from tallystick.cli.registering import submit
from tallystick.cli.session import Session, pass_session
from tallystick.cli.targets import operator_or
from tallystick.errors import InputError

if TYPE_CHECKING:
    from tallystick.ledger import Reads
    from tallystick.statement.retention import Retention, RetentionRule

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "y": 365 * 86_400}
_DURATION: Final = re.compile(r"([0-9]{1,9})([smhdy])", re.ASCII)
ANY: Final = "any"


@click.group()
def retention() -> None:
    """Show and set how long content is kept; erase what is over."""


@retention.command("set")
@click.argument("type_", metavar="TYPE|any")
@click.option("--least", default="0s", show_default=True, metavar="TIME", help="Such as 180d.")
@click.option("--most", metavar="TIME", help="Then it is erased, such as 2y; else never.")
@click.option("--issuer", metavar="DID", help="Only what this issuer signed.")
@click.option("--emitter", metavar="HEX", help="Only what this process wrote.")
@click.option(
    "--despite", metavar="REASON,...",
    help="Reasons that come before the minimum; none for none [default: consent-withdrawn, "
    "court-order, objection, unlawful].",
)  # fmt: skip
@click.option("--remove", is_flag=True, help="Remove the rule of this stream.")
@pass_session
def set_retention(
    session: Session,
    /,
    type_: str,
    issuer: str | None,
    emitter: str | None,
    *,
    remove: bool,
    **wanted: Any,
) -> None:
    """Set how long content of a stream is kept, as the operator: s, m, h, d or y.

    A stream is a type, or all of them, of an issuer or emitter. The rule that names most applies.
    """
    from tallystick.ledger.retention import read_retention
    from tallystick.statement.retention import Retention, parse_retention

    rule = _rule(type_, issuer, emitter, **wanted)
    session.need_ledger()
    with session.reader() as ledger:
        known = read_retention(ledger)
    others = [one for one in known.rules if _stream(one) != _stream(rule)]
    if remove and len(others) == len(known.rules):
        raise InputError(f"there is no rule for {_words(rule)}")
    rules = others if remove else [*others, rule]
    made = Retention(tuple(sorted(rules, key=lambda one: _stream(one).count(None))))
    parse_retention(made.encode())  # what is wrong shows before it is signed
    with session.ledger() as writing:
        writing.set_retention(made)
    _show(session, made)


@retention.command("show")
@pass_session
def show_retention(session: Session) -> None:
    """Show the rules; of those that fit a statement, the first applies."""
    from tallystick.ledger.retention import read_retention

    with session.reader() as ledger:
        rules = read_retention(ledger)
    _show(session, rules)


@retention.command("run")
@click.option("--dry-run", is_flag=True, help="Only say what would be erased.")
@pass_session
def run_retention(session: Session, *, dry_run: bool) -> None:
    """Erase now what has reached its maximum; a running service does so by itself.

    What is under a hold stays.
    """
    from tallystick.ledger import sign_erasures
    from tallystick.ledger.retention import find_overdue, time_to_judge_by
    from tallystick.statement import ErasureReason

    now = int(time.time())
    with session.reader(with_keys=True) as ledger:
        judged = time_to_judge_by(ledger, now)
        found = [one for one in find_overdue(ledger, judged) if one is not None]
    targets = {o.found.statement.id: o.positions for o in found if not o.held or o.positions}
    held = sum(one.held for one in found)
    if targets and not dry_run:
        signer = operator_or(session, None)
        submit(session, sign_erasures(signer, targets, ErasureReason.RETENTION, now))
    done = "would be" if dry_run else "are"
    words = f"{len(targets)} {done} erased, {held} are over and held"
    session.give({"erased": len(targets), "held": held, "dry_run": dry_run}, words)


@retention.command("report")
@pass_session
def report_retention(session: Session) -> None:
    """Say, rule by rule, what is over and still here, and what was erased by time."""
    from tallystick.ledger.retention import Ages, find_overdue, find_retention

    with session.reader(with_keys=True) as ledger:
        said = find_retention(ledger.index, ledger.snapshot)
        over, held = Counter[Any](), Counter[Any]()
        for one in find_overdue(ledger, int(time.time())):
            if one is not None:
                held[_stream(one.rule)] += one.held
                over[_stream(one.rule)] += not one.held or bool(one.positions)
        rules = _rules(said.statement.payload) if said else ()
        data = {
            "origin": ledger.card.origin,
            "size": ledger.snapshot.checkpoint.size,
            "time": Ages(ledger.index, ledger.snapshot).now(),
            "rules_at_index": said.index if said else None,
            "rules": [
                {**_as_data(r), "overdue": over[_stream(r)], "held": held[_stream(r)]}
                for r in rules
            ],
            "erasures": list(_erasures(ledger)),
        }
    session.give(data, _report(data, rules))


def _erasures(ledger: "Reads") -> Iterator[dict[str, Any]]:
    """Yield what was erased by time: each statement proves with `tally export`."""
    from tallystick.ledger import Query
    from tallystick.statement import ErasureReason, parse_erasure

    for found in ledger.find_all(Query(type="erasure")):
        erasure = parse_erasure(found.statement)
        if erasure.reason is ErasureReason.RETENTION:
            statement = found.statement
            yield {
                "index": found.index,
                "id": statement.id.hex(),
                "issued_at": statement.header.issued_at,
                "erased": [one.hex() for one in erasure.erased],
            }


def _report(data: dict[str, Any], rules: "tuple[RetentionRule, ...]") -> str:
    lines = [
        f"{_line(rule)}: {one['overdue']} over, {one['held']} of what is over held"
        for rule, one in zip(rules, data["rules"], strict=True)
    ]
    count = sum(len(one["erased"]) for one in data["erasures"])
    lines.append(f"{count} erased by time, in {len(data['erasures'])} statements")
    return "\n".join(lines)


def _rules(payload: bytes) -> "tuple[RetentionRule, ...]":
    from tallystick.statement.retention import parse_retention

    return parse_retention(payload).rules


def _rule(
    type_: str,
    issuer: str | None,
    emitter: str | None,
    *,
    least: str,
    most: str | None,
    despite: str | None,
) -> "RetentionRule":
    from tallystick.statement import ErasureReason
    from tallystick.statement.retention import RetentionRule

    rule = RetentionRule(
        type=None if type_ == ANY else check_type(type_),
        issuer=check_did(issuer),
        emitter=None if emitter is None else _emitter(emitter),
        least=_seconds(least),
        most=None if most is None else _seconds(most),
    )
    if despite is None:
        return rule
    named = [] if despite == "none" else [one.strip() for one in despite.split(",")]
    if unknown := set(named) - set(ErasureReason):
        raise InputError(f"no reason for an erasure: {min(unknown)!r:.40}")
    return replace(rule, despite=frozenset(ErasureReason(one) for one in named))


def _seconds(text: str) -> int:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise InputError(f"a time is a number and s, m, h, d or y, such as 180d; got {text!r:.40}")
    return int(match[1]) * _UNITS[match[2]]


def _emitter(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise InputError(f"an emitter is 32 hex digits, got {text!r:.60}") from None


def _stream(rule: "RetentionRule") -> tuple[object, ...]:
    return rule.type, rule.issuer, rule.emitter


def _show(session: Session, rules: "Retention") -> None:
    session.give_all((_as_data(rule), _line(rule)) for rule in rules.rules)
    if not rules.rules:
        session.say("nothing is kept for a set time: see `tally retention set`")


def _as_data(rule: "RetentionRule") -> dict[str, Any]:
    return {
        "type": rule.type,
        "issuer": rule.issuer,
        "emitter": rule.emitter.hex() if rule.emitter else None,
        "least": rule.least,
        "most": rule.most,
        "despite": sorted(map(str, rule.despite)),
    }


def _words(rule: "RetentionRule") -> str:
    by = [f" by {rule.issuer}" if rule.issuer else "", f" of {rule.emitter.hex()}"
          if rule.emitter else ""]  # fmt: skip
    return f"{rule.type or ANY}{''.join(by)}"


def _line(rule: "RetentionRule") -> str:
    most = "" if rule.most is None else f", at most {_duration(rule.most)}"
    before = ", ".join(sorted(map(str, rule.despite))) or "nothing"
    first = f" (before that: {before})" if rule.least else ""
    return f"{_words(rule)}: at least {_duration(rule.least)}{first}{most}"


def _duration(seconds: int) -> str:
    for unit, length in reversed(_UNITS.items()):
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
