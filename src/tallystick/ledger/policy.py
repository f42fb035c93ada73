"""Registration policies: who may register which type. Data, and itself registered.

    {"version": 1, "rules": [
        {"types": ["dataset"], "issuers": ["did:key:z6Mk…"]},
        {"types": ["inference", "heartbeat"], "kinds": ["ai"]}]}

A statement is admitted if one rule names its type and its issuer, or its issuer's kind. Without
rules nothing is. What the operator says to govern the log itself (policies, keys, refusals,
heartbeats) is not subject to it: otherwise an empty policy could never be replaced.
"""

from dataclasses import dataclass
from typing import Any, Final

from tallystick.errors import EncodingError, VersionError
from tallystick.statement import dcbor
from tallystick.statement.governance import IssuerKind, StatementType

VERSION: Final = 1
RULES_MAX: Final = 10_000
OTHER_TYPES: Final = "*"
"""Stands for every type, also for statements of other products, which have none."""
NEVER_MEANT: Final = frozenset(
    {StatementType.ERASURE, StatementType.HOLD, StatementType.RESTRICTION}
)
"""Types that destroy something, or keep others from what they may: a policy must name them, `*` is
not enough."""


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
    """An ordered set of rules; order does not matter, any rule may allow."""

    rules: tuple[Rule, ...] = ()

    def allows(self, statement_type: str | None, issuer: str, kind: IssuerKind) -> bool:
        """Tell whether some rule lets the issuer register that type."""
        return any(rule.allows(statement_type, issuer, kind) for rule in self.rules)

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
        return {"version": VERSION, "rules": rules}

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
    if content.get("version") != VERSION:
        raise VersionError(
            f"policy has version {content.get('version')!r:.20}, this release reads {VERSION}"
        )
    if len(content["rules"]) > RULES_MAX:
        raise EncodingError(f"a policy must have at most {RULES_MAX} rules")
    return RegistrationPolicy(
        tuple(_read_rule(rule, at) for at, rule in enumerate(content["rules"]))
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


def _texts(content: dict[str, Any], name: str, at: int) -> frozenset[str]:
    values = content.get(name, [])
    if not isinstance(values, list) or not all(isinstance(v, str) and v for v in values):
        raise EncodingError(f"rule {at}: {name!r} must be an array of texts")
    return frozenset(values)
