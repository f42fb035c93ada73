"""`tally publish`: show to everybody what a statement committed to."""

import time

import click

from tallystick.cli.arguments import find_id
from tallystick.cli.registering import submit
from tallystick.cli.session import Session, pass_session
from tallystick.cli.targets import operator_or


@click.command()
@click.argument("statement")
@click.option("--field", "fields", multiple=True, metavar="NAME", help="Only this field; again.")
@click.option("--as", "issuer", metavar="NAME", help="Sign with this key; else the operator does.")
@pass_session
def publish(session: Session, statement: str, fields: tuple[str, ...], issuer: str | None) -> None:
    """Register a statement that shows the content of STATEMENT (an id or index) to everybody.

    What is published stands in the log, and can never be erased. Content that was registered
    with --about is therefore refused: hand out a bundle instead.
    """
    from tallystick.ledger import disclosure_to_publish, sign_publication

    session.need_ledger()
    with session.reader(with_keys=True) as ledger:
        target = find_id(ledger, statement)
        shown = disclosure_to_publish(ledger, target, fields or None)
    signer = operator_or(session, issuer)
    submit(session, [sign_publication(signer, target, shown, int(time.time()))])
