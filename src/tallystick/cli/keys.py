"""`tally keys`: issuers' keys, made here or elsewhere, registered in the ledger."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.api_keys import api
from tallystick.cli.session import Session, pass_session
from tallystick.errors import InputError
from tallystick.statement import b64

if TYPE_CHECKING:
    from tallystick.identity import SoftwareSigner
    from tallystick.statement.governance import KeyRecord

_KIND = click.option(
    "--kind",
    type=click.Choice(["person", "organisation", "machine", "ai"]),
    required=True,
    help="What kind of party holds the key.",
)


@click.group()
def keys() -> None:
    """Make, register and list keys."""


keys.add_command(api)


@keys.command("create")
@click.argument("name")
@_KIND
@click.option("--public-name", help="Name on the ledger, for ever; never for a person.")
@click.option(
    "--algorithm", type=click.Choice(["ed25519", "p256"]), default="ed25519", show_default=True
)
@pass_session
def create_key(
    session: Session, name: str, kind: str, public_name: str | None, algorithm: str
) -> None:
    """Make the key of an issuer called NAME here, and register it."""
    from tallystick.identity import generate
    from tallystick.ledger import read_card
    from tallystick.statement import KeyKind

    issuers = session.issuers()
    signer = generate(KeyKind(algorithm))
    issuers.add_signer(name, signer)
    issuers.save()
    _register(session, key_record(signer, kind, public_name, read_card(session.home).origin))


@keys.command("request")
@click.argument("name")
@_KIND
@click.option("--public-name", help="Name on the ledger, for ever; never for a person.")
@click.option("--origin", required=True, help="The log that is to register the key.")
@pass_session
def request(session: Session, name: str, kind: str, public_name: str | None, origin: str) -> None:
    """Make the key of NAME here, and write what another ledger's operator needs to register it."""
    from tallystick.identity import generate

    issuers = session.issuers()
    if name not in issuers.names():
        issuers.add_signer(name, generate())
        issuers.save()
    record = key_record(issuers.signer(name), kind, public_name, origin)
    session.give(_as_data(record), json.dumps(_as_data(record)))


@keys.command("register")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@pass_session
def register_key(session: Session, file: Path) -> None:
    """Register the key in FILE, which `tally keys request` wrote elsewhere."""
    _register(session, _read(file))


@keys.command("list")
@pass_session
def list_keys(session: Session) -> None:
    """List the issuers whose keys are registered."""
    from tallystick.ledger.assembly import read_state

    with session.reader() as ledger:
        known = read_state(ledger.index, ledger.snapshot).keys.values()
    session.give_all(
        (
            {
                "index": index,
                "issuer": record.issuer,
                "kind": str(record.kind),
                "name": record.name,
                "key_id": record.key.thumbprint().hex(),
            },
            f"{index:>8}  {record.kind:<12} {record.name or '-':<24} {record.issuer}",
        )
        for index, record in sorted(known, key=lambda found: found[0])
    )


def key_record(
    signer: "SoftwareSigner", kind: str, public_name: str | None, origin: str
) -> "KeyRecord":
    """Return what an operator registers of a key, with the key's own signature on it."""
    from tallystick.statement.governance import IssuerKind, KeyRecord

    if kind == IssuerKind.PERSON and public_name:
        raise InputError("a person must not be named on the ledger: leave --public-name out")
    return KeyRecord.signed(origin, signer.public, IssuerKind(kind), public_name, signer.sign)


def _register(session: Session, record: "KeyRecord") -> None:
    with session.ledger() as ledger:
        registered = ledger.register_key(record)
    session.say(f"registered {record.name or record.kind} at index {registered.index}")
    session.give(
        {"issuer": record.issuer, "id": registered.id.hex(), "index": registered.index},
        record.issuer,
    )


def _as_data(record: "KeyRecord") -> dict[str, Any]:
    return {
        "issuer": record.issuer,
        "kind": str(record.kind),
        "name": record.name,
        "key": b64.encode_url(record.key.encode()),
        "possession": b64.encode_url(record.possession),
    }


def _read(file: Path) -> "KeyRecord":
    from tallystick.statement import parse_cose_key
    from tallystick.statement.governance import IssuerKind, KeyRecord

    try:
        data = json.loads(file.read_text())
        return KeyRecord(
            issuer=data["issuer"],
            kind=IssuerKind(data["kind"]),
            name=data.get("name"),
            key=parse_cose_key(b64.decode_url(data["key"], "key")),
            possession=b64.decode_url(data["possession"], "possession"),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file} is not what `tally keys request` writes: {error}") from error
