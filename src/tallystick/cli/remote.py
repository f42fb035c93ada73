"""Register with the service that has the ledger open, so that commands work beside it.

The service writes its address into the ledger's folder. What only the operator may say is signed
here, with the same key file, and sent as any other statement.
"""

import http.client
import json
import os
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

from tallystick.errors import (
    EncodingError,
    RefusedError,
    TallystickError,
    UnavailableError,
)
from tallystick.statement import b64

if TYPE_CHECKING:
    from tallystick.ledger import Home, RegistrationPolicy, Submission
    from tallystick.statement.governance import KeyRecord, StatementType

API_KEY: Final = "TALLYSTICK_API_KEY"
TIMEOUT_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a statement is, as the service says.

    Attributes:
        id: Its identity.
        index: Its place.
        existed: It had been registered before.
    """

    id: bytes
    index: int
    existed: bool


def address_file(home: "Home") -> Path:
    """Return the file in which a running service leaves its address."""
    return home.data / "service"


def find_service(home: "Home") -> str | None:
    """Return the address of the service that has the ledger open; None if none says so."""
    try:
        return address_file(home).read_text().strip() or None
    except FileNotFoundError:
        return None


@contextmanager
def announced(home: "Home") -> Iterator[Callable[[str], None]]:
    """Yield what leaves a service's address for commands beside it; take it away in the end."""
    path = address_file(home)
    try:
        yield lambda url: _write(path, url)
    finally:
        path.unlink(missing_ok=True)


def _write(path: Path, url: str) -> None:
    path.write_text(f"{url}\n")


class RemoteLedger:
    """What commands need of a ledger, over HTTP."""

    def __init__(self, home: "Home", url: str, passphrase: bytes) -> None:
        """Talk to the service at an address; the passphrase opens the operator's key."""
        self._home, self._url, self._passphrase = home, url, passphrase

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held between requests."""

    def register_key(self, record: "KeyRecord") -> Placed:
        """Register an issuer's key, as the operator."""
        from tallystick.statement.governance import StatementType

        return self._say(StatementType.KEY, record.encode(), record.issuer)

    def set_policy(self, policy: "RegistrationPolicy") -> Placed:
        """Register a new registration policy, as the operator."""
        from tallystick.ledger import read_card
        from tallystick.statement.governance import StatementType

        return self._say(StatementType.POLICY, policy.encode(), read_card(self._home).origin)

    def register(self, submissions: "Sequence[Submission]") -> list[Placed | TallystickError]:
        """Register statements; return, for each, where it is or why it is not.

        Raises:
            UnavailableError: The service cannot be reached; send the same bytes again.
            TallystickError: It refused the request as a whole.
        """
        answer = self._post([_as_json(one) for one in submissions])
        return [_read(result) for result in answer["results"]]

    def _say(self, type_: "StatementType", payload: bytes, subject: str) -> Placed:
        from tallystick.identity import KeyFile
        from tallystick.ledger import operator_says
        from tallystick.ledger.creation import OPERATOR

        operator = KeyFile(self._home.service_keys, self._passphrase).signer(OPERATOR)
        said = operator_says(operator, type_, payload, subject=subject, now=int(time.time()))
        [answer] = self.register([said])
        if isinstance(answer, TallystickError):
            raise answer
        return answer

    def _post(self, body: list[dict[str, Any]]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(API_KEY):
            headers["Authorization"] = f"Bearer {key}"
        try:
            with closing(self._connect()) as line:
                line.request("POST", "/statements", json.dumps(body), headers)
                response = line.getresponse()
                answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise UnavailableError(
                f"the service at {self._url} does not answer: {error}",
                advice="if it was killed, remove the file `service` in the ledger's data folder",
            ) from error
        if not isinstance(answer, dict):
            raise EncodingError(f"the service at {self._url} answered with no JSON object")
        if "results" not in answer:
            raise _advised(_error(answer), response.status)
        return answer

    def _certificate(self) -> str | None:
        """Return the certificate that this ledger's settings name: it is believed as it is."""
        from tallystick.web.sources import load_settings

        named = load_settings(self._home.settings, os.environ).tls_certificate
        return str(named) if named is not None and named.exists() else None

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self._url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=self._certificate())
            return http.client.HTTPSConnection(
                host, parts.port, timeout=TIMEOUT_SECONDS, context=context
            )
        return http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT_SECONDS)


def _as_json(submission: "Submission") -> dict[str, Any]:
    from tallystick.statement import dcbor

    body: dict[str, Any] = {"entry": b64.encode_url(submission.entry)}
    if (content := submission.content) is not None:
        body["content"] = {
            "salt": b64.encode_url(content.salt),
            "fields": {
                name: {
                    "salt": b64.encode_url(field.salt),
                    "value": b64.encode_url(dcbor.encode(field.value)),
                }
                for name, field in content.fields.items()
            },
        }
    if submission.leaves is not None:
        body["leaves"] = b64.encode_url(submission.leaves)
    if (rows := submission.rows) is not None:
        body["rows"] = {
            "salts": b64.encode_url(rows.salts),
            "records": [b64.encode_url(record) for record in rows.records],
        }
    return body


def _read(result: dict[str, Any]) -> Placed | TallystickError:
    if problem := result.get("problem"):
        return _error(problem)
    return Placed(bytes.fromhex(result["id"]), result["index"], result.get("existed", False))


def _error(problem: dict[str, Any]) -> TallystickError:
    """Return the error that a problem tells of, as if it had been raised here."""
    code = str(problem.get("type", "")).rpartition(":")[2]
    detail, advice = str(problem.get("detail") or problem.get("title")), problem.get("advice")
    kinds = {kind.code: kind for kind in _all(TallystickError)}
    while code and code not in kinds:
        code = code.rpartition(".")[0]
    kind = kinds.get(code, UnavailableError)
    if issubclass(kind, RefusedError):
        return kind(detail, reason=str(problem.get("reason", "")), advice=advice)
    return kind(detail, advice=advice)


def _advised(error: TallystickError, status: int) -> TallystickError:
    """Say what opens a service that asks commands for an API key, too."""
    if status in {http.client.UNAUTHORIZED, http.client.FORBIDDEN} and not os.environ.get(API_KEY):
        error.advice = f"set {API_KEY} to a key that `tally keys api create NAME` made"
    return error


def _all(kind: type[TallystickError]) -> list[type[TallystickError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _all(child))]
