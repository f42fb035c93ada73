"""`tally approvals`: ask a person to approve something, on a page of the service."""

import time
from typing import Any

import click

from tallystick.cli.arguments import find_id
from tallystick.cli.passkeys import issuer_of, pages_url
from tallystick.cli.printing import readable
from tallystick.cli.registering import read_fields
from tallystick.cli.session import Session, pass_session


@click.group()
def approvals() -> None:
    """Ask people to approve, with the passkeys that `tally passkeys invite` let them make."""


@approvals.command("ask")
@click.option("--of", "who", metavar="NAME|DID", required=True, help="The person who is asked.")
@click.option(
    "--action", metavar="CODE", required=True,
    help="What is approved, such as `release`; `decision` also registers the decision.",
)  # fmt: skip
@click.option(
    "--target", "targets", multiple=True, metavar="ID|INDEX", help="A statement that it is about."
)
@click.option(
    "--field", "fields", multiple=True, metavar="NAME=VALUE",
    help="What it says, as for `tally register`; shown to the person.",
)  # fmt: skip
@click.option(
    "--minutes", type=click.IntRange(1, 10_080), default=15, show_default=True,
    help="How long it may be approved.",
)  # fmt: skip
@pass_session
def ask_approval(
    session: Session, /, who: str, action: str, targets: tuple[str, ...],
    fields: tuple[str, ...], minutes: int,
) -> None:  # fmt: skip
    """Ask a person to approve something; write the address of the page where they answer.

    What they approve is registered as an `approval` statement, with the action `decision` together
    with the decision itself. Whoever has the address sees what is asked.
    """
    with session.reader() as ledger:
        ids = tuple(ledger.get(find_id(ledger, one)).statement.id for one in targets)
    ask_person(session, who, action, ids, read_fields(fields), minutes=minutes)


def ask_person(
    session: Session, who: str, action: str, targets: tuple[bytes, ...],
    fields: dict[str, Any], *, minutes: int,
) -> None:  # fmt: skip
    """Keep a question for a person, and write the address at which they find it."""
    from tallystick.approvals import Waiting, Wanted, ask
    from tallystick.ledger.assembly import read_state

    issuer, now = issuer_of(session, who), int(time.time())
    wanted = Wanted(
        issuer=issuer, action=action, targets=targets, fields=fields, seconds=minutes * 60
    )
    with session.reader(with_keys=True) as ledger:
        state = read_state(ledger.index, ledger.snapshot)
        waiting = Waiting(session.home.asked, ledger.api_secret)
        try:
            token, question = ask(waiting, state, wanted, now)
        finally:
            waiting.close()
    url = f"{pages_url(session)}/approvals/{token}"
    session.say(f"{readable(issuer)} can answer within {minutes} minutes, while the service runs")
    subject = question.approval.subject()
    data = {"url": url, "subject": subject, "expires_at": question.approval.expiry}
    session.give(data, url)
