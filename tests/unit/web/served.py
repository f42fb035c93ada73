"""A real service on a loopback port, in a thread, and the plainest client there is."""

import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

from tallystick.ledger import Ledger
from tallystick.statement import dcbor
from tallystick.web.server import Server
from tallystick.web.service import Served
from tallystick.web.settings import Settings
from tests.ledgers import Issuer, ledger_in

WAIT_SECONDS = 30
COSE, CBOR, JSON = "application/cose", "application/cbor", "application/json"
NDJSON = "application/x-ndjson"


@dataclass(frozen=True)
class Reply:
    """An answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"{self.status} {self.headers} {self.body[:300]!r}"

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def cbor(self) -> Any:
        return dcbor.decode(self.body, "answer")

    @property
    def code(self) -> str:
        """The stable code of a problem, checked to be one in the right form."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem = self.json
        assert problem["status"] == self.status
        assert problem["title"]
        assert problem["detail"]
        return str(problem["type"]).removeprefix("urn:tallystick:error:")

    @property
    def scrapi_problem(self) -> tuple[str, str]:
        """Title and detail of an RFC 9290 problem, checked to be one in the right form."""
        assert self.headers["content-type"] == "application/concise-problem-details+cbor", self
        problem = self.cbor
        assert set(problem) == {-1, -2}
        return problem[-1], problem[-2]


@dataclass(frozen=True)
class Client:
    """Asks a service; each request on a connection of its own."""

    url: str
    ledger: Ledger
    server: Server

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        assert parts.hostname
        assert parts.port
        return parts.hostname, parts.port

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] | None = None,
        media: str | None = None,
        **headers: str,
    ) -> Reply:
        """Send a request; underscores in names of headers stand for hyphens."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if media is not None:
            sent["content-type"] = media
        with closing(self._connection()) as connection:
            connection.request(method, path, body, sent, encode_chunked=not _is_whole(body))
            answer = connection.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, fields, answer.read())

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, None, None, **headers)

    def post(self, path: str, body: bytes | Iterator[bytes], media: str, **headers: str) -> Reply:
        return self.ask("POST", path, body, media, **headers)

    def open(self) -> socket.socket:
        """Open a connection to misbehave on."""
        return socket.create_connection(self.address, timeout=WAIT_SECONDS)

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self.address
        if self.url.startswith("https"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            return http.client.HTTPSConnection(host, port, timeout=WAIT_SECONDS, context=context)
        return http.client.HTTPConnection(host, port, timeout=WAIT_SECONDS)


def _is_whole(body: object) -> bool:
    return body is None or isinstance(body, bytes)


@contextmanager
def serving(ledger: Ledger, **options: Any) -> Iterator[Client]:
    """Serve an open ledger; options that are no setting go to the server."""
    others = {
        name: options.pop(name)
        for name in ("authorize", "gateway_app", "gateway_status", "keeping")
        if name in options
    }
    further: Mapping[str, Served | None] = options.pop("further", {})
    settings = Settings(**{"port": 0, "workers": 0, **options})
    listening = Event()
    server = Server(
        Served(ledger, settings, **others), further, on_listening=lambda _: listening.set()
    )
    thread = Thread(target=server.run)
    thread.start()
    try:
        assert listening.wait(WAIT_SECONDS)
        yield Client(server.url, ledger, server)
    finally:
        server.stop()
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()


@contextmanager
def served(folder: Path, *issuers: Issuer, **options: Any) -> Iterator[Client]:
    """Serve the ledger in a folder, made with its issuers if there is none."""
    with ledger_in(folder, *issuers) as ledger, serving(ledger, **options) as client:
        yield client


@dataclass(frozen=True)
class Place:
    """A service that some tests share, and an issuer who may register there."""

    client: Client
    clinic: Issuer
