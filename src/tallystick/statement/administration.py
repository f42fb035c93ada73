"""Administrative acts: what the operator did to the service, other than by a statement of its own.

Policies, keys and erasures are statements anyway, and so records of themselves. What changes no
entry, such as an API key that is made, is said in an inline `access` statement. It is
public for ever: it holds codes and numbers, never words, names of people, paths or secrets.

Source:
    docs/reference/formats.md, section "Administrative acts".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from tallystick.errors import EncodingError, VersionError
from tallystick.statement import dcbor
from tallystick.statement.governance import VERSION, StatementType
from tallystick.statement.labels import INLINE_MEDIA_TYPE
from tallystick.statement.signed import SignedStatement

DETAILS_MAX: Final = 8
_CODE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_MEMBERS: Final = frozenset({"version", "act", "target", "at", "details"})
_URN: Final = "urn:tallystick:act:"
TIME_MAX: Final = 2**53


class Act(StrEnum):
    """What was done."""

    KEY_MADE = "api-key.made"
    KEY_REVOKED = "api-key.revoked"
    LEDGER_ADDED = "ledger.added"
    ROLES_GIVEN = "sign-in.roles"
    SIGN_IN_BOUND = "sign-in.bound"
    SIGN_IN_UNBOUND = "sign-in.unbound"
    BACKUP_MADE = "backup.made"
    BACKUP_RESTORED = "backup.restored"
    MIGRATED = "migrated"
    SETTINGS_CHANGED = "settings.changed"
    CUSTODY_CHANGED = "custody.changed"
    VAULT_LOCATED = "vault.located"
    INDEX_REBUILT = "index.rebuilt"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminAct:
    """Payload of an `access` statement.

    Attributes:
        act: What was done.
        target: Code of what it was done to, such as the id of an API key.
        at: When, by the clock of whoever did it, seconds since 1970.
        details: Codes and numbers, by code.
    """

    act: Act
    target: str
    at: int
    details: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """What the statement is about, so that search finds it."""
        return f"{_URN}{self.act}:{self.target}"

    def encode(self) -> bytes:
        """Return the inline payload."""
        return dcbor.encode(
            {
                "version": VERSION,
                "act": str(self.act),
                "target": self.target,
                "at": self.at,
                "details": dict(self.details),
            }
        )


def is_act(statement: SignedStatement) -> bool:
    """Tell whether a statement says that it is an administrative act."""
    header = statement.header
    inline = not header.hashed and header.content_type == INLINE_MEDIA_TYPE
    return inline and header.type == StatementType.ACCESS


def parse_act(payload: bytes) -> AdminAct:
    """Parse the payload of an administrative act.

    Raises:
        EncodingError: It is none, or holds more than codes and numbers.
        VersionError: Of a version that this release does not know.
    """
    members = dcbor.decode_deterministic(payload, "administrative act")
    if not isinstance(members, dict):
        raise EncodingError("administrative act must be a map")
    if (version := members.get("version")) != VERSION or type(version) is not int:
        raise VersionError(f"administrative act has version {version!r:.20}, expected {VERSION}")
    if set(members) != _MEMBERS:
        raise EncodingError(
            f"administrative act has the members {sorted(map(str, members))!r:.200}"
        )
    if members["act"] not in set(Act):
        raise EncodingError(f"there is no act {members['act']!r:.60}")
    return AdminAct(
        act=Act(members["act"]),
        target=_code(members["target"]),
        at=_number(members["at"]),
        details=_details(members["details"]),
    )


def _details(value: Any) -> dict[str, str | int]:
    if not isinstance(value, dict) or len(value) > DETAILS_MAX:
        raise EncodingError(f"details must be a map of at most {DETAILS_MAX}, got {value!r:.80}")
    return {
        _code(name): _code(one) if isinstance(one, str) else _number(one)
        for name, one in value.items()
    }


def _code(value: Any) -> str:
    if not isinstance(value, str) or not _CODE.fullmatch(value):
        raise EncodingError(f"a code has a-z, 0-9 and ._-, at most 80, got {value!r:.100}")
    return value


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= TIME_MAX:
        raise EncodingError(f"a number is 0 to 2^53, got {value!r:.40}")
    return value
