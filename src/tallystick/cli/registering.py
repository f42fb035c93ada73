"""`tally register`: statements into the ledger."""

import json
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.arguments import check_type, find_id, parse_digest
from tallystick.cli.session import Session, pass_session
from tallystick.errors import InputError, RefusedError, TallystickError

if TYPE_CHECKING:
    from tallystick.client import Registered as Remote
    from tallystick.ledger import Registered, Submission
    from tallystick.vault import About


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--as", "issuer", metavar="NAME", help="Sign a new statement with this key.")
@click.option("--type", "type_", metavar="TYPE", help="Type of the new statement.")
@click.option("--subject", help="What it is about; random by default.")
@click.option(
    "--field",
    "fields",
    multiple=True,
    metavar="NAME=VALUE",
    help="Content; VALUE is JSON or text; @FILE takes a file's bytes, @@FILE its text. "
    "Goes to the vault.",
)
@click.option(
    "--link",
    "links",
    multiple=True,
    metavar="RELATION=ID",
    help="Point to another statement, by id or index.",
)
@click.option("--acting-for", metavar="ID", help="The delegation under which --as acts.")
@click.option("--model", metavar="SHA256", help="Digest of the model that was used.")
@click.option("--about", metavar="REF", help="Whom the content is about; stays in the vault.")
@click.option("--purpose", metavar="P", help="What it is kept for, with --about.")
@pass_session
def register(
    session: Session,
    files: tuple[Path, ...],
    issuer: str | None,
    type_: str | None,
    subject: str | None,
    fields: tuple[str, ...],
    links: tuple[str, ...],
    acting_for: str | None,
    model: str | None,
    about: str | None,
    purpose: str | None,
) -> None:
    """Register signed statements from FILES (COSE_Sign1), or sign and register a new one.

    Types: genesis, policy, key, delegation, refusal, access, access-answer, hold, restriction,
    retention, label, heartbeat; inference, decision, explanation-request, explanation,
    review-request, appeal, review,
    action, dataset, model, evaluation, anomaly, content-mark, change, erasure, document;
    clauses, approval, call.
    """
    from tallystick.ledger import Submission

    if about is not None and not issuer:
        raise InputError("--about goes with --as NAME: statements from files bring no content")
    if issuer and files:
        raise InputError("give either files with signed statements, or --as NAME, not both")
    session.need_ledger()
    if acting_for is not None:
        if not issuer:
            raise InputError("--acting-for needs --as NAME, the agent that signs")
        links = (*links, f"acted_for={acting_for}")
    if issuer:
        submission = _new(session, issuer, type_, subject, fields, links, model)
        submissions = [replace(submission, about=read_about(about, purpose))]
    elif files:
        submissions = [Submission(file.read_bytes()) for file in files]
    else:
        raise InputError("give files with signed statements, or --as NAME to sign a new one")
    submit(session, submissions, [str(file) for file in files])


def _new(
    session: Session,
    issuer: str,
    type_: str | None,
    subject: str | None,
    fields: tuple[str, ...],
    links: tuple[str, ...],
    model: str | None,
) -> "Submission":
    from tallystick.evidence import sign_fields

    if not type_ or not fields:
        raise InputError("a new statement needs --type and at least one --field")
    check_type(type_)
    return sign_fields(
        session.signer(issuer),
        type_,
        read_fields(fields),
        issued_at=int(time.time()),
        links=_links(session, links),
        model=parse_digest(model) if model else None,
        subject=subject or uuid.uuid4().urn,
    )


def read_about(about: str | None, purpose: str | None) -> "About | None":
    """Read whom content is about.

    Raises:
        InputError: It is empty, or there is a purpose and nobody.
    """
    from tallystick.vault import About

    if about is None:
        if purpose is not None:
            raise InputError("--purpose needs --about REF")
        return None
    if not about.strip():
        raise InputError("--about is empty, expected a reference such as case-4711")
    return About(about, purpose or "")


def submit(session: Session, submissions: "list[Submission]", names: Sequence[str] = ()) -> None:
    """Register, give each answer, and fail for the first that was refused, by its name."""
    with session.ledger() as ledger:
        answers = ledger.register(submissions)
    session.give_all(_results(answers))
    for at, answer in enumerate(answers):
        if isinstance(answer, TallystickError):
            raise _named(answer, names[at] if names else "")
    session.say(f"registered {len(answers)} of {len(answers)}")


def _results(
    answers: "Iterable[Registered | Remote | TallystickError]",
) -> Iterator[tuple[dict[str, Any], str]]:
    for answer in answers:
        if isinstance(answer, TallystickError):
            reason = getattr(answer, "reason", None)
            yield {"error": answer.code, "reason": reason, "detail": str(answer)}, "refused"
        else:
            data = {"id": answer.id.hex(), "index": answer.index, "existed": answer.existed}
            yield data, answer.id.hex()


def _named(error: TallystickError, name: str) -> TallystickError:
    """Put the file's name before what is wrong with it, and say how a refusal ends."""
    if name:
        error.args = (f"{name}: {error}",)
    if isinstance(error, RefusedError) and error.reason == "policy":
        error.advice = "the operator allows it with `tally policy allow TYPE=WHO`"
    return error


def read_fields(texts: tuple[str, ...]) -> dict[str, Any]:
    """Read content that a person typed, field by field.

    Raises:
        InputError: Not NAME=VALUE, or a name stands twice.
    """
    fields: dict[str, Any] = {}
    for text in texts:
        name, value = _field(text)
        if name in fields:
            raise InputError(f"field {name!r} is given twice")
        fields[name] = value
    return fields


def _field(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise InputError(f"a field is NAME=VALUE, got {text!r}")
    if value.startswith("@@"):
        return name, Path(value[2:]).read_text(encoding="utf-8")
    if value.startswith("@"):
        return name, Path(value[1:]).read_bytes()
    try:
        return name, json.loads(value, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return name, value


def _no_number(constant: str) -> Any:
    """Leave NaN and Infinity, which JSON does not have, as the text that they are."""
    raise ValueError(constant)


def _links(session: Session, texts: tuple[str, ...]) -> dict[str, tuple[bytes, ...]]:
    links: dict[str, tuple[bytes, ...]] = {}
    if not texts:
        return links
    with session.reader() as ledger:
        for text in texts:
            relation, separator, target = text.partition("=")
            if not separator:
                raise InputError(f"a link is RELATION=ID, got {text!r}")
            links[relation] = (*links.get(relation, ()), find_id(ledger, target))
    return links
