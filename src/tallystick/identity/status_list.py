"""Status lists: one signed list says of many credentials which were revoked or suspended.

    statuses = StatusList.empty("https://clinic.example/status/1", 1000)
    token = statuses.with_status(413, Status.REVOKED).sign(signer, issued_at, expires_at)
    statuses = verify_list(token, key, "https://clinic.example/status/1", now)
    statuses.status(413)            # Status.REVOKED

A credential names the list and its place in it, at random, so that neighbours tell nothing. Whoever
has the list learns offline; that it is the newest one, nothing in it says. What is refused, by
`reason`, beside those of `tallystick.identity.credentials`:

| reason | |
|---|---|
| `credential.status-list` | not signed by the credential's issuer, or of another type or list |
| `credential.status-expired` | the list has ended, or is older than it may be used |
| `credential.status-index` | the list has no such place |
| `credential.revoked`, `.suspended` | what the list says |
| `credential.status` | it says something that this release does not know |

Source:
    draft-ietf-oauth-status-list-17, sections 4 (lists), 5 (tokens), 6 (references), 7 (types), 8.3
    (validation).
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Final, Self, TypeGuard

from tallystick.errors import (
    CredentialError,
    EncodingError,
    IndeterminateError,
    InputError,
    SignatureError,
)
from tallystick.identity import jws
from tallystick.identity.signer import Signer
from tallystick.statement import PublicKey, b64

TYPE: Final = "statuslist+jwt"
SIZE_MAX: Final = 1 << 20
"""Places of one list."""
BITS: Final = 2
"""Per place, as we write; 1, 2, 4 and 8 are read."""
LEEWAY_SECONDS: Final = 60
TOKEN_LETTERS_MAX: Final = 4 << 20
_BITS: Final = frozenset({1, 2, 4, 8})
_URI_LETTERS_MAX: Final = 2048
SECONDS_MAX: Final = 2**53
"""Numbers in JSON are exact up to this."""


class Status(IntEnum):
    """What a list says of a credential."""

    VALID = 0
    REVOKED = 1
    SUSPENDED = 2


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a credential's status stands.

    Attributes:
        uri: Names the list.
        index: Place in it.
    """

    uri: str
    index: int

    def claim(self) -> dict[str, Any]:
        """Return the claim `status` of the credential."""
        return {"status_list": {"idx": self.index, "uri": self.uri}}


@dataclass(frozen=True, slots=True)
class StatusList:
    """A list, unsigned or verified.

    Attributes:
        uri: Names it.
        data: Statuses, `bits` each, from the lowest bit of each byte on.
        bits: Per place.
        issued_at: When it was signed; 0 before that.
        ends_at: When it does not count any more; None for never.
    """

    uri: str
    data: bytes
    bits: int = BITS
    issued_at: float = 0
    ends_at: float | None = None

    def check_time(self, now: int) -> None:
        """Refuse a list that does not count now.

        Raises:
            CredentialError: It is of the future, or has ended.
        """
        if self.issued_at > now + LEEWAY_SECONDS:
            raise _refused(
                "status-expired", f"the status list is of the future, {self.issued_at:.0f}"
            )
        if self.ends_at is not None and now >= self.ends_at + LEEWAY_SECONDS:
            ago = f"{now - self.ends_at:.0f} s ago"
            raise _refused("status-expired", f"the status list ended {ago}")

    @classmethod
    def empty(cls, uri: str, size: int) -> Self:
        """Return a list in which everything is valid.

        Raises:
            InputError: The URI, or the size, cannot be.
        """
        if not _is_uri(uri):
            raise InputError(f"a list is named by a URI, such as a URL, got {uri[:80]!r}")
        if not 1 <= size <= SIZE_MAX:
            raise InputError(f"a list has 1..{SIZE_MAX} places, got {size}")
        return cls(uri, bytes(-(-size * BITS // 8)))

    @property
    def size(self) -> int:
        """How many places there are."""
        return len(self.data) * 8 // self.bits

    def value(self, index: int) -> int:
        """Return the number at a place.

        Raises:
            CredentialError: There is no such place.
        """
        if not 0 <= index < self.size:
            raise _refused("status-index", f"the list has {self.size} places, and not {index}")
        at, shift = divmod(index * self.bits, 8)
        return self.data[at] >> shift & (1 << self.bits) - 1

    def with_status(self, index: int, status: Status) -> Self:
        """Return the list with another status at a place.

        Raises:
            CredentialError: There is no such place.
            InputError: The list has no bits for such a status.
        """
        before = self.value(index)
        if status >= 1 << self.bits:
            raise InputError(f"a list of {self.bits} bit cannot say {status.name.lower()}")
        at, shift = divmod(index * self.bits, 8)
        data = bytearray(self.data)
        data[at] ^= (before ^ status) << shift
        return replace(self, data=bytes(data))

    def sign(self, signer: Signer, issued_at: int, expires_at: int | None = None) -> str:
        """Return the status list token, for everybody to read."""
        ends = {} if expires_at is None else {"exp": expires_at}
        listed = {"bits": self.bits, "lst": b64.encode_url(zlib.compress(self.data, 9))}
        payload = {"sub": self.uri, "iat": issued_at, **ends, "status_list": listed}
        return jws.sign({"typ": TYPE}, payload, signer)


def parse_reference(status: Any) -> Reference:
    """Read the claim `status` of a credential.

    Raises:
        EncodingError: It names no place in a list.
        IndeterminateError: It names something else than a list.
    """
    if not isinstance(status, dict) or "status_list" not in status:
        raise IndeterminateError(
            f"the credential's status is told by something that is not known here: {status!r:.80}",
            advice="ask its issuer whether it is still valid",
        )
    named = status["status_list"]
    if not isinstance(named, dict):
        raise EncodingError(f"status_list must have uri and idx, got {named!r:.120}")
    uri, index = named.get("uri"), named.get("idx")
    if not _is_uri(uri) or type(index) is not int or index < 0:
        raise EncodingError(f"status_list must have uri and idx, got {named!r:.120}")
    return Reference(uri, index)


def named_list(token: str) -> str:
    """Return which list a token says to be, unverified.

    Raises:
        EncodingError: Not a status list token.
    """
    if len(token) > TOKEN_LETTERS_MAX:
        raise EncodingError(f"a status list has at most {TOKEN_LETTERS_MAX} letters")
    uri = jws.peek(token)[1].get("sub")
    if not _is_uri(uri):
        raise EncodingError(f"a status list is named by its sub, got {uri!r:.80}")
    return uri


def verify_list(token: str, key: PublicKey, uri: str, now: int) -> StatusList:
    """Check a status list token, and that it counts now.

    Raises:
        EncodingError: Not a status list token.
        CredentialError: Not to be believed, or not any more; `reason` says why.
    """
    found = signed_list(token, key, uri)
    found.check_time(now)
    return found


def signed_list(token: str, key: PublicKey, uri: str) -> StatusList:
    """Check whose a status list token is; whether it counts now is not looked at.

    Args:
        token: Not believed.
        key: The issuer's.
        uri: Of the list that is expected.

    Raises:
        EncodingError: Not a status list token.
        CredentialError: Of another list, or not signed by its issuer.
    """
    if named_list(token) != uri:
        raise _refused("status-list", f"the credential names the list {uri}, this is another one")
    try:
        _, payload = jws.verify(token, key, {TYPE})
    except SignatureError as error:
        raise _refused("status-list", f"the status list: {error}") from error
    made, ends_at = _times(payload)
    listed = payload.get("status_list")
    if not isinstance(listed, dict) or type(listed.get("bits")) is not int:
        raise EncodingError(f"status_list must have bits and lst, got {listed!r:.80}")
    if (bits := listed["bits"]) not in _BITS:
        raise EncodingError(f"status_list must have bits of 1, 2, 4 or 8, got {bits}")
    return StatusList(uri, _inflate(listed.get("lst")), bits, made, ends_at)


def check_status(reference: Reference, statuses: StatusList) -> None:
    """Refuse a credential that is not valid by its list.

    Raises:
        CredentialError: `reason` says what the list says.
    """
    value = statuses.value(reference.index)
    if value == Status.VALID:
        return
    words = f"says its list as of {statuses.issued_at:.0f}"
    if value == Status.REVOKED:
        raise _refused("revoked", f"the credential was revoked, {words}")
    if value == Status.SUSPENDED:
        raise _refused("suspended", f"the credential is suspended, {words}")
    raise _refused("status", f"the credential has status {value}, {words}: not known here")


def _times(payload: Mapping[str, Any]) -> tuple[float, float | None]:
    """Return when a list was made and when it ends."""
    made, ends, ttl = (_number(payload, name) for name in ("iat", "exp", "ttl"))
    if made is None:
        raise EncodingError("a status list says when it was made (iat)")
    known = [one for one in (ends, None if ttl is None else made + ttl) if one is not None]
    return made, min(known, default=None)


def _number(payload: Mapping[str, Any], name: str) -> float | None:
    """Return a time or a length of time; no integer is too long to be shown."""
    value = payload.get(name)
    if value is None:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 <= value < SECONDS_MAX
    ):
        raise EncodingError(f"{name} must be a number of seconds, got {value!r:.40}")
    return float(value)


def _inflate(text: Any) -> bytes:
    """Decompress a list; never more than one may have."""
    if not isinstance(text, str):
        raise EncodingError(f"lst must be text, got {text!r:.40}")
    unpack = zlib.decompressobj()
    try:
        data = unpack.decompress(b64.decode_url(text, "lst"), SIZE_MAX)
    except zlib.error as error:
        raise EncodingError(f"lst is not compressed with zlib: {error}") from error
    if not unpack.eof:
        raise EncodingError(f"lst breaks off, or has more than {SIZE_MAX} bytes")
    return data


def _is_uri(value: Any) -> TypeGuard[str]:
    return (
        isinstance(value, str) and value.isprintable() and ":" in value
        and 0 < len(value) <= _URI_LETTERS_MAX
    )  # fmt: skip


def _refused(reason: str, words: str) -> CredentialError:
    return CredentialError(words, reason=f"credential.{reason}")
