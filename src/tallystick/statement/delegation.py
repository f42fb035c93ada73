"""Delegations: an agent acts for a principal, for these types, until then, unless revoked.

A chain begins with a grant by somebody who acts for nobody, and each further grant is narrower
than the one before it. The ledger at admission and the verifier offline ask the same questions
of a chain, `fault_of`; they differ only in where they look its links up.

Both payloads are public for ever: they name pseudonymous issuers, and a purpose only by a code.

Source:
    docs/reference/formats.md, section "Delegations".
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from tallystick.errors import EncodingError, InputError, VersionError
from tallystick.merkle import HASH_BYTES
from tallystick.statement import dcbor
from tallystick.statement.governance import OPERATOR_TYPES, VERSION, StatementType
from tallystick.statement.header import Header
from tallystick.statement.labels import Relation
from tallystick.statement.signed import SignedStatement

DEPTH_MAX: Final = 8
"""How often a delegation may be passed on at most."""
DID_LETTERS_MAX: Final = 200
TIME_MAX: Final = 2**53
LATE_SECONDS_MAX: Final = 300
"""How long after the end of a grant a call may still be recorded under it: whoever records calls
numbers them before the log has them, and may not know of a revocation yet."""
DELEGABLE: Final = frozenset(StatementType) - OPERATOR_TYPES - {
    StatementType.GENESIS, StatementType.DELEGATION
}  # fmt: skip
"""Types that one party may register for another. Whether a delegation may be passed on is said
by its depth, not by a type."""
_GRANT: Final = frozenset(
    {"version", "principal", "agent", "types", "not_after", "depth", "purpose"}
)
_REVOCATION: Final = frozenset({"version", "revokes"})
_PURPOSE: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,39}")
_URN: Final = "urn:tallystick:delegation:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """Payload of a grant.

    Attributes:
        principal: DID for whom is acted; signs the grant.
        agent: DID that may act.
        types: Types of statements that the agent may register for the principal.
        not_after: From this time of the ledger on it is expired, seconds since 1970.
        depth: How often it may be passed on; 0 if not at all.
        purpose: A code that both sides understand, never words about a person.
    """

    principal: str
    agent: str
    types: frozenset[str]
    not_after: int
    depth: int = 0
    purpose: str | None = None

    def encode(self) -> bytes:
        """Return the inline payload."""
        members: dict[str, Any] = {
            "version": VERSION,
            "principal": self.principal,
            "agent": self.agent,
            "types": sorted(self.types),
            "not_after": self.not_after,
            "depth": self.depth,
        }
        purpose = {} if self.purpose is None else {"purpose": self.purpose}
        return dcbor.encode({**members, **purpose})


@dataclass(frozen=True, slots=True)
class Revocation:
    """Payload that ends a grant.

    Attributes:
        delegation: Id of the statement that granted it.
    """

    delegation: bytes

    def encode(self) -> bytes:
        """Return the inline payload."""
        return dcbor.encode({"version": VERSION, "revokes": self.delegation})


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant as it stands in a log.

    Attributes:
        id: Its statement.
        index: Where.
        issuer: DID that signed it.
        key_id: The key that signed it.
        delegation: What it says.
        parent: The grant that it passes on; None where a chain begins.
        revoked: Entry that revoked it, as far as is known.
        revoked_at: The ledger's time at that entry; None where nothing tells it.
    """

    id: bytes
    index: int
    issuer: str
    key_id: bytes
    delegation: Delegation
    parent: bytes | None
    revoked: int | None = None
    revoked_at: int | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a delegation does not allow something.

    Attributes:
        reason: Stable name, without the leading `delegation.`.
        words: What was seen, and what was expected.
    """

    reason: str
    words: str


LookUp = Callable[[bytes], Granted | None]
"""Finds a grant by the id of its statement."""
FindHolder = Callable[[bytes], str | None]
"""Finds whose key a `key` statement registered, by the statement's id."""


def revocation_subject(delegation: bytes) -> str:
    """Return the subject that a revocation carries, by which it is found."""
    return _URN + delegation.hex()


def parse_delegation(payload: bytes) -> Delegation | Revocation:
    """Parse the payload of a `delegation` statement.

    Raises:
        EncodingError: Neither a grant nor a revocation.
        VersionError: Of a version that this release does not know.
    """
    members = dcbor.decode_deterministic(payload, "delegation")
    if not isinstance(members, dict):
        raise EncodingError("delegation must be a map")
    if (version := members.get("version")) != VERSION or type(version) is not int:
        raise VersionError(f"delegation has version {version!r:.20}, this release reads {VERSION}")
    if "revokes" in members:
        _only(members, _REVOCATION)
        return _revocation(members)
    _only(members, _GRANT)
    principal, agent = _did(members, "principal"), _did(members, "agent")
    if principal == agent:
        raise EncodingError(f"principal and agent are both {agent}; nobody acts for themselves")
    return Delegation(
        principal=principal,
        agent=agent,
        types=_types(members.get("types")),
        not_after=_number(members, "not_after", TIME_MAX),
        depth=_number(members, "depth", DEPTH_MAX),
        purpose=_purpose(members.get("purpose")),
    )


def granted_by(statement: SignedStatement, index: int) -> Granted | None:
    """Return the grant that a statement is; None for all others, revocations included."""
    said = read_delegation(statement)
    if not isinstance(said, Delegation):
        return None
    parents = statement.header.links.get(Relation.ACTED_FOR, ())
    parent = parents[0] if parents else None
    header = statement.header
    return Granted(statement.id, index, header.issuer, header.key_id, said, parent)


def read_delegation(statement: SignedStatement) -> Delegation | Revocation | None:
    """Return what a statement grants or revokes; None where it does neither.

    Logs of older releases hold `delegation` statements with other content; they grant nothing.
    """
    if statement.header.type != StatementType.DELEGATION or statement.header.hashed:
        return None
    try:
        return parse_delegation(statement.payload)
    except InputError:
        return None


def links_of(leaf: Granted, look_up: LookUp) -> Iterator[Granted | None]:
    """Yield a chain from its last grant to its first; None ends it where a link is missing."""
    link: Granted | None = leaf
    for _ in range(DEPTH_MAX + 1):
        yield link
        if link is None or link.parent is None:
            return
        link = look_up(link.parent)
    yield None  # longer than any chain can be


def is_recorded(leaf: Granted, header: Header, holder: FindHolder) -> bool:
    """Tell whether a statement is the record of a call that the agent of a grant made.

    Then somebody else signed it, who names a registered key of the agent beside the grant, and so
    says that the call came with an API key of the agent. Nobody passes a grant on that way.
    """
    agent = leaf.delegation.agent
    if header.issuer == agent or header.type == StatementType.DELEGATION:
        return False
    return any(holder(named) == agent for named in header.links.get(Relation.ACTED_FOR, ()))


def use_fault(
    leaf: Granted, header: Header, now: int, index: int, look_up: LookUp, holder: FindHolder
) -> Fault | None:
    """Say why a statement may not name a grant, None if its agent signed it, or made the call.

    Args:
        leaf: The grant that the statement names.
        header: Of the statement.
        now: The ledger's time.
        index: Where the statement stands, or would.
        look_up: Finds the other grants of the chain.
        holder: Finds holders of registered keys.
    """
    agent, called_at = header.issuer, None
    if is_recorded(leaf, header, holder):
        agent, called_at = leaf.delegation.agent, header.issued_at
    return fault_of(leaf, agent, header.type, now, index, look_up, called_at)


def fault_of(
    leaf: Granted,
    agent: str,
    type_: str | None,
    now: int,
    index: int,
    look_up: LookUp,
    called_at: int | None = None,
) -> Fault | None:
    """Say why `agent` may not register a statement for the principal, None if it may.

    Args:
        leaf: The grant that the statement names.
        agent: Who signed the statement.
        type_: Its type; `delegation` passes the grant on.
        now: The ledger's time.
        index: Where the statement stands, or would.
        look_up: Finds the other grants of the chain.
        called_at: When the agent called, says who recorded it; None where the agent signed.
    """
    if leaf.delegation.agent != agent:
        words = f"it lets {leaf.delegation.agent} act, and {agent} signed"
        return Fault("not-yours", words)
    child: Granted | None = None
    for link in links_of(leaf, look_up):
        if link is None:
            return Fault("unknown", "a grant that the chain passes on is not known here")
        fault = _fault_of_link(link, now, index, called_at) or _fault_of_step(child, link)
        if fault is not None:
            return fault
        child = link
    if type_ != StatementType.DELEGATION and type_ not in leaf.delegation.types:
        types = ", ".join(sorted(leaf.delegation.types))
        return Fault("type", f"it is for {types}, and this is {type_ or 'untyped'}")
    return None


def narrower_fault(child: Delegation, parent: Delegation) -> Fault | None:
    """Say why a grant may not pass another on, None if it is within it."""
    if child.principal != parent.agent:
        return Fault("chain", f"{child.principal} is not the agent {parent.agent} that got it")
    if child.depth >= parent.depth:
        words = f"it may be passed on {parent.depth} times, and {child.depth} are left after that"
        return Fault("chain", words)
    if child.not_after > parent.not_after:
        return Fault("chain", f"it ends at {parent.not_after}, and is passed on to a later time")
    if further := child.types - parent.types:
        return Fault("chain", f"it is not for {min(further)}, for which it is passed on")
    return None


def _fault_of_link(link: Granted, now: int, index: int, called_at: int | None) -> Fault | None:
    where = f"the grant at index {link.index}"
    if link.index >= index:
        return Fault("chain", f"{where} comes after the statement at {index} that names it")
    if link.issuer != link.delegation.principal:
        return Fault("chain", f"{where} is not signed by its principal {link.delegation.principal}")
    if link.revoked is not None and link.revoked < index:
        if called_at is None:
            return Fault("revoked", f"{where} was revoked at index {link.revoked}")
        if (fault := _fault_of_late_call(link, where, called_at)) is not None:
            return fault
    late = 0 if called_at is None else LATE_SECONDS_MAX
    time = now if called_at is None else min(now, called_at)
    if time >= link.delegation.not_after + late:
        return Fault("expired", f"{where} ended at {link.delegation.not_after}, and it is {time}")
    return None


def _fault_of_late_call(link: Granted, where: str, called_at: int) -> Fault | None:
    """Say why a call is not under a grant whose revocation the log has before the call."""
    if link.revoked_at is None:
        return Fault("unknown", f"nothing here tells when {where} was revoked")
    if called_at > link.revoked_at + LATE_SECONDS_MAX:
        words = f"at index {link.revoked}, {called_at - link.revoked_at} s before the call"
        return Fault("revoked", f"{where} was revoked {words}")
    return None


def _fault_of_step(child: Granted | None, parent: Granted) -> Fault | None:
    if child is None:
        return None
    if parent.index >= child.index:
        return Fault("chain", f"the grant at {child.index} passes on a later one, {parent.index}")
    return narrower_fault(child.delegation, parent.delegation)


def _only(members: dict[Any, Any], known: frozenset[str]) -> None:
    """Refuse what is not understood: it may narrow what is granted."""
    for name in members:
        if name not in known:
            raise EncodingError(f"delegation has a member {name!r:.40} that is not known")


def _revocation(members: dict[str, Any]) -> Revocation:
    revoked = members["revokes"]
    if not isinstance(revoked, bytes) or len(revoked) != HASH_BYTES:
        raise EncodingError(f"'revokes' must be a statement id, got {revoked!r:.40}")
    return Revocation(revoked)


def _did(members: dict[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value.startswith("did:") or not value.isprintable():
        raise EncodingError(f"{name!r} must be a DID, got {value!r:.40}")
    if len(value) > DID_LETTERS_MAX:
        raise EncodingError(f"{name!r} has at most {DID_LETTERS_MAX} letters, got {len(value)}")
    return value


def _types(value: Any) -> frozenset[str]:
    """Read types that are sorted and unique, so that a grant has one encoding."""
    if not isinstance(value, list) or not value or not all(isinstance(t, str) for t in value):
        raise EncodingError(f"'types' must be statement types, got {value!r:.40}")
    if value != sorted(set(value)):
        raise EncodingError(f"'types' must be sorted, each once, got {value!r:.80}")
    if foreign := set(value) - DELEGABLE:
        raise EncodingError(f"{min(foreign)!r:.40} cannot be delegated")
    return frozenset(value)


def _number(members: dict[str, Any], name: str, most: int) -> int:
    value = members.get(name)
    if type(value) is not int or not 0 <= value <= most:
        raise EncodingError(f"{name!r} must be a number in 0..{most}, got {value!r:.40}")
    return value


def _purpose(value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or not _PURPOSE.fullmatch(value)):
        raise EncodingError(
            f"'purpose' must be a code of 1..40 of a-z, 0-9, '.' and '-', got {value!r:.60}"
        )
    return value
