"""Settings of the gateway, each with its default and its limit."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from tallystick.errors import InputError
from tallystick.statement.governance import StatementType

REQUEST_BYTES_MAX: Final = 6 << 20
"""Longest request body. It is spooled whole, twice in the worst case: see `spool.SEGMENT_BYTES`."""
ANSWER_BYTES_MAX: Final = 6 << 20
"""Longest answer that is recorded whole; of a longer one the beginning, length and digest are."""
CALLS_MAX: Final = 256
"""Calls under way at the same time."""
CONNECT_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 300.0
TOTAL_SECONDS: Final = 1800.0
REGISTER_SECONDS: Final = 0.5
"""One registration costs the same few syncs and some fifty switches between threads, whether it
is of one call or of hundreds; calls feel each switch."""
REGISTER_SECONDS_MAX: Final = 60.0

GATEWAY_NAME: Final = "gateway"
"""Which of an issuer's gateways it is, where nobody gave it another name."""
GATEWAY_TYPES: Final = frozenset(
    {StatementType.INFERENCE, StatementType.HEARTBEAT, StatementType.CHANGE}
)
"""What the registration policy must allow the gateway's issuer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """What an operator decides about a gateway.

    Attributes:
        upstream: Base URL of the model's API as clients are given it, such as
            `https://api.openai.com/v1`. Trusted with every prompt; it can answer anything.
        upstream_key: Sent as bearer token for callers who have none of their own. Whoever may
            call the gateway spends this key's budget.
        name: Tells the gateways of one issuer apart; each counts for itself.
        fail_open: Pass calls on whose evidence cannot be made durable. They are counted, and the
            switch itself is recorded; while it is off, such calls are refused.
        require_key: Demand a key of ours also on loopback.
        connect_s: Longest time until the upstream accepts a connection.
        idle_s: Longest silence of the upstream, also before its first byte.
        total_s: Longest time of a call, the caller's reading included.
        register_s: How long statements are gathered in the spool before the ledger gets them.
        calls_max: Calls under way at the same time; more are refused.
        request_bytes_max: Longest request body.
        answer_bytes_max: Longest answer that is recorded whole.
    """

    upstream: str
    upstream_key: str | None = None
    name: str = GATEWAY_NAME
    fail_open: bool = False
    require_key: bool = False
    connect_s: float = CONNECT_SECONDS
    idle_s: float = IDLE_SECONDS
    total_s: float = TOTAL_SECONDS
    register_s: float = REGISTER_SECONDS
    calls_max: int = CALLS_MAX
    request_bytes_max: int = REQUEST_BYTES_MAX
    answer_bytes_max: int = ANSWER_BYTES_MAX

    def check(self) -> None:
        """Refuse what cannot work or would be recorded although it is secret.

        Raises:
            InputError: The message names the setting.
        """
        _check_upstream(self.upstream)
        if self.register_s > REGISTER_SECONDS_MAX:
            raise InputError(
                f"register_s must be at most {REGISTER_SECONDS_MAX:g}, got {self.register_s}"
            )
        for name in ("connect_s", "idle_s", "total_s", "register_s", "calls_max"):
            if getattr(self, name) <= 0:
                raise InputError(f"{name} must be above 0, got {getattr(self, name)}")
        for name, most in (
            ("request_bytes_max", REQUEST_BYTES_MAX),
            ("answer_bytes_max", ANSWER_BYTES_MAX),
        ):
            if not 0 < getattr(self, name) <= most:
                raise InputError(f"{name} must be in 1..{most}, got {getattr(self, name)}")


def _check_upstream(url: str) -> None:
    try:
        parts = urlsplit(url)
        port_is_a_number = parts.port is None or parts.port > 0
    except ValueError as error:
        raise InputError(f"upstream {url!r:.200} is not a URL: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_a_number:
        raise InputError(f"upstream must be http://… or https://…, got {url!r:.200}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InputError(
            "upstream must not hold credentials, a query or a fragment: it is recorded with "
            "every call",
            advice="give the key as upstream_key",
        )
