"""`tally keys recovery create` and `tally keys recover`: for the day when a key is lost."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tallystick.cli.arguments import parse_id
from tallystick.cli.key_life import first_record, make_next, of_another, read_chains, take_next
from tallystick.cli.key_requests import ALGORITHM, FOR, hand_in, key_kind
from tallystick.cli.session import Session, pass_session
from tallystick.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from tallystick.identity import Signer

RECOVERY: Final = "recovery"
"""Name of the one key in a recovery file."""

_EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def recovery() -> None:
    """Make keys that can only replace or revoke a lost key."""


@recovery.command("create")
@click.argument("name")
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; keep it elsewhere.",
)
@click.option(
    "--with", "before", type=_EXISTING, help="The recovery file that this one takes the place of."
)
@ALGORITHM
@FOR
@pass_session
def create(
    session: Session,
    name: str,
    output: Path,
    before: Path | None,
    algorithm: str | None,
    origin: str | None,
) -> None:
    """Make a recovery key for the issuer NAME, register it, and write it to a file of its own.

    The same passphrase opens that file. Who has both can take the issuer's place: keep the file
    where the issuer's key is not.
    """
    from tallystick.identity import KeyFile, generate
    from tallystick.statement.keylife import RecoveryKey

    if output.exists():
        raise InputError(f"{output} is there already")
    log = origin or read_chains(session).origin
    signer = session.signer(name)
    agrees = open_recovery(session, before) if before else signer
    key = generate(key_kind(algorithm), signer.issuer)
    file = KeyFile(output, session.passphrase())
    file.add_signer(RECOVERY, key)
    file.save()  # before anybody hears of it
    said = RecoveryKey.signed(
        log, signer.issuer, (key.public, key.sign), (agrees.public, agrees.sign)
    )
    try:
        hand_in(session, said, origin, f"the recovery key of {name!r} was registered")
    except Exception:
        session.say(f"{output} was written, and the key in it may not be registered")
        raise
    session.say(f"keep {output} where the key {name!r} is not")


@click.command("recover")
@click.argument("name")
@click.argument("file", type=_EXISTING)
@ALGORITHM
@of_another
@click.option("--previous", metavar="ID", help="With --for: the issuer's newest key, in hex.")
@pass_session
def recover(
    session: Session,
    name: str,
    file: Path,
    algorithm: str | None,
    kind: str | None,
    public_name: str | None,
    origin: str | None,
    previous: str | None,
) -> None:
    """Make a new key NAME for the issuer whose recovery key is in FILE.

    All earlier keys of the issuer end. What they signed before stays valid: where a key was stolen,
    revoke it, too, with --until.
    """
    from tallystick.statement.keylife import Rotation, next_record

    key = open_recovery(session, file)
    _check_free(session, name, key.issuer)
    chains = None if origin else read_chains(session)
    if chains is None and previous is None:
        raise InputError("--for needs --previous: the id of the issuer's newest key")
    first = first_record(chains, key, kind, public_name)
    new = make_next(session, name, algorithm or "ed25519", key.issuer)
    if chains is not None and (key.issuer, new.public.thumbprint()) in chains.records:
        take_next(session, name)  # a recovery that broke off had come as far as the log
        return
    log = origin or (chains.origin if chains else "")
    record = next_record(log, first, new.public, new.sign)
    follows = parse_id(previous) if previous else first.key.thumbprint()
    said = Rotation.signed(log, record, follows, key.public, key.sign)
    hand_in(session, said, origin, f"{key.issuer} was recovered")
    if origin is None:
        take_next(session, name)
    else:
        session.say(f"when it is registered: `tally keys rotate {name} --finish`")


def open_recovery(session: Session, file: Path) -> "Signer":
    """Open a recovery file.

    Raises:
        InputError: It is none.
        RefusedError: The passphrase is another one.
    """
    from tallystick.identity import KeyFile

    try:
        return KeyFile(file, session.passphrase()).signer(RECOVERY)
    except NotFoundError as error:
        raise InputError(f"{file} holds no recovery key: {error}") from error


def _check_free(session: Session, name: str, issuer: str) -> None:
    """Refuse a name that is another issuer's."""
    issuers = session.issuers()
    if name in issuers.names() and issuers.signer(name).issuer != issuer:
        raise InputError(
            f"the key {name!r} here is of another issuer, the file of {issuer}",
            advice="choose another name",
        )
