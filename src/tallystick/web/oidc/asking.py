"""Requests to the provider: from where the operator allows, within bounds, followed nowhere.

The issuer is a setting, but the addresses in its discovery document are the provider's own words,
and a name leads where its owner likes. So each name is looked up once, each address is checked, and
the connection is made to a checked address, as for webhooks.
"""

import ssl
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlencode

from tallystick import __version__
from tallystick.client.http1 import Request, Response
from tallystick.errors import EncodingError, RefusedError, TallystickError
from tallystick.identity.jws import parse_json
from tallystick.web.problems import ProviderAwayError
from tallystick.web.settings import Settings
from tallystick.webhooks.addresses import Allowed, parse_networks
from tallystick.webhooks.sending import Sender

SECONDS_MAX: Final = 5.0
"""For one request, from the look-up of the name to the last byte: a person waits."""
ANSWER_BYTES_MAX: Final = 1 << 20

_HEADERS: Final = (
    ("user-agent", f"tallystick/{__version__}"),
    ("accept", "application/json"),
    ("accept-encoding", "identity"),
    ("connection", "close"),
)


def allowed_by(settings: Settings) -> Allowed:
    """Return where the provider may be.

    Raises:
        InputError: A network is none.
    """
    networks = parse_networks(settings.oidc_networks, "oidc_networks")
    return Allowed(loopback=settings.oidc_loopback, networks=networks)


@dataclass(frozen=True)
class Asker:
    """Asks the provider; may be used by several threads.

    Attributes:
        allowed: Where it may be.
        seconds_max: For one request.
    """

    allowed: Allowed
    seconds_max: float = SECONDS_MAX

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()  # once: the system's certificates are many

    def get(self, url: str, *headers: tuple[str, str]) -> Response:
        """Ask for a document, and return the answer whatever its status.

        Raises:
            ProviderAwayError: There is no answer, or one that is none.
        """
        return self._ask(url, Request("GET", "/", (*_HEADERS, *headers), b"", ANSWER_BYTES_MAX))

    def post(self, url: str, form: dict[str, str], *headers: tuple[str, str]) -> Response:
        """Send a form, and return the answer whatever its status.

        Raises:
            ProviderAwayError: There is no answer, or one that is none.
        """
        form_type = ("content-type", "application/x-www-form-urlencoded")
        sent = (*_HEADERS, form_type, *headers)
        return self._ask(
            url, Request("POST", "/", sent, urlencode(form).encode(), ANSWER_BYTES_MAX)
        )

    def _ask(self, url: str, request: Request) -> Response:
        where = url.partition("?")[0]
        try:
            return Sender(self.allowed, self._tls, self.seconds_max).ask(url, request)
        except RefusedError as error:
            raise ProviderAwayError(
                f"the provider's {where} is not asked: it leads to this machine or its networks, "
                "or is not https",
                advice="the operator can allow it: oidc_networks, or oidc_loopback for trials",
            ) from error
        except TallystickError as error:
            words = f"{error}".replace("the service", "it")
            raise ProviderAwayError(f"the provider's {where} does not answer: {words}") from error


def parse_object(answer: Response, what: str) -> dict[str, Any]:
    """Read an answer that is a JSON object.

    Raises:
        ProviderAwayError: Another status than 200, or no such object.
    """
    if answer.status != 200:
        raise ProviderAwayError(f"the provider answers {answer.status} for its {what}, not 200")
    try:
        found = parse_json(answer.body, what)
    except EncodingError as error:
        raise ProviderAwayError(f"the provider's {what} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise ProviderAwayError(f"the provider's {what} is no JSON object")
    return found
