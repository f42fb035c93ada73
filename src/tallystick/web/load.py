"""What all ledgers of one service hold together: requests, bodies in memory, the way of spans."""

from typing import TYPE_CHECKING, Final

from tallystick.errors import missing_extra
from tallystick.web.bodies import Budget
from tallystick.web.rates import Rates
from tallystick.web.settings import RoleRule, Settings
from tallystick.web.spans import exporter

STRANGERS_PER_SECOND: Final = 0.2
STRANGERS_BURST: Final = 30
"""A person needs a few requests; who guesses codes needs 2^127."""

if TYPE_CHECKING:
    from tallystick.web.access import Authorize
    from tallystick.web.oidc.sign_in import SignIn


class Load:
    """Belongs to the event loop.

    Attributes:
        requests: How many requests are being answered.
        requests_max: Most of them.
        budget: Memory for bodies.
        rates: How often one caller may ask.
        strangers: How often one address may ask for a decision about somebody.
        role_rules: What gives a role at any ledger to people who sign in.
        authorizers: Know the API keys of each ledger, so that a key at the wrong one is told so.
        spans: Where they go; None where nobody asked for them.
        sign_in: Signs people in; None where no provider is set.
    """

    def __init__(self, settings: Settings) -> None:
        """Begin with nothing under way.

        Raises:
            InputError: There is no such endpoint for spans, or the provider's settings are wrong.
            MissingExtraError: The extra `otel`, or `oidc`, is needed and not installed.
        """
        self.requests, self.requests_max = 0, settings.requests_max
        self.budget = Budget(settings.buffered_bytes_max)
        self.rates = Rates(settings.requests_per_second, settings.requests_burst)
        self.strangers = Rates(STRANGERS_PER_SECOND, STRANGERS_BURST)
        self.role_rules: list[RoleRule] = []
        self.authorizers: list[Authorize] = []
        self.spans = exporter(settings)
        self.sign_in = _sign_in(settings)

    def close(self) -> None:
        """Send the spans that wait, if somebody takes them soon."""
        if self.spans is not None:
            self.spans.close()
        if self.sign_in is not None:
            self.sign_in.close()


def _sign_in(settings: Settings) -> "SignIn | None":
    if settings.oidc_issuer is None:
        return None
    try:
        from tallystick.web.oidc.sign_in import SignIn
    except ModuleNotFoundError as error:
        raise missing_extra(error) from error
    return SignIn(settings)
