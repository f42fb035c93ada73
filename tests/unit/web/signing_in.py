"""A service with a provider that says what a test wants, and browsers before them."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from tallystick.capture.roles import Grant, Role
from tallystick.errors import RefusedError
from tallystick.web.settings import RoleRule
from tests.impostor import AUDIENCE, CLIENT, Impostor
from tests.ledgers import Issuer, ledger_in
from tests.unit.web.served import Client, Reply, serving

CLINIC = Issuer()
RULES = (RoleRule(value="audit", role=Role.AUDITOR), RoleRule(value="ops", role=Role.OPERATOR))
ADMIN = {"authorization": "Bearer tly_admin"}


def authorize(key: str) -> Grant:
    if key != "tly_admin":
        raise RefusedError("this API key is not known", reason="api-key.unknown")
    return Grant(Role.ADMIN)


@dataclass
class Browser:
    """Keeps cookies, and goes where it is told."""

    client: Client
    host: str
    cookies: dict[str, str] = field(default_factory=dict)
    set: list[str] = field(default_factory=list)

    def ask(self, method: str, path: str, **headers: str) -> Reply:
        pairs = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {"host": self.host, **({"cookie": pairs} if pairs else {}), **headers}
        answer = self.client.ask(method, path, b"" if method == "POST" else None, None, **sent)
        if line := answer.headers.get("set-cookie"):
            self.set.append(line)
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
            if not value:
                del self.cookies[name]
        return answer

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, **headers)


@dataclass
class Place:
    client: Client
    impostor: Impostor
    now: list[float]

    def browser(self) -> Browser:
        return Browser(self.client, f"localhost:{self.client.address[1]}")

    def begin(self, browser: Browser, path: str = "/login/begin") -> dict[str, str]:
        """Begin a sign-in, and return what the provider is asked."""
        answer = browser.get(path)
        assert answer.status == 303, answer
        asked = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
        self.impostor.nonce = asked["nonce"]
        return asked

    def sign_in(self, browser: Browser, **more: str) -> Reply:
        asked = self.begin(browser)
        return self.come_back(browser, state=asked["state"], **more)

    def come_back(self, browser: Browser, **query: str) -> Reply:
        fields = {"code": "c-1", **query}
        text = "&".join(f"{name}={value}" for name, value in fields.items())
        return browser.get(f"/login/callback?{text}")

    def metrics(self) -> str:
        return self.client.get("/metrics", **ADMIN).body.decode()


def reason(answer: Reply) -> str:
    """Return the reason of a refusal, as its page names it."""
    found = re.search(r"\((oidc\.[a-z-]+|[a-z.-]+)\)</p>", answer.body.decode())
    return found[1] if found else f"none: {answer}"


class Make(Protocol):
    """Puts a service before the provider; settings as they are named."""

    def __call__(self, **options: Any) -> Place: ...


@contextmanager
def places(folder: Path, impostor: Impostor) -> Iterator[Make]:
    """Yield what makes a service on the ledger in a folder; it ends with the block."""
    with ExitStack() as opened:
        ledger = opened.enter_context(ledger_in(folder, CLINIC))

        def make(**options: Any) -> Place:
            settings = {
                "oidc_issuer": impostor.issuer, "oidc_client_id": CLIENT, "oidc_loopback": True,
                "oidc_roles": RULES, "oidc_audience": AUDIENCE, "authorize": authorize,
                "require_key": True, **options,
            }  # fmt: skip
            client = opened.enter_context(serving(ledger, **settings))
            found = Place(client, impostor, [0.0])
            sign_in = client.server.service.load.sign_in
            assert sign_in
            real = sign_in.clock
            sign_in.clock = lambda: real() + found.now[0]
            return found

        yield make
