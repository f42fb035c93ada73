"""`tally credentials list`: which credentials were revoked or suspended, as one signed list."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from tallystick.cli.session import Session, pass_session
from tallystick.errors import IndeterminateError, InputError, LimitError

if TYPE_CHECKING:
    from tallystick.identity.status_list import Reference, StatusList

FIELD: Final = "status_list"
"""Field of the registered statement that holds the token."""
FORMAT: Final = 1
_DAY: Final = 86_400
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_STATUS: Final = click.Choice(["valid", "revoked", "suspended"])


class _Kept(msgspec.Struct, forbid_unknown_fields=True):
    """A list as its issuer keeps it; both members are statuses of two bits, base64.

    Attributes:
        uri: Names it.
        statuses: What is said of each place.
        given: Places that were given to credentials.
    """

    uri: str
    statuses: bytes
    given: bytes
    format: int = FORMAT


@click.group("list")
def status_list() -> None:
    """Keep a list of revoked and suspended credentials, and publish it signed.

    A list names nobody: a credential names its place in it, which is chosen at random.
    """


@status_list.command("new")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--uri", required=True, metavar="URL", help="Names it; where it is published.")
@click.option("--size", type=click.IntRange(1, 1 << 20), default=10_000, show_default=True)
@pass_session
def new(session: Session, file: Path, uri: str, size: int) -> None:
    """Begin a list in FILE, which its issuer keeps."""
    from tallystick.identity.status_list import StatusList

    if file.exists():
        raise InputError(f"{file} is there already, and is not replaced")
    made = StatusList.empty(uri, size)
    _keep(file, _Kept(uri, made.data, made.data))
    session.give({"file": str(file), "size": made.size}, str(file))


@status_list.command("set")
@click.argument("file", type=_FILE)
@click.argument("credential", metavar="CREDENTIAL|PLACE")
@click.argument("status", type=_STATUS)
@pass_session
def set_status(session: Session, file: Path, credential: str, status: str) -> None:
    """Say of a credential, by its file or place, that it is revoked, suspended or valid.

    Nobody learns of it before the list is published again.
    """
    from tallystick.identity.status_list import Status

    with _changing(file) as kept:
        place = int(credential) if credential.isdecimal() else _place_of(Path(credential), kept.uri)
        if _list(kept, kept.given).value(place) == 0:
            raise InputError(f"no credential has place {place} of this list")
        said = _list(kept, kept.statuses).with_status(place, Status[status.upper()])
        kept.statuses = said.data
    session.give({"place": place, "status": status}, f"{place} {status}")


@status_list.command("publish")
@click.argument("file", type=_FILE)
@click.option("--as", "issuer", required=True, metavar="NAME", help="Key that signs.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Its file.")
@click.option(
    "--days", type=click.IntRange(min=1), default=7, show_default=True, help="How long it holds."
)
@click.option("--register", is_flag=True, help="Also register it, as a `document`.")
@pass_session
def publish(
    session: Session, /, file: Path, issuer: str, output: Path, days: int, *, register: bool
) -> None:
    """Sign the list as it is now. Registered, it is evidence of what was said when."""
    from tallystick.cli.registering import submit
    from tallystick.evidence import sign_fields

    kept, now, signer = _read(file), int(time.time()), session.signer(issuer)
    token = _list(kept, kept.statuses).sign(signer, now, now + days * _DAY)
    if register:
        said = sign_fields(signer, "document", {FIELD: token}, issued_at=now, subject=kept.uri)
        submit(session, [said])
    output.write_text(f"{token}\n")
    if not register:
        session.give({"file": str(output)}, str(output))


def give_place(file: Path) -> "Reference":
    """Give a place that no credential has, at random, and remember that.

    Raises:
        LimitError: All are given.
    """
    from tallystick.identity.status_list import Reference, Status

    with _changing(file) as kept:
        given = _list(kept, kept.given)
        free = [place for place in range(given.size) if not given.value(place)]
        if not free:
            raise LimitError(
                f"all {given.size} places of {file} are given", advice="begin a further list"
            )
        place = secrets.choice(free)
        kept.given = given.with_status(place, Status.REVOKED).data  # any number but 0
    return Reference(kept.uri, place)


def read_tokens(session: Session, files: tuple[Path, ...], policy: Path | None) -> list[str]:
    """Return the lists in files: tokens, or bundles in which one is registered.

    Raises:
        IndeterminateError: A bundle does not verify, or shows no list.
        VerificationError: A part of it failed.
    """
    return [
        _registered(session, file, policy) if file.read_bytes()[:1] == b"{" else file.read_text()
        for file in files
    ]


def _registered(session: Session, file: Path, policy: Path | None) -> str:
    """Return the list that a bundle shows, once all of the bundle is verified."""
    from tallystick.verify import parse_policy, verify_bundle

    path = policy or session.home.trust
    if not path.exists():
        raise InputError(f"{file} is a bundle", advice="give --policy FILE: whose log to believe")
    report = verify_bundle(file.read_bytes(), parse_policy(path.read_bytes()))
    subject = report.statements[report.subject]
    token: Any = subject.values.get(FIELD)
    if not isinstance(token, str):
        raise IndeterminateError(
            f"{file} shows no status list", advice=f"export it with `--field {FIELD}`"
        )
    session.say(f"the list is registered at index {subject.index} of {path}'s log")
    return token


def _place_of(credential: Path, uri: str) -> int:
    from tallystick.identity import jws, sd_jwt
    from tallystick.identity.status_list import parse_reference

    text = credential.read_text(encoding="latin-1").strip()
    named = parse_reference(jws.peek(sd_jwt.parse(text).token)[1].get("status"))
    if named.uri != uri:
        raise InputError(f"{credential} names the list {named.uri}, this is {uri}")
    return named.index


def _list(kept: _Kept, data: bytes) -> "StatusList":
    from tallystick.identity.status_list import StatusList

    return StatusList(kept.uri, data)


def _read(file: Path) -> _Kept:
    from tallystick.ledger.versioned import parse_versioned

    return parse_versioned(file, file.read_bytes(), _Kept, FORMAT)


@contextmanager
def _changing(file: Path) -> Iterator[_Kept]:
    """Yield what a file holds, and keep it as it is then; one command at a time.

    Raises:
        ConflictError: Another command changes it just now.
    """
    from tallystick.log import WriterLock

    lock = WriterLock(file.with_name(f"{file.name}.lock"))
    try:
        kept = _read(file)
        yield kept
        _keep(file, kept)
    finally:
        lock.release()


def _keep(file: Path, kept: _Kept) -> None:
    from tallystick.ledger.versioned import replace_private

    replace_private(file, msgspec.json.encode(kept))
