"""Register with the service that has the ledger open, so that commands work beside it.

The service writes its address into the ledger's folder. What only the operator may say is signed
here, with the same key file, and sent as any other statement.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from tallystick.errors import NotFoundError, RefusedError, TallystickError, UnavailableError

if TYPE_CHECKING:
    import ssl

    from tallystick.client import Client, Registered
    from tallystick.ledger import Home, RegistrationPolicy, Submission
    from tallystick.statement.administration import AdminAct
    from tallystick.statement.governance import StatementType
    from tallystick.statement.keylife import KeyStatement
    from tallystick.statement.retention import Retention

API_KEY: Final = "TALLYSTICK_API_KEY"
PATIENCE: Final = {"answer_seconds_max": 60.0, "retry_seconds_max": 3.0}
"""A person waits for a command: a service that is away is said to be, soon."""


def address_file(home: "Home") -> Path:
    """Return the file in which a running service leaves its address."""
    return home.data / "service"


def find_service(home: "Home") -> str | None:
    """Return the address of the service that has the ledger open; None if none says so."""
    return next(iter(_announced_lines(home)), None)


def _announced_lines(home: "Home") -> list[str]:
    try:
        return address_file(home).read_text().splitlines()
    except FileNotFoundError:
        return []


@contextmanager
def announced(home: "Home", certificate: Path | None) -> Iterator[Callable[[str], None]]:
    """Yield what leaves a service's address for commands beside it; take it away in the end.

    The certificate, if there is one, stands in the line behind: commands believe it.
    """
    path = address_file(home)
    lines = [] if certificate is None else [str(certificate.absolute())]
    try:
        yield lambda url: _write(path, [url, *lines])
    finally:
        path.unlink(missing_ok=True)


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


class RemoteLedger:
    """What commands need of a ledger, over HTTP."""

    def __init__(self, home: "Home", url: str, passphrase: bytes) -> None:
        """Talk to the service at an address; the passphrase opens the operator's key."""
        self._home, self._url, self._passphrase = home, url, passphrase
        self._beside: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held between requests."""

    def register_key(self, said: "KeyStatement") -> "Registered":
        """Register an issuer's key, what follows it, or its end, as the operator."""
        from tallystick.statement.governance import StatementType

        return self._say(StatementType.KEY, said.encode(), said.issuer)

    def set_policy(self, policy: "RegistrationPolicy") -> "Registered":
        """Register a new registration policy, as the operator."""
        from tallystick.ledger import read_card
        from tallystick.statement.governance import StatementType

        return self._say(StatementType.POLICY, policy.encode(), read_card(self._home).origin)

    def set_retention(self, retention: "Retention") -> "Registered":
        """Register how long content is kept from now on, as the operator."""
        from tallystick.ledger import read_card
        from tallystick.statement.governance import StatementType

        origin = read_card(self._home).origin
        return self._say(StatementType.RETENTION, retention.encode(), origin)

    def record_act(self, act: "AdminAct") -> "Registered":
        """Register what was done to the service, as the operator.

        A service that demands API keys takes it without one: the first key is made like that.
        """
        from tallystick.capture import ApiKeys
        from tallystick.identity import KeyFile
        from tallystick.ledger.creation import API
        from tallystick.statement.governance import StatementType

        secret = KeyFile(self._home.service_keys, self._passphrase).secret(API)
        self._beside = ApiKeys(self._home.api_keys, secret).beside(int(time.time()))
        return self._say(StatementType.ACCESS, act.encode(), act.subject)

    def register(self, submissions: "Sequence[Submission]") -> "list[Registered | TallystickError]":
        """Register statements; return, for each, where it is or why it is not.

        Raises:
            UnavailableError: The service cannot be reached; send the same bytes again.
            TallystickError: It refused the request as a whole.
        """
        with connect_beside(self._home, self._url, self._beside) as client:
            try:
                return client.register(submissions)
            except UnavailableError as error:
                raise _killed(error, self._url) from error
            except (RefusedError, NotFoundError) as error:  # a private log is not there without
                raise _advised(error) from error

    def _say(self, type_: "StatementType", payload: bytes, subject: str) -> "Registered":
        from tallystick.identity import KeyFile
        from tallystick.ledger import operator_says
        from tallystick.ledger.creation import OPERATOR

        operator = KeyFile(self._home.service_keys, self._passphrase).signer(OPERATOR)
        said = operator_says(operator, type_, payload, subject=subject, now=int(time.time()))
        [answer] = self.register([said])
        if isinstance(answer, TallystickError):
            raise answer
        return answer


def connect_beside(home: "Home", url: str, beside: str | None = None) -> "Client":
    """Return a client of the service that has a ledger open; believes its certificate.

    Args:
        home: The ledger.
        url: Of the service.
        beside: Token that shows that this command has the ledger's keys; in place of the
            API key that the environment names.
    """
    from tallystick.client import Patience, connect

    tls = _certificate(home) if url.startswith("https:") else None
    return connect(
        url, api_key=beside or os.environ.get(API_KEY), patience=Patience(**PATIENCE), tls=tls
    )


def _certificate(home: "Home") -> "ssl.SSLContext":
    """Return a context for the certificate that the service says to have, as it is."""
    import ssl

    named = _announced_lines(home)[1:2]
    known = next((name for name in named if Path(name).exists()), None)
    return ssl.create_default_context(cafile=known)


def _killed(error: UnavailableError, url: str) -> UnavailableError:
    return UnavailableError(
        f"the service at {url} does not answer: {error}",
        advice="if it was killed, remove the file `service` in the ledger's data folder",
    )


def _advised(error: TallystickError) -> TallystickError:
    """Say what opens a service that asks commands for an API key, too."""
    if not os.environ.get(API_KEY):
        error.advice = f"set {API_KEY} to a key that `tally keys api create NAME` made"
    return error
