"""`tally webhooks`: who is told of what. The running service delivers."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.filters import filter_options, read_filters, saved_option
from tallystick.cli.printing import readable
from tallystick.cli.searching import in_words
from tallystick.cli.session import Session, pass_session
from tallystick.errors import NotFoundError, TallystickError, UnavailableError

if TYPE_CHECKING:
    from tallystick.webhooks.addresses import Allowed
    from tallystick.webhooks.progress import Progress
    from tallystick.webhooks.store import Webhook, Webhooks


@click.group()
def webhooks() -> None:
    """Have statements that match sent to a URL, signed, in log order, at least once."""


@webhooks.command("add")
@click.argument("name")
@click.option("--url", required=True, help="Where to; https.")
@click.option(
    "--since",
    metavar="INDEX",
    type=click.IntRange(min=0),
    help="Begin at this index; 0 is the whole log [the next one to come].",
)
@click.option("--entries", is_flag=True, help="Send the signed bytes of each statement, too.")
@saved_option
@filter_options
@pass_session
def add(
    session: Session, /, name: str, url: str, since: int | None, *, entries: bool, **wanted: Any
) -> None:
    """Add the webhook NAME, and show the secret that its receiver checks signatures with.

    Without a filter it is told of every statement. The secret is shown once.
    """
    from tallystick.webhooks.addresses import parse_target
    from tallystick.webhooks.signing import show_secret

    store = _store(session)
    parse_target(url, _allowed(session))
    filters = read_filters(session, wanted)
    with session.reader(with_keys=True) as ledger:
        size = ledger.snapshot.checkpoint.size
        if since is not None and since > size:
            raise NotFoundError(f"the log has {size} entries, and {since} was asked for")
        start = size if since is None else since
        now = int(time.time())
        secret, made = store.add(
            name, url, filters, ledger.api_secret, start=start, now=now, entries=entries
        )
    session.say(f"from entry {start} on; the secret is not shown again")
    session.give({"secret": show_secret(secret), **_as_data(session, made)}, show_secret(secret))


@webhooks.command("list")
@pass_session
def list_webhooks(session: Session) -> None:
    """List all webhooks, how far each has come, and why where one does not deliver."""
    known = _store(session).all()
    session.give_all((_as_data(session, one), _line(session, one)) for one in known)


@webhooks.command("test")
@click.argument("name")
@pass_session
def test(session: Session, name: str) -> None:
    """Send the target of NAME a signed message that says nothing, now and once."""
    from tallystick.webhooks.messages import trial
    from tallystick.webhooks.sending import Sender

    webhook, now = _store(session).get(name), int(time.time())
    with session.reader(with_keys=True) as ledger:
        secrets = webhook.secrets(ledger.api_secret, now)
    message = trial(webhook, now)
    outcome = Sender(_allowed(session)).send(
        webhook.url, message.headers(secrets, now), message.body
    )
    if outcome.result != "delivered":
        raise UnavailableError(f"not delivered: {outcome.words}")
    session.give({"name": name, "result": outcome.result}, "delivered")


@webhooks.command("rotate")
@click.argument("name")
@pass_session
def rotate(session: Session, name: str) -> None:
    """Make a new secret for NAME; for 24 hours messages are signed with the old one, too."""
    from tallystick.webhooks.signing import show_secret

    with session.reader(with_keys=True) as ledger:
        secret, made = _store(session).rotate(name, ledger.api_secret, now=int(time.time()))
    session.say("the old secret is valid for 24 hours; the new one is not shown again")
    session.give({"secret": show_secret(secret), **_as_data(session, made)}, show_secret(secret))


@webhooks.command("pause")
@click.argument("name")
@pass_session
def pause(session: Session, name: str) -> None:
    """Deliver nothing to NAME until it is resumed; it keeps its place."""
    _give(session, _store(session).pause(name))


@webhooks.command("resume")
@click.argument("name")
@pass_session
def resume(session: Session, name: str) -> None:
    """Go on where NAME was, whoever paused it."""
    _give(session, _store(session).resume(name))


@webhooks.command("remove")
@click.argument("name")
@pass_session
def remove(session: Session, name: str) -> None:
    """Forget the webhook NAME and its place."""
    from tallystick.webhooks.progress import remove_progress

    removed = _store(session).remove(name)
    remove_progress(session.home.webhook_progress, removed.id)
    session.give({"name": name}, name)


def _store(session: Session) -> "Webhooks":
    from tallystick.webhooks.store import Webhooks

    session.need_ledger()
    return Webhooks(session.home.webhooks)


def _allowed(session: Session) -> "Allowed":
    from tallystick.webhooks.addresses import Allowed, parse_networks

    settings = session.sources().settings()
    return Allowed(settings.webhook_loopback, parse_networks(settings.webhook_networks))


def _give(session: Session, webhook: "Webhook") -> None:
    session.give(_as_data(session, webhook), _line(session, webhook))


def _as_data(session: Session, webhook: "Webhook") -> dict[str, Any]:
    progress, state = _state(session, webhook)
    return {
        "name": webhook.name,
        "id": webhook.id,
        "url": webhook.url,
        "filters": webhook.filters.given(),
        "entries": webhook.entries,
        "state": state,
        "position": progress.position,
        "delivered_at": progress.delivered_at,
        "failing_since": progress.failing_since,
        "error": progress.error,
    }


def _line(session: Session, webhook: "Webhook") -> str:
    progress, state = _state(session, webhook)
    since = f" since {_moment(progress.failing_since)}" if progress.failing_since else ""
    error = f": {readable(progress.error)}" if progress.error else ""
    return (
        f"{webhook.name:<16} {state}{since}{error}, at {progress.position}, to "
        f"{readable(webhook.url)}, {in_words(webhook.filters)}"
    )


def _state(session: Session, webhook: "Webhook") -> "tuple[Progress, str]":
    """Return how far a webhook is, and in one word how it does."""
    from tallystick.webhooks.progress import Progress, read_progress

    try:
        progress = read_progress(session.home.webhook_progress, webhook.id)
    except TallystickError as error:
        return Progress(webhook.start, error=str(error)), "damaged"
    progress = progress or Progress(webhook.start)
    if webhook.paused:
        return progress, "paused"
    if progress.halt is not None and progress.halt.resumed == webhook.resumed:
        return progress, progress.halt.why if progress.halt.why == "gone" else "given up"
    return progress, "failing" if progress.failing_since else "delivering"


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
