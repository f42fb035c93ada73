"""What asks the operator of a ledger to register a key, or its end: handed in, or as a file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.printing import readable
from tallystick.cli.session import Session
from tallystick.errors import InputError

if TYPE_CHECKING:
    from tallystick.statement import KeyKind
    from tallystick.statement.keylife import KeyStatement

ALGORITHM = click.option(
    "--algorithm",
    type=click.Choice(["ed25519", "es256", "p256"]),
    help="Of the new key: Ed25519, or ES256 with the curve P-256 (es256 and p256 are the same).",
)
KEPT = (
    click.option(
        "--in",
        "place",
        metavar="REFERENCE",
        help="Keep the new key there: pkcs11:URI, keyring:SERVICE/NAME, file:PATH#NAME, or a "
        "plug-in's; else in the key file.",
    ),
    click.option("--existing", is_flag=True, help="With --in: take the key that lies there."),
)
"""Where a new key is kept."""
FOR = click.option(
    "--for",
    "origin",
    metavar="ORIGIN",
    help="Register nothing here: write what the operator of the log ORIGIN is to register.",
)


def kept(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `KEPT`."""
    for option in reversed(KEPT):
        command = option(command)
    return command


def check_kept(place: str | None, *, existing: bool) -> None:
    """Refuse --existing without a place.

    Raises:
        InputError: It is.
    """
    if existing and place is None:
        raise InputError("--existing needs --in: the place where the key lies")


def key_kind(algorithm: str | None, default: str = "ed25519") -> "KeyKind":
    """Return the curve that an algorithm needs."""
    from tallystick.statement import KeyKind

    chosen = algorithm or default
    return KeyKind("p256" if chosen == "es256" else chosen)


def hand_in(session: Session, said: "KeyStatement", origin: str | None, words: str) -> None:
    """Register what is said of a key, or write it for another ledger's operator.

    Args:
        session: The command's.
        said: Signed already.
        origin: The other ledger; None for this one.
        words: What happened, for a person.
    """
    if origin is not None:
        give_request(session, said)
    else:
        register(session, said, words)


def register(session: Session, said: "KeyStatement", words: str | None = None) -> None:
    """Register what is said of a key, as the operator of the ledger here."""
    from tallystick.statement.keylife import registered_key

    with session.ledger() as ledger:
        registered = ledger.register_key(said)
    record = registered_key(said)
    what = readable(record.name or record.kind) if record else "what is said of a key"
    session.say(f"{words or f'registered {what}'} at index {registered.index}")
    session.give(
        {"issuer": said.issuer, "id": registered.id.hex(), "index": registered.index}, said.issuer
    )


def give_request(session: Session, said: "KeyStatement") -> None:
    """Write what `tally keys register` reads elsewhere; it holds no secret."""
    data = _as_data(said)
    session.give(data, json.dumps(data))


def _as_data(said: "KeyStatement") -> dict[str, Any]:
    from tallystick.statement import b64
    from tallystick.statement.governance import KeyRecord

    if not isinstance(said, KeyRecord):
        return {"issuer": said.issuer, "key_statement": b64.encode_url(said.encode())}
    return {
        "issuer": said.issuer,
        "kind": str(said.kind),
        "name": said.name,
        "key": b64.encode_url(said.key.encode()),
        "possession": b64.encode_url(said.possession),
    }


def read_request(file: Path) -> "KeyStatement":
    """Read what `give_request` wrote; nothing of it is believed yet.

    Raises:
        InputError: It did not write that.
    """
    from tallystick.statement import b64, parse_cose_key
    from tallystick.statement.governance import IssuerKind, KeyRecord
    from tallystick.statement.keylife import parse_key_statement

    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if "key_statement" in data:
            payload = b64.decode_url(data["key_statement"], "key statement")
            return parse_key_statement(payload)
        return KeyRecord(
            issuer=data["issuer"],
            kind=IssuerKind(data["kind"]),
            name=data.get("name"),
            key=parse_cose_key(b64.decode_url(data["key"], "key")),
            possession=b64.decode_url(data["possession"], "possession"),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file} is not what `tally keys request` writes: {error}") from error
