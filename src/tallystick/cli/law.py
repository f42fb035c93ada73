"""`tally law`: what laws ask for, what this ledger does about it, and where its content may lie."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tallystick.cli.session import Session, pass_session
from tallystick.errors import ConflictError, InputError

if TYPE_CHECKING:
    from tallystick.lawmap import Law, Report

FORMS: Final = (".html", ".md", ".json")
"""What a report can be written as, by the end of the file's name."""
REPORT: Final = "law-report"
"""Subject of a registered report."""
ASSESSMENT: Final = "dpia"
"""Subject of a registered data protection impact assessment."""

_JURISDICTION: Final = click.option(
    "--jurisdiction", "jurisdictions", multiple=True, metavar="WHOSE",
    help="Only laws of EU, GB, CH or US-CO; repeatable [all].",
)  # fmt: skip
_REGISTER: Final = click.option(
    "--register", is_flag=True, help="Register it as a document, with --as NAME."
)
_AS: Final = click.option("--as", "issuer", metavar="NAME", help="Who registers it.")


@click.group()
def law() -> None:
    """Show what laws ask for, and what this ledger does about it and does not.

    No legal advice, and no finding that a law is met: a person judges that.
    """


@law.command("list")
@_JURISDICTION
@pass_session
def list_(session: Session, jurisdictions: tuple[str, ...]) -> None:
    """List the articles on the map: authority, date, and by when something is due."""
    from tallystick.lawmap import laws

    session.give_all(_articles(laws(jurisdictions)))
    session.say("as known on the dates shown; each article names its sources in `tally law report`")


def _articles(chosen: "Sequence[Law]") -> "Iterator[tuple[dict[str, Any], str]]":
    from tallystick.lawmap.report import article_data
    from tallystick.lawmap.text import due

    for one in chosen:
        for article in one.articles:
            checked = one.checked_on(article)
            data = {
                "law": one.id,
                "jurisdiction": one.jurisdiction,
                "checked": checked.isoformat(),
                "checks": list(article.checks),
                **article_data(article),
            }
            words = f"{one.id}  {article.article}  {article.title}; from {article.in_force}, "
            words += f"{article.authority}; known on {checked}"
            words += f"; due: {due(article)}" if article.deadlines else ""
            yield data, words + ("; not all verified" if article.doubt else "")


@law.command("report")
@_JURISDICTION
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path),
    help="Write to a file that ends in .html, .md or .json.",
)  # fmt: skip
@_REGISTER
@_AS
@pass_session
def report(
    session: Session,
    jurisdictions: tuple[str, ...],
    output: Path | None,
    issuer: str | None,
    *,
    register: bool,
) -> None:
    """Say for each article what this ledger does, with evidence, and what it does not.

    Reads the settings, the ledger's folder and the whole log; opens no content and needs no
    passphrase. Markdown, without -o.
    """
    from tallystick.cli.seeing import look
    from tallystick.lawmap import laws, make_report

    _check_register(issuer, register=register)
    form = _form(output)
    session.need_ledger()
    made = make_report(laws(jurisdictions), look(session))
    text = _written(made, form)
    _give(session, made.data(), text, output)
    for warning in made.warnings():
        session.say(f"warning: {warning}")
    if register:
        _register(session, issuer or "", REPORT, form, text)


def _form(output: Path | None) -> str:
    if output is None:
        return ".md"
    if output.suffix not in FORMS:
        raise InputError(f"{output} must end in {', '.join(FORMS)}")
    return output.suffix


def _written(made: "Report", form: str) -> str:
    import json

    from tallystick.lawmap import as_markdown, as_page

    if form == ".json":
        return json.dumps(made.data(), indent=2, ensure_ascii=False) + "\n"
    return as_page(made) if form == ".html" else as_markdown(made)


def _give(session: Session, data: dict[str, Any], text: str, output: Path | None) -> None:
    if output is None:
        session.give(data, text.rstrip("\n"))
        return
    output.write_text(text, encoding="utf-8")
    session.say(f"wrote {output}")
    session.give({"output": str(output)}, str(output))


@law.command("dpia")
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file."
)
@_REGISTER
@_AS
@pass_session
def dpia(session: Session, output: Path | None, issuer: str | None, *, register: bool) -> None:
    """Draft a data protection impact assessment from what this ledger is and holds.

    What only the controller can know is asked, and never guessed.
    """
    from tallystick.cli.seeing import look
    from tallystick.lawmap import draft_assessment

    _check_register(issuer, register=register)
    session.need_ledger()
    text = draft_assessment(look(session))
    _give(session, {"text": text}, text, output)
    if register:
        session.say("this registers the draft: register the answered one under the same subject")
        _register(session, issuer or "", f"{ASSESSMENT}-draft", ".md", text)


@law.command("location")
@click.argument("place", required=False)
@click.option("--reason", help="Why, in words; stays in the vault.")
@pass_session
def location(session: Session, place: str | None, reason: str | None) -> None:
    """Show where content of this ledger must stay, or say so: PLACE is a country, EU or EEA.

    A declaration, not geography: what is declared to lie elsewhere is refused. The setting
    data_location says where this machine is. Recorded in the vault, and registered.
    """
    from tallystick.ledger import Ledger
    from tallystick.vault.census import take_census

    session.need_ledger()
    if place is None:
        kept = take_census(session.home.vault).location
        words = f"content must stay in {kept}" if kept else "content may lie anywhere"
        session.give({"location": kept, "place": session.place()}, words)
        return
    if not reason:
        raise InputError("say why, with --reason: it is registered")
    with session.ledger() as ledger:
        if not isinstance(ledger, Ledger):
            raise ConflictError(
                "a service has this ledger open, and would not know of it",
                advice="stop the service, run this again, and start it",
            )
        registered = ledger.keep_content_in(place, reason)
    from tallystick.cli.noting import done, note
    from tallystick.statement.administration import Act

    note(session, done(Act.VAULT_LOCATED, place, at=registered.index))
    session.say(f"content stays in {place} from now on; registered at index {registered.index}")
    session.give({"location": place, "id": registered.id.hex()}, registered.id.hex())


def _check_register(issuer: str | None, *, register: bool) -> None:
    if register != (issuer is not None):
        raise InputError("--register and --as NAME go together")


def _register(session: Session, issuer: str, subject: str, form: str, text: str) -> None:
    import time

    from tallystick.cli.registering import submit
    from tallystick.evidence import sign_fields

    signed = sign_fields(
        session.signer(issuer), "document", {"form": form.removeprefix("."), "text": text},
        issued_at=int(time.time()), subject=subject,
    )  # fmt: skip
    submit(session, [signed])
