"""Who asks, where people sign in: the session in a cookie, or an access token of the provider.

An API key is looked at elsewhere, and needs no provider. A cookie that no session has any more
counts for nothing, as if it had not been sent.

A browser sends cookies also with requests that pages of other sites make. So what changes anything
must come from a page of ours: the browser says so itself (`Sec-Fetch-Site`), or at least names the
page's origin. A request that says neither is refused.
"""

from typing import TYPE_CHECKING, Final

from tallystick.capture.api_keys import PREFIX
from tallystick.capture.roles import Grant
from tallystick.errors import InputError, UnavailableError
from tallystick.web.access import Caller, Person
from tallystick.web.call import Call
from tallystick.web.oidc.claims import role_of
from tallystick.web.oidc.cookies import SESSION, cookie, origin_of
from tallystick.web.problems import CrossSiteError, KeyRequiredError, SignInError

if TYPE_CHECKING:
    from tallystick.web.oidc.sign_in import SignIn

_BEARER: Final = "bearer "
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


async def identify_person(sign_in: "SignIn", call: Call) -> Caller | None:
    """Tell who asks; None if neither a session nor a token of the provider came.

    Raises:
        KeyRequiredError: A token that is not believed, or one that is no token of ours at all.
        CrossSiteError: A session, in a request that no page of ours sent.
        ProviderAwayError: Whether to believe a token cannot be told now.
    """
    authorization = call.header(b"authorization") or ""
    if authorization.lower().startswith(_BEARER):
        token = authorization[len(_BEARER) :].strip()
        return None if token.startswith(PREFIX) else await _by_token(sign_in, call, token)
    return await _by_session(sign_in, call)


async def _by_token(sign_in: "SignIn", call: Call, token: str) -> Caller:
    if token.count(".") != 2:
        raise KeyRequiredError(
            "the token is neither an API key nor a JWT; access tokens that only the provider can "
            "read are not taken",
            reason="oidc.opaque",
            advice="let the provider make access tokens for this audience in the form of RFC 9068",
        )
    try:
        subject, values, until = await sign_in.read_access_token(token)
    except SignInError as error:
        raise KeyRequiredError(str(error), reason=error.reason, advice=error.advice) from error
    return await _caller(call, Person(subject, values, None, until))


async def _by_session(sign_in: "SignIn", call: Call) -> Caller | None:
    token = cookie(call, SESSION)
    session = sign_in.sessions.find(token) if token else None
    if session is None:
        return None
    if call.scope["method"] not in _SAFE:
        check_same_site(call)
    return await _caller(call, Person(session.subject, session.values, session.name))


async def _caller(call: Call, person: Person) -> Caller:
    role = role_of(person.values, call.service.settings.oidc_roles)
    if role is None:
        return Caller(local=False, person=person)
    grant = Grant(role, originator=await _originator(call, person.subject), held="sign-in")
    return Caller(local=False, grant=grant, person=person)


async def _originator(call: Call, subject: str) -> str | None:
    """Return which registered person this is, if somebody said so and no name was erased since."""
    bindings, sign_in = call.service.bindings, call.service.load.sign_in
    if bindings is None or sign_in is None:
        return None
    try:
        found = bindings.find(sign_in.provider.issuer, subject)
    except InputError as error:  # not the caller's: the file is damaged, or of a later release
        raise UnavailableError(f"who signs in as whom cannot be read: {error}") from error
    if found is None:
        return None
    if found.label is not None:
        is_erased = call.service.ledger.vault.is_erased
        if await call.blocking(is_erased, bytes.fromhex(found.label)):
            return None
    return found.did


def check_same_site(call: Call) -> None:
    """Refuse a request that another site's page makes, or that does not say whose page it is.

    Raises:
        CrossSiteError: It does not come from a page of ours.
    """
    fetched, origin = call.header(b"sec-fetch-site"), call.header(b"origin")
    ours = origin_of(call)
    # Our pages send no referrer, and for some browsers that makes the origin of a form `null`.
    known = {None, ours} if fetched is None else {None, ours, "null"}
    if fetched not in {None, "same-origin"} or origin not in known:
        raise CrossSiteError(
            f"this comes from a page of {origin or fetched!r:.200}, expected one of {ours}",
            reason="session.cross-site",
        )
    if fetched is None and origin is None:
        raise CrossSiteError(
            "this does not say from which page it comes (Sec-Fetch-Site, Origin)",
            reason="session.cross-site",
            advice="programs send an API key or an access token, not a session",
        )
