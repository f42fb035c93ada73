"""`tally up`: a ledger served, and a gateway for AI calls before any OpenAI-compatible API."""

import logging
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.opening import Shared, check_settings, open_or_tell
from tallystick.cli.options import serving_options
from tallystick.cli.session import Session, loading, pass_session
from tallystick.errors import InputError, TallystickError

if TYPE_CHECKING:
    from tallystick.web import Settings
    from tallystick.web.service import Served

_log = logging.getLogger(__name__)


@click.command()
@serving_options
@click.option("--origin", default="localhost/main", show_default=True, help="For a new ledger.")
@click.option(
    "--generate-passphrase",
    is_flag=True,
    help="For a new ledger: make a random passphrase, and keep it in the ledger's folder.",
)
@pass_session
def up(session: Session, /, origin: str, *, generate_passphrase: bool, **flags: Any) -> None:
    """Serve a ledger, and a gateway for AI calls before --upstream. Makes the ledger if need be.

    Further ledgers, see `tally ledgers`, are served under /ledgers/NAME.

    Without an upstream a small, weak model that ships with Tallystick answers, if NumPy is there.
    Settings come from tallystick.toml in the ledger's folder, then TALLYSTICK_* variables, then
    options. The upstream's own key is never an option: set TALLYSTICK_UPSTREAM_KEY.
    """
    from tallystick.cli import logs
    from tallystick.cli.allocator import give_memory_back

    give_memory_back()
    if session.further is not None:
        raise InputError(
            f"the ledger {session.further} is served together with the first one",
            advice="run `tally up` without --ledger",
        )
    with loading("tallystick.web.server", "tallystick.capture.app") as loaded:
        settings = session.sources(flags).settings()
        logs.configure(settings)
        with _in_lines(session, settings):
            check_settings(settings)
            if not session.home.service_keys.exists():
                loaded()  # what is not installed shows before anything is made
                _make(session, origin, generate=generate_passphrase)
            session.open_keys_ahead()
            session.need_ledger()
            _serve(session, settings, flags, loaded)


@contextmanager
def _in_lines(session: Session, settings: "Settings") -> Iterator[None]:
    """Where log lines are JSON, let standard error hold nothing else."""
    if settings.log_format != "json":
        yield
        return
    session.quiet = True
    try:
        yield
    except TallystickError as error:
        fields = {"code": error.code, "advice": error.advice}
        _log.error("%s", error, extra={"fields": fields})
        raise click.exceptions.Exit(error.exit_code) from error


def _make(session: Session, origin: str, *, generate: bool) -> None:
    from tallystick.cli.home import make_ledger

    make_ledger(session, origin, generate=generate)
    session.say(f"made the ledger {origin} in {session.home.root}")


def _serve(
    session: Session, settings: "Settings", flags: Mapping[str, Any], loaded: Callable[[], None]
) -> None:
    from tallystick.cli.remote import announced
    from tallystick.web.settings import LEDGERS

    with ExitStack() as opened:
        shared = Shared(opened, settings.workers)
        first = shared.open(session, settings)
        loaded()
        sessions = {name: session.of(name) for name in session.home.further_names()}
        further = {name: open_or_tell(shared, one, flags) for name, one in sessions.items()}
        announce = {
            name: opened.enter_context(announced(sessions[name].home, settings.tls_certificate))
            for name, one in further.items()
            if one is not None
        }
        announce_first = opened.enter_context(announced(session.home, settings.tls_certificate))

        def listening(url: str) -> None:
            for name, tell in announce.items():
                tell(f"{url}{LEDGERS}{name}")
            announce_first(url)
            _say(session, first, [*announce], url)

        from tallystick.web.server import serve

        # A terminal that closes ends the service as Ctrl-C does.
        signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        serve(first, further, on_listening=listening)


def _say(session: Session, first: "Served", further: Sequence[str], url: str) -> None:
    """Say where the service is; whoever reads standard output waits for this line."""
    from tallystick.web.server import EVERY_ADDRESS
    from tallystick.web.settings import LEDGERS

    ledger, settings = first.ledger, first.settings
    gateway = f"{url}/v1" if settings.has_gateway else None
    if not ledger.state.policy.rules:
        session.say("nobody may register anything: see `tally keys create`, `tally policy allow`")
    session.say(f"serving {ledger.card.origin} from {session.home.root}; Ctrl-C ends it")
    if settings.host in EVERY_ADDRESS:
        session.say(f"listening on all addresses of this machine; from here it is {url}")
    for name in further:
        session.say(f"serving the ledger {name} at {url}{LEDGERS}{name}")
    if gateway:
        names = [one.name for one in settings.upstreams]
        where = ", ".join([*names, *([settings.upstream] if settings.upstream else [])])
        session.say(f"gateway to {where}: OpenAI clients use base_url={gateway}")
    _log.info("serving %s at %s", ledger.card.origin, url)
    given: dict[str, Any] = {"url": url, "gateway": gateway, "home": str(session.home.root)}
    if further:
        given["ledgers"] = {name: f"{url}{LEDGERS}{name}" for name in further}
    session.give(given, url)
