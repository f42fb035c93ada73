"""`tally up`: a ledger served, and a gateway for AI calls before any OpenAI-compatible API."""

import logging
import os
import signal
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tallystick.cli.session import Session, need, pass_session
from tallystick.errors import InputError

if TYPE_CHECKING:
    from tallystick.capture import Gateway, GatewaySettings
    from tallystick.identity import SoftwareSigner
    from tallystick.ledger import Ledger
    from tallystick.web import Settings

GATEWAY: Final = "gateway"
"""Name of the gateway's key, where no other is asked for."""


@click.command()
@click.option("--upstream", metavar="URL", help="Model API behind the gateway, up to its /v1.")
@click.option(
    "--small-lm/--no-small-lm",
    default=None,
    help="Without --upstream, let a small model that ships with it answer [yes].",
)
@click.option("--host", help="Address to listen on [127.0.0.1].")
@click.option("--port", type=int, help="Port to listen on [8471]; 0 takes a free one.")
@click.option("--workers", type=int, help="Processes that check signatures [one per core].")
@click.option(
    "--fail-open/--fail-closed",
    default=None,
    help="Let AI calls through that cannot be recorded [no]. The switch is recorded.",
)
@click.option(
    "--require-key/--no-require-key", default=None, help="Ask callers on this machine, too [no]."
)
@click.option(
    "--show-content/--no-show-content", default=None, help="Serve content to trusted callers [no]."
)
@click.option("--public-url", metavar="URL", help="What clients call this service.")
@click.option(
    "--tls-certificate", type=click.Path(exists=True, path_type=Path), help="PEM certificate chain."
)
@click.option("--tls-key", type=click.Path(exists=True, path_type=Path), help="PEM private key.")
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
    from tallystick.web import load_settings

    need("tallystick.web.server", "tallystick.capture.app")
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    settings = load_settings(session.home.settings, os.environ, flags)
    _check(settings)
    _make_if_missing(session, origin, generate=generate_passphrase)
    _serve(session, settings)


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

    if settings.has_gateway or settings.routes:
        _check_upstreams(settings)
    if settings.tls_certificate is not None and settings.tls_key is not None:
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(settings.tls_certificate, settings.tls_key)
        except ssl.SSLError as error:
            raise InputError(
                f"{settings.tls_certificate} and {settings.tls_key} are no certificate and its "
                f"key in PEM: {error.reason or error}"
            ) from error


def _check_upstreams(settings: "Settings") -> None:
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
            authorize=lambda token: keys.resolve(token, ledger.clock()),
            on_listening=listening,
        )


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
    from tallystick.cli.keys import key_record
    from tallystick.identity import generate
    from tallystick.ledger import Query
    from tallystick.statement.governance import StatementType

    issuers = session.issuers()
    if GATEWAY not in issuers.names():
        issuers.add_signer(GATEWAY, generate())
        issuers.save()
    signer = issuers.signer(GATEWAY)
    did = signer.public.did()
    if not ledger.find(Query(type=StatementType.KEY, subject=did, limit=1)).found:
        ledger.register_key(key_record(signer, "machine", "Gateway", ledger.card.origin))
        _allow_gateway(ledger, did)
        session.say(f"the gateway signs as {did}, which may now register what it records")
    return signer


def _allow_gateway(ledger: "Ledger", did: str) -> None:
    from tallystick.capture import GATEWAY_TYPES
    from tallystick.ledger import RegistrationPolicy, Rule

    rule = Rule(frozenset(GATEWAY_TYPES), issuers=frozenset({did}))
    ledger.set_policy(RegistrationPolicy((*ledger.state.policy.rules, rule)))


def _say(session: Session, ledger: "Ledger", settings: "Settings", url: str) -> None:
    """Say where the service is; whoever reads standard output waits for this line."""
    gateway = f"{url}/v1" if settings.has_gateway else None
    if not ledger.state.policy.rules:
        session.say("nobody may register anything: see `tally keys create`, `tally policy allow`")
    session.say(f"serving {ledger.card.origin} from {session.home.root}; Ctrl-C ends it")
    if gateway:
        names = [one.name for one in settings.upstreams]
        where = ", ".join([*names, *([settings.upstream] if settings.upstream else [])])
        session.say(f"gateway to {where}: OpenAI clients use base_url={gateway}")
    session.give({"url": url, "gateway": gateway, "home": str(session.home.root)}, url)
