"""Make a recorder's folder, open it for the forwarder, and look at it."""

import secrets
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tallystick.capture.recorder import GATEWAY_TYPES
from tallystick.capture.spool import read_mark
from tallystick.client import Patience, connect
from tallystick.errors import ConflictError, InputError
from tallystick.identity import KeyFile, generate
from tallystick.ledger import RegistrationPolicy, Rule
from tallystick.ledger.versioned import replace_private
from tallystick.log import PosixDisk, lock_holder
from tallystick.recorder.forwarder import Forwarder
from tallystick.recorder.intake import DAMAGED_SUFFIX
from tallystick.recorder.place import SUFFIX, Card, Place
from tallystick.statement.governance import IssuerKind, KeyRecord

_ISSUER: Final = "issuer"
_SECRETS: Final = ("frames", "spool")
_ANSWER_SECONDS: Final = 30.0


class Log(Protocol):
    """What is known of a log."""

    @property
    def origin(self) -> str: ...  # noqa: D102
    @property
    def checkpoint_key(self) -> str: ...  # noqa: D102
    @property
    def genesis(self) -> str: ...  # noqa: D102


def make_recorder(
    place: Place,
    log: Log,
    *,
    name: str,
    url: str,
    public_name: str | None,
    fail_open: bool,
) -> tuple[Card, KeyRecord]:
    """Make a recorder's folder with keys of its own; then register, and `finish_recorder`.

    Args:
        place: Must not hold a recorder.
        log: To which it speaks.
        name: Of the recorder.
        url: The service.
        public_name: Of the issuer, on the ledger and for ever.
        fail_open: Calls go on where nothing can be recorded.

    Returns:
        What will stand in the folder, and what the operator has to register. After an attempt
        that was broken off, the same key again.

    Raises:
        ConflictError: There is a recorder.
        OSError: The folder cannot be made.
    """
    if place.card.exists():
        raise ConflictError(f"there is a recorder in {place.root} already")
    place.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = _keys(place)
    signer = keys.signer(_ISSUER)
    opens = X25519PrivateKey.from_private_bytes(keys.secret("frames"))
    record = KeyRecord.signed(
        log.origin, signer.public, IssuerKind.MACHINE, public_name, signer.sign
    )
    card = Card(
        name=name,
        issuer=signer.issuer,
        url=url,
        genesis=log.genesis,
        trust=log.checkpoint_key,
        seal_for=opens.public_key().public_bytes_raw().hex(),
        fail_open=fail_open,
    )
    return card, record


def finish_recorder(place: Place, card: Card) -> None:
    """Let applications use a recorder, once its key is registered.

    Raises:
        OSError: The disk does not take it.
    """
    replace_private(place.card, msgspec.json.format(msgspec.json.encode(card)))


def _keys(place: Place) -> KeyFile:
    """Make keys, or go on with those that an attempt before this one made."""
    if not place.passphrase.exists():
        replace_private(place.passphrase, secrets.token_urlsafe(32).encode() + b"\n")
    keys = KeyFile(place.keys, _passphrase(place))
    if _ISSUER not in keys.names():
        keys.add_signer(_ISSUER, generate())
        for secret in _SECRETS:
            keys.add_secret(secret)
        keys.save()
    return keys


def allow(policy: RegistrationPolicy, issuer: str) -> RegistrationPolicy:
    """Return a policy under which a recorder may register what it records."""
    return policy.with_rules([Rule(GATEWAY_TYPES, issuers=frozenset({issuer}))])


def open_forwarder(place: Place) -> Forwarder:
    """Open a recorder's keys, and connect to its service when there is something to send.

    Raises:
        NotFoundError: There is no recorder.
        InputError: The passphrase or the API key cannot be read.
        RefusedError: The passphrase opens nothing.
    """
    card = place.read_card()
    keys = KeyFile(place.keys, _passphrase(place))
    client = connect(
        card.url,
        api_key=_first_line(place.api_key) if place.api_key.exists() else None,
        trust=card.trust,
        patience=Patience(answer_seconds_max=_ANSWER_SECONDS, retry_seconds_max=0),
    )
    kept = {secret: keys.secret(secret) for secret in _SECRETS}
    return Forwarder(place, keys.signer(_ISSUER), kept, client)


def look(place: Place) -> dict[str, Any]:
    """Return what waits in a recorder's folder; contents are not read.

    Raises:
        NotFoundError: There is no recorder.
    """
    card = place.read_card()
    files = [*place.calls.glob(f"*{SUFFIX}")]
    return {
        "name": card.name,
        "issuer": card.issuer,
        "service": card.url,
        "forwarder": lock_holder(place.lock),
        "files": len(files),
        "bytes": sum(path.stat().st_size for path in files),
        "damaged": len([*place.calls.glob(f"*{DAMAGED_SUFFIX}")]),
        "registered": read_mark(place.spool, PosixDisk()).registered,
    }


def _passphrase(place: Place) -> bytes:
    return _first_line(place.passphrase).encode()


def _first_line(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
