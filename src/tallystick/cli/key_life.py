"""`tally keys rotate`, `revoke` and `history`: what becomes of a key that was registered."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tallystick.cli.arguments import check_did, parse_id
from tallystick.cli.key_handover import own_keys, replace_own
from tallystick.cli.key_requests import ALGORITHM, FOR, check_kept, hand_in, kept, key_kind
from tallystick.cli.printing import readable
from tallystick.cli.remote import find_service
from tallystick.cli.session import Session, pass_session
from tallystick.errors import ConflictError, InputError, NotFoundError

if TYPE_CHECKING:
    from tallystick.identity import KeyFile, Signer
    from tallystick.statement.governance import KeyRecord
    from tallystick.statement.keychain import KeyChains
    from tallystick.statement.keylife import Revocation

NEXT: Final = "~next"
"""Behind the name of a key in the key file: made, and not known to be registered yet."""
SERVICE_KEYS: Final = frozenset({"gateway", "small-lm"})
"""Keys that `tally up` itself signs with, as `own_issuer` makes them."""
OF_ANOTHER: Final = (
    click.option(
        "--kind",
        type=click.Choice(["person", "organisation", "machine", "ai"]),
        help="With --for: the kind that the first key was registered with.",
    ),
    click.option("--public-name", help="With --for: the name that it was registered with."),
)
"""What another ledger says of an issuer, which cannot be looked up here."""


def of_another(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `OF_ANOTHER` and --for."""
    for option in (*reversed(OF_ANOTHER), FOR):
        command = option(command)
    return command


@click.command("rotate")
@click.argument("name", required=False)
@own_keys
@ALGORITHM
@of_another
@click.option("--finish", is_flag=True, help="The other ledger has registered it: use the new key.")
@kept
@pass_session
def rotate(
    session: Session,
    name: str | None,
    algorithm: str | None,
    kind: str | None,
    public_name: str | None,
    origin: str | None,
    place: str | None,
    reason: str,
    until: int | None,
    *,
    finish: bool,
    existing: bool,
    of_log: bool,
    of_operator: bool,
) -> None:
    """Replace the key NAME by a new one of the same issuer; the old one signs nothing any more.

    What the old key signed stays valid. It stays in the key file as NAME~1, because another ledger
    may not know of the rotation. First end the processes that sign with it: what they sign and
    have not registered is refused afterwards.

    --log replaces the keys with which the log itself signs checkpoints and receipts, --operator the
    one with which its operator governs it. Both need the ledger for themselves: end `tally up`
    first. A command that was interrupted is finished by the next one that writes.
    """
    from tallystick.statement.keylife import Rotation, next_record

    if of_log or of_operator:
        if name or algorithm or kind or public_name or origin or finish or (of_log and of_operator):
            raise InputError("--log and --operator stand alone, beside --in, --reason and --until")
        check_kept(place, existing=existing)
        replace_own(session, place, reason, until, existing=existing, of_log=of_log)
        return
    if name is None or reason != "rotated" or until is not None:
        raise InputError("give the NAME of a key, or --log, or --operator")
    check_kept(place, existing=existing)
    if finish:
        take_next(session, name)
        return
    if origin is None:
        _check_unused(session, name)
    chains = None if origin else read_chains(session)
    old = session.signer(name)
    if chains is not None and _was_registered(session, chains, name, old.issuer):
        take_next(session, name)
        return
    first = first_record(chains, old, kind, public_name)
    wanted = algorithm or old.public.kind.value
    new = make_next(session, name, wanted, old.issuer, place, existing=existing)
    log = origin or (chains.origin if chains else "")
    record = next_record(log, first, new.public, new.sign)
    previous = chains.keys_of(old.issuer)[-1] if chains else old.public.thumbprint()
    said = Rotation.signed(log, record, previous, old.public, old.sign)
    hand_in(session, said, origin, f"the key {name!r} was rotated")
    if origin is None:
        take_next(session, name)
    else:
        session.say(f"when it is registered: `tally keys rotate {name} --finish`")


@click.command("revoke")
@click.argument("target", metavar="NAME|DID")
@click.option(
    "--reason",
    type=click.Choice(["superseded", "compromised", "lost", "ceased", "unspecified"]),
    required=True,
)
@click.option(
    "--until",
    type=click.IntRange(min=0),
    metavar="INDEX",
    help="Last entry to be believed, for a compromised key; else it ends with the revocation.",
)
@click.option("--key", metavar="ID", help="Which key of the issuer, in hex; else the newest.")
@click.option(
    "--with",
    "recovery_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Let the recovery key in this file say so.",
)
@click.option("--as-operator", is_flag=True, help="Say so as the operator, without the issuer.")
@FOR
@pass_session
def revoke(
    session: Session,
    target: str,
    reason: str,
    until: int | None,
    key: str | None,
    recovery_file: Path | None,
    origin: str | None,
    *,
    as_operator: bool,
) -> None:
    """End a key for ever: what it signs from then on is refused, and does not verify.

    The key NAME says so itself; a DID is revoked as the operator. With --until what was signed
    after that entry is not trusted any more, though it stays in the log.
    """
    from tallystick.cli.key_recovery import open_recovery
    from tallystick.statement.keylife import Reason, Revocation

    if until is not None and reason != "compromised":
        raise InputError("--until is for a compromised key: give --reason compromised, too")
    chains = None if origin else read_chains(session)
    by = open_recovery(session, recovery_file) if recovery_file else None
    if by is None and not as_operator and not target.startswith("did:"):
        by = session.signer(target)
    issuer = target_issuer(session, target)
    key_id = parse_id(key) if key else _newest(chains, issuer, by)
    said = Revocation(issuer=issuer, key_id=key_id, reason=Reason(reason), until=until)
    if by is not None:
        log = origin or (chains.origin if chains else "")
        said = said.signed_by(log, by.public, by.sign)
    elif origin:
        raise InputError("--for needs a key that says so: give NAME, or --with a recovery key")
    hand_in(session, said, origin, f"the key {key_id.hex()[:16]}… was revoked")
    if chains is not None:
        _warn_of_later(session, chains, said)


@click.command("history")
@click.argument("target", metavar="NAME|DID")
@pass_session
def history(session: Session, target: str) -> None:
    """Show every key of an issuer: from and until which entry it is valid, and who agreed to it."""
    issuer = target_issuer(session, target)
    chains = read_chains(session)
    if not chains.keys_of(issuer):
        raise NotFoundError(f"no key of {issuer} is registered here")
    session.give_all(_lives(chains, issuer))


def read_chains(session: Session) -> "KeyChains":
    """Return the keys of all issuers as the ledger here knows them."""
    from tallystick.ledger.assembly import read_state

    with session.reader() as ledger:
        return read_state(ledger.index, ledger.snapshot).chains


def first_record(
    chains: "KeyChains | None", signer: "Signer", kind: str | None, public_name: str | None
) -> "KeyRecord":
    """Return what an issuer was registered as: looked up here, else as the options say.

    Raises:
        InputError: It is not registered here, or the options do not say.
    """
    from tallystick.statement.governance import IssuerKind, KeyRecord

    if chains is None:
        if kind is None:
            raise InputError("--for needs --kind, and --public-name if the issuer has one")
        return KeyRecord(
            issuer=signer.issuer,
            key=signer.public,
            kind=IssuerKind(kind),
            name=public_name,
            possession=b"",
        )
    keys = chains.keys_of(signer.issuer)
    if not keys:
        raise InputError(
            f"no key of {signer.issuer} is registered here", advice="see `tally keys create`"
        )
    return chains.records[signer.issuer, keys[-1]][1]


def make_next(
    session: Session,
    name: str,
    algorithm: str,
    issuer: str,
    place: str | None = None,
    *,
    existing: bool = False,
) -> "Signer":
    """Return the key that is to follow NAME; it is durable before anybody hears of it."""
    kind, waiting = key_kind(algorithm), name + NEXT
    with session.changing_issuers() as issuers:
        if waiting in issuers.names():
            known = issuers.signer(waiting)
            same = (known.public.kind, known.issuer) == (kind, issuer)
            if same and issuers.reference(waiting) == place:
                return known
            issuers.remove_signer(waiting)
        return issuers.make_signer(waiting, kind, issuer, at=place, existing=existing)


def take_next(session: Session, name: str) -> None:
    """Let NAME be the key that was made to follow it; keep the old one as NAME~1, NAME~2."""
    with session.changing_issuers() as issuers:
        waiting = issuers.signer(name + NEXT)
        if name in issuers.names():
            issuers.rename(name, retired(issuers, name))
        issuers.rename(name + NEXT, name)
    session.say(f"{name!r} signs with the key {waiting.public.thumbprint().hex()[:16]}… now")


def _check_unused(session: Session, name: str) -> None:
    """Refuse to rotate a key that the running service signs with: it would lose what it spooled.

    Raises:
        ConflictError: It does.
    """
    if name in SERVICE_KEYS and find_service(session.home) is not None:
        raise ConflictError(
            f"the running service signs with the key {name!r}, and what it has not registered yet "
            "would be refused",
            advice="end `tally up` first, then rotate",
        )


def retired(issuers: "KeyFile", name: str) -> str:
    """Return the name under which a key that was replaced stays in the file."""
    number = 1
    while f"{name}~{number}" in issuers.names():
        number += 1
    return f"{name}~{number}"


def _was_registered(session: Session, chains: "KeyChains", name: str, issuer: str) -> bool:
    """Tell whether a rotation that broke off had come as far as the log."""
    issuers = session.issuers()
    if name + NEXT not in issuers.names():
        return False
    return (issuer, issuers.signer(name + NEXT).public.thumbprint()) in chains.records


def target_issuer(session: Session, target: str) -> str:
    """Return the DID that a person gave, or that of a key here."""
    if target.startswith("did:"):
        return check_did(target) or ""
    return session.signer(target).issuer


def _newest(chains: "KeyChains | None", issuer: str, by: "Signer | None") -> bytes:
    if chains is not None:
        if not (keys := chains.keys_of(issuer)):
            raise NotFoundError(f"no key of {issuer} is registered here")
        return keys[-1]
    if by is None:
        raise InputError("--for needs --key here: the log that knows the keys is another one")
    return by.public.thumbprint()


def _warn_of_later(session: Session, chains: "KeyChains", said: "Revocation") -> None:
    """Name the keys that a compromised key let in when it was not to be believed any more."""
    for name, by in chains.agreed.items():
        index, _ = chains.records[name]
        if by == said.key_id and said.until is not None and index > said.until:
            session.say(
                f"it agreed to the key {name[1].hex()} at index {index}, after {said.until}: "
                "revoke that one, too, if it is not yours"
            )


def _lives(chains: "KeyChains", issuer: str) -> Iterator[tuple[dict[str, Any], str]]:
    for key_id in chains.keys_of(issuer):
        index, record = chains.records[issuer, key_id]
        yield _life(chains, issuer, key_id, index, record.key.kind.value)
    recovery = chains.recovery.get(issuer)
    if recovery is not None:
        index, key = recovery
        yield _life(chains, issuer, key.thumbprint(), index, f"recovery, {key.kind.value}")


def _life(
    chains: "KeyChains", issuer: str, key_id: bytes, index: int, what: str
) -> tuple[dict[str, Any], str]:
    end, agreed = chains.end_of(issuer, key_id), chains.agreed.get((issuer, key_id))
    by_recovery = agreed is not None and (issuer, agreed) not in chains.records
    data = {
        "issuer": issuer,
        "key_id": key_id.hex(),
        "what": what,
        "from": index,
        "until": None if end is None else end.last,
        "state": "valid" if end is None else end.reason,
        "ended_by": None if end is None else end.index,
        "agreed": agreed,
    }
    until = "now" if end is None else f"{end.last} ({end.reason}, says entry {end.index})"
    said = f"{key_id.hex()}  {readable(what)}  from {index} until {until}"
    return data, said + (", recovered" if by_recovery else "")
