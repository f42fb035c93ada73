"""`tally keys`: issuers' keys, made here or elsewhere, registered in the ledger."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tallystick.cli.api_keys import api
from tallystick.cli.key_accounts import account
from tallystick.cli.key_life import history, revoke, rotate
from tallystick.cli.key_recovery import recover, recovery
from tallystick.cli.key_requests import (
    ALGORITHM,
    check_kept,
    give_request,
    kept,
    key_kind,
    read_request,
    register,
)
from tallystick.cli.printing import readable
from tallystick.cli.session import Session, pass_session
from tallystick.errors import EncodingError, InputError

if TYPE_CHECKING:
    from tallystick.identity import Signer
    from tallystick.ledger import Ledger, Reads
    from tallystick.statement.governance import KeyRecord
    from tallystick.statement.keychain import End

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


for _command in (account, api, history, recover, recovery, revoke, rotate):
    keys.add_command(_command)


@keys.command("create")
@click.argument("name")
@_KIND
@click.option("--public-name", help="Name on the ledger, for ever; never for a person.")
@ALGORITHM
@kept
@pass_session
def create_key(
    session: Session,
    name: str,
    kind: str,
    public_name: str | None,
    algorithm: str | None,
    place: str | None,
    *,
    existing: bool,
) -> None:
    """Make the key of an issuer called NAME here, and register it.

    A key of that name that is here and was never registered is registered now.
    """
    from tallystick.identity import generate
    from tallystick.ledger import read_card

    session.need_ledger()
    check_kept(place, existing=existing)
    origin = read_card(session.home).origin
    check_key_name(name)
    key_record(generate(), kind, public_name, origin)  # what is wrong shows before a key is made
    with session.changing_issuers() as issuers:
        if name not in issuers.names():
            issuers.make_signer(name, key_kind(algorithm), at=place, existing=existing)
        else:
            with session.reader() as ledger:
                if is_registered(ledger, issuers.signer(name).issuer):
                    words = f"there is a key {name!r} already"
                    raise InputError(words, advice="choose another name")
            session.say(f"the key {name!r} was made before, and not registered")
        signer = issuers.signer(name)
    register(session, key_record(signer, kind, public_name, origin))


@keys.command("request")
@click.argument("name")
@_KIND
@ALGORITHM
@click.option("--public-name", help="Name on the ledger, for ever; never for a person.")
@click.option("--origin", required=True, help="The log that is to register the key.")
@kept
@pass_session
def request(
    session: Session,
    name: str,
    kind: str,
    public_name: str | None,
    algorithm: str | None,
    origin: str,
    place: str | None,
    *,
    existing: bool,
) -> None:
    """Make the key of NAME here, and write what another ledger's operator needs to register it."""
    from tallystick.statement import check_origin

    check_kept(place, existing=existing)
    check_key_name(name)
    check_origin(origin)
    with session.changing_issuers() as issuers:
        if name not in issuers.names():
            issuers.make_signer(name, key_kind(algorithm), at=place, existing=existing)
        signer = issuers.signer(name)
    record = key_record(signer, kind, public_name, origin)
    give_request(session, record)


@keys.command("register")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@pass_session
def register_key(session: Session, file: Path) -> None:
    """Register what FILE asks for: a key, its rotation, its end, or a recovery key.

    `tally keys request` wrote it elsewhere, or another command there with --for.
    """
    register(session, read_request(file))


@keys.command("list")
@pass_session
def list_keys(session: Session) -> None:
    """List the issuers whose keys are registered: index, kind, public name, name here, DID.

    The name here is what --as takes; - stands for a key that was made elsewhere. Behind a key that
    has ended stands where, and why.
    """
    from tallystick.ledger.assembly import read_state

    with session.reader() as ledger:
        chains = read_state(ledger.index, ledger.snapshot).chains
    here = _local_names(session)
    known = sorted(chains.records.items(), key=lambda found: found[1][0])
    session.give_all(
        _listed(index, record, here.get(record.key.did()), chains.end_of(*name))
        for name, (index, record) in known
    )


def own_issuer(
    session: Session,
    ledger: "Ledger",
    name: str,
    kind: str,
    public_name: str,
    types: Collection[str],
) -> tuple["Signer", bool]:
    """Return the key of a part of the service itself, such as the gateway.

    The first time it is made, registered, and allowed to register `types`.

    Returns:
        The key, and whether this was the first time.
    """
    from tallystick.identity import generate
    from tallystick.ledger import Rule

    with session.changing_issuers() as issuers:
        if name not in issuers.names():
            issuers.add_signer(name, generate())
        signer = issuers.signer(name)
    if is_registered(ledger, signer.issuer):
        return signer, False
    ledger.register_key(key_record(signer, kind, public_name, ledger.card.origin))
    rule = Rule(frozenset(types), issuers=frozenset({signer.issuer}))
    ledger.set_policy(ledger.state.policy.with_rules([rule]))
    return signer, True


def is_registered(ledger: "Reads", issuer: str) -> bool:
    """Tell whether a key of an issuer is registered."""
    from tallystick.ledger import Query
    from tallystick.statement.governance import StatementType

    query = Query(type=StatementType.KEY, subject=issuer, limit=1)
    return bool(ledger.find(query).found)


def key_record(signer: "Signer", kind: str, public_name: str | None, origin: str) -> "KeyRecord":
    """Return what an operator registers of a key, with the key's own signature on it."""
    from tallystick.statement.governance import NAME_MAX, IssuerKind, KeyRecord

    if kind == IssuerKind.PERSON and public_name is not None:
        raise InputError("a person must not be named on the ledger: leave --public-name out")
    if public_name is not None:
        check_words(public_name, "a public name", NAME_MAX)
    return KeyRecord.signed(origin, signer.public, IssuerKind(kind), public_name, signer.sign)


def _listed(
    index: int, record: "KeyRecord", here: str | None, end: "End | None"
) -> tuple[dict[str, Any], str]:
    data = {
        "index": index,
        "issuer": record.issuer,
        "kind": str(record.kind),
        "name": record.name,
        "key_id": record.key.thumbprint().hex(),
        "here": here,
        "state": "valid" if end is None else end.reason,
        "valid_until": None if end is None else end.last,
    }
    public, name = readable(record.name or "-"), readable(here or "-")
    line = f"{index:>8}  {record.kind:<12} {public:<24} {name:<12} {record.issuer}"
    return data, line if end is None else f"{line}  until {end.last}, {end.reason}"


def check_key_name(name: str) -> None:
    """Refuse a name that a key cannot have.

    Raises:
        InputError: It cannot.
    """
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
