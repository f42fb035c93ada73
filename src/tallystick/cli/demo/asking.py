"""Ask the model as any program would: over HTTP, through the gateway, with an API key."""

import http.client
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from tallystick.cli.demo.cases import Case
from tallystick.cli.demo.endpoint import MODEL
from tallystick.errors import NotFoundError, UnavailableError
from tallystick.ledger import Found, Ledger

REGISTERED_SECONDS: Final = 10.0
"""How long an outcome may take from the answer to the ledger; it takes a tenth of one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was answered.

    Attributes:
        case: What was asked about.
        answer: The answer's text.
        intent: Id of the statement that was durable before the model was called.
        outcome: Id of the statement that holds the answer.
    """

    case: Case
    answer: str
    intent: bytes
    outcome: bytes

    @property
    def right(self) -> bool:
        """Whether the answer names the diagnosis that the clinic registered."""
        return self.answer.lower().startswith(self.case.diagnosis)


def ask(url: str, token: str, cases: Sequence[Case]) -> Iterator[Asked]:
    """Ask about each case.

    Args:
        url: Address of the gateway, up to its `/v1`.
        token: API key of whoever asks.
        cases: What to ask about.

    Raises:
        UnavailableError: The gateway answered with an error.
    """
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)) as line:
        for case in cases:
            yield _ask(line, parts.path, token, case)


def _ask(line: http.client.HTTPConnection, path: str, token: str, case: Case) -> Asked:
    asked = {"role": "user", "content": case.question()}
    body = json.dumps({"model": MODEL, "messages": [asked], "temperature": 0})
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    line.request("POST", f"{path}/chat/completions", body, headers)
    response = line.getresponse()
    data = json.loads(response.read())
    if response.status != http.client.OK:
        raise UnavailableError(f"the gateway answered {response.status}: {data}")
    return Asked(
        case,
        data["choices"][0]["message"]["content"],
        bytes.fromhex(response.headers["x-tallystick-intent"]),
        bytes.fromhex(response.headers["x-tallystick-outcome"]),
    )


def wait_for(ledger: Ledger, statement: bytes) -> Found:
    """Wait until a statement that the gateway made durable is registered.

    Raises:
        NotFoundError: It is not, after `REGISTERED_SECONDS`.
    """
    deadline = time.monotonic() + REGISTERED_SECONDS
    while True:
        try:
            return ledger.get(statement)
        except NotFoundError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
