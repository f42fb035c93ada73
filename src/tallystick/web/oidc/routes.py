"""The pages for signing in, as the router reads them; they are there where a provider is set.

Strangers to a private log see them, too: who signs in is a stranger until then.
"""

from typing import Any, Final

from tallystick.web.oidc import pages
from tallystick.web.operations import Operation


def _page(name: str, method: str, path: str, handler: Any, summary: str, **more: Any) -> Operation:
    return Operation(
        name=name, method=method, path=path, handler=handler, summary=summary, replies=(),
        tag="people", open=True, **more,
    )  # fmt: skip


SIGN_IN: Final = (
    _page("loginPage", "GET", "/login", pages.login_page, "Who is signed in"),
    _page("beginLogin", "GET", "/login/begin", pages.begin, "To the provider"),
    _page("endLogin", "GET", "/login/callback", pages.callback, "Back from the provider"),
    _page("logoutPage", "GET", "/logout", pages.logout_page, "Sign out?"),
    _page("logout", "POST", "/logout", pages.logout, "Sign out"),
)
"""No interface for programs."""
