"""Targets of webhooks: real servers on loopback, well-behaved and not."""

import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

WAIT_SECONDS = 30


@dataclass
class Got:
    """One request, as it came."""

    headers: dict[str, str]
    body: bytes
    path: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def indices(self) -> list[int]:
        return [one["index"] for one in self.json["data"].get("statements", [])]


Reply = tuple[int, dict[str, str]]


@dataclass
class Target:
    """Keeps what it gets; `replies` are given in turn, then 204."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    taken: list[Got] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    always: Reply = (204, {})
    lock: Lock = field(default_factory=Lock)

    def answer(self, got: Got) -> Reply:
        with self.lock:
            self.got.append(got)
            reply = self.replies.pop(0) if self.replies else self.always
            if 200 <= reply[0] < 300:
                self.taken.append(got)
            return reply

    @property
    def indices(self) -> list[int]:
        return [index for got in list(self.taken) for index in got.indices]


@contextmanager
def target(tls: tuple[Path, Path] | None = None, host: str = "127.0.0.1") -> Iterator[Target]:
    """Run a well-behaved one."""
    kept = Target()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, fields = kept.answer(Got(headers, body, self.path))
            self.send_response(status)
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    with Server((host, 0), Handler) as server:
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        kept.url = f"{'https' if tls else 'http'}://{host}:{server.server_port}/hook"
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield kept
        finally:
            server.shutdown()
            thread.join(WAIT_SECONDS)


@contextmanager
def raw(behave: Callable[[socket.socket, Event], None]) -> Iterator[str]:
    """Run one that does with each connection what `behave` does; yield its URL."""
    ended = Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.05)

        def serve() -> None:
            while not ended.is_set():
                with suppress(TimeoutError):
                    line, _ = listening.accept()
                    Thread(target=one, args=(line,), daemon=True).start()

        def one(line: socket.socket) -> None:
            with line, suppress(OSError):
                line.settimeout(WAIT_SECONDS)
                line.recv(1 << 20)
                behave(line, ended)

        thread = Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/hook"
        finally:
            ended.set()
            thread.join(WAIT_SECONDS)


def hang(line: socket.socket, ended: Event) -> None:
    ended.wait(WAIT_SECONDS)


def reset(line: socket.socket, ended: Event) -> None:
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


def drip(line: socket.socket, ended: Event) -> None:
    for letter in b"HTTP/1.1 200 OK\r\nx: " + b"y" * 1000:
        line.sendall(bytes([letter]))
        if ended.wait(0.05):
            return


def endless_head(line: socket.socket, ended: Event) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\n")
    while not ended.is_set():
        line.sendall(b"x-more: " + b"y" * 4000 + b"\r\n")


def endless_body(line: socket.socket, ended: Event) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while not ended.is_set():
        line.sendall(b"1000\r\n" + b"y" * 4096 + b"\r\n")


def no_http(line: socket.socket, ended: Event) -> None:
    line.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


def until(holds: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to hold in time"
        time.sleep(0.02)
