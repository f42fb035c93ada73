"""`tally up`: a ledger served, and a gateway for AI calls before any OpenAI-compatible API."""

import logging
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from tallystick.cli.keys import own_issuer
from tallystick.cli.options import serving_options
from tallystick.cli.session import Session, need, pass_session
from tallystick.errors import InputError, TallystickError

if TYPE_CHECKING:
    from tallystick.capture import Gateway, GatewaySettings
    from tallystick.identity import SoftwareSigner
    from tallystick.ledger import Ledger
    from tallystick.web import Settings

_log = logging.getLogger(__name__)

GATEWAY: Final = "gateway"
"""Name of the gateway's key, where no other is asked for."""


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

    Without an upstream a small, weak model that ships with Tallystick answers, if NumPy is there.
    Settings come from tallystick.toml in the ledger's folder, then TALLYSTICK_* variables, then
    options. The upstream's own key is never an option: set TALLYSTICK_UPSTREAM_KEY.
    """
    from tallystick.cli import logs
    from tallystick.web import load_settings

    need("tallystick.web.server", "tallystick.capture.app")
    settings = load_settings(session.home.settings, os.environ, flags)
    logs.configure(settings)
    with _in_lines(session, settings):
        _check(settings)
        _make_if_missing(session, origin, generate=generate_passphrase)
        session.need_ledger()
        _serve(session, settings)


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


def _make_if_missing(session: Session, origin: str, *, generate: bool) -> None:
    from tallystick.cli.home import make_ledger

    home = session.home
    if home.service_keys.exists():
        return
    make_ledger(session, origin, generate=generate)
    session.say(f"made the ledger {origin} in {home.root}")


def _check(settings: "Settings") -> None:
    """Refuse what could not be served, before anything is made or registered."""
    import ssl

    from tallystick.webhooks.addresses import parse_networks

    parse_networks(settings.webhook_networks)
    if settings.has_gateway or settings.routes:
        check_upstreams(settings)
    if settings.tls_certificate is not None and settings.tls_key is not None:
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(settings.tls_certificate, settings.tls_key)
        except ssl.SSLError as error:
            raise InputError(
                f"{settings.tls_certificate} and {settings.tls_key} are no certificate and its "
                f"key in PEM: {error.reason or error}"
            ) from error


def check_upstreams(settings: "Settings") -> None:
    """Refuse upstreams and routes that cannot work.

    Raises:
        InputError: The message names the setting.
    """
    from dataclasses import replace

    from tallystick.cli.small_model import small_model_asked

    chosen = gateway_settings(settings)
    if small_model_asked(settings):  # its address is known once it runs
        chosen = replace(chosen, upstream="http://127.0.0.1/v1")
    chosen.check()


def _serve(session: Session, settings: "Settings") -> None:
    from tallystick.capture import ApiKeys, gateway_app
    from tallystick.cli.remote import announced
    from tallystick.web.server import open_ledger, serve

    _warn(session, settings)
    passphrase = session.passphrase()
    with ExitStack() as opened:
        ledger = open_ledger(session.home, passphrase, settings)
        opened.callback(ledger.close)
        settings, gateway = _gateway(session, ledger, settings, opened)
        keys = ApiKeys(session.home.api_keys, ledger.api_secret)

        def listening(url: str) -> None:
            announce(url)
            _say(session, ledger, settings, url)

        # A terminal that closes ends the service as Ctrl-C does.
        signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        announce = opened.enter_context(announced(session.home))
        serve(
            ledger,
            settings,
            gateway_app=gateway_app(gateway) if gateway else None,
            authorize=lambda token: keys.resolve(token, ledger.clock()).check_use("register"),
            on_listening=listening,
            gateway_status=gateway.status if gateway else None,
        )


def _warn(session: Session, settings: "Settings") -> None:
    """Log what does not keep the service from starting, and should not stay so."""
    from tallystick.cli.checks.certificates import certificates
    from tallystick.cli.checks.configuration import key_rights
    from tallystick.cli.checks.finding import State

    now = datetime.now(UTC)
    for one in (
        *key_rights(session.home, session.passphrase_file()),
        *certificates(settings.tls_certificate, settings.tls_key, now),
    ):
        if one.state is not State.OK:
            _log.warning("%s; %s", one.seen, one.mend or f"expected {one.expected}")


def _gateway(
    session: Session, ledger: "Ledger", settings: "Settings", opened: ExitStack
) -> "tuple[Settings, Gateway | None]":
    """Return the gateway, and settings that name what stands behind it; None without that."""
    from tallystick.cli.small_model import small_model_wanted, start_small_model

    models: dict[str, bytes] = {}
    if small_model_wanted(session, settings):
        settings, models = start_small_model(session, ledger, settings, opened)
    if not settings.has_gateway:
        return settings, None
    return settings, make_gateway(ledger, gateway_signer(session, ledger), settings, models)


def make_gateway(
    ledger: "Ledger",
    signer: "SoftwareSigner",
    settings: "Settings",
    models: Mapping[str, bytes] | None = None,
) -> "Gateway":
    """Return the gateway that the settings ask for; they name an upstream.

    Args:
        ledger: Open for writing.
        signer: The gateway's key.
        settings: Name the upstream.
        models: Digests of models by name, where they are known here.
    """
    from tallystick.capture import Gateway

    return Gateway(ledger, signer, gateway_settings(settings), models=models)


def gateway_settings(settings: "Settings") -> "GatewaySettings":
    """Return what of the service's settings is the gateway's."""
    from tallystick.capture import GatewaySettings

    return GatewaySettings(
        upstream=settings.upstream,
        upstream_key=settings.upstream_key,
        upstreams=settings.upstreams,
        routes=settings.routes,
        environ=os.environ,
        fail_open=settings.fail_open,
        require_key=settings.require_key,
    )


def gateway_signer(session: Session, ledger: "Ledger") -> "SoftwareSigner":
    """Return the gateway's key; the first time make it, register it, and allow it what it says."""
    from tallystick.capture import GATEWAY_TYPES

    signer, fresh = own_issuer(session, ledger, GATEWAY, "machine", "Gateway", GATEWAY_TYPES)
    if fresh:
        did = signer.public.did()
        session.say(f"the gateway signs as {did}, which may now register what it records")
    return signer


def _say(session: Session, ledger: "Ledger", settings: "Settings", url: str) -> None:
    """Say where the service is; whoever reads standard output waits for this line."""
    gateway = f"{url}/v1" if settings.has_gateway else None
    if not ledger.state.policy.rules:
        session.say("nobody may register anything: see `tally keys create`, `tally policy allow`")
    session.say(f"serving {ledger.card.origin} from {session.home.root}; Ctrl-C ends it")
    from tallystick.web.server import EVERY_ADDRESS

    if settings.host in EVERY_ADDRESS:
        session.say(f"listening on all addresses of this machine; from here it is {url}")
    if gateway:
        names = [one.name for one in settings.upstreams]
        where = ", ".join([*names, *([settings.upstream] if settings.upstream else [])])
        session.say(f"gateway to {where}: OpenAI clients use base_url={gateway}")
    _log.info("serving %s at %s", ledger.card.origin, url)
    session.give({"url": url, "gateway": gateway, "home": str(session.home.root)}, url)
