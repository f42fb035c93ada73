"""What all handlers share: the ledger, the settings, and what is running now."""

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tallystick.ledger import Ledger
from tallystick.web.access import Authorize
from tallystick.web.bodies import Budget
from tallystick.web.feed import Feed
from tallystick.web.intake import Intake
from tallystick.web.running import Running
from tallystick.web.settings import Settings
from tallystick.web.telemetry import Telemetry

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
        running: Registrations that were answered with 303.
        readers: Threads for handlers that block.
        budget: Memory for bodies.
        telemetry: Counts.
        requests: How many requests are being answered.
        closing: The service was told to end.
    """

    def __init__(self, ledger: Ledger, settings: Settings, authorize: Authorize | None) -> None:
        """Serve a ledger that stays open until after `close`."""
        self.ledger, self.settings, self.authorize = ledger, settings, authorize
        self.intake = Intake(ledger, settings.workers)
        self.feed = Feed(ledger, settings.subscribers_max, lambda: self.closing)
        self.running = Running()
        self.readers = ThreadPoolExecutor(READERS, thread_name_prefix="tallystick-reader")
        self.budget = Budget(settings.buffered_bytes_max)
        self.requests = 0
        self.closing = False
        self.telemetry = Telemetry(self)

    def close(self) -> None:
        """Let threads finish and give them back; the ledger stays open."""
        self.closing = True
        self.feed.close()
        self.intake.close()
        self.readers.shutdown()
