"""Sign with keys that a service on the network keeps: `example-kms:HOST:PORT/NAME`.

The file that EXAMPLE_KMS_TOKEN_FILE names holds the token that the service asks for. Over anything
but the loopback use TLS: whoever reads the token signs.
"""

import base64
import json
import os
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tallystick.errors import (
    ConflictError,
    DeniedError,
    InputError,
    NotFoundError,
    UnavailableError,
)
from tallystick.statement import KeyKind, PublicKey, parse_cose_key

TOKEN_FILE = "EXAMPLE_KMS_TOKEN_FILE"
SECONDS_MAX = 5
ANSWER_BYTES_MAX = 4096
_ERRORS = {401: DeniedError, 403: DeniedError, 404: NotFoundError, 409: ConflictError}


class ExampleKms:
    """The custodian: what the entry point names."""

    def open(self, rest: str) -> "RemoteKey":
        """Return a key that is there."""
        answer = _ask(rest, "GET")
        return RemoteKey(rest, parse_cose_key(base64.b64decode(answer["public"])))

    def create(self, rest: str, kind: KeyKind) -> "RemoteKey":
        """Let the service make a key."""
        _ask(rest, "PUT", {"kind": kind.value})
        return self.open(rest)


class RemoteKey:
    """One key of the service."""

    def __init__(self, rest: str, public: PublicKey) -> None:
        self._rest, self.public = rest, public

    def sign(self, message: bytes) -> bytes:
        """Return 64 bytes."""
        said = {"message": base64.b64encode(message).decode()}
        return base64.b64decode(_ask(self._rest, "POST", said)["signature"])


def _ask(rest: str, method: str, body: dict[str, str] | None = None) -> dict[str, Any]:
    if not re.fullmatch(r"[a-z0-9.-]+:[0-9]{1,5}/[A-Za-z0-9._~-]{1,64}", rest):
        raise InputError(f"expected example-kms:HOST:PORT/NAME, got {rest[:60]!r}")
    try:
        token = Path(os.environ.get(TOKEN_FILE, "")).read_text().strip()
    except OSError as error:
        raise DeniedError(f"{TOKEN_FILE} must name a file with the service's token") from error
    request = urllib.request.Request(
        f"http://{rest}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    where = rest.partition("/")[0]
    try:
        with urllib.request.urlopen(request, timeout=SECONDS_MAX) as answer:
            return json.loads(answer.read(ANSWER_BYTES_MAX))
    except urllib.error.HTTPError as error:
        error.close()
        kind = _ERRORS.get(error.code, UnavailableError)
        raise kind(f"the key service at {where} answered {error.code}") from None
    except (OSError, ValueError) as error:
        name = type(error).__name__
        raise UnavailableError(f"the key service at {where} does not answer: {name}") from None
