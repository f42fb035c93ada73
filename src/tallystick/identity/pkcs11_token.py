"""Keys in hardware modules, through PKCS#11: they are made there, and never leave.

A token lets an application log in once, and modules are begun here as by an application without
threads (`python-pkcs11` calls C_Initialize so): a module is shared by the whole process, and one
thread after the other uses it. What is lost, because the token was pulled or this process was
forked off another, is opened anew, once; if that does not help, the key is away.

Source:
    PKCS #11 v3.1 (OASIS): Ed25519 by CKM_EDDSA, ES256 by CKM_ECDSA over a SHA-256 digest.
"""

import getpass
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from itertools import count
from threading import Lock
from typing import Any, Final, TypeVar

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11 import exceptions as refused
from pkcs11.util.ec import encode_named_curve_parameters

from tallystick.errors import (
    ConflictError,
    DeniedError,
    InputError,
    NotFoundError,
    TallystickError,
    UnavailableError,
)
from tallystick.identity.pkcs11_uri import PIN_FILE, Pkcs11Uri, parse_uri
from tallystick.identity.signer import HeldKey
from tallystick.statement.keys import KeyKind, PublicKey

PIN_BYTES_MAX: Final = 255

_ED25519: Final = "1.3.101.112"
_P256: Final = "secp256r1"
_KEY_TYPES: Final = {KeyKind.ED25519: KeyType.EC_EDWARDS, KeyKind.P256: KeyType.EC}
_PINS: Final = (
    refused.PinIncorrect,
    refused.PinInvalid,
    refused.PinLenRange,
    refused.PinLocked,
    refused.PinExpired,
)

T = TypeVar("T")

_generations = count(1)


class Pkcs11Custodian:
    """Keeps keys in the tokens of hardware modules."""

    def open(self, rest: str) -> HeldKey:
        """Return a key; see `tallystick.identity.custody.Custodian`."""
        return Pkcs11Key(parse_uri(rest))

    def create(self, rest: str, kind: KeyKind) -> HeldKey:
        """Make a key that cannot be read out; see `tallystick.identity.custody.Custodian`."""
        uri = parse_uri(rest)
        if uri.object is None:
            raise InputError("a new key needs a label: name it with 'object' in the reference")
        _in_turn(uri, lambda module: _make(module, uri, kind))
        return Pkcs11Key(uri)


class Pkcs11Key:
    """One private key in a token."""

    def __init__(self, uri: Pkcs11Uri) -> None:
        """Find the key, and read its public side."""
        self._uri = uri
        self._session: Any = None
        self._key: Any = None
        self._generation = 0  # of the module that session and key are of
        self._public = self._use(_read_public)

    def __repr__(self) -> str:
        return f"Pkcs11Key({self._public.did()})"

    @property
    def public(self) -> PublicKey:
        """The key that verifies."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """Return 64 bytes.

        Raises:
            UnavailableError: The token is away.
            DeniedError: The PIN is wrong, or locked.
        """
        return self._use(lambda _, key: _sign(key, self._public.kind, message))

    def _use(self, use: Callable[[Any, Any], T]) -> T:
        """Use session and key, in turn; what was lost is opened again."""

        def attempt(module: "_Module") -> T:
            self._open(module)
            return use(self._session, self._key)

        return _in_turn(self._uri, attempt)

    def _open(self, module: "_Module") -> None:
        if self._generation != module.generation:
            self._session = module.open(self._uri)
            self._key = _find(self._session, self._uri, ObjectClass.PRIVATE_KEY)
            self._generation = module.generation


def _in_turn(uri: Pkcs11Uri, attempt: Callable[["_Module"], T]) -> T:
    """Use a module alone; if a session or the token was lost, begin anew, and try once more."""
    module = _module(uri.module)
    with _translating(uri), module.turn:
        try:
            return attempt(module)
        except _PINS:
            raise
        except (pkcs11.PKCS11Error, UnavailableError):
            module.begin_again()
            return attempt(module)


class _Module:
    """A loaded library, once per process."""

    def __init__(self, path: str) -> None:
        self._path, self.turn = path, Lock()
        """Whoever calls the library, or anything below, holds `turn`."""
        self._library: Any = None
        self.generation = next(_generations)
        """Changes when it begins anew: sessions of before are worth nothing."""

    def begin_again(self) -> None:
        """Start the library anew: all its keys open their sessions again."""
        self.generation = next(_generations)
        self._loaded().reinitialize()

    def open(self, uri: Pkcs11Uri, *, rw: bool = False) -> Any:
        """Open a session, and log in if nobody has."""
        token = self._token(uri)
        try:
            return token.open(rw=rw, user_pin=_pin(uri))
        except refused.UserAlreadyLoggedIn:
            return token.open(rw=rw)

    def _token(self, uri: Pkcs11Uri) -> Any:
        slots = self._loaded().get_slots(token_present=True)
        found = [slot.get_token() for slot in slots if uri.slot in {None, slot.slot_id}]
        fitting = [token for token in found if _fits(token, uri)]
        if len(fitting) != 1:
            labels = ", ".join(sorted(repr(token.label) for token in found)) or "none"
            what = "no token fits" if not fitting else f"{len(fitting)} tokens fit"
            raise UnavailableError(
                f"{what} the reference (token {uri.token!r}), the module shows: {labels}",
                advice="plug it in, or name it by token= and serial=",
            )
        return fitting[0]

    def _loaded(self) -> Any:
        if self._library is None:
            try:
                library = pkcs11.lib(self._path)
                if self._path in _inherited:
                    library.reinitialize()
            except (pkcs11.PKCS11Error, RuntimeError, OSError) as error:
                raise UnavailableError(
                    f"the PKCS#11 module {self._path} cannot be loaded",
                    advice="is the path right, and the library one for this machine?",
                ) from error
            self._library = library
        return self._library


_modules: dict[str, _Module] = {}
_modules_lock = Lock()
_inherited: set[str] = set()
"""Modules that the parent of this process had begun."""


def _after_fork() -> None:
    """Forget what is the parent's: its sessions, its login, its locks."""
    global _modules_lock  # noqa: PLW0603 - the child has one thread yet
    _modules_lock = Lock()
    _inherited.update(_modules)
    _modules.clear()


os.register_at_fork(after_in_child=_after_fork)


def _module(path: str) -> _Module:
    with _modules_lock:
        return _modules.setdefault(path, _Module(path))


def _fits(token: Any, uri: Pkcs11Uri) -> bool:
    serial = token.serial.decode(errors="replace").strip("\0 ")
    return uri.token in {None, token.label} and uri.serial in {None, serial}


def _pin(uri: Pkcs11Uri) -> str:
    """Read the PIN: from a file, else a person is asked, once per token.

    Raises:
        DeniedError: There is neither.
    """
    if uri.pin_source is not None:
        try:
            pin = uri.pin_source.read_bytes()[: PIN_BYTES_MAX + 1].strip()
        except OSError as error:
            raise DeniedError(
                f"the file of the PIN, {uri.pin_source}, cannot be read: {error.strerror}"
            ) from error
        if not pin or len(pin) > PIN_BYTES_MAX or not pin.isascii():
            raise DeniedError(f"{uri.pin_source} must hold a PIN, 1..{PIN_BYTES_MAX} ASCII letters")
        return pin.decode()
    if not sys.stdin.isatty():
        raise DeniedError(
            f"no PIN for the token {uri.token!r}, and nobody to ask",
            advice=f"put it into a file, and name that with pin-source=file:/… or {PIN_FILE}",
        )
    if uri not in _asked:
        _asked[uri] = getpass.getpass(f"PIN of the token {uri.token or ''}: ")
    return _asked[uri]


_asked: dict[Pkcs11Uri, str] = {}


def _find(session: Any, uri: Pkcs11Uri, kind: ObjectClass) -> Any:
    wanted: dict[Attribute, Any] = {Attribute.CLASS: kind}
    if uri.object is not None:
        wanted[Attribute.LABEL] = uri.object
    if uri.id is not None:
        wanted[Attribute.ID] = uri.id
    found = list(session.get_objects(wanted))
    if len(found) != 1:
        what = "no" if not found else f"{len(found)}"
        name = uri.object if uri.object is not None else (uri.id or b"").hex()
        raise NotFoundError(
            f"{what} {kind.name.lower().replace('_', ' ')} {name!r} in the token, expected one",
            advice="name it by object= and id=, or make it with --in",
        )
    return found[0]


def _read_public(session: Any, private: Any) -> PublicKey:
    """Return the public side of a private key: the public object with the same id."""
    wanted = {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.ID: private[Attribute.ID]}
    found = list(session.get_objects(wanted))
    kinds = {held: kind for kind, held in _KEY_TYPES.items()}
    kind = kinds.get(private[Attribute.KEY_TYPE])
    if len(found) != 1 or kind is None:
        raise InputError(
            f"the token holds {len(found)} public keys beside a private key of type "
            f"{private[Attribute.KEY_TYPE]!r}, expected one, Ed25519 or P-256"
        )
    # DER: an OCTET STRING shorter than 128 bytes; some tokens leave it out.
    point: bytes = found[0][Attribute.EC_POINT]
    size = 32 if kind is KeyKind.ED25519 else 65
    return PublicKey(kind, point[-size:])


def _sign(key: Any, kind: KeyKind, message: bytes) -> bytes:
    """Sign; a digest goes to the token for ES256, for not all of them hash."""
    if kind is KeyKind.ED25519:
        signature: bytes = key.sign(message, mechanism=Mechanism.EDDSA)
    else:
        signature = key.sign(sha256(message).digest(), mechanism=Mechanism.ECDSA)
    return signature


def _make(module: _Module, uri: Pkcs11Uri, kind: KeyKind) -> None:
    """Make a pair of keys of which the private one is sensitive and cannot be extracted."""
    session = module.open(uri, rw=True)
    try:
        wanted = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.LABEL: uri.object}
        if list(session.get_objects(wanted)):
            raise ConflictError(f"a key {uri.object!r} is in the token already")
        curve = encode_named_curve_parameters(_ED25519 if kind is KeyKind.ED25519 else _P256)
        parameters = session.create_domain_parameters(
            _KEY_TYPES[kind], {Attribute.EC_PARAMS: curve}, local=True
        )
        mechanism = (
            Mechanism.EC_EDWARDS_KEY_PAIR_GEN
            if kind is KeyKind.ED25519
            else Mechanism.EC_KEY_PAIR_GEN
        )
        parameters.generate_keypair(
            mechanism=mechanism,
            id=uri.id or os.urandom(16),
            label=uri.object,
            store=True,
            private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
        )
    except (refused.MechanismInvalid, refused.DomainParamsInvalid) as error:
        raise InputError(
            f"the token makes no {kind.value} keys",
            advice="choose the other algorithm: --algorithm es256 or ed25519",
        ) from error
    finally:
        with suppress(pkcs11.PKCS11Error):
            session.close()


@contextmanager
def _translating(uri: Pkcs11Uri) -> Iterator[None]:
    """Let no error of the library out: ours say which token, and nothing of what it was given."""
    try:
        yield
    except TallystickError:
        raise
    except _PINS as error:
        raise DeniedError(
            f"the token {uri.token!r} denies the PIN ({type(error).__name__})",
            advice="after some wrong PINs a token locks itself: look before trying again",
        ) from error
    except pkcs11.PKCS11Error as error:
        raise UnavailableError(
            f"the token {uri.token!r} cannot be used: {type(error).__name__}",
            advice="is it plugged in, and does its tool (`pkcs11-tool -L`) show it?",
        ) from error
