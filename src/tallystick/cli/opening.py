"""Opening the ledgers of a service: what they share is made once, and the first one must open."""

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tallystick.cli.gateways import check_upstreams, gateway_signer, make_gateway
from tallystick.cli.session import Session, need
from tallystick.errors import InputError, TallystickError

if TYPE_CHECKING:
    from tallystick.capture import Gateway
    from tallystick.capture.bindings import Bindings
    from tallystick.ledger import Ledger
    from tallystick.web import Settings
    from tallystick.web.service import Served

_log = logging.getLogger(__name__)


class Shared:
    """Opens the ledgers of a service; what they share is made once."""

    def __init__(self, opened: ExitStack, workers: int) -> None:
        """Give everything back with `opened`."""
        from tallystick.cli.small_model import SmallModel
        from tallystick.ledger import BorrowedChecks, PooledChecks

        self._opened, self._model = opened, SmallModel(opened)
        self._pool = PooledChecks(workers)
        opened.callback(self._pool.close)
        self._checks = BorrowedChecks(self._pool)

    def open(self, session: Session, settings: "Settings") -> "Served":
        """Open a ledger, and a gateway on it where something stands behind that.

        Raises:
            TallystickError: It cannot be opened; nothing stays open of it.
        """
        from tallystick.cli.noting import at_start
        from tallystick.ledger.keeping import Keeper
        from tallystick.web.opening import open_ledger, record_roles

        _warn(session, settings)
        with ExitStack() as kept:
            ledger = open_ledger(session.home, session.passphrase(), settings, self._checks)
            kept.callback(ledger.close)
            at_start(session.home, ledger, settings)
            keeper = Keeper(ledger)
            kept.callback(keeper.close)
            record_roles(ledger, settings)
            from tallystick.capture import ApiKeys, gateway_app
            from tallystick.web.service import Served

            settings, gateway = self._gateway(session, ledger, settings)
            keys = ApiKeys(session.home.api_keys, ledger.api_secret)
            self._opened.push(kept.pop_all())
        return Served(
            ledger,
            settings,
            gateway_app(gateway) if gateway else None,
            lambda token: keys.grant(token, ledger.clock()),
            gateway.status if gateway else None,
            _bindings(ledger, settings),
            keeper.status,
        )

    def _gateway(
        self, session: Session, ledger: "Ledger", settings: "Settings"
    ) -> "tuple[Settings, Gateway | None]":
        """Return the gateway, and settings that name what stands behind it; None without that."""
        from tallystick.cli.small_model import put_behind, small_model_wanted

        models: dict[str, bytes] = {}
        if small_model_wanted(session, settings):
            settings, models = put_behind(self._model, session, ledger, settings)
        if not settings.has_gateway:
            return settings, None
        return settings, make_gateway(ledger, gateway_signer(session, ledger), settings, models)


def _bindings(ledger: "Ledger", settings: "Settings") -> "Bindings | None":
    if settings.oidc_issuer is None:
        return None
    from tallystick.capture.bindings import Bindings

    return Bindings(ledger.home.bindings, ledger.api_secret)


def open_or_tell(shared: Shared, session: Session, flags: Mapping[str, Any]) -> "Served | None":
    """Open a further ledger; one that cannot be opened leaves the others alone."""
    try:
        settings = session.sources(flags).settings()
        check_settings(settings)
        session.need_ledger()
        return shared.open(session, settings)
    except (TallystickError, OSError) as error:
        advice = getattr(error, "advice", None)
        words = f"the ledger {session.further} is not served: {error}"
        _log.error("%s", words, extra={"fields": {"advice": advice}})
        session.say(f"{words}; {advice}" if advice else words)
        return None


def check_settings(settings: "Settings") -> None:
    """Refuse what could not be served, before anything is made or registered.

    Raises:
        InputError: The message names the setting.
    """
    import ssl

    from tallystick.vault.location import parse_location, parse_locations
    from tallystick.web.spans import traces_url
    from tallystick.webhooks.addresses import parse_networks

    parse_networks(settings.webhook_networks)
    parse_networks(settings.issuer_networks, "issuer_networks")
    parse_locations(settings.content_locations)
    for place in (settings.data_location, settings.upstream_location):
        if place is not None:
            parse_location(place)
    if settings.oidc_issuer is not None:
        need("tallystick.web.oidc.sign_in")
        from tallystick.web.oidc.sign_in import check_sign_in

        check_sign_in(settings)
    if settings.otlp_endpoint is not None:
        traces_url(settings.otlp_endpoint)
        need("tallystick.web.otlp")
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


def _warn(session: Session, settings: "Settings") -> None:
    """Log what does not keep a ledger from being served, and should not stay so."""
    from tallystick.cli.checks.address import exposure
    from tallystick.cli.checks.certificates import certificates
    from tallystick.cli.checks.configuration import key_rights, valid_keys
    from tallystick.cli.checks.finding import State
    from tallystick.cli.checks.places import places

    now = datetime.now(UTC)
    for one in (
        *key_rights(session.home, session.passphrase_file()),
        *certificates(settings.tls_certificate, settings.tls_key, now),
        *exposure(settings, keys=valid_keys(session.home)),
        *places(session.home, settings),
    ):
        if one.state is not State.OK:
            _log.warning("%s; %s", one.seen, one.mend or f"expected {one.expected}")
