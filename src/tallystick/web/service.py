"""What all handlers share: the ledger, the settings, and what is running now."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from tallystick.affected.deadlines import OpenRequests
from tallystick.approvals import Waiting
from tallystick.capture import ApiKeys
from tallystick.errors import InputError
from tallystick.ledger import Ledger
from tallystick.web.access import Authorize
from tallystick.web.answers import App
from tallystick.web.feed import Feed
from tallystick.web.intake import Intake
from tallystick.web.load import Load
from tallystick.web.running import Running
from tallystick.web.settings import Settings
from tallystick.web.telemetry import Telemetry
from tallystick.web.telling import Telling

if TYPE_CHECKING:
    from tallystick.capture import GatewayStatus
    from tallystick.capture.bindings import Bindings
    from tallystick.ledger.keeping import Keeping

AskKeeper = Callable[[], "Keeping | None"]
AskGateway = Callable[[], "GatewayStatus | None"]

READERS: Final = 4
"""Threads that read files for answers."""


@dataclass(frozen=True, slots=True)
class Served:
    """A ledger, and how it is served.

    Attributes:
        ledger: Open for writing, until after the service ended.
        settings: Of this ledger; what concerns the connection is the first ledger's to say.
        gateway_app: Mounted under `/v1`.
        authorize: Knows API keys; None if there are none.
        gateway_status: Asks the gateway how it does, in the event loop.
        bindings: Know which registered person somebody is who signs in; None if nobody does.
        keeping: Asks what erases by time how it does, in any thread; None where nothing does.
    """

    ledger: Ledger
    settings: Settings
    gateway_app: App | None = None
    authorize: Authorize | None = None
    gateway_status: AskGateway | None = None
    bindings: "Bindings | None" = None
    keeping: AskKeeper | None = None


class Service:
    """One ledger's service; owned by the event loop, except where it says otherwise.

    Attributes:
        ledger: May be used by any thread.
        settings: Never changed.
        authorize: Knows API keys; None if there are none.
        bindings: Know which registered person somebody is who signs in; None if nobody does.
        intake: Takes statements to the ledger.
        feed: Follows the log for subscribers.
        asked_of_us: What people ask of decisions; any thread may look.
        telling: Delivers to webhooks, once it is started.
        running: Registrations that were answered with 303.
        readers: Threads for handlers that block.
        load: What all ledgers of the service hold together.
        further: The further ledgers by name; None for one that could not be opened.
        telemetry: Counts.
        closing: The service was told to end.
        gateway_status: Asks the gateway how it does; in the event loop. None without one.
        keeping: Asks what erases by time how it does. None where nothing does.
        api_keys: The file of API keys, to be counted; knows no secret.
        certificate_ends: When the TLS certificate expires, seconds since 1970; None without one.
    """

    def __init__(
        self,
        served: Served,
        load: Load | None = None,
        further: "Mapping[str, Service | None] | None" = None,
    ) -> None:
        """Serve a ledger that stays open until after `close`."""
        ledger, settings = served.ledger, served.settings
        self.gateway_status = served.gateway_status or (lambda: None)
        self.keeping = served.keeping or (lambda: None)
        self.api_keys = ApiKeys(ledger.home.api_keys, b"")
        self.certificate_ends = _ends(settings.tls_certificate)
        self.ledger, self.settings, self.authorize = ledger, settings, served.authorize
        self.bindings = served.bindings
        self.load, self.further = load or Load(settings), further or {}
        if self.authorize is not None:
            self.load.authorizers.append(self.authorize)
        self.load.role_rules += settings.oidc_roles
        self.intake = Intake(ledger, settings.workers)
        self.feed = Feed(
            ledger,
            settings.subscribers_max,
            settings.subscribers_per_caller,
            lambda: self.closing,
        )
        self.asked_of_us = OpenRequests()
        self.telling = Telling(ledger, settings, self.load.spans)
        self.running = Running()
        self.readers = ThreadPoolExecutor(READERS, thread_name_prefix="tallystick-reader")
        self.closing = False
        self._asked: Waiting | None = None
        self._asking = Lock()
        self.telemetry = Telemetry(self)

    @property
    def private(self) -> bool:
        """Only who is entitled reads the log, says the policy that is in force."""
        return self.ledger.state.policy.private

    @property
    def asked(self) -> Waiting:
        """What people are asked; any thread may ask for it, and the first one opens the file.

        Raises:
            UnavailableError: It cannot be opened now.
        """
        with self._asking:
            if self._asked is None:
                self._asked = Waiting(self.ledger.home.asked, self.ledger.api_secret)
            return self._asked

    def all(self) -> "Iterator[Service]":
        """Yield the services of all ledgers that are open, this one first."""
        yield self
        yield from filter(None, self.further.values())

    def close(self) -> None:
        """Let threads finish and give them back; the ledger stays open."""
        self.closing = True
        self.telling.close()
        self.feed.close()
        self.intake.close()
        self.readers.shutdown()
        if self._asked is not None:
            self._asked.close()


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
