"""Serves a gateway in a child process until it is killed; prints its address first."""

import sys
from pathlib import Path

from tallystick.identity import SoftwareSigner
from tallystick.statement import KeyKind
from tallystick.statement.governance import IssuerKind
from tests.ledgers import Clock, Issuer
from tests.unit.capture.gateways import House, gateway_on
from tests.unit.capture.waiting import for_ever

SECRET = b"g" * 32


def house_in(folder: Path) -> House:
    """Return the house of a folder: the gateway has the same key each time."""
    signer = SoftwareSigner(KeyKind.ED25519, SECRET)
    return House(folder, gateway=Issuer("Gateway", IssuerKind.MACHINE, signer), clock=Clock())


def main(folder: Path, upstream: str) -> None:
    with gateway_on(house_in(folder), upstream) as kept:
        print(kept.url, flush=True)  # noqa: T201
        for_ever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
