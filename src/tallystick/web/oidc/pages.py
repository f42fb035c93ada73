"""The pages for signing in and out, and what the provider sends browsers back to.

A person sees their own name there, and nobody else does; neither pages nor logs hold a token.
"""

import logging
import re
import secrets
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

from tallystick.capture.roles import MAY, Right
from tallystick.errors import InputError, RefusedError, TallystickError
from tallystick.web import limits
from tallystick.web.answers import NEVER, TEXT, Answer, Headers
from tallystick.web.call import Call
from tallystick.web.oidc.admission import check_same_site
from tallystick.web.oidc.cookies import BROWSER, SESSION, cookie, set_cookie
from tallystick.web.oidc.sessions import TOKEN_BYTES
from tallystick.web.pages import base_of, page, problem_page, table, tag
from tallystick.web.reading import is_reader
from tallystick.web.settings import is_loopback

if TYPE_CHECKING:
    from tallystick.web.oidc.sign_in import SignIn

SIGNED_IN: Final = "signed-in"
BACK_LETTERS_MAX: Final = 500
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_RIGHTS: Final = {
    Right.READ: "read the log",
    Right.CONTENT: "see content",
    Right.OBSERVE: "see metrics and ledgers",
    Right.REGISTER: "register",
    Right.CALL: "call models",
    Right.ADMINISTER: "hand in what the operator signed",
}
_log = logging.getLogger(__name__)


def login_page(call: Call) -> Answer:
    """Show who is signed in, and as what; or where to."""
    sign_in, private = _sign_in(call), call.service.private
    log = call.service.ledger.card.origin if is_reader(call) else "this service"
    if call.caller.person is not None:
        return page(call, "Signed in", _me(call, log))
    host = urlsplit(sign_in.provider.issuer).netloc
    there = f"{base_of(call)}/login/begin?{urlencode({'back': _back(call)})}"
    parts = [
        tag("p", f"People of the organisation sign in to {log} at {host}."),
        tag("a", f"Sign in at {host}", href=there, class_="button"),
        tag("p", "You come back here afterwards. "
            + ("" if private else "The log itself can be read without signing in; ")
            + ("W" if private else "w") + "hat you are to the organisation says what "
            + ("" if private else "else ") + "you may do. Neither your name nor that you signed "
            "in is registered.", class_="note"),
    ]  # fmt: skip
    return page(call, "Sign in", parts)


async def begin(call: Call) -> Answer:
    """Send a browser to the provider."""
    try:
        browser = cookie(call, BROWSER)
        if not _TOKEN.fullmatch(browser):
            browser = secrets.token_urlsafe(TOKEN_BYTES)
        url = await _sign_in(call).begin(
            redirect=_redirect(call), back=_back(call), browser=browser
        )
    except TallystickError as error:
        return _failed(call, error)
    return _go(url, set_cookie(call, BROWSER, browser, limits.SIGN_IN_SECONDS_MAX))


async def callback(call: Call) -> Answer:
    """End a sign-in with what the provider sent the browser back with."""
    sign_in = _sign_in(call)
    try:
        token, session, back = await sign_in.finish(
            call.query, browser=cookie(call, BROWSER), rules=call.service.load.role_rules
        )
    except TallystickError as error:
        return _failed(call, error)
    if old := cookie(call, SESSION):
        sign_in.sessions.end(old)
    call.service.telemetry.sign_ins.add(1, SIGNED_IN)
    _log.info("somebody signed in", extra={"fields": {"result": SIGNED_IN}})
    seconds = int(session.until - sign_in.clock())
    return _go(back, set_cookie(call, SESSION, token, seconds))


async def logout_page(call: Call) -> Answer:
    """Ask whether somebody wants to sign out; a link alone signs nobody out."""
    if call.caller.person is None:
        return page(call, "Not signed in", [tag("p", "You are not signed in.", role="status")])
    action = f"{base_of(call)}/logout"
    parts = [
        tag("p", f"You are signed in as {call.caller.person.name}."),
        tag("p", "Signing out here also asks the provider to sign you out, where it can."),
        f'<form method="post" action="{escape(action)}">' + tag("button", "Sign out") + "</form>",
    ]
    # Browsers ask the policy of a page also where the answer to its form sends them on.
    there = await _sign_in(call).end_origin()
    return page(call, "Sign out?", parts, forms=f"'self' {there or ''}".strip())


async def logout(call: Call) -> Answer:
    """Sign somebody out, here at once, and at the provider if it can do that."""
    sign_in = _sign_in(call)
    try:
        check_same_site(call)
    except TallystickError as error:
        return problem_page(call, error)
    session = sign_in.sessions.end(cookie(call, SESSION))
    gone = set_cookie(call, SESSION, "", 0)
    here = f"{base_of(call)}/logout"
    if session is None:
        return _go(here, gone)
    return _go(await sign_in.end_url(session, _address(call, "/logout")) or here, gone)


def _me(call: Call, log: str) -> list[str]:
    person, grant = call.caller.person, call.caller.grant
    assert person is not None  # noqa: S101 - for the type checker: the page's caller looked
    session = _sign_in(call).sessions.find(cookie(call, SESSION))
    until = datetime.fromtimestamp(session.until if session else 0, UTC)
    facts = {
        "name": person.name,
        "log": log,
        "known to the provider as": person.subject,
        "registered here as": "nobody" if grant is None else grant.originator or "nobody",
        "role": "none at this ledger" if grant is None else grant.role,
        "you may": ", ".join(w for r, w in _RIGHTS.items()
                             if r is Right.READ or (grant and r in MAY[grant.role])),
        "until": until.strftime("%Y-%m-%d %H:%M UTC"),
    }  # fmt: skip
    return [table(facts)]


def _failed(call: Call, error: TallystickError) -> Answer:
    """Show, count and log why nobody was signed in; who it was stands nowhere."""
    reason = error.reason if isinstance(error, RefusedError) else error.code
    call.service.telemetry.sign_ins.add(1, reason)
    if isinstance(error, RefusedError):
        call.service.telemetry.denied.add(1, reason)
    _log.warning("a sign-in came to nothing: %s", reason,
                 extra={"fields": {"code": error.code, "reason": reason}})  # fmt: skip
    return problem_page(call, error)


def _sign_in(call: Call) -> "SignIn":
    sign_in = call.service.load.sign_in
    assert sign_in is not None  # noqa: S101 - else there would be no such pages
    return sign_in


def _redirect(call: Call) -> str:
    """Return where the provider sends browsers back to.

    Raises:
        InputError: The address that was asked for is nobody's in particular.
    """
    return _address(call, "/login/callback")


def _address(call: Call, path: str) -> str:
    url = call.url(path)
    if call.service.settings.public_url is None:
        host = urlsplit(url).hostname or ""
        if not is_loopback(host):
            raise InputError(
                f"people sign in at the address that public_url names, got {host!r:.80}",
                advice="set public_url to what browsers call this service",
            )
    return url


def _back(call: Call) -> str:
    """Return the page to go to after signing in: one of ours, else the page of sign-in."""
    wanted, base = call.query.get("back", ""), base_of(call)
    ours = wanted.startswith(f"{base}/") and not wanted.startswith("//")
    plain = wanted.isascii() and wanted.isprintable() and not set(wanted) & set("\\ \"<>'")
    short = len(wanted) <= BACK_LETTERS_MAX
    again = wanted.partition("?")[0] in {f"{base}/login/begin", f"{base}/login/callback"}
    return wanted if ours and plain and short and not again else f"{base}/login"


def _go(url: str, *headers: tuple[bytes, bytes]) -> Answer:
    sent: Headers = (NEVER, (b"location", url.encode("ascii")), *headers)
    return Answer(b"", TEXT, 303, (*sent, (b"referrer-policy", b"no-referrer")))
