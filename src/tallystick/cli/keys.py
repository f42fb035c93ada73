"""`tally keys`: issuers' keys, made here or elsewhere, registered in the ledger."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tallystick.cli.api_keys import api
from tallystick.cli.printing import readable
from tallystick.cli.session import Session, pass_session
from tallystick.errors import EncodingError, InputError

if TYPE_CHECKING:
    from tallystick.identity import SoftwareSigner
    from tallystick.ledger import Ledger, Reads
    from tallystick.statement.governance import KeyRecord

KEY_NAME_MAX: Final = 64
"""Letters of the name of a key."""

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
    """Make the key of an issuer called NAME here, and register it.

    A key of that name that is here and was never registered is registered now.
    """
    from tallystick.identity import generate
    from tallystick.ledger import read_card
    from tallystick.statement import KeyKind

    session.need_ledger()
    origin = read_card(session.home).origin
    _check_name(name)
    key_record(generate(), kind, public_name, origin)  # what is wrong shows before a key is made
    with session.changing_issuers() as issuers:
        if name not in issuers.names():
            issuers.add_signer(name, generate(KeyKind(algorithm)))
        else:
            with session.reader() as ledger:
                if _is_registered(ledger, issuers.signer(name)):
                    words = f"there is a key {name!r} already"
                    raise InputError(words, advice="choose another name")
            session.say(f"the key {name!r} was made before, and not registered")
        signer = issuers.signer(name)
    _register(session, key_record(signer, kind, public_name, origin))


@keys.command("request")
@click.argument("name")
@_KIND
@click.option("--public-name", help="Name on the ledger, for ever; never for a person.")
@click.option("--origin", required=True, help="The log that is to register the key.")
@pass_session
def request(session: Session, name: str, kind: str, public_name: str | None, origin: str) -> None:
    """Make the key of NAME here, and write what another ledger's operator needs to register it."""
    from tallystick.identity import generate
    from tallystick.statement import check_origin

    _check_name(name)
    check_origin(origin)
    with session.changing_issuers() as issuers:
        if name not in issuers.names():
            issuers.add_signer(name, generate())
        signer = issuers.signer(name)
    record = key_record(signer, kind, public_name, origin)
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
    """List the issuers whose keys are registered: index, kind, public name, name here, DID.

    The name here is what --as takes; - stands for a key that was made elsewhere.
    """
    from tallystick.ledger.assembly import read_state

    with session.reader() as ledger:
        known = read_state(ledger.index, ledger.snapshot).keys.values()
    here = _local_names(session)
    session.give_all(
        (
            {
                "index": index,
                "issuer": record.issuer,
                "kind": str(record.kind),
                "name": record.name,
                "key_id": record.key.thumbprint().hex(),
                "here": here.get(record.issuer),
            },
            _line(index, record, here.get(record.issuer, "-")),
        )
        for index, record in sorted(known, key=lambda found: found[0])
    )


def own_issuer(
    session: Session,
    ledger: "Ledger",
    name: str,
    kind: str,
    public_name: str,
    types: Collection[str],
) -> tuple["SoftwareSigner", bool]:
    """Return the key of a part of the service itself, such as the gateway.

    The first time it is made, registered, and allowed to register `types`.

    Returns:
        The key, and whether this was the first time.
    """
    from tallystick.identity import generate
    from tallystick.ledger import RegistrationPolicy, Rule

    with session.changing_issuers() as issuers:
        if name not in issuers.names():
            issuers.add_signer(name, generate())
        signer = issuers.signer(name)
    if _is_registered(ledger, signer):
        return signer, False
    ledger.register_key(key_record(signer, kind, public_name, ledger.card.origin))
    rule = Rule(frozenset(types), issuers=frozenset({signer.issuer}))
    ledger.set_policy(RegistrationPolicy((*ledger.state.policy.rules, rule)))
    return signer, True


def _is_registered(ledger: "Reads", signer: "SoftwareSigner") -> bool:
    from tallystick.ledger import Query
    from tallystick.statement.governance import StatementType

    query = Query(type=StatementType.KEY, subject=signer.issuer, limit=1)
    return bool(ledger.find(query).found)


def key_record(
    signer: "SoftwareSigner", kind: str, public_name: str | None, origin: str
) -> "KeyRecord":
    """Return what an operator registers of a key, with the key's own signature on it."""
    from tallystick.statement.governance import NAME_MAX, IssuerKind, KeyRecord

    if kind == IssuerKind.PERSON and public_name is not None:
        raise InputError("a person must not be named on the ledger: leave --public-name out")
    if public_name is not None:
        check_words(public_name, "a public name", NAME_MAX)
    return KeyRecord.signed(origin, signer.public, IssuerKind(kind), public_name, signer.sign)


def _line(index: int, record: "KeyRecord", here: str) -> str:
    public = readable(record.name or "-")
    return f"{index:>8}  {record.kind:<12} {public:<24} {readable(here):<12} {record.issuer}"


def _check_name(name: str) -> None:
    check_words(name, "the name of a key", KEY_NAME_MAX)
    if set(name) & {"/", "\\"}:
        raise InputError(f"the name of a key has no slashes, got {name!r}")


def check_words(text: str, what: str, letters_max: int) -> None:
    """Refuse a name or label that a terminal could not show as it is.

    Raises:
        InputError: Empty, too long, or with letters that are not printable.
    """
    if not 0 < len(text) <= letters_max or not text.strip() or not text.isprintable():
        raise InputError(f"{what} has 1..{letters_max} printable letters, got {text[:80]!r}")


def _local_names(session: Session) -> dict[str, str]:
    """Return the names of keys that were made here by DID; they are not secret."""
    try:
        members = json.loads(session.home.issuer_keys.read_bytes())["keys"]
        return {member["did"]: name for name, member in members.items() if member.get("did")}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EncodingError(f"{session.home.issuer_keys} is not a key file: {error}") from error


def _register(session: Session, record: "KeyRecord") -> None:
    with session.ledger() as ledger:
        registered = ledger.register_key(record)
    session.say(f"registered {readable(record.name or record.kind)} at index {registered.index}")
    session.give(
        {"issuer": record.issuer, "id": registered.id.hex(), "index": registered.index},
        record.issuer,
    )


def _as_data(record: "KeyRecord") -> dict[str, Any]:
    from tallystick.statement import b64

    return {
        "issuer": record.issuer,
        "kind": str(record.kind),
        "name": record.name,
        "key": b64.encode_url(record.key.encode()),
        "possession": b64.encode_url(record.possession),
    }


def _read(file: Path) -> "KeyRecord":
    from tallystick.statement import b64, parse_cose_key
    from tallystick.statement.governance import IssuerKind, KeyRecord

    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return KeyRecord(
            issuer=data["issuer"],
            kind=IssuerKind(data["kind"]),
            name=data.get("name"),
            key=parse_cose_key(b64.decode_url(data["key"], "key")),
            possession=b64.decode_url(data["possession"], "possession"),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file} is not what `tally keys request` writes: {error}") from error
