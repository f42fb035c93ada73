"""What all handlers share: the ledger, the settings, and what is running now."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tallystick.capture import ApiKeys
from tallystick.errors import InputError
from tallystick.ledger import Ledger
from tallystick.web.access import Authorize
from tallystick.web.bodies import Budget
from tallystick.web.feed import Feed
from tallystick.web.intake import Intake
from tallystick.web.running import Running
from tallystick.web.settings import Settings
from tallystick.web.spans import exporter
from tallystick.web.telemetry import Telemetry
from tallystick.web.telling import Telling

if TYPE_CHECKING:
    from tallystick.capture import GatewayStatus

AskGateway = Callable[[], "GatewayStatus | None"]

READERS: Final = 4
"""Threads that read files for answers."""


class Service:
    """One ledger's service; owned by the event loop, except where it says otherwise.

    Attributes:
        ledger: May be used by any thread.
        settings: Never changed.
        authorize: Knows API keys; None if there are none.
        intake: Takes statements to the ledger.
        feed: Follows the log for subscribers.
        telling: Delivers to webhooks, once it is started.
        running: Registrations that were answered with 303.
        readers: Threads for handlers that block.
        budget: Memory for bodies.
        spans: Where they go; None where nobody asked for them.
        telemetry: Counts.
        requests: How many requests are being answered.
        closing: The service was told to end.
        gateway_status: Asks the gateway how it does; in the event loop. None without one.
        api_keys: The file of API keys, to be counted; knows no secret.
        certificate_ends: When the TLS certificate expires, seconds since 1970; None without one.
    """

    def __init__(
        self,
        ledger: Ledger,
        settings: Settings,
        authorize: Authorize | None,
        gateway_status: AskGateway | None = None,
    ) -> None:
        """Serve a ledger that stays open until after `close`."""
        self.gateway_status = gateway_status or (lambda: None)
        self.api_keys = ApiKeys(ledger.home.api_keys, b"")
        self.certificate_ends = _ends(settings.tls_certificate)
        self.ledger, self.settings, self.authorize = ledger, settings, authorize
        self.intake = Intake(ledger, settings.workers)
        self.feed = Feed(ledger, settings.subscribers_max, lambda: self.closing)
        self.spans = exporter(settings)
        self.telling = Telling(ledger, settings, self.spans)
        self.running = Running()
        self.readers = ThreadPoolExecutor(READERS, thread_name_prefix="tallystick-reader")
        self.budget = Budget(settings.buffered_bytes_max)
        self.requests = 0
        self.closing = False
        self.telemetry = Telemetry(self)

    def close(self) -> None:
        """Let threads finish and give them back; the ledger stays open."""
        self.closing = True
        self.telling.close()
        self.feed.close()
        self.intake.close()
        self.readers.shutdown()
        if self.spans is not None:
            self.spans.close()


def _ends(certificate: Path | None) -> int | None:
    """Return when a certificate expires.

    Raises:
        InputError: It cannot be read.
    """
    if certificate is None:
        return None
    from cryptography.x509 import load_pem_x509_certificate

    try:
        parsed = load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{certificate} is no certificate in PEM: {error}") from error
    return int(parsed.not_valid_after_utc.timestamp())
