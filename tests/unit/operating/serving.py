"""A service with all there is: a gateway, TLS, a statement registered and one refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tallystick.capture import Gateway, GatewaySettings, gateway_app
from tests.ledgers import Issuer
from tests.unit.capture.gateways import House
from tests.unit.capture.model_api import model_api
from tests.unit.web.served import COSE, Client, serving


@contextmanager
def served_with_gateway(folder: Path, tls: tuple[Path, Path]) -> Iterator[Client]:
    """Serve it, asked a few things already."""
    house, clinic = House(folder / "ledger"), Issuer()
    with model_api() as api, house.ledger(clinic) as ledger:
        upstream = GatewaySettings(upstream=f"{api.url}/v1", register_s=0.05)
        gateway = Gateway(ledger, house.gateway.signer, upstream)
        options = {"tls_certificate": tls[0], "tls_key": tls[1], "disk_free_bytes_min": 1}
        with serving(
            ledger, gateway_app=gateway_app(gateway), gateway_status=gateway.status, **options
        ) as client:
            client.post("/statements", clinic.sign().entry, COSE)
            client.post("/statements", Issuer().sign().entry, COSE)
            body = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
            assert client.post("/v1/chat/completions", body, "application/json").status == 200
            yield client
