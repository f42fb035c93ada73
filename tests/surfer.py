"""A person who signs in, without a browser: follows redirects, keeps cookies, sends forms."""

import http.cookiejar
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

WAIT_SECONDS = 30
_FORM = re.compile(r'<form[^>]*action="([^"]+)"')
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')


@dataclass(frozen=True)
class Page:
    """What came.

    Attributes:
        url: Where it is.
        status: HTTP status.
        text: Of its body.
        headers: Of the answer.
    """

    url: str
    status: int
    text: str
    headers: Message

    @property
    def form(self) -> tuple[str, dict[str, str]]:
        """Where its form goes, and the fields that nobody sees."""
        found = _FORM.search(self.text)
        assert found, self
        return urllib.parse.urljoin(self.url, found[1]), dict(_HIDDEN.findall(self.text))

    @property
    def location(self) -> str:
        return urllib.parse.urljoin(self.url, str(self.headers["location"]))


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass
class Surfer:
    """A browser's place, with its own cookies.

    Attributes:
        jar: Its cookies.
        went: Where it was sent, in order.
    """

    jar: http.cookiejar.CookieJar = field(default_factory=http.cookiejar.CookieJar)
    went: list[str] = field(default_factory=list)

    def ask(self, url: str, form: dict[str, str] | None = None, **headers: str) -> Page:
        """Ask once; a redirect is an answer like any other."""
        data = None if form is None else urllib.parse.urlencode(form).encode()
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(url, data, fields)  # noqa: S310 - loopback
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.jar), _Stay()
        )
        try:
            answer = opener.open(request, timeout=WAIT_SECONDS)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return Page(url, answer.status, answer.read().decode(), answer.headers)

    def open(self, url: str, form: dict[str, str] | None = None, until: str = "") -> Page:
        """Ask, and go where that sends us; not where an address begins with `until`."""
        page = self.ask(url, form, sec_fetch_site="same-origin")
        for _ in range(20):
            if page.status not in {302, 303}:
                return page
            self.went.append(page.location)
            if until and page.location.startswith(until):
                return page
            page = self.ask(page.location)
        raise AssertionError(self.went)

    def sign_in(self, url: str, login: str, until: str = "") -> Page:
        """Open a page, and fill in what the provider's own pages ask."""
        page = self.open(url, until=until)
        while page.status == 200 and "<form" in page.text and "/interaction/" in page.url:
            where, fields = page.form
            if fields["prompt"] == "login":
                fields |= {"login": login, "password": "any"}
            page = self.open(where, fields, until)
        return page
