"""Keys in the keyring of the operating system: GNOME Keyring, KWallet, Keychain and others.

`keyring:SERVICE/NAME`. The secret lies there as text, `KIND:BASE64URL`; whoever is logged in as the
user whose keyring is open can read it. While it signs it is in this process's memory.
"""

import keyring
import keyring.errors

from tallystick.errors import (
    ConflictError,
    DeniedError,
    InputError,
    NotFoundError,
    TallystickError,
    UnavailableError,
)
from tallystick.identity.signer import HeldKey, SoftwareSigner, generate
from tallystick.statement import b64
from tallystick.statement.keys import KeyKind


class KeyringCustodian:
    """Keeps keys in the keyring of whoever is logged in."""

    def open(self, rest: str) -> HeldKey:
        """Return a key; see `tallystick.identity.custody.Custodian`."""
        service, name = _split(rest)
        text = _read(service, name)
        if text is None:
            raise NotFoundError(
                f"no key {name!r} of {service!r} in the keyring",
                advice="is it the keyring of the same user?",
            )
        return _parse(text, rest)

    def create(self, rest: str, kind: KeyKind) -> HeldKey:
        """Make a key; see `tallystick.identity.custody.Custodian`."""
        service, name = _split(rest)
        if _read(service, name) is not None:
            raise ConflictError(f"a key {name!r} of {service!r} is in the keyring already")
        made = generate(kind)
        try:
            keyring.set_password(service, name, _text(made))
        except Exception as error:
            raise _translated(error) from error
        return made


def _split(rest: str) -> tuple[str, str]:
    service, separator, name = rest.partition("/")
    if not separator or not service or not name:
        raise InputError(f"a key in the keyring is keyring:SERVICE/NAME, got {rest[:60]!r}")
    return service, name


def _read(service: str, name: str) -> str | None:
    try:
        return keyring.get_password(service, name)
    except Exception as error:
        raise _translated(error) from error


def _text(signer: SoftwareSigner) -> str:
    return f"{signer.public.kind.value}:{b64.encode_url(signer.unsafe_secret())}"


def _parse(text: str, rest: str) -> SoftwareSigner:
    """Read what `_text` wrote; never says what else it found, which may be a password."""
    kind, _, secret = text.partition(":")
    try:
        return SoftwareSigner(KeyKind(kind), b64.decode_url(secret, "key"))
    except (ValueError, TallystickError):
        raise InputError(f"keyring:{rest} holds something else than a key") from None


def _translated(error: Exception) -> TallystickError:
    """Return our error: backends raise their own, and those of whatever they speak to."""
    name = type(error).__name__
    if isinstance(error, keyring.errors.NoKeyringError):
        return UnavailableError(
            "there is no keyring here",
            advice="log in to a desktop session, or keep the key elsewhere (--in)",
        )
    if isinstance(error, keyring.errors.KeyringLocked | keyring.errors.InitError):
        return DeniedError(f"the keyring is locked ({name})", advice="unlock it, then try again")
    return UnavailableError(f"the keyring cannot be used: {name}")
