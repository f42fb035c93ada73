"""Begin a new ledger: its keys, its genesis entry, and what others need to verify it."""

import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final

import msgspec

from tallystick.errors import (
    ConflictError,
    DamagedError,
    EncodingError,
    InputError,
    NotFoundError,
)
from tallystick.identity import KeyFile, Signer
from tallystick.ledger.home import Home
from tallystick.ledger.index import Index
from tallystick.ledger.operator import Clock, inline_header
from tallystick.ledger.policy import RegistrationPolicy
from tallystick.ledger.versioned import parse_versioned
from tallystick.log import EmbeddedLog, LogKey, PosixDisk
from tallystick.statement import (
    Sequence,
    VerifierKey,
    check_origin,
    sign_statement,
)
from tallystick.statement.governance import Genesis, StatementType
from tallystick.statement.note import TYPE_ED25519

FORMAT: Final = 1
CHECKPOINT, RECEIPT, OPERATOR, VAULT, API = "checkpoint", "receipt", "operator", "vault", "api"


class Card(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a process must know of a ledger before it opens any key: `data/ledger.json`.

    Attributes:
        origin: Name of the log.
        checkpoint_key: Its verifier key.
        genesis: Id of its genesis statement, in hex.
        format: Version of the folder's layout.
    """

    origin: str
    checkpoint_key: str
    genesis: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    format: int = FORMAT


def read_card(home: Home) -> Card:
    """Read which ledger lies in a folder.

    Raises:
        NotFoundError: None does.
        VersionError: Its layout is of a version that this release does not know.
        DamagedError: The file is damaged.
    """
    path = home.data / "ledger.json"
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(
            f"no ledger in {home.root}", advice="make one with `tally init`"
        ) from error
    try:
        return parse_versioned(path, data, Card, FORMAT)
    except EncodingError as error:
        raise DamagedError(
            str(error),
            advice="put the file back from a backup: it says which log this is",
        ) from error


def create(
    home: Home,
    origin: str,
    passphrase: bytes,
    *,
    clock: Clock,
    policy: RegistrationPolicy | None = None,
    keys_in: str | None = None,
    entropy: Callable[[int], bytes] = os.urandom,
) -> Card:
    """Make a new ledger in a folder.

    Args:
        home: Where; nothing of a ledger may be there yet.
        origin: `<host>/<name>`, never changed.
        passphrase: Opens the key file from now on.
        clock: Seconds since 1970.
        policy: The first registration policy; by default it is empty and refuses everything.
        keys_in: Key reference with `{}` in it, which stands for the name of each key that signs;
            they are made in the key file by default.
        entropy: Source of the emitter's id and journal seeds; keys use the system's generator.

    Raises:
        ConflictError: There is a ledger already.
        EncodingError: The origin is malformed.
        InputError: The reference does not keep the keys apart.
        UnavailableError: The keys cannot be made there.
        DeniedError: Nor may they.
    """
    check_origin(origin)
    _check_places(keys_in)
    refuse_existing(home)
    made = [p for p in (home.data, home.places().head.parent, home.trust) if not p.exists()]
    try:
        keys = _make_keys(home, passphrase, keys_in)
        return _create(home, origin, keys, clock, policy, entropy)
    except BaseException:
        if not (home.data / "ledger.json").exists():  # else it was made, and stays
            _remove([*made, home.service_keys])
        raise


def refuse_existing(home: Home) -> None:
    """Refuse a folder that a ledger is in, or half of one.

    Raises:
        ConflictError: There is one.
    """
    if (home.data / "ledger.json").exists():
        raise ConflictError(
            f"there is a ledger in {home.root} already", advice="choose another folder"
        )
    if home.service_keys.exists():
        raise ConflictError(
            f"{home.service_keys} is there, and no ledger: it was being made when it was killed, "
            f"or {home.data} was moved",
            advice="put the folder back, or remove both and make the ledger anew",
        )


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _check_places(keys_in: str | None) -> None:
    if keys_in is not None and "{}" not in keys_in:
        raise InputError(
            f"one place cannot keep three keys: {keys_in!r} has no {{}} for their names",
            advice="such as keyring:tallystick/main-{} or pkcs11:token=…;object=main-{}",
        )


def _create(
    home: Home,
    origin: str,
    keys: KeyFile,
    clock: Clock,
    policy: RegistrationPolicy | None,
    entropy: Callable[[int], bytes],
) -> Card:
    log_key = checkpoint_key(keys, origin)
    genesis = Genesis(
        origin=origin,
        checkpoint_key=log_key.verifier,
        receipt_key=keys.signer(RECEIPT).public,
        operator=keys.signer(OPERATOR).public.did(),
        operator_key=keys.signer(OPERATOR).public,
        policy=(policy or RegistrationPolicy()).content(),
    )
    sequence = Sequence(emitter=entropy(16), epoch=0, seq=0, prev=None)
    operator = keys.signer(OPERATOR)
    header = inline_header(
        operator, StatementType.GENESIS, clock(), subject=origin, sequence=sequence
    )
    statement = sign_statement(header, genesis.encode(), operator.sign)
    log = EmbeddedLog(home.places(), log_key, PosixDisk(), entropy)
    log.append([statement.entry])
    log.close()
    card = Card(origin, log_key.verifier.encode(), statement.id.hex())
    # Empty, so that whoever reads before the first writer finds an index of this log.
    Index(home.index, statement.id, writable=True).close()
    _write(home.trust, trust_policy(card).encode())
    write_card(home, card)
    return card


def trust_policy(card: Card) -> str:
    """Return the trust policy that a new ledger has: its own key, and no witnesses."""
    return f"log {card.checkpoint_key}\nquorum none\n#tallystick genesis {card.genesis}\n"


def checkpoint_key(keys: KeyFile, origin: str, before: tuple[VerifierKey, ...] = ()) -> LogKey:
    """Return the key that signs the checkpoints of a log.

    Args:
        keys: The service's.
        origin: The log.
        before: Keys that may have signed what is stored.
    """
    signer = keys.signer(CHECKPOINT)
    return LogKey(verifier_key(origin, signer), signer.sign, before)


def verifier_key(origin: str, signer: Signer) -> VerifierKey:
    """Return how a checkpoint key is named to those who verify."""
    return VerifierKey(origin, TYPE_ED25519, signer.public.raw)


def _make_keys(home: Home, passphrase: bytes, keys_in: str | None) -> KeyFile:
    """Make one key per purpose: a checkpoint key must never sign anything else."""
    home.make()
    home.service_keys.parent.mkdir(mode=0o700, exist_ok=True)
    with suppress(PermissionError):  # a folder that somebody else lent
        home.root.chmod(0o700)
    keys = KeyFile(home.service_keys, passphrase)
    for name in (CHECKPOINT, RECEIPT, OPERATOR):
        keys.make_signer(name, at=None if keys_in is None else keys_in.replace("{}", name))
    for name in (VAULT, API):
        keys.add_secret(name)
    keys.save()
    return keys


def write_card(home: Home, card: Card) -> None:
    """Replace the card; readers find either the old one or the new one."""
    _write(home.data / "ledger.json", msgspec.json.format(msgspec.json.encode(card)) + b"\n")


def _write(path: Path, data: bytes) -> None:
    PosixDisk().replace(path, data)
