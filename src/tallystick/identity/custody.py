"""Where private keys are kept: a key reference names the place, and a custodian signs there.

    key = create_key("pkcs11:token=tally;object=clinic?pin-source=file:/run/pin", KeyKind.P256)
    key = open_key("keyring:tallystick/clinic")

What stands before the first colon names the custodian:

    file:PATH#NAME      another encrypted key file; only where a passphrase is handed in
    keyring:SERVICE/NAME  the keyring of the operating system (`pip install tallystick[keyring]`)
    pkcs11:…            a hardware module, as RFC 7512 writes it (`tallystick[pkcs11]`)
    NAME:…              a plug-in: an entry point NAME of the group `tallystick.signers`

A reference is no secret and holds none. Whoever can change it can make signing fail, and cannot
make somebody else's key sign unnoticed: the key file seals the reference with the public key.
"""

import re
from collections.abc import Callable
from typing import Final, Protocol

from tallystick.errors import (
    DamagedError,
    InputError,
    SignatureError,
    TallystickError,
    UnavailableError,
    missing_extra,
)
from tallystick.identity.signer import HeldKey, KnownKey
from tallystick.statement.keys import KeyKind, PublicKey

GROUP: Final = "tallystick.signers"
"""Group of entry points under which plug-ins offer a custodian."""
REFERENCE_MAX: Final = 2000
"""Letters of a key reference."""
FILE: Final = "file"
"""Scheme of a key file, which `KeyFile` itself opens."""

_REFERENCE: Final = re.compile(r"([a-z][a-z0-9+.-]{0,31}):(\S+)")


class Custodian(Protocol):
    """Keeps keys in one kind of place. A plug-in's entry point names an object like this."""

    def open(self, rest: str) -> HeldKey:
        """Return the key that a reference names, by what stands behind `NAME:` in it.

        Raises:
            NotFoundError: The place is there, and no such key in it.
            UnavailableError: The place cannot be reached.
            DeniedError: It does not let the key be used.
        """
        ...

    def create(self, rest: str, kind: KeyKind) -> HeldKey:
        """Make a new key there, which cannot be read out where the place can prevent that.

        Raises:
            ConflictError: A key lies there.
            InputError: The place makes no keys of that kind.
            UnavailableError: The place cannot be reached.
            DeniedError: It makes none for us.
        """
        ...


def split_reference(reference: str) -> tuple[str, str]:
    """Return the scheme of a key reference, and the rest.

    Raises:
        InputError: It is none.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None or len(reference) > REFERENCE_MAX:
        raise InputError(
            f"a key reference is SCHEME:PLACE without blanks, got {reference[:60]!r}",
            advice="such as keyring:tallystick/clinic or pkcs11:token=…;object=…",
        )
    return match[1], match[2]


def open_key(reference: str) -> HeldKey:
    """Return the key that a reference names.

    Raises:
        InputError: No reference, or nobody knows its scheme.
        NotFoundError: No such key is there.
        UnavailableError: It cannot be reached.
        DeniedError: It may not be used.
        MissingExtraError: The library that speaks to the place is not installed.
    """
    scheme, rest = split_reference(reference)
    return _guarded(scheme, lambda custodian: custodian.open(rest))


def create_key(reference: str, kind: KeyKind) -> HeldKey:
    """Make a key at the place that a reference names.

    Raises:
        ConflictError: A key lies there.
        TallystickError: As `open_key`.
    """
    scheme, rest = split_reference(reference)
    return _guarded(scheme, lambda custodian: custodian.create(rest, kind))


def _guarded(scheme: str, use: Callable[[Custodian], HeldKey]) -> HeldKey:
    """Use a custodian; what a plug-in raises of its own becomes ours, without its words."""
    custodian = _custodian(scheme)
    try:
        return use(custodian)
    except TallystickError:
        raise
    except Exception as error:
        raise away(scheme, error) from error


def away(scheme: str, error: Exception) -> UnavailableError:
    """Say that a place failed. Its own words are left out: they may hold what is secret."""
    return UnavailableError(f"the keys of {scheme!r} cannot be used: {type(error).__name__}")


def _custodian(scheme: str) -> Custodian:
    try:
        if scheme == "keyring":
            from tallystick.identity.os_keyring import KeyringCustodian

            return KeyringCustodian()
        if scheme == "pkcs11":
            from tallystick.identity.pkcs11_token import Pkcs11Custodian

            return Pkcs11Custodian()
    except ModuleNotFoundError as error:
        raise missing_extra(error) from error
    return _plug_in(scheme)


def _plug_in(scheme: str) -> Custodian:
    from importlib.metadata import entry_points  # 2 MiB that a key file does not need

    found = entry_points(group=GROUP)
    for point in found:
        if point.name == scheme:
            try:
                custodian: Custodian = point.load()()
            except Exception as error:
                raise away(scheme, error) from error
            return custodian
    known = ", ".join(sorted({"file", "keyring", "pkcs11", *(point.name for point in found)}))
    raise InputError(
        f"nobody keeps keys for {scheme!r}, known are: {known}",
        advice=f"install the plug-in that offers the entry point {scheme!r} of {GROUP}",
    )


class KeptSigner(KnownKey):
    """A key that a custodian keeps; it is reached for when something is to be signed.

    Every signature is checked before anybody gets it: a fault of a module or a network would
    otherwise be signed into a log, and the log would not open again.
    """

    __slots__ = ("_held", "_open", "reference")

    def __init__(
        self,
        reference: str,
        public: PublicKey,
        issuer: str | None = None,
        opener: Callable[[str], HeldKey] = open_key,
    ) -> None:
        """Sign with the key at `reference`, as long as it is `public`.

        Args:
            reference: Where it is kept.
            public: What it is known to be.
            issuer: DID that it signs as, where that names an earlier key of the same issuer.
            opener: Opens references.
        """
        super().__init__(public, issuer)
        self.reference, self._open = reference, opener
        self._held: HeldKey | None = None

    def __repr__(self) -> str:
        return f"KeptSigner({split_reference(self.reference)[0]}, {self._public.did()})"

    def reach(self) -> HeldKey:
        """Return the key where it is kept, and make sure that it is the one that is known.

        Raises:
            TallystickError: As `open_key`.
            DamagedError: Another key lies there now.
        """
        if self._held is None:
            held = self._open(self.reference)
            if held.public != self._public:
                raise DamagedError(
                    f"another key lies at {self.reference}: expected {self._public.did()}, "
                    f"found {held.public.did()}",
                    advice="put the key back, or rotate to the one that is there",
                )
            self._held = held
        return self._held

    def sign(self, message: bytes) -> bytes:
        """Return 64 bytes.

        Raises:
            UnavailableError: The key cannot be reached now, or what signs does not work.
            DeniedError: Whoever keeps it does not let it be used.
        """
        held = self.reach()
        try:
            signature = held.sign(message)
        except TallystickError:
            raise
        except Exception as error:
            raise away(split_reference(self.reference)[0], error) from error
        try:
            self._public.verify(signature, message)
        except SignatureError as error:
            raise UnavailableError(
                f"what the key at {self.reference} signs is not its signature: {error}"
            ) from error
        return signature
