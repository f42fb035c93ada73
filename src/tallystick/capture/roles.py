"""What each role may do: one table, which the service, the gateway and the guide read.

    Grant(Role.READER).check(Right.REGISTER)     # RoleError

| role | reading | content | metrics, ledgers | registering | calling models | operator's word |
|---|---|---|---|---|---|---|
| `reader` | yes | | | | | |
| `auditor` | yes | yes | yes | | | |
| `originator` | yes | | | yes | yes | |
| `operator` | yes | yes | yes | yes | yes | |
| `admin` | yes | yes | yes | yes | yes | yes |

"Operator's word" is handing in what the operator of the log signed: policies, keys, records of
administrative acts. The signature is checked in any case; the role is a second lock before it.

Trust: a role opens the service, never the ledger. Nothing that it opens changes an entry.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from tallystick.errors import RefusedError

Use = Literal["gateway", "register"]
"""Calling models, or using the ledger over HTTP."""
Held = Literal["api-key", "sign-in"]
"""How somebody came by a role: by a key that the operator made, or by what a provider says."""


class Right(StrEnum):
    """What somebody may be allowed to do at a service."""

    READ = "read"
    """Everybody may: a ledger that not everybody can verify is none."""
    CONTENT = "content"
    OBSERVE = "observe"
    REGISTER = "register"
    CALL = "call"
    ADMINISTER = "administer"


class Role(StrEnum):
    """What the holder of an API key is to the ledger."""

    READER = "reader"
    AUDITOR = "auditor"
    ORIGINATOR = "originator"
    OPERATOR = "operator"
    ADMIN = "admin"


_SEES: Final = frozenset({Right.READ, Right.CONTENT, Right.OBSERVE})
_WRITES: Final = frozenset({Right.REGISTER, Right.CALL})

MAY: Final[Mapping[Role, frozenset[Right]]] = {
    Role.READER: frozenset({Right.READ}),
    Role.AUDITOR: _SEES,
    Role.ORIGINATOR: frozenset({Right.READ}) | _WRITES,
    Role.OPERATOR: _SEES | _WRITES,
    Role.ADMIN: frozenset(Right),
}
"""The table."""
_ONLY: Final[Mapping[Use | None, frozenset[Right]]] = {
    None: frozenset(Right),
    "gateway": frozenset({Right.READ, Right.CALL}),
    "register": frozenset(Right) - {Right.CALL},
}
"""What is left of any role where a key is for one thing only."""


class RoleError(RefusedError):
    """The role of this API key, or of who signed in, does not allow that."""

    code = "refused.role"


@dataclass(frozen=True, slots=True)
class Grant:
    """What one API key allows, or a sign-in.

    Attributes:
        role: Of its holder.
        only: The one thing it is good for; None is everything that the role allows.
        originator: DID of whom it stands for.
        held: How its holder came by it.
    """

    role: Role
    only: Use | None = None
    originator: str | None = None
    held: Held = "api-key"

    @property
    def rights(self) -> frozenset[Right]:
        """All that it allows."""
        return MAY[self.role] & _ONLY[self.only]

    def may(self, right: Right) -> bool:
        """Tell whether it allows something."""
        return right in self.rights

    def check(self, right: Right) -> None:
        """Refuse what it does not allow.

        Raises:
            RoleError: It does not; `reason` says whether role or scope stands against it.
        """
        if self.may(right):
            return
        if right in MAY[self.role]:
            raise RoleError(
                f"this API key is for `{self.only}` only", reason="api-key.not-for-this"
            )
        who = "an API key" if self.held == "api-key" else "a sign-in"
        raise RoleError(
            f"{who} of the role `{self.role}` does not allow `{right}`",
            reason=f"{self.held}.role",
            advice=f"roles that allow it: {', '.join(roles_with(right))}",
        )


def roles_with(right: Right) -> list[Role]:
    """Return the roles that allow something, the least first."""
    return [role for role in Role if right in MAY[role]]
