"""The relying party: under which name browsers know the pages on which people approve."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from tallystick.errors import InputError
from tallystick.statement.passkey import check_origins

LOCAL: Final = "localhost"
"""Browsers let passkeys be used here without TLS, and on no bare address."""


@dataclass(frozen=True, slots=True)
class Party:
    """A relying party.

    Attributes:
        rp_id: Its name.
        origin: Of its pages.
    """

    rp_id: str
    origin: str

    def __post_init__(self) -> None:
        """Refuse what no browser would let use passkeys.

        Raises:
            EncodingError: It is that.
        """
        check_origins(self.rp_id, (self.origin,))


def party_of(public_url: str) -> Party:
    """Return the relying party that a service with this address is.

    Raises:
        InputError: Browsers do not let pages at this address use passkeys.
    """
    try:
        parts = urlsplit(public_url)
        host, port = parts.hostname or "", parts.port
        origin = f"{parts.scheme}://{host}" + ("" if port is None else f":{port}")
        return Party(host, origin)
    except (ValueError, InputError) as error:
        raise InputError(
            f"passkeys cannot be used at {public_url!r:.120}: {error}",
            advice="set public_url to an address with https and a name",
        ) from error


def local_party(port: int) -> Party:
    """Return the relying party of a service that only this machine reaches."""
    return Party(LOCAL, f"http://{LOCAL}:{port}")
