"""Registration policies: who may register what, who sees content, who reads. Itself registered.

    {"version": 2, "rules": [
        {"types": ["dataset"], "issuers": ["did:key:z6Mk…"]},
        {"types": ["inference", "heartbeat"], "kinds": ["ai"]}],
     "visibility": {"*": "parties", "model": "public"}}

A statement is admitted if one rule names its type and its issuer, or its issuer's kind. Without
rules nothing is. What the operator says to govern the log itself (policies, keys, refusals,
heartbeats) is not subject to it: otherwise an empty policy could never be replaced.

Visibility is about content in the vault: whoever runs the service is held to it by nothing but the
entry that says so. A policy without it has version 1, which older releases read, too.

A policy of version 3 says `"log": "private"` beside these: the service gives tiles, entries and
proofs only to callers who are entitled. Every other log is public, and says nothing of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from tallystick.errors import EncodingError, VersionError
from tallystick.statement import dcbor
from tallystick.statement.governance import IssuerKind, StatementType

VERSION: Final = 3
WITHOUT_PRIVACY: Final = 2
WITHOUT_VISIBILITY: Final = 1
PRIVATE: Final = "private"
RULES_MAX: Final = 10_000
OTHER_TYPES: Final = "*"
"""Stands for every type, also for statements of other products, which have none."""
NEVER_MEANT: Final = frozenset(
    {
        StatementType.ERASURE,
        StatementType.PUBLICATION,
        StatementType.HOLD,
        StatementType.RESTRICTION,
        StatementType.APPEAL,
        StatementType.REVIEW,
    }
)
"""Types that cannot be taken back, or keep others from what they may, or end that: a policy must
name them, `*` is not enough."""
_VERSIONS: Final = frozenset({WITHOUT_VISIBILITY, WITHOUT_PRIVACY, VERSION})


class Visibility(StrEnum):
    """Who gets content of statements from a ledger's service."""

    PUBLIC = "public"
    PARTIES = "parties"
    SEALED = "sealed"
    COMMITMENT_ONLY = "commitment-only"


@dataclass(frozen=True, slots=True)
class Rule:
    """Allows some issuers some types.

    Attributes:
        types: Statement types, or `*`.
        issuers: DIDs.
        kinds: Or: every registered issuer of these kinds.
    """

    types: frozenset[str]
    issuers: frozenset[str] = frozenset()
    kinds: frozenset[IssuerKind] = frozenset()

    def allows(self, statement_type: str | None, issuer: str, kind: IssuerKind) -> bool:
        """Tell whether this rule lets the issuer register that type."""
        any_type = OTHER_TYPES in self.types and statement_type not in NEVER_MEANT
        named = statement_type in self.types or any_type
        return named and (issuer in self.issuers or kind in self.kinds)


@dataclass(frozen=True, slots=True)
class RegistrationPolicy:
    """What is in force from one entry on.

    Attributes:
        rules: Order does not matter, any rule may allow.
        visibility: Class of statements' content by their type; `*` for all other types.
        private: Whether the log itself is read only by who is entitled.
    """

    rules: tuple[Rule, ...] = ()
    visibility: Mapping[str, Visibility] = field(default_factory=dict)
    private: bool = False

    def allows(self, statement_type: str | None, issuer: str, kind: IssuerKind) -> bool:
        """Tell whether some rule lets the issuer register that type."""
        return any(rule.allows(statement_type, issuer, kind) for rule in self.rules)

    def visibility_of(self, statement_type: str | None) -> Visibility | None:
        """Return the class of a type's content; None where the policy says nothing of it."""
        return self.visibility.get(statement_type or "", self.visibility.get(OTHER_TYPES))

    def with_rules(self, rules: Iterable[Rule]) -> "RegistrationPolicy":
        """Return this policy with more rules."""
        return replace(self, rules=(*self.rules, *rules))

    def content(self) -> dict[str, Any]:
        """Return the policy as data, members sorted."""
        rules: list[dict[str, Any]] = []
        for rule in self.rules:
            members: dict[str, Any] = {"types": sorted(rule.types)}
            if rule.issuers:
                members["issuers"] = sorted(rule.issuers)
            if rule.kinds:
                members["kinds"] = sorted(str(kind) for kind in rule.kinds)
            rules.append(members)
        classes = {type_: str(self.visibility[type_]) for type_ in sorted(self.visibility)}
        seen = {"visibility": classes} if classes else {}
        if self.private:
            return {"version": VERSION, "rules": rules, "log": PRIVATE, **seen}
        version = WITHOUT_PRIVACY if classes else WITHOUT_VISIBILITY
        return {"version": version, "rules": rules, **seen}

    def encode(self) -> bytes:
        """Return the inline payload of a `policy` statement."""
        return dcbor.encode(self.content())


def parse_policy_payload(payload: bytes) -> RegistrationPolicy:
    """Parse the payload of a `policy` statement.

    Raises:
        EncodingError: Not a policy.
        VersionError: Of a version that this release does not know.
    """
    return read_policy(dcbor.decode_deterministic(payload, "policy"))


def read_policy(content: Any) -> RegistrationPolicy:
    """Read a policy from data, such as parsed JSON or the genesis entry.

    Raises:
        EncodingError: Not a policy.
        VersionError: Of a version that this release does not know.
    """
    if not isinstance(content, dict) or not isinstance(content.get("rules"), list):
        raise EncodingError("a policy must be a map with 'version' and an array of 'rules'")
    version = content.get("version")
    if version not in _VERSIONS or isinstance(version, bool):
        raise VersionError(
            f"policy has version {version!r:.20}, this release reads up to {VERSION}"
        )
    if len(content["rules"]) > RULES_MAX:
        raise EncodingError(f"a policy must have at most {RULES_MAX} rules")
    return RegistrationPolicy(
        tuple(_read_rule(rule, at) for at, rule in enumerate(content["rules"])),
        _read_visibility(content.get("visibility"), version),
        _read_privacy(content.get("log"), version),
    )


def _read_rule(content: Any, at: int) -> Rule:
    if not isinstance(content, dict) or set(content) - {"types", "issuers", "kinds"}:
        raise EncodingError(f"rule {at} must have 'types' and 'issuers' or 'kinds', nothing else")
    types, issuers, kinds = (_texts(content, name, at) for name in ("types", "issuers", "kinds"))
    if not types or not (issuers or kinds):
        raise EncodingError(f"rule {at} must name at least one type and one issuer or kind")
    if unknown := kinds - set(IssuerKind):
        raise EncodingError(f"rule {at}: unknown kind {min(unknown)!r:.40}")
    return Rule(types, issuers, frozenset(IssuerKind(kind) for kind in kinds))


def _read_privacy(content: Any, version: int) -> bool:
    """Refuse a privacy that would not be kept: a log is private by version 3 alone."""
    if content != (PRIVATE if version == VERSION else None):
        raise EncodingError(
            f"a policy of version {VERSION} must have 'log': '{PRIVATE}', and one of another "
            f"version no 'log'; got {content!r:.40} in version {version}"
        )
    return version == VERSION


def _read_visibility(content: Any, version: int) -> dict[str, Visibility]:
    if version == WITHOUT_VISIBILITY or (content is None and version == VERSION):
        return {}
    if not isinstance(content, dict) or not content:
        raise EncodingError(
            f"a policy of version {WITHOUT_PRIVACY} must have 'visibility': classes by type"
        )
    classes: dict[str, Visibility] = {}
    for type_, value in content.items():
        if not isinstance(type_, str) or value not in list(Visibility):
            known = ", ".join(Visibility)
            raise EncodingError(f"the visibility of {type_!r:.40} must be one of {known}")
        classes[type_] = Visibility(value)
    return classes


def _texts(content: dict[str, Any], name: str, at: int) -> frozenset[str]:
    values = content.get(name, [])
    if not isinstance(values, list) or not all(isinstance(v, str) and v for v in values):
        raise EncodingError(f"rule {at}: {name!r} must be an array of texts")
    return frozenset(values)
