"""Our gateway alone, on a fresh ledger, for the bench.

    python -m bench.gateway.ours --port 8471 --upstream http://127.0.0.1:9000 --data FOLDER

makes a ledger in FOLDER with a registered gateway and one originator, writes the originator's API
key to FOLDER/token, and serves until SIGTERM. Everything is as `tally up` has it: every call is
numbered, signed, sealed, synced and registered.
"""

import argparse
import gc
import signal
import sys
import time
from pathlib import Path

import uvicorn

from tallystick.capture import (
    GATEWAY_TYPES,
    ApiKeys,
    Gateway,
    GatewaySettings,
    gateway_app,
    originator_of,
)
from tallystick.identity import SoftwareSigner, generate
from tallystick.ledger import Home, Ledger, RegistrationPolicy, Rule, create
from tallystick.ledger.signatures import PooledChecks
from tallystick.statement.governance import IssuerKind, KeyRecord

ORIGIN = "localhost/bench"
PASSPHRASE = b"bench"
TOKEN = "token"  # noqa: S105 - a file's name


def make_ledger(folder: Path) -> SoftwareSigner:
    """Make the ledger and its API key; return the gateway's signer."""
    home, signer, person = Home(folder), generate(), generate()
    policy = RegistrationPolicy((Rule(GATEWAY_TYPES, frozenset({signer.public.did()})),))
    create(home, ORIGIN, PASSPHRASE, clock=_now, policy=policy)
    with Ledger.open(home, PASSPHRASE) as ledger:
        ledger.register_key(_record(signer, IssuerKind.MACHINE, "Gateway"))
        ledger.register_key(_record(person, IssuerKind.PERSON, None))
        keys = ApiKeys(home.api_keys, ledger.api_secret)
        token, _ = keys.create(originator_of(ledger, person.public.did()), now=_now())
        (folder / TOKEN).write_text(token)
    return signer


def _record(signer: SoftwareSigner, kind: IssuerKind, name: str | None) -> KeyRecord:
    return KeyRecord.signed(ORIGIN, signer.public, kind, name, signer.sign)


def _now() -> int:
    return int(time.time())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True, help="without /v1")
    parser.add_argument("--data", type=Path, required=True, help="an empty folder")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # unwind: uvicorn raises it once more
    signer = make_ledger(args.data)
    settings = GatewaySettings(upstream=f"{args.upstream}/v1", upstream_key="sk-bench")
    with Ledger.open(Home(args.data), PASSPHRASE, checks=PooledChecks(1)) as ledger:
        gateway = Gateway(ledger, signer, settings)
        gc.freeze()
        uvicorn.run(
            gateway_app(gateway),
            host="127.0.0.1",
            port=args.port,
            http="httptools",
            loop="uvloop",
            ws="none",
            access_log=False,
            log_level="warning",
            server_header=False,
            date_header=False,
        )


if __name__ == "__main__":
    main()
