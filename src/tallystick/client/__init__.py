"""Speak to a service with the words of the ledger: register, prove, find, verify, watch.

    import tallystick

    with tallystick.connect("http://127.0.0.1:8471", trust=Path("trust.policy")) as ledger:
        [registered] = ledger.register([statement])
        ledger.record(agent, "action", {"tool": "order"}, acting_for=delegation)
        ledger.verify(registered.id)

`connect_async` returns the same for asyncio. Both perform the steps of one conversation
(`tallystick.client.conversation`), in which all of the logic stands. Whoever is not sure sends the
very same bytes again, and so does the client: with pauses that double, for a limited time.

Trust: nothing that a service says is believed because it says so. Entries are parsed here, and
must be those that were asked for; checkpoints are verified where `trust` pins the log's key, and
`verify` decides offline. That a search is complete is the service's word, and so is the
`originator` of what `find`, `watch` and `statement` give.
"""

import ssl

from tallystick.errors import missing_extra

try:
    import h11  # noqa: F401 - to say at once what to install
except ModuleNotFoundError as error:
    raise missing_extra(error) from error

from tallystick.client.answers import Originator, Registered, Told
from tallystick.client.asynchronous import AsyncClient
from tallystick.client.blocking import Client
from tallystick.client.patience import Patience
from tallystick.client.questions import Filters
from tallystick.client.recording import call_headers
from tallystick.client.submissions import Registrable
from tallystick.client.trust import Trust

__all__ = [
    "AsyncClient",
    "Client",
    "Filters",
    "Originator",
    "Patience",
    "Registered",
    "Registrable",
    "Told",
    "Trust",
    "call_headers",
    "connect",
    "connect_async",
]


def connect(
    url: str,
    *,
    api_key: str | None = None,
    trust: Trust | None = None,
    patience: Patience | None = None,
    tls: ssl.SSLContext | None = None,
) -> Client:
    """Return a client for threads; it connects when it is first asked something.

    Args:
        url: The service, such as `http://127.0.0.1:8471`.
        api_key: Sent with every request; over TLS or to this machine only.
        trust: The log that is pinned: a trust policy, its file, or the log's verifier key.
        patience: How long to try; a minute by default.
        tls: Whose certificates are believed; those that the system trusts by default.

    Raises:
        InputError: An argument that cannot be.
    """
    return Client(url, api_key=api_key, trust=trust, patience=patience, tls=tls)


def connect_async(
    url: str,
    *,
    api_key: str | None = None,
    trust: Trust | None = None,
    patience: Patience | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncClient:
    """Return a client for asyncio; else as `connect`.

    Raises:
        InputError: An argument that cannot be.
    """
    return AsyncClient(url, api_key=api_key, trust=trust, patience=patience, tls=tls)
