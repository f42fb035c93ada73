"""How often one caller may ask: a bucket of tokens for each API key, else for each address.

A bucket fills at a constant rate and holds a burst. A key has a bucket of its own once it was
accepted; until then what it asks is counted where it comes from, so that guessing keys, or
inventing one for each request, is as slow as asking without. Whoever asks from this machine, with
no proxy between, is not limited, nor is asking how the service does.

Trust: behind a proxy on this machine the address is the last one in `X-Forwarded-For`, which the
proxy wrote. A proxy that lets clients write that field themselves lets them be whoever they like.

Source:
    draft-ietf-httpapi-ratelimit-headers-10 for the header fields.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from time import monotonic
from typing import Final

from tallystick.web.answers import Scope
from tallystick.web.problems import RateError

CALLERS_MAX: Final = 10_000
"""Callers that are remembered; of more, those who asked longest ago begin anew."""

UNLIMITED: Final = frozenset({"/healthz", "/readyz"})
_BEARER: Final = b"bearer "
_IPV6_PREFIX: Final = 64
"""Bits of an IPv6 address that name who asks: the rest is the caller's to choose."""


def caller_of(scope: Scope) -> tuple[str | None, str | None]:
    """Return the address and the API key that a request comes with.

    Returns:
        The address, None on this machine; a digest of the key, None without one.
    """
    headers = dict(scope["headers"])
    key = headers.get(b"authorization", b"").strip()
    token = key[len(_BEARER) :].strip() if key[: len(_BEARER)].lower() == _BEARER else b""
    digest = sha256(token).hexdigest()[:32] if token else None
    return _address(scope, headers.get(b"x-forwarded-for")), digest


def _address(scope: Scope, forwarded: bytes | None) -> str | None:
    client = scope.get("client")
    host = str(client[0]) if client else ""
    with suppress(ValueError):
        if not ipaddress.ip_address(host).is_loopback:
            return _network(host)
    if forwarded is None:
        return None
    return _network(forwarded.decode("latin-1").rpartition(",")[2].strip())


def _network(host: str) -> str:
    with suppress(ValueError):
        if ipaddress.ip_address(host).version == 6:
            return str(ipaddress.ip_network((host, _IPV6_PREFIX), strict=False))
    return host


class Rates:
    """Buckets of all callers of one service; belongs to the event loop."""

    def __init__(
        self, per_second: float, burst: int, clock: Callable[[], float] = monotonic
    ) -> None:
        """Let each caller ask `burst` times at once, and `per_second` times in the long run.

        Args:
            per_second: 0 limits nobody.
            burst: At least 1.
            clock: Seconds that only grow.
        """
        self._rate, self._burst, self._clock = per_second, burst, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._accepted: OrderedDict[str, None] = OrderedDict()

    def take(self, scope: Scope) -> None:
        """Count a request.

        Raises:
            RateError: The caller has asked too often.
        """
        if not self._rate or scope["path"] in UNLIMITED:
            return
        address, key = caller_of(scope)
        if address is not None:
            self._spend(key if key is not None and key in self._accepted else address)

    def accept(self, scope: Scope) -> None:
        """Give the key of a request that was answered a bucket of its own."""
        key = caller_of(scope)[1] if self._rate else None
        if key is not None:
            self._accepted[key] = None
            self._accepted.move_to_end(key)
            if len(self._accepted) > CALLERS_MAX:
                self._accepted.popitem(last=False)

    def forget(self, scope: Scope) -> None:
        """Take that bucket from a key that is not accepted any more."""
        key = caller_of(scope)[1] if self._rate else None
        if key is not None:
            self._accepted.pop(key, None)

    def _spend(self, who: str) -> None:
        self._check(who)
        now = self._clock()
        self._buckets[who] = self._tokens(who, now) - 1, now
        self._buckets.move_to_end(who)
        if len(self._buckets) > CALLERS_MAX:
            self._buckets.popitem(last=False)

    def _check(self, who: str) -> None:
        tokens = self._tokens(who, self._clock())
        if tokens < 1:
            raise RateError(
                f"at most {self._burst} requests at once and {self._rate:g} per second are "
                "answered to one caller",
                seconds=(1 - tokens) / self._rate,
                quota=self._burst,
                window=self._burst / self._rate,
            )

    def _tokens(self, who: str, now: float) -> float:
        tokens, then = self._buckets.get(who, (float(self._burst), now))
        return min(self._burst, tokens + (now - then) * self._rate)
