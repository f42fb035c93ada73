"""Names of keys in hardware modules, as RFC 7512 writes them.

    pkcs11:token=tally;object=clinic?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/run/pin

Read are `token`, `serial`, `object`, `id`, `type`, `slot-id`, `module-path` and `pin-source`. A PIN
does not stand in a reference: `pin-value` is refused.

Source:
    RFC 7512, sections 2.3 and 2.4.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from tallystick.errors import InputError

MODULE: Final = "TALLYSTICK_PKCS11_MODULE"
"""Environment variable with the path of the module, where the URI does not name it."""
PIN_FILE: Final = "TALLYSTICK_PKCS11_PIN_FILE"
"""Environment variable with the path of a file that holds the PIN, where the URI names none."""

_PATH: Final = frozenset({"token", "serial", "object", "id", "type", "slot-id"})
_QUERY: Final = frozenset({"module-path", "pin-source"})
_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Pkcs11Uri:
    """Which key of which token, through which module.

    Attributes:
        module: Path of the library that speaks to the token.
        object: Label of the key; None where its id names it.
        id: CKA_ID of the key; None where its label names it.
        token: Label of the token; None for the only one.
        serial: Serial number of the token, if it is named.
        slot: Number of the slot, if it is named.
        pin_source: File that holds the PIN; None where the environment or a person knows it.
    """

    module: str
    object: str | None
    id: bytes | None
    token: str | None
    serial: str | None
    slot: int | None
    pin_source: Path | None


def parse_uri(rest: str) -> Pkcs11Uri:
    """Read what stands behind `pkcs11:`.

    Raises:
        InputError: Not a URI of RFC 7512, or one that names no key or no module.
    """
    path, _, query = rest.partition("?")
    named = _attributes(path, ";", _PATH)
    asked = _attributes(query, "&", _QUERY)
    if _text(named, "type") not in {None, "private"}:
        raise InputError("a pkcs11 reference names a private key: leave 'type' out, or private")
    if "object" not in named and "id" not in named:
        raise InputError("a pkcs11 reference names the key by 'object' or 'id', got neither")
    module = _text(asked, "module-path") or os.environ.get(MODULE)
    if not module:
        raise InputError(
            "a pkcs11 reference needs the path of its module",
            advice=f"add ?module-path=/path/of/library.so, or set {MODULE}",
        )
    slot = _text(named, "slot-id")
    if slot is not None and not re.fullmatch(r"[0-9]{1,19}", slot, re.ASCII):
        raise InputError(f"slot-id must be a number, got {slot[:20]!r}")
    return Pkcs11Uri(
        module=module,
        object=_text(named, "object"),
        id=named.get("id"),
        token=_text(named, "token"),
        serial=_text(named, "serial"),
        slot=None if slot is None else int(slot),
        pin_source=_pin_source(_text(asked, "pin-source")),
    )


def _attributes(text: str, separator: str, known: frozenset[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in filter(None, text.split(separator)):
        name, equals, value = part.partition("=")
        if name == "pin-value":
            raise InputError(
                "a PIN does not stand in a reference: it would be read by everybody who lists "
                "processes or opens a settings file",
                advice="put it into a file, and name that with pin-source=file:/…",
            )
        if not equals or name not in known:
            raise InputError(
                f"{name[:30]!r} is no attribute that is read here, known are: "
                f"{', '.join(sorted(known))}"
            )
        if name in found:
            raise InputError(f"{name!r} stands twice in the pkcs11 reference")
        if _BAD_PERCENT.search(value):
            raise InputError(f"{name!r} holds a % that begins no percent encoding")
        found[name] = unquote_to_bytes(value)
    return found


def _text(found: dict[str, bytes], name: str) -> str | None:
    try:
        return found[name].decode() if name in found else None
    except UnicodeDecodeError as error:
        raise InputError(f"{name!r} of the pkcs11 reference must be UTF-8") from error


def _pin_source(named: str | None) -> Path | None:
    """Return the file with the PIN; other sources than files are nobody's business here."""
    named = named or os.environ.get(PIN_FILE)
    if named is None:
        return None
    if named.startswith("file:"):
        named = named.removeprefix("file:").removeprefix("//")
    if not named.startswith("/"):
        raise InputError(f"pin-source must be file:/ABSOLUTE/PATH, got {named[:40]!r}")
    return Path(named)
