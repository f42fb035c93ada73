"""What all ledgers of one service hold together: requests under way, and bodies in memory."""

from tallystick.web.bodies import Budget
from tallystick.web.settings import Settings


class Load:
    """Belongs to the event loop.

    Attributes:
        requests: How many requests are being answered.
        requests_max: Most of them.
        budget: Memory for bodies.
    """

    def __init__(self, settings: Settings) -> None:
        """Begin with nothing under way."""
        self.requests, self.requests_max = 0, settings.requests_max
        self.budget = Budget(settings.buffered_bytes_max)
