"""A provider that says what a test lets it say: what no honest one would."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from joserfc import jwk, jwt

CLIENT = "tally"
AUDIENCE = "https://ledger.example/api"


def rsa(kid: str = "first", bits: int = 2048) -> jwk.RSAKey:
    return jwk.RSAKey.generate_key(bits, {"kid": kid})


@dataclass
class Impostor:
    """What is said.

    Attributes:
        issuer: Its name.
        key: Signs its tokens.
        keys: Those that it shows.
        metadata: Members of the discovery document that differ; None leaves one out.
        claims: Claims of the next ID token that differ; None leaves one out.
        header: Header of the next ID token that differs.
        answer: Status and body of the token endpoint, instead of tokens.
        userinfo: What stands there.
        away: It answers 500.
        redirects: Where paths lead.
        date: Seconds by which its clock is ahead.
        asked: Paths, in order.
        forms: What was sent to the token endpoint, with its header fields.
    """

    issuer: str
    key: jwk.Key
    keys: list[Any]
    metadata: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    answer: tuple[int, Any] | None = None
    userinfo: dict[str, Any] = field(default_factory=dict)
    away: bool = False
    redirects: dict[str, str] = field(default_factory=dict)
    date: int = 0
    asked: list[str] = field(default_factory=list)
    forms: list[tuple[dict[str, str], Mapping[str, str]]] = field(default_factory=list)
    sign: Callable[[dict[str, Any], dict[str, Any]], str] | None = None
    nonce: str = ""

    def document(self) -> dict[str, Any]:
        return without_none(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/auth",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "userinfo_endpoint": f"{self.issuer}/me",
                "end_session_endpoint": f"{self.issuer}/end",
                **self.metadata,
            }
        )

    def token(self, **changes: Any) -> str:
        """Make an ID token; changes are of its claims."""
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "sub": "ada-1", "iat": now, "exp": now + 300,
            "nonce": self.nonce, "name": "Ada", "groups": ["audit"], **self.claims, **changes,
        }  # fmt: skip
        header = without_none({"alg": "RS256", "kid": "first", **self.header})
        if self.sign is not None:
            return self.sign(header, without_none(claims))
        return sign(header, without_none(claims), self.key)

    def access_token(self, **changes: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": AUDIENCE, "sub": "ada-1", "iat": now, "exp": now + 300,
            "client_id": "robot", "jti": "1", "groups": ["audit"], **changes,
        }  # fmt: skip
        header = {"alg": "RS256", "kid": "first", "typ": "at+jwt", **self.header}
        return sign(without_none(header), without_none(claims), self.key)

    def say(self, path: str) -> tuple[int, Any]:
        if self.away:
            return 500, {}
        if path == "/token":
            given = {"id_token": self.token(), "access_token": "opaque", "token_type": "Bearer"}
            return self.answer or (200, given)
        there = {
            "/.well-known/openid-configuration": self.document(),
            "/jwks": {"keys": self.keys},
            "/me": self.userinfo,
        }
        return (200, there[path]) if path in there else (404, {})


def without_none(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def sign(header: dict[str, Any], claims: dict[str, Any], key: jwk.Key) -> str:
    algorithm = str(header["alg"])
    return jwt.encode(header, claims, key, algorithms=[algorithm], default_type=None)


@contextmanager
def lying() -> Iterator[Impostor]:
    """Run one until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    key = rsa()
    issuer = f"http://localhost:{server.server_address[1]}"
    server.impostor = Impostor(  # type: ignore[attr-defined]
        issuer, key, [{**key.as_dict(private=False), "kid": "first"}]
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.impostor  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        self.server.impostor.forms.append((form, dict(self.headers)))  # type: ignore[attr-defined]
        self._answer()

    def _answer(self) -> None:
        impostor: Impostor = self.server.impostor  # type: ignore[attr-defined]
        impostor.asked.append(self.path)
        status, content = impostor.say(self.path.partition("?")[0])
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        there = impostor.redirects.get(self.path.partition("?")[0])
        self.send_response_only(303 if there else status)
        self.send_header("Date", formatdate(time.time() + impostor.date, usegmt=True))
        if there:
            self.send_header("Location", there)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
