"""Settings of the gateway, each with its default and its limit."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec

from tallystick.errors import InputError
from tallystick.vault.location import holds, parse_location

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
UPSTREAMS_MAX: Final = 64
ROUTES_MAX: Final = 1000
RETRIES_MAX: Final = 5
"""Most further attempts at one target of a route."""
ATTEMPTS_MAX: Final = 12
"""Most attempts at one call, at all targets of its route together. Each is recorded whole."""
DEFAULT: Final = "default"
"""Name of the upstream that `upstream` names."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}", re.ASCII)
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


class UpstreamSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model API among several.

    Attributes:
        name: What routes call it: letters, digits, `.`, `_` and `-`.
        url: Its base URL, as clients are given it.
        key_variable: Environment variable that holds its key. The key itself stands nowhere else,
            and only the gateway holds it.
        models: Names of models that it answers for, with `*` and `?` as wildcards; the first
            upstream that has a model is asked for it.
        caller_keys: Whether it may see bearer tokens that callers bring themselves. Off, because
            they may be meant for another one.
        idle_s: Longest silence, also before its first byte; as for all by default.
        location: Where it lies: a country, `EU` or `EEA`. Where content must stay in a place, one
            that does not say so is not asked.
    """

    name: str
    url: str
    key_variable: str | None = None
    models: tuple[str, ...] = ("*",)
    caller_keys: bool = False
    idle_s: Annotated[float, msgspec.Meta(gt=0)] | None = None
    location: str | None = None


class RouteSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where calls for a model go, and where next if that fails.

    Attributes:
        model: The name that callers ask for, with `*` and `?` as wildcards. The first route that
            fits is taken.
        to: Targets in the order in which they are tried: `UPSTREAM/MODEL`, or `UPSTREAM` alone to
            leave the model's name as it was asked for.
        retries: Further attempts at each target, before the next one is tried.
    """

    model: str
    to: tuple[str, ...]
    retries: Annotated[int, msgspec.Meta(ge=0, le=RETRIES_MAX)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """What an operator decides about a gateway.

    Attributes:
        upstream: Base URL of the model's API as clients are given it, such as
            `https://api.openai.com/v1`. Trusted with every prompt; it can answer anything. It
            answers for all models that no other upstream has.
        upstream_key: Sent as bearer token for callers who have none of their own. Whoever may
            call the gateway spends this key's budget.
        upstream_location: Where `upstream` lies.
        upstreams: Further model APIs, before `upstream`.
        routes: Which of them are asked for a model, and in which order.
        kept_in: Where content must stay, as the vault says; None lets it go anywhere.
        content_locations: Further places that content may be sent to.
        environ: Where the keys of `upstreams` are looked up.
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

    upstream: str | None = None
    upstream_key: str | None = None
    upstream_location: str | None = None
    upstreams: tuple[UpstreamSettings, ...] = ()
    routes: tuple[RouteSettings, ...] = ()
    kept_in: str | None = None
    content_locations: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
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

    def all_upstreams(self) -> tuple[UpstreamSettings, ...]:
        """Return all model APIs, in the order in which they are looked through for a model."""
        if self.upstream is None:
            return self.upstreams
        default = UpstreamSettings(
            name=DEFAULT, url=self.upstream, caller_keys=True, location=self.upstream_location
        )
        return (*self.upstreams, default)

    def key_of(self, upstream: UpstreamSettings) -> str | None:
        """Return the key that the gateway holds for an upstream."""
        if upstream.name == DEFAULT:
            return self.upstream_key
        return self.environ.get(upstream.key_variable) if upstream.key_variable else None

    def may_send(self, upstream: UpstreamSettings) -> bool:
        """Tell whether content may go to an upstream; every call may hold personal content."""
        if self.kept_in is None:
            return True
        places, where = (self.kept_in, *self.content_locations), upstream.location
        return where is not None and any(holds(place, where) for place in places)

    def check(self) -> None:
        """Refuse what cannot work or would be recorded although it is secret.

        Raises:
            InputError: The message names the setting.
        """
        _check_upstreams(self)
        for route in self.routes:
            _check_route(route, {one.name for one in self.all_upstreams()})
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


def _check_upstreams(settings: GatewaySettings) -> None:
    upstreams = settings.all_upstreams()
    if not upstreams:
        raise InputError("there is no upstream; give one as upstream, or in [[upstreams]]")
    if len(upstreams) > UPSTREAMS_MAX or len(settings.routes) > ROUTES_MAX:
        raise InputError(
            f"a gateway has at most {UPSTREAMS_MAX} upstreams and at most {ROUTES_MAX} routes, got "
            f"{len(upstreams)} and {len(settings.routes)}"
        )
    names = [one.name for one in upstreams]
    for place in (*settings.content_locations, *(one.location for one in upstreams)):
        if place is not None:
            parse_location(place)
    for one in upstreams:
        _check_url(one.url)
        if not _NAME.fullmatch(one.name) or names.count(one.name) > 1:
            raise InputError(
                f"the name of an upstream must be small letters, digits, '.', '_' and '-', and "
                f"stand once, got {one.name!r:.80}; {DEFAULT!r} is the one that `upstream` names"
            )
        if one.key_variable is not None and settings.key_of(one) is None:
            what = "not set" if _VARIABLE.fullmatch(one.key_variable) else "no variable's name"
            raise InputError(
                f"upstream {one.name}: key_variable is {_shown(one.key_variable)}, which is {what}",
                advice="give the name of an environment variable that holds the key",
            )


def _shown(variable: str) -> str:
    """Show a variable's name; what is none may be a key that was put in its place."""
    return repr(variable) if _VARIABLE.fullmatch(variable) else "something else than a name"


def _check_route(route: RouteSettings, upstreams: set[str]) -> None:
    if not 0 < len(route.to) * (1 + route.retries) <= ATTEMPTS_MAX:
        raise InputError(
            f"route {route.model!r:.80} must lead to 1..{ATTEMPTS_MAX} attempts in all, got "
            f"{len(route.to)} targets with {route.retries} retries each"
        )
    for target in route.to:
        name, slash, model = target.partition("/")
        if name not in upstreams or (slash and not model):
            raise InputError(
                f"route {route.model!r:.80} leads to {target!r:.80}, expected UPSTREAM or "
                f"UPSTREAM/MODEL with one of {', '.join(sorted(upstreams))}"
            )


def _check_url(url: str) -> None:
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
