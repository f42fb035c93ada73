"""The gateway that the settings ask for: checked, given its key, made."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from tallystick.cli.keys import own_issuer
from tallystick.cli.session import Session

if TYPE_CHECKING:
    from tallystick.capture import Gateway, GatewaySettings
    from tallystick.identity import Signer
    from tallystick.ledger import Ledger
    from tallystick.web import Settings

GATEWAY: Final = "gateway"
"""Name of the gateway's key, where no other is asked for."""


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


def make_gateway(
    ledger: "Ledger",
    signer: "Signer",
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
    from tallystick.vault.location import parse_locations

    return GatewaySettings(
        upstream=settings.upstream,
        upstream_key=settings.upstream_key,
        upstream_location=settings.upstream_location,
        upstreams=settings.upstreams,
        routes=settings.routes,
        content_locations=parse_locations(settings.content_locations),
        environ=os.environ,
        fail_open=settings.fail_open,
        require_key=settings.require_key,
    )


def gateway_signer(session: Session, ledger: "Ledger") -> "Signer":
    """Return the gateway's key; the first time make it, register it, and allow it what it says."""
    from tallystick.capture import GATEWAY_TYPES

    signer, fresh = own_issuer(session, ledger, GATEWAY, "machine", "Gateway", GATEWAY_TYPES)
    if fresh:
        did = signer.issuer
        session.say(f"the gateway signs as {did}, which may now register what it records")
    return signer
