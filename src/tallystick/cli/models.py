"""`tally model`: the small language model that comes along; which models to train anew."""

import logging
from typing import TYPE_CHECKING, Final

import click
import msgspec

from tallystick.cli.session import Session, need, pass_session

if TYPE_CHECKING:
    from tallystick.endpoint import Card

PORT: Final = 8472


@click.group()
def model() -> None:
    """Serve or show the small language model that comes along; list models to be trained anew."""


@model.command("serve")
@click.option("--port", type=int, default=PORT, show_default=True, help="0 takes a free one.")
@pass_session
def serve_model(session: Session, port: int) -> None:
    """Serve the model alone, over the OpenAI protocol, to this machine only.

    Nothing is recorded: for that, put a gateway before it with `tally up`, which without
    --upstream does both.
    """
    need("tallystick.endpoint.small_lm", "tallystick.endpoint.serving")
    from tallystick.endpoint import load_small_lm, small_lm_card
    from tallystick.endpoint.serving import listen, serve, url_of

    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    loaded, listening = load_small_lm(), listen(port)
    url = url_of(listening)

    def say() -> None:
        session.say(f"{describe(small_lm_card())}; Ctrl-C ends it")
        session.give({"url": url, "model": loaded.name, "sha256": loaded.digest.hex()}, url)

    serve([loaded], listening, say)


@model.command("card")
@pass_session
def show_card(session: Session) -> None:
    """Show what the model was trained on, under which licences, and how weak it is."""
    from tallystick.endpoint import small_lm_card

    card = small_lm_card()
    lines = [
        f"{card.name}: {card.algorithm}",
        f"  weights  {card.weights_bytes} bytes, SHA-256 {card.weights_sha256}, {card.licence}",
        f"  weak     {card.weakness}",
        f"  use      {card.use}",
        *(f"  text     {t.documents} {t.what} ({t.licence})" for t in card.text),
        f"  made by  {card.trained_by} at {card.commit[:12]}",
    ]
    session.give(msgspec.to_builtins(card), "\n".join(lines))


@model.command("due")
@pass_session
def show_due(session: Session) -> None:
    """List models that used rows which are erased since, and that no later version replaces.

    A later version is a model statement that names the model by `supersedes`.
    """
    from tallystick.cli.reading import brief, line
    from tallystick.evidence.erased import models_due

    with session.reader() as ledger:
        session.give_all(
            (brief(found) | {"erased_rows": count}, f"{line(found)}  {count} rows erased")
            for found, count in models_due(ledger)
        )


def describe(card: "Card") -> str:
    """Return what the model is, in a line."""
    return f"{card.name}, a {card.weights_bytes // 1000} kB language model to try things with, weak"
