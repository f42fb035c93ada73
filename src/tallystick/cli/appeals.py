"""`tally appeals`: what people ask of decisions about them, by when, and what they are answered."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from tallystick.cli.arguments import find_id
from tallystick.cli.printing import readable
from tallystick.cli.reading import moment
from tallystick.cli.registering import submit
from tallystick.cli.session import Session, pass_session
from tallystick.cli.targets import operator_or
from tallystick.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from tallystick.ledger import LedgerReader, Submission
    from tallystick.ledger.appeals import Requested

_KINDS: Final = ("explanation-request", "review-request", "appeal")
_REQUEST = click.argument("request", metavar="REQUEST")
_AS = click.option("--as", "issuer", metavar="NAME", help="Sign with this key.")


@click.group()
def appeals() -> None:
    """Answer people who ask about, or contest, a decision about them."""


@appeals.command("code")
@click.argument("statement")
@pass_session
def show_code(session: Session, statement: str) -> None:
    """Write the code to hand out with the receipt of STATEMENT (an id or index).

    With both the person whom the decision is about sees it at the page /mine, and can ask for an
    explanation or human review, and appeal. Hand it out in a way that nobody else reads.
    """
    from tallystick.affected import make_code
    from tallystick.statement.appeal import CONTESTABLE

    with session.reader(with_keys=True) as ledger:
        found = ledger.get(find_id(ledger, statement))
        if found.statement.header.type not in CONTESTABLE:
            raise InputError(
                f"statement {found.statement.id.hex()} is of the type "
                f"{found.statement.header.type!r}: nothing can be asked of it"
            )
        code = make_code(ledger.api_secret, ledger.card.origin, found.statement.id)
    session.give({"id": found.statement.id.hex(), "index": found.index, "code": code}, code)


@appeals.command("list")
@click.option("--all", "everything", is_flag=True, help="Those answered and withdrawn, too.")
@pass_session
def list_appeals(session: Session, *, everything: bool) -> None:
    """List what is asked, oldest first: index, state, when it is due, what, of which decision."""
    with session.reader() as ledger:
        session.give_all(_rows(ledger, everything=everything))


@appeals.command("show")
@_REQUEST
@pass_session
def show_appeal(session: Session, request: str) -> None:
    """Show what a person asks (id or index), the decision it is about, and the answer."""
    session.reading_for = "answering a person"
    with session.reader(with_keys=True) as ledger:
        one = _request(ledger, request)
        data = _as_data(ledger, one)
        contents = {
            "words": one.id, "decision": one.asked.decision, "answer": one.answer,
        }  # fmt: skip
        opened = {name: _open(ledger, id_) for name, id_ in contents.items()}
    lines = [f"{name:<10} {readable(value)}" for name, value in data.items() if value is not None]
    for name, values in opened.items():
        lines += [f"{name:<10} {readable(n)}: {readable(v)}" for n, v in (values or {}).items()]
    session.give({**data, "content": opened}, "\n".join(lines))


@appeals.command("answer")
@_REQUEST
@_AS
@click.option("--of", "who", metavar="NAME|DID", help="Ask this person to approve it by passkey.")
@click.option("--explanation", metavar="TEXT", help="How the decision came about.")
@click.option("--outcome", type=click.Choice(["upheld", "changed"]), help="Of a human review.")
@click.option("--reason", metavar="TEXT", help="Why, with --outcome.")
@click.option(
    "--decision",
    metavar="ID|INDEX",
    help="The new decision, with --outcome changed; it supersedes.",
)
@pass_session
def answer(
    session: Session, /, request: str, issuer: str | None, who: str | None, **said: str | None
) -> None:
    """Answer a REQUEST (id or index); the person reads it where they asked.

    An explanation-request is answered with --explanation. A review-request or an appeal is answered
    by a human being: with --outcome and --reason, signed with the key of a person, or approved by
    one with a passkey. No AI answers it.
    """
    with session.reader() as ledger:
        one = _request(ledger, request)
        new = find_id(ledger, said["decision"]) if said["decision"] else None
    type_, fields = _answer(one, new, **said)
    targets = (one.id,) if new is None else (one.id, new)
    if who is not None:
        if issuer is not None or type_ != "review":
            raise InputError("--of asks a person to approve a review; give it without --as")
        _ask(session, who, targets, fields)
        return
    submit(session, [_sign(session, issuer, type_, targets, fields)])


@appeals.command("ask")
@click.argument("kind", type=click.Choice(_KINDS))
@click.argument("statement", metavar="DECISION")
@_AS
@click.option("--words", required=True, help="In your own words; kept in the vault.")
@pass_session
def ask(session: Session, kind: str, statement: str, issuer: str | None, words: str) -> None:
    """Ask something of a DECISION (id or index) with a key of your own, or for a person who comes.

    Who has neither key nor access here does it at the page /mine, with receipt and code.
    """
    from tallystick.affected.causes import causes_of

    with session.reader() as ledger:
        found = ledger.get(find_id(ledger, statement))
        causes = tuple(o.statement.id for o in causes_of(ledger, found)) if kind == "appeal" else ()
    links: dict[str, tuple[bytes, ...]] = {"decided_on": (found.statement.id,)}
    if causes:
        links["used"] = causes
    submit(session, [_signed(session, issuer, kind, {"words": words}, links)])


@appeals.command("withdraw")
@_REQUEST
@_AS
@pass_session
def withdraw(session: Session, request: str, issuer: str | None) -> None:
    """Withdraw a REQUEST (id or index), with the key that asked it."""
    with session.reader() as ledger:
        one = _request(ledger, request)
    links: dict[str, tuple[bytes, ...]] = {"supersedes": (one.id,)}
    submit(session, [_signed(session, issuer, one.type, {"words": ""}, links)])


def _answer(
    one: "Requested", new: bytes | None, *, explanation: str | None, outcome: str | None,
    reason: str | None, decision: str | None,
) -> tuple[str, dict[str, Any]]:  # fmt: skip
    """Read what is answered, as type and fields.

    Raises:
        InputError: It is not the kind of answer that was asked for, or says too little.
    """
    del decision  # `new` is its id
    if one.type == "explanation-request":
        if explanation is None or outcome or reason or new:
            raise InputError("an explanation-request is answered with --explanation alone")
        return "explanation", {"text": explanation}
    if explanation is not None or outcome is None or not reason:
        raise InputError(f"this {one.type} is answered with --outcome and --reason")
    if (outcome == "changed") != (new is not None):
        raise InputError(
            "--outcome changed goes with --decision: register the new decision first, with "
            "--link supersedes=" + one.asked.decision.hex()
        )
    return "review", {"outcome": outcome, "reason": reason}


def _sign(
    session: Session, issuer: str | None, type_: str, targets: tuple[bytes, ...],
    fields: dict[str, Any],
) -> "Submission":  # fmt: skip
    if type_ == "review" and issuer is None:
        raise InputError("a review is signed with --as the key of a person, or give --of")
    return _signed(session, issuer, type_, fields, {"decided_on": targets})


def _signed(
    session: Session, issuer: str | None, type_: str, fields: dict[str, Any],
    links: dict[str, tuple[bytes, ...]],
) -> "Submission":  # fmt: skip
    """Sign a statement whose content is kept with that of what it is about."""
    from dataclasses import replace

    from tallystick.evidence import sign_fields
    from tallystick.vault import Beside

    signer = operator_or(session, issuer)
    said = sign_fields(signer, type_, fields, issued_at=int(time.time()), links=links)
    return replace(said, about=Beside(next(iter(links.values()))[0]))


def _ask(session: Session, who: str, targets: tuple[bytes, ...], fields: dict[str, Any]) -> None:
    from tallystick.cli.approvals import ask_person

    ask_person(session, who, "review", targets, fields, minutes=60)


def _request(ledger: "LedgerReader", text: str) -> "Requested":
    """Return the request that somebody named.

    Raises:
        NotFoundError: It is none.
    """
    found = ledger.appeals.get(find_id(ledger, text))
    if found is None:
        raise NotFoundError(
            f"{text[:80]!r} is no request of a person", advice="see `tally appeals list`"
        )
    return found


def _rows(ledger: "LedgerReader", *, everything: bool) -> Iterator[tuple[dict[str, Any], str]]:
    found = [one for kind in _KINDS for one in ledger.appeals.all(kind)]
    for one in sorted(found, key=lambda one: one.index):
        if everything or one.ended is None:
            data = _as_data(ledger, one)
            yield data, _line(data)


def _as_data(ledger: "LedgerReader", one: "Requested") -> dict[str, Any]:
    from tallystick.affected import due_at
    from tallystick.ledger.retention import Ages

    asked_at = Ages(ledger.index, ledger.snapshot).at(one.index)
    due = due_at(asked_at)
    return {
        "index": one.index,
        "id": one.id.hex(),
        "type": one.type,
        "state": one.state,
        "asked_at": moment(asked_at),
        "due_at": moment(due),
        "overdue": one.ended is None and due < time.time(),
        "issuer": one.issuer,
        "decision": one.asked.decision.hex(),
        "ended_at_index": one.ended,
        "answer": None if one.answer is None else one.answer.hex(),
    }


def _line(data: dict[str, Any]) -> str:
    state = "OVERDUE" if data["overdue"] else data["state"]
    return (
        f"{data['index']:>8}  {state:<9} due {data['due_at']}  {data['type']:<19} "
        f"{data['decision'][:16]}…"
    )


def _open(ledger: "LedgerReader", statement_id: bytes | None) -> dict[str, Any] | None:
    if statement_id is None:
        return None
    try:
        return ledger.vault.get(statement_id).values()
    except NotFoundError:
        return None
