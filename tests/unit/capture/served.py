"""Serve an ASGI application on loopback in a thread, and talk plain HTTP to it."""

import http.client
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import uvicorn

from tests.unit.capture.waiting import eventually

STOP_SECONDS = 20.0

App = Callable[[Any, Any, Any], Awaitable[None]]


@contextmanager
def serving(app: App, *, lifespan: bool = False, grace_s: int = 5, **options: Any) -> Iterator[str]:
    """Yield `http://127.0.0.1:PORT` of a running application."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        config = uvicorn.Config(
            app,
            http="httptools",
            loop="uvloop",
            ws="none",
            lifespan="on" if lifespan else "off",
            log_level="critical",
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=grace_s,
            **options,
        )
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            eventually(lambda: server.started or not thread.is_alive() or None, "the server")
            assert server.started, "the application did not start"
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(STOP_SECONDS)
    assert not thread.is_alive(), "the server did not stop"


@dataclass(frozen=True)
class Answered:
    """An answer as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool = True

    @property
    def intent(self) -> bytes:
        return bytes.fromhex(self.headers["x-tallystick-intent"])

    @property
    def outcome(self) -> bytes:
        return bytes.fromhex(self.headers["x-tallystick-outcome"])


def ask(
    url: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    method: str | None = None,
    timeout_s: float = 30.0,
) -> Answered:
    """Send one request on a connection of its own; what was cut off says so."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=timeout_s)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(
            method or ("GET" if body is None else "POST"), target, body, headers or {}
        )
        response = connection.getresponse()
        given = {name.lower(): value for name, value in response.getheaders()}
        try:
            return Answered(response.status, given, response.read())
        except http.client.IncompleteRead as error:
            return Answered(response.status, given, error.partial, whole=False)
    finally:
        connection.close()
