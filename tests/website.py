"""A host of the web on this machine, over TLS: serves what a test puts there."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.certificates import certificate

JSON = "application/did+json"
JSONL = "text/jsonl"


@dataclass
class Site:
    """What is served.

    Attributes:
        port: TCP port on loopback.
        trust: File with its certificate.
        files: Body and media type by path.
        status: Status by path, 200 else.
        headers: Further headers of every answer.
        drip_seconds: Pause after each byte of a body, for those who wait.
        asked: Paths that were asked for.
    """

    port: int
    trust: Path
    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    drip_seconds: float = 0.0
    asked: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        """The host as a DID writes it."""
        return f"localhost%3A{self.port}"

    @property
    def did(self) -> str:
        return f"did:web:{self.host}"


@contextmanager
def serving(folder: Path, *, begins_days: float = -1, ends_days: float = 90) -> Iterator[Site]:
    """Serve until the block ends."""
    files = certificate(folder, begins_days=begins_days, ends_days=ends_days)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    site = Site(server.server_address[1], files[0])
    server.site = site  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        site: Site = self.server.site  # type: ignore[attr-defined]
        site.asked.append(self.path)
        body, media_type = site.files.get(self.path, (b"", "text/plain"))
        self.send_response(site.status.get(self.path, 200 if self.path in site.files else 404))
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in site.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if not site.drip_seconds:
            self.wfile.write(body)
            return
        for at in range(len(body)):
            self.wfile.write(body[at : at + 1])
            time.sleep(site.drip_seconds)

    def log_message(self, *_: object) -> None:
        pass
