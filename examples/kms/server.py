"""A signing service for tests: keys in memory, one token, HTTP on the loopback.

    python server.py --token-file FILE [--port 8900]

PUT /NAME {"kind": "ed25519"} makes a key, GET /NAME shows it, POST /NAME {"message": …} signs.
"""

import argparse
import base64
import hmac
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tallystick.identity import SoftwareSigner, generate
from tallystick.statement import KeyKind

BODY_BYTES_MAX = 8 << 20
keys: dict[str, SoftwareSigner] = {}


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    token_file: Path

    def do_PUT(self) -> None:
        """Make a key."""
        if not self._may():
            return
        if self.path in keys:
            self._answer(409)
            return
        keys[self.path] = generate(KeyKind(self._body()["kind"]))
        self._answer(200)

    def do_GET(self) -> None:
        """Show the public side of a key."""
        if self._may() and self._known():
            public = keys[self.path].public.encode()
            self._answer(200, public=base64.b64encode(public).decode())

    def do_POST(self) -> None:
        """Sign."""
        if self._may() and self._known():
            signature = keys[self.path].sign(base64.b64decode(self._body()["message"]))
            self._answer(200, signature=base64.b64encode(signature).decode())

    def _may(self) -> bool:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if hmac.compare_digest(given.encode(), self.token_file.read_bytes().strip()):
            return True
        self._answer(401)
        return False

    def _known(self) -> bool:
        if self.path in keys:
            return True
        self._answer(404)
        return False

    def _body(self) -> dict[str, str]:
        length = min(int(self.headers.get("Content-Length", "0")), BODY_BYTES_MAX)
        body: dict[str, str] = json.loads(self.rfile.read(length))
        return body

    def _answer(self, status: int, **members: str) -> None:
        data = json.dumps(members).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing: what is signed is nobody's business."""


def main() -> None:
    """Serve until it is killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--token-file", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8900)
    chosen = parser.parse_args()
    Handler.token_file = chosen.token_file
    server = ThreadingHTTPServer(("127.0.0.1", chosen.port), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
