"""Pages for people, in plain HTML: no framework, nothing from elsewhere, nothing inline.

What somebody wrote is escaped where it is put in, by `tag` and `table`; there is no other way in.
"""

from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from tallystick.errors import NotFoundError, TallystickError
from tallystick.web.answers import NEVER, Answer, Headers, cached_answer
from tallystick.web.call import Call
from tallystick.web.problems import headers_of, problem_of
from tallystick.web.settings import LEDGERS

HTML: Final = "text/html; charset=utf-8"
STATIC: Final = {
    "people.css": "text/css; charset=utf-8",
    "people.js": "text/javascript; charset=utf-8",
}
"""Files that pages load, all of them ours."""
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "form-action {}; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
_HEADERS: Final = (
    NEVER,
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (
        b"permissions-policy",
        b"publickey-credentials-get=(self), publickey-credentials-create=(self)",
    ),
)
_FOLDER: Final = Path(__file__).parent / "static"
_BRIEFLY: Final = (b"cache-control", b"no-cache")


def page(
    call: Call,
    title: str,
    parts: Iterable[str],
    status: int = 200,
    *,
    forms: str = "'none'",
    headers: Headers = (),
) -> Answer:
    """Return a page.

    Args:
        call: The request; addresses on the page begin where it came in.
        title: In words.
        parts: HTML, made by the functions here.
        status: HTTP status.
        forms: Where forms on it may lead, as a content security policy says it.
        headers: Further header fields.
    """
    base, heading = escape(_base_of_assets(call)), escape(title)
    text = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{heading} - Tallystick</title>\n"
        f'<link rel="stylesheet" href="{base}/static/people.css">\n'
        f'<script src="{base}/static/people.js" defer></script>\n'
        f"</head>\n<body>\n<main>\n<h1>{heading}</h1>\n"
        + "\n".join([*parts, *_signed_in(call)])
        + "\n</main>\n</body>\n</html>\n"
    )
    policy = (b"content-security-policy", _POLICY.format(forms).encode())
    return Answer(text.encode(), HTML, status, (*_HEADERS, policy, *headers))


def _signed_in(call: Call) -> list[str]:
    """Return the line that says who is signed in, where people can sign in."""
    if call.service.load.sign_in is None:
        return []
    person, grant, base = call.caller.person, call.caller.grant, base_of(call)
    if person is None:
        here = base + str(call.scope["path"]).removeprefix(call.scope.get("root_path", ""))
        there = f"{base}/login?{urlencode({'back': here})}"
        return ["<footer>" + tag("a", "Sign in", href=there) + "</footer>"]
    role = "no role here" if grant is None else f"role {grant.role}"
    words = tag("span", f"Signed in as {person.name or 'a program'}, {role}.")
    return [f"<footer>{words} " + tag("a", "Sign out", href=f"{base}/logout") + "</footer>"]


def problem_page(call: Call, error: TallystickError, back: str | None = None) -> Answer:
    """Return an error as a person reads it; `back` is a path of ours where they try again."""
    problem = problem_of(error)
    parts = [tag("p", f"{problem.detail} ({problem.reason or error.code})", role="alert")]
    if problem.advice:
        parts.append(tag("p", problem.advice))
    if back is not None:
        parts.append(tag("a", "Try again", href=base_of(call) + back))
    return page(call, problem.title, parts, problem.status, headers=headers_of(error))


def outcome_lines() -> list[str]:
    """Return where the script says what comes out, and what is said where there is none."""
    return [
        '<p id="status" role="status"></p>',
        '<p id="problem" role="alert"></p>',
        "<noscript>" + tag("p", "This page needs JavaScript: passkeys have no other way.")
        + "</noscript>",
    ]  # fmt: skip


def tag(name: str, text: object, **attributes: str) -> str:
    """Return an element with text in it."""
    return f"<{name}{_pairs(attributes)}>{escape(str(text))}</{name}>"


def table(rows: Mapping[str, Any], **attributes: str) -> str:
    """Return names with what they are."""
    inner = "".join(tag("dt", name) + tag("dd", value) for name, value in rows.items())
    return f"<dl{_pairs(attributes)}>{inner}</dl>"


def _pairs(attributes: Mapping[str, str]) -> str:
    """Return attributes; an underscore stands for a hyphen, and behind a name for nothing."""
    return "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for name, value in attributes.items()
    )


def base_of(call: Call) -> str:
    """Return what all paths of this ledger begin with, as browsers see them."""
    public, base = call.service.settings.public_url, call.scope.get("root_path", "")
    if public is not None:
        base = urlsplit(public).path  # a proxy may have taken a part of it away
    return str(base).rstrip("/")


def _base_of_assets(call: Call) -> str:
    """Return where all ledgers' files are: a private ledger has none for a browser without key."""
    inner = str(call.scope.get("root_path", ""))
    at = inner.rfind(LEDGERS) if call.service.private else -1
    return base_of(call).removesuffix(inner[at:]) if at >= 0 else base_of(call)


def asset(call: Call) -> Answer:
    """Return a file that pages load.

    Raises:
        NotFoundError: There is none of that name.
    """
    name = call.path["name"]
    if name not in STATIC:
        raise NotFoundError(f"there is no file {name!r:.80}")
    headers = (_BRIEFLY, (b"x-content-type-options", b"nosniff"))
    answer = Answer((_FOLDER / name).read_bytes(), STATIC[name], headers=headers)
    return cached_answer(answer, call.header(b"if-none-match"))
