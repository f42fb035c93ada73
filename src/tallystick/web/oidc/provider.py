"""What the provider says of itself: its discovery document and its keys, both kept for a while.

Keys change without notice: a token of a key that is not known makes them be asked for again, but
not more often than every `KEYS_SECONDS_MIN`, whatever strangers send. While the provider is away,
what is known of it goes on counting for `STALE_SECONDS_MAX`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlsplit

import msgspec

from tallystick.client.http1 import Response
from tallystick.errors import InputError
from tallystick.web.oidc.asking import Asker, parse_object
from tallystick.web.oidc.keys import Keys, parse_keys
from tallystick.web.problems import ProviderAwayError
from tallystick.web.settings import is_loopback

T = TypeVar("T")
FRESH_SECONDS: Final = 3600.0
"""After which the document, and the keys, are asked for again when they are needed."""
STALE_SECONDS_MAX: Final = 86_400.0
"""After which they count no more, though the provider is away."""
KEYS_SECONDS_MIN: Final = 10.0
"""Between two requests for keys because of one that is not known."""
AWAY_SECONDS: Final = 5.0
"""In which a provider that did not answer is not asked again."""
WELL_KNOWN: Final = "/.well-known/openid-configuration"


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """Discovery document; the names are the standard's.

    Attributes:
        issuer: Who speaks.
        authorization_endpoint: Where browsers are sent to sign in.
        token_endpoint: Where a code is given for tokens.
        jwks_uri: Where its keys are.
        userinfo_endpoint: Where further claims are.
        end_session_endpoint: Where browsers are sent to sign out.
        authorization_response_iss_parameter_supported: It names itself in answers.
        code_challenge_methods_supported: Of PKCE; None where it does not say.
        token_endpoint_auth_methods_supported: How a client may show who it is.
        scopes_supported: What may be asked for; None where it does not say.
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    authorization_response_iss_parameter_supported: bool = False
    code_challenge_methods_supported: tuple[str, ...] | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    scopes_supported: tuple[str, ...] | None = None


@dataclass(slots=True)
class _Kept(Generic[T]):
    value: T
    at: float


class Provider:
    """One provider; safe to share between threads. Its methods ask over the network: they block."""

    def __init__(self, issuer: str, asker: Asker, clock: Callable[[], float] = monotonic) -> None:
        """Ask nothing yet; `clock` gives seconds that only grow."""
        self.issuer, self._asker, self._clock = issuer, asker, clock
        self._asking = Lock()
        self._metadata: _Kept[Metadata] | None = None
        self._keys: _Kept[Keys] | None = None
        self._away: _Kept[ProviderAwayError] | None = None

    def metadata(self) -> Metadata:
        """Return its discovery document.

        Raises:
            ProviderAwayError: It is away, and what is known of it too old.
        """
        kept = self._metadata
        if kept is not None and self._clock() < kept.at + FRESH_SECONDS:
            return kept.value
        with self._asking:
            if self._metadata is kept:
                self._metadata = self._again(kept, self._fetch_metadata)
            assert self._metadata is not None  # noqa: S101 - for the type checker
            return self._metadata.value

    def known_keys(self) -> Keys | None:
        """Return its keys if they are known and fresh; asks nobody."""
        kept = self._keys
        return kept.value if kept and self._clock() < kept.at + FRESH_SECONDS else None

    def keys(self, unknown: str | None = None) -> Keys:
        """Return its keys.

        Args:
            unknown: A key id that was looked for in vain: they may have changed.

        Raises:
            ProviderAwayError: It is away, and what is known of it too old.
        """
        metadata, kept = self.metadata(), self._keys
        if kept is not None:
            age = self._clock() - kept.at
            again = unknown is not None and unknown not in kept.value
            if age < (KEYS_SECONDS_MIN if again else FRESH_SECONDS):
                return kept.value
        with self._asking:
            if self._keys is kept:
                self._keys = self._again(kept, lambda: self._fetch_keys(metadata))
            assert self._keys is not None  # noqa: S101 - for the type checker
            return self._keys.value

    def userinfo(self, url: str, access_token: str) -> dict[str, Any]:
        """Return the claims that it gives for an access token.

        Raises:
            ProviderAwayError: It gives none.
        """
        answer = self._asker.get(url, ("authorization", f"Bearer {access_token}"))
        return parse_object(answer, "userinfo")

    def exchange(self, form: dict[str, str], *headers: tuple[str, str]) -> Response:
        """Send a form to the token endpoint.

        Raises:
            ProviderAwayError: It does not answer.
        """
        return self._asker.post(self.metadata().token_endpoint, form, *headers)

    def _again(self, kept: _Kept[T] | None, fetch: Callable[[], T]) -> _Kept[T]:
        """Fetch; where that fails, what is known goes on counting for a while."""
        now = self._clock()
        if self._away is not None and now < self._away.at + AWAY_SECONDS:
            failure = self._away.value
        else:
            try:
                found = _Kept(fetch(), now)
            except ProviderAwayError as error:
                self._away, failure = _Kept(error, now), error
            else:
                self._away = None
                return found
        if kept is not None and now < kept.at + STALE_SECONDS_MAX:
            return kept
        raise ProviderAwayError(str(failure), advice=failure.advice) from failure

    def _fetch_metadata(self) -> Metadata:
        answer = self._asker.get(self.issuer.rstrip("/") + WELL_KNOWN)
        return parse_metadata(answer, self.issuer, loopback=self._asker.allowed.loopback)

    def _fetch_keys(self, metadata: Metadata) -> Keys:
        return parse_keys(parse_object(self._asker.get(metadata.jwks_uri), "keys"))


def parse_metadata(answer: Response, issuer: str, *, loopback: bool) -> Metadata:
    """Read a discovery document.

    Raises:
        ProviderAwayError: It is none, is somebody else's, or leads where nothing is encrypted.
    """
    found = parse_object(answer, "discovery document")
    try:
        metadata = msgspec.convert(found, Metadata)
        check_metadata(metadata, issuer, loopback=loopback)
    except (msgspec.ValidationError, InputError) as error:
        raise ProviderAwayError(
            f"the provider's discovery document is not usable: {error}"
        ) from error
    return metadata


def check_metadata(metadata: Metadata, issuer: str, *, loopback: bool) -> None:
    """Refuse a document of somebody else, or one that sends browsers where nothing is encrypted.

    Raises:
        InputError: The message says what is wrong.
    """
    if metadata.issuer != issuer:
        raise InputError(
            f"it is of the issuer {metadata.issuer!r:.200}, and oidc_issuer is {issuer!r:.200}"
        )
    for url in (metadata.authorization_endpoint, metadata.end_session_endpoint):
        if url is not None:
            check_url(url, loopback=loopback)


def check_url(url: str, *, loopback: bool) -> None:
    """Refuse an address that a browser should not be sent to.

    Raises:
        InputError: Not https, nor http on this machine where that is allowed.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError as error:
        raise InputError(f"not a URL: {error}") from error
    plain = url.isascii() and url.isprintable() and not set(url) & set(" \"<>\\;,'")
    near = parts.scheme == "http" and loopback and is_loopback(host)
    if not plain or not host or parts.fragment or "@" in parts.netloc:
        raise InputError(f"expected a URL such as https://login.example, got {url[:200]!r}")
    if parts.scheme != "https" and not near:
        raise InputError(
            f"{url[:200]} is not https",
            advice="http is for a provider on this machine, with oidc_loopback = true",
        )
