"""Signing in, from the first click to the session: authorization code with PKCE.

    url, state_cookie = await sign_in.begin(redirect=..., back="/", browser=...)
    # the person signs in there, and comes back to `redirect` with code, state and iss
    token, session, back = await sign_in.finish(query, browser=..., rules=...)

Network is asked in threads of its own, few of them: a provider that is slow takes neither the event
loop nor the threads that read the ledger.
"""

import asyncio
import hmac
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any, Final, TypeVar
from urllib.parse import urlencode, urlsplit

from tallystick.client.http1 import Response
from tallystick.errors import EncodingError, InputError
from tallystick.identity.jws import parse_json
from tallystick.statement import b64
from tallystick.web import limits
from tallystick.web.oidc.asking import Asker, allowed_by, parse_object
from tallystick.web.oidc.claims import has_claim, name_in, role_of, values_at
from tallystick.web.oidc.client import make_client
from tallystick.web.oidc.keys import Keys, named_key
from tallystick.web.oidc.provider import Provider, check_url
from tallystick.web.oidc.sessions import Begun, Session, Sessions, SignIns, digest_of
from tallystick.web.oidc.tokens import Expected, read_access_token, read_id_token
from tallystick.web.problems import BusyError, ProviderAwayError, SignInError
from tallystick.web.settings import RoleRule, Settings

T = TypeVar("T")
THREADS: Final = 4
RANDOM_BYTES: Final = 32
CODE_LETTERS_MAX: Final = 4096

_log = logging.getLogger(__name__)


class SignIn:
    """Signing in with one provider, for all ledgers of a service; belongs to the event loop.

    Attributes:
        provider: Who knows the people.
        client: This service, as the provider knows it.
        sessions: Who is signed in.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        """Ask nobody yet.

        Args:
            settings: Name the provider.
            clock: Seconds since 1970.

        Raises:
            InputError: They do not go together.
        """
        if settings.oidc_issuer is None:
            raise InputError("oidc_issuer is not set")
        check_sign_in(settings)
        self._settings, self.clock = settings, clock
        self.client = make_client(settings)
        self.provider = Provider(settings.oidc_issuer, Asker(allowed_by(settings)))
        self._expected = Expected(settings.oidc_issuer, settings.oidc_skew_seconds)
        self.sessions = Sessions(
            self._now,
            idle=settings.session_idle_seconds_max,
            longest=settings.session_seconds_max,
            most=limits.SESSIONS_MAX,
        )
        self._begun = SignIns(
            self._now, seconds=limits.SIGN_IN_SECONDS_MAX, most=limits.SIGN_INS_MAX
        )
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="tallystick-provider")
        self._waiting = 0

    def _now(self) -> float:
        return self.clock()

    def close(self) -> None:
        """Wait for nobody any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def begin(self, *, redirect: str, back: str, browser: str) -> str:
        """Begin a sign-in, and return where the browser must go.

        Args:
            redirect: Where the provider sends it back to.
            back: Path of the page that the person wants.
            browser: Random token in a cookie of the browser.

        Raises:
            ProviderAwayError: Nobody can sign in now.
        """
        metadata = await self._blocking(self.provider.metadata)
        nonce, verifier = (secrets.token_urlsafe(RANDOM_BYTES) for _ in range(2))
        state = self._begun.begin(Begun(digest_of(browser), nonce, verifier, redirect, back))
        asked = {
            "response_type": "code",
            "client_id": self.client.id,
            "redirect_uri": redirect,
            "scope": self._settings.oidc_scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": b64.encode_url(sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
        }
        return _with_query(metadata.authorization_endpoint, asked)

    async def finish(
        self, query: Mapping[str, str], *, browser: str, rules: Sequence[RoleRule]
    ) -> tuple[str, Session, str]:
        """End a sign-in; return a token for the browser, the session, and the page to go to.

        Args:
            query: What came back.
            browser: Cookie of the browser that brought it.
            rules: What gives a role at any ledger of the service.

        Raises:
            SignInError: It is not believed, or gives no role; `reason` says why.
            ProviderAwayError: The provider does not answer.
        """
        begun = self._take(query.get("state", ""), browser)
        metadata = await self._blocking(self.provider.metadata)
        self._check_issuer(
            query.get("iss"), named=metadata.authorization_response_iss_parameter_supported
        )
        code = _code(query)
        claims, token = await self._blocking(self._redeem, code, begun)
        values = values_at(claims, self._settings.oidc_roles_claim)
        if role_of(values, rules) is None:
            raise unmapped()
        session_token, session = self.sessions.begin(
            str(claims["sub"]), name=name_in(claims), values=values, id_token=token
        )
        return session_token, session, begun.back

    async def read_access_token(self, token: str) -> tuple[str, frozenset[str], float]:
        """Return subject and values of an access token, and until when it counts.

        Raises:
            SignInError: It is not believed.
            ProviderAwayError: The keys that would show that are not known, nor to be had now.
        """
        audience = self._settings.oidc_audience
        if audience is None:
            raise SignInError(
                "this service takes no access tokens",
                reason="oidc.audience",
                advice="send an API key; the operator can set oidc_audience",
            )
        key_id, algorithm = named_key(token)
        keys = self.provider.known_keys()
        if keys is None or keys.find(key_id, algorithm) is None:
            keys = await self._blocking(self.provider.keys, key_id)
        claims = read_access_token(token, keys, self._expected, audience=audience, now=self._now())
        values = values_at(claims, self._settings.oidc_roles_claim)
        return str(claims["sub"]), values, float(claims["exp"]) + self._expected.skew

    async def end_url(self, session: Session, back: str) -> str | None:
        """Return where the provider signs a person out; None if it does not, or is away."""
        endpoint = await self._end_session_endpoint()
        if endpoint is None:
            return None
        asked = {
            "id_token_hint": session.id_token,
            "client_id": self.client.id,
            "post_logout_redirect_uri": back,
        }
        return _with_query(endpoint, asked)

    async def end_origin(self) -> str | None:
        """Return the origin of where the provider signs people out; None as for `end_url`."""
        parts = urlsplit(await self._end_session_endpoint() or "")
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else None

    async def _end_session_endpoint(self) -> str | None:
        try:
            return (await self._blocking(self.provider.metadata)).end_session_endpoint
        except (ProviderAwayError, BusyError):
            return None

    def _take(self, state: str, browser: str) -> Begun:
        begun = self._begun.take(state)
        if begun is None:
            raise SignInError(
                "this sign-in was not begun here, was ended already, or took too long",
                reason="oidc.state",
                advice=_AGAIN,
            )
        if not hmac.compare_digest(begun.browser, digest_of(browser)):
            raise SignInError(
                "this sign-in was begun in another browser", reason="oidc.browser", advice=_AGAIN
            )
        return begun

    def _check_issuer(self, said: str | None, *, named: bool) -> None:
        """Refuse an answer of another provider: RFC 9207."""
        if said is None and not named:
            return
        if said != self._expected.issuer:
            raise SignInError(
                f"the answer is of {said!r:.200}, expected {self._expected.issuer[:200]!r}",
                reason="oidc.issuer",
                advice=_AGAIN,
            )

    def _redeem(self, code: str, begun: Begun) -> tuple[dict[str, Any], str]:
        """Give the code for tokens, and return the person's claims with the ID token itself."""
        metadata, now = self.provider.metadata(), self._now()
        shown = self.client.show(
            metadata.token_endpoint_auth_methods_supported, metadata.token_endpoint, now
        )
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": begun.redirect,
            "code_verifier": begun.verifier,
            **shown.form,
        }
        given = _given(self.provider.exchange(form, *shown.headers))
        token, access_token = given.get("id_token"), given.get("access_token")
        if not isinstance(token, str) or not isinstance(access_token, str):
            raise SignInError("the provider gave no ID token, or no access token",
                              reason="oidc.format")  # fmt: skip
        claims = read_id_token(
            token, self._keys_for(token), self._expected, client=self.client.id,
            nonce=begun.nonce, now=self._now(), access_token=access_token,
        )  # fmt: skip
        return self._completed(claims, metadata.userinfo_endpoint, access_token), token

    def _keys_for(self, token: str) -> Keys:
        key_id, algorithm = named_key(token)
        keys = self.provider.keys()
        return keys if keys.find(key_id, algorithm) else self.provider.keys(key_id)

    def _completed(
        self, claims: dict[str, Any], userinfo: str | None, access_token: str
    ) -> dict[str, Any]:
        """Add what the provider says of the person elsewhere, if the ID token leaves roles out."""
        if has_claim(claims, self._settings.oidc_roles_claim) or userinfo is None:
            return claims
        more = self.provider.userinfo(userinfo, access_token)
        if more.get("sub") != claims["sub"]:
            raise SignInError("the provider's userinfo is of somebody else", reason="oidc.claims")
        return {**more, **claims}

    async def _blocking(self, work: Callable[..., T], *args: object) -> T:
        """Run what asks the provider in a thread.

        Raises:
            BusyError: Too many wait already.
        """
        if self._waiting >= limits.PROVIDER_WAITING_MAX:
            raise BusyError(f"{self._waiting} requests wait for the provider already")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, lambda: work(*args))
        finally:
            self._waiting -= 1


_AGAIN: Final = "sign in again"


def unmapped() -> SignInError:
    """Return the error for somebody who is known, and has no role at this ledger."""
    return SignInError(
        "you are known to the provider, and nothing that you are to the organisation has a role "
        "at this ledger",
        reason="oidc.unmapped",
        advice="ask the operator: oidc_roles says which group has which role",
    )


def check_sign_in(settings: Settings) -> None:
    """Refuse settings that could not work, or not be safe.

    Raises:
        InputError: The message names the setting.
    """
    allowed_by(settings)
    if settings.oidc_issuer is None:
        return
    check_url(settings.oidc_issuer, loopback=settings.oidc_loopback)
    if "?" in settings.oidc_issuer:
        raise InputError(f"an issuer has no query, got {settings.oidc_issuer[:200]!r}")
    if "openid" not in settings.oidc_scopes.split():
        raise InputError(f"oidc_scopes must have openid, got {settings.oidc_scopes[:200]!r}")
    public = settings.public_url
    if public is not None:
        check_url(public, loopback=True)
    elif not settings.loopback:
        raise InputError(
            f"oidc_issuer is set, host {settings.host} can be reached from elsewhere, and "
            "public_url is not set: the provider must know one address to send people back to",
            advice="set public_url to what people's browsers call this service",
        )


def _code(query: Mapping[str, str]) -> str:
    """Return the code of an answer, or say what it says instead."""
    if "error" in query:
        said = query["error"][:80]
        if said == "access_denied":
            raise SignInError("you did not sign in, or the provider does not let you",
                              reason="oidc.denied", advice=_AGAIN)  # fmt: skip
        raise SignInError(f"the provider answers {said!r}", reason="oidc.provider-error")
    code = query.get("code", "")
    if not 0 < len(code) <= CODE_LETTERS_MAX:
        raise SignInError("the answer has neither a code nor an error", reason="oidc.format")
    return code


def _given(answer: Response) -> dict[str, Any]:
    """Return what the token endpoint gave."""
    if answer.status not in {400, 401}:
        return parse_object(answer, "tokens")
    try:
        found = parse_json(answer.body, "answer")
    except EncodingError:
        found = None
    said = found.get("error") if isinstance(found, dict) else None
    if said == "invalid_grant":
        raise SignInError(
            "the provider does not take the code: it was used, or is too old",
            reason="oidc.code",
            advice=_AGAIN,
        )
    _log.error("the provider refuses this service as a client: %s", repr(said)[:80])
    raise SignInError(
        f"the provider refuses this service: {said!r:.80}",
        reason="oidc.client",
        advice="the operator looks at client id, secret and redirect URI: `tally doctor`",
    )


def _with_query(url: str, fields: Mapping[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(fields)}"
