"""A service with all there is: a gateway, TLS, a statement registered and one refused."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from tallystick.capture import Gateway, GatewaySettings, gateway_app
from tallystick.ledger.keeping import Keeper
from tallystick.ledger.searches import Filters
from tallystick.webhooks.store import Webhooks
from tests.ledgers import Issuer
from tests.unit.capture.gateways import House
from tests.unit.capture.model_api import model_api
from tests.unit.web.served import COSE, Client, serving
from tests.unit.webhooks.targets import target, until


@contextmanager
def served_with_gateway(folder: Path, tls: tuple[Path, Path]) -> Iterator[Client]:
    """Serve it, asked a few things already."""
    house, clinic = House(folder / "ledger"), Issuer()
    with model_api() as api, house.ledger(clinic) as ledger, ExitStack() as opened:
        upstream = GatewaySettings(upstream=f"{api.url}/v1", register_s=0.05)
        gateway = Gateway(ledger, house.gateway.signer, upstream)
        options: dict[str, Any] = {
            "webhook_loopback": True,
            "tls_certificate": tls[0],
            "tls_key": tls[1],
            "disk_free_bytes_min": 1,
            "otlp_endpoint": "http://127.0.0.1:9",  # nobody is there: spans are lost, and counted
            "oidc_issuer": "https://127.0.0.1:9",  # nor there: sign-ins fail, and are counted
            "oidc_client_id": "tally",
            "oidc_loopback": True,
        }
        keeper = opened.enter_context(closing(Keeper(ledger, tick_seconds=0.05)))
        until(lambda: keeper.status().swept_at is not None)
        with serving(
            ledger,
            keeping=keeper.status,
            gateway_app=gateway_app(gateway),
            gateway_status=gateway.status,
            **options,
        ) as client:
            client.post("/statements", clinic.sign().entry, COSE)
            client.post("/statements", Issuer().sign().entry, COSE)
            assert client.get("/login/begin").status == 503
            body = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
            assert client.post("/v1/chat/completions", body, "application/json").status == 200
            with told(client):
                yield client


@contextmanager
def told(client: Client) -> Iterator[None]:
    """Have a webhook that was told of everything."""
    ledger = client.ledger
    with target() as one:
        Webhooks(ledger.home.webhooks).add(
            "all", one.url, Filters(), ledger.api_secret, start=0, now=ledger.clock()
        )
        until(lambda: b'webhook_statements_total{webhook="all"}' in client.get("/metrics").body)
        yield
