"""`tally demo`: the whole story on 569 real cases, then the ledger served for a look around."""

import shlex
import signal
import tempfile
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import click

from tallystick.cli.session import Session, need, pass_session
from tallystick.errors import UnavailableError

if TYPE_CHECKING:
    from tallystick.cli.demo.serving import Background
    from tallystick.cli.demo.stage import Stage
    from tallystick.cli.demo.story import Story
    from tallystick.web import Settings
    from tallystick.web.server import Server

ORIGIN: Final = "localhost/demo"
LOOK_SECONDS: Final = 0.5


@click.command()
@click.option("--exit", "ends", is_flag=True, help="End after the story instead of serving.")
@click.option("--port", type=int, help="Port to serve on [8471, else a free one].")
@pass_session
def demo(session: Session, port: int | None, *, ends: bool) -> None:
    """See the whole story on real data, in under a minute.

    Uses a fresh folder, whose path is printed. Every line names the command that does the same.
    """
    from tallystick.cli.demo.stage import Stage

    need("tallystick.web.server", "tallystick.capture.app", "sklearn.linear_model")
    folder = session.chosen_home or tempfile.mkdtemp(prefix="tallystick-demo-")
    session = Session(folder, as_json=session.as_json, quiet=session.quiet)
    stage = Stage(silent=session.as_json or session.quiet)
    stage.note(f"everything happens in {folder}")
    with ExitStack() as opened:
        story = _begin(session, stage, opened)
        _tell_of_data(story, stage)
        server, service = _start(session, story, 0 if ends else port, opened)
        _tell_of_answers(story, stage, f"{server.url}/v1")
        _tell_of_erasure(story, stage)
        _finish(session, story, stage, None if ends else server.url)
        if not ends:
            _serve(session, server, service)


def _begin(session: Session, stage: "Stage", opened: ExitStack) -> "Story":
    """Make the ledger; `opened` closes everything in the end, the newest first."""
    from tallystick.cli.demo.story import Story
    from tallystick.ledger import Ledger, create

    passphrase = session.generate_passphrase()
    create(session.home, ORIGIN, passphrase, clock=lambda: int(time.time()))
    ledger = opened.enter_context(Ledger.open(session.home, passphrase))
    return Story(ledger, session.issuers(), passphrase, stage)


def _tell_of_data(story: "Story", stage: "Stage") -> None:
    from tallystick.cli.demo.learning import refuse_poison, register_cases, train_models

    with stage.step(1, "A ledger; two clinics and an AI get their identities"):
        stage.done("opened an empty, durable ledger", f"init --origin {ORIGIN}")
        story.give_identities()
    with stage.step(2, "The clinics register their cases"):
        register_cases(story)
    with stage.step(3, "A model is trained only on rows that verify"):
        refuse_poison(story)
        train_models(story)


def _tell_of_answers(story: "Story", stage: "Stage", gateway: str) -> None:
    from tallystick.cli.demo.answering import ask_all, decide
    from tallystick.cli.demo.checking import export, tamper, verify
    from tallystick.cli.demo.learning import offer_small_lm

    with stage.step(4, "The model answers; every prompt and answer is registered"):
        stage.done(f"an OpenAI-compatible gateway runs at {gateway}", "up --upstream URL")
        offer_small_lm(story)
        decide(story, ask_all(story, gateway))
    with stage.step(5, "Anyone can verify it, and see what was tampered with"):
        bundle = export(story)
        verify(story, bundle)
        tamper(story, bundle)


def _tell_of_erasure(story: "Story", stage: "Stage") -> None:
    from tallystick.cli.demo.erasing import erase_cases, verify_what_remains

    with stage.step(6, "Two patients have their cases erased; every proof still verifies"):
        erase_cases(story)
        verify_what_remains(story)


def _start(
    session: Session, story: "Story", port: int | None, opened: ExitStack
) -> "tuple[Server, Background]":
    """Serve the models, and before them the ledger with the gateway."""
    from tallystick.cli.demo.endpoint import ServedClassifier
    from tallystick.cli.demo.serving import Background, serve_model
    from tallystick.cli.remote import announced
    from tallystick.endpoint import ServedModel, endpoint_app, load_small_lm

    models: list[ServedModel] = [ServedClassifier(story.facts.artifact), load_small_lm()]
    model, upstream = serve_model(endpoint_app(models))
    opened.enter_context(model)
    flags = {"upstream": upstream, "port": port, "show_content": True}
    settings = session.sources(flags).settings()
    server = _server(story, settings, free_port=port is None)
    opened.enter_context(announced(session.home, settings.tls_certificate))(server.url)
    return server, opened.enter_context(Background(server, server.stop))


def _server(story: "Story", settings: "Settings", *, free_port: bool) -> "Server":
    from msgspec.structs import replace

    from tallystick.capture import gateway_app
    from tallystick.cli.demo.story import AI
    from tallystick.cli.gateways import make_gateway
    from tallystick.web.server import Server
    from tallystick.web.service import Served

    gateway = make_gateway(story.ledger, story.issuers.signer(AI), settings)
    clock, keys = story.ledger.clock, gateway.keys
    try:
        return Server(
            Served(
                story.ledger, settings, gateway_app(gateway), lambda key: keys.grant(key, clock())
            )
        )
    except UnavailableError:
        if not free_port:
            raise
        return _server(story, replace(settings, port=0), free_port=False)


def _finish(session: Session, story: "Story", stage: "Stage", url: str | None) -> None:
    home = str(session.home.root)
    facts = {"home": home, "url": url, "seconds": round(stage.seconds, 1), **story.facts.shown}
    session.give(facts, f"\nAll of it took {stage.seconds:.1f} s. The ledger is in {home}")
    session.say(f"it stays there until you remove it: rm -r {shlex.quote(home)}")


def _serve(session: Session, server: "Server", service: "Background") -> None:
    """Serve until somebody ends it."""
    session.say(f"serving it at {server.url} (API: {server.url}/openapi.json); Ctrl-C ends it")
    session.say(f"in another terminal: export TALLYSTICK_HOME={session.home.root}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while service.running:
            time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        session.say("ending")
