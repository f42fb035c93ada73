"""Inline payloads that verifiers must read: the genesis of a log, and registered keys.

Both are public for ever, so neither ever holds anything about a person beyond a pseudonymous key.

Source:
    docs/reference/formats.md, sections "Genesis" and "Keys".
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from tallystick.errors import EncodingError, VersionError
from tallystick.statement import dcbor
from tallystick.statement.checkpoint import check_origin
from tallystick.statement.ed25519 import RULE
from tallystick.statement.keys import PublicKey, parse_cose_key
from tallystick.statement.note import VerifierKey, parse_vkey

VERSION: Final = 1
LEAF_RULE: Final = "tallystick/entry/1"
"""Leaf data is the complete tagged COSE_Sign1 with empty unprotected header."""
Sign = Callable[[bytes], bytes]
"""Signs a message and returns 64 bytes."""

POSSESSION_TAG: Final = "tallystick/key/1"
NAME_MAX: Final = 200


class StatementType(StrEnum):
    """All types of statements. Applications add subjects, not types."""

    # governance: the ledger itself acts on these
    GENESIS = "genesis"
    POLICY = "policy"
    KEY = "key"
    HANDOVER = "handover"
    DELEGATION = "delegation"
    REFUSAL = "refusal"
    ACCESS = "access"
    ACCESS_ANSWER = "access-answer"
    HOLD = "hold"
    RESTRICTION = "restriction"
    RETENTION = "retention"
    LABEL = "label"
    PUBLICATION = "publication"
    HEARTBEAT = "heartbeat"
    # evidence of what an AI is, got, did and was told
    INFERENCE = "inference"
    DECISION = "decision"
    EXPLANATION_REQUEST = "explanation-request"
    EXPLANATION = "explanation"
    REVIEW_REQUEST = "review-request"
    APPEAL = "appeal"
    REVIEW = "review"
    ACTION = "action"
    DATASET = "dataset"
    MODEL = "model"
    EVALUATION = "evaluation"
    ANOMALY = "anomaly"
    CONTENT_MARK = "content-mark"
    CHANGE = "change"
    ERASURE = "erasure"
    DOCUMENT = "document"
    # contracts
    CLAUSES = "clauses"
    APPROVAL = "approval"
    CALL = "call"


OPERATOR_TYPES: Final = frozenset(
    {
        StatementType.POLICY,
        StatementType.KEY,
        StatementType.HANDOVER,
        StatementType.REFUSAL,
        StatementType.HEARTBEAT,
        StatementType.ERASURE,
        StatementType.HOLD,
        StatementType.RESTRICTION,
        StatementType.RETENTION,
    }
)
"""What the operator may always register, whatever the policy says."""


class IssuerKind(StrEnum):
    """What kind of party signs."""

    PERSON = "person"
    ORGANISATION = "organisation"
    MACHINE = "machine"
    AI = "ai"


@dataclass(frozen=True, slots=True, kw_only=True)
class Genesis:
    """Entry 0 of a log: its rules and the keys it begins with.

    Attributes:
        origin: Name of the log, never changed.
        checkpoint_key: Signs checkpoints.
        receipt_key: Signs receipts.
        operator: DID of who signs policies, keys, refusals and heartbeats.
        operator_key: The operator's first key.
        policy: The first registration policy, as `tallystick.ledger.policy` reads it.
    """

    origin: str
    checkpoint_key: VerifierKey
    receipt_key: PublicKey
    operator: str
    operator_key: PublicKey
    policy: dict[str, Any]

    def encode(self) -> bytes:
        """Return the inline payload."""
        return dcbor.encode(
            {
                "version": VERSION,
                "origin": self.origin,
                "leaf_rule": LEAF_RULE,
                "signature_rule": RULE,
                "checkpoint_key": self.checkpoint_key.encode(),
                "receipt_key": self.receipt_key.encode(),
                "operator": self.operator,
                "operator_key": self.operator_key.encode(),
                "policy": self.policy,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """A registered key: this issuer signs with that key, says the operator.

    Attributes:
        issuer: DID that statements carry.
        key: Its public key.
        kind: What kind of party it is.
        name: Public name; never given for a person.
        possession: Signature by the key itself over all of it, so that nobody registers another
            one's key, nor an operator a key as somebody else's than its holder said.
    """

    issuer: str
    key: PublicKey
    kind: IssuerKind
    name: str | None
    possession: bytes

    @classmethod
    def signed(
        cls, origin: str, key: PublicKey, kind: IssuerKind, name: str | None, sign: Sign
    ) -> Self:
        """Return what the holder of a key asks a log's operator to register.

        Args:
            origin: The log.
            key: Its `did:key` becomes the issuer.
            kind: What kind of party holds it.
            name: Public name, None for a person.
            sign: Signs with that key.
        """
        issuer = key.did()
        possession = sign(possession_bytes(origin, issuer, kind, name))
        return cls(issuer=issuer, key=key, kind=kind, name=name, possession=possession)

    def encode(self) -> bytes:
        """Return the inline payload."""
        members: dict[str, Any] = {
            "version": VERSION,
            "issuer": self.issuer,
            "key": self.key.encode(),
            "kind": str(self.kind),
            "possession": self.possession,
        }
        return dcbor.encode(members if self.name is None else {**members, "name": self.name})

    def verify_possession(self, origin: str) -> None:
        """Accept only if the key itself agreed to be registered so at this log.

        Raises:
            SignatureError: It did not.
        """
        claim = possession_bytes(origin, self.issuer, self.kind, self.name)
        self.key.verify(self.possession, claim)


def _check_name(name: str, kind: str) -> None:
    """Refuse what could not be shown in one line, and the name of a person."""
    if kind == IssuerKind.PERSON:
        raise EncodingError("a person must not be named on the ledger")
    if not 0 < len(name) <= NAME_MAX or not name.isprintable() or name != name.strip():
        raise EncodingError(
            f"a name must have 1..{NAME_MAX} letters that can be printed, and no space around "
            f"them, got {name!r:.60}"
        )


def operator_record(genesis: Genesis) -> KeyRecord:
    """Return the operator's key as the genesis entry itself registers it."""
    return KeyRecord(
        issuer=genesis.operator,
        key=genesis.operator_key,
        kind=IssuerKind.ORGANISATION,
        name="the operator of the log",
        possession=b"",
    )


def possession_bytes(origin: str, issuer: str, kind: IssuerKind, name: str | None) -> bytes:
    """Return what a key signs to be registered at a log."""
    return dcbor.encode([POSSESSION_TAG, origin, issuer, str(kind), name])


def parse_genesis(payload: bytes) -> Genesis:
    """Parse the payload of entry 0.

    Raises:
        EncodingError: Not a genesis.
        VersionError: Of a version, leaf rule or signature rule that this release does not know.
    """
    members = _members(payload, "genesis")
    rules = (members.get("leaf_rule"), members.get("signature_rule"))
    if rules != (LEAF_RULE, RULE):
        raise VersionError(f"log follows {rules}, this release knows {(LEAF_RULE, RULE)}")
    genesis = Genesis(
        origin=_text(members, "origin"),
        checkpoint_key=parse_vkey(_text(members, "checkpoint_key")),
        receipt_key=parse_cose_key(_bytes(members, "receipt_key")),
        operator=_text(members, "operator"),
        operator_key=parse_cose_key(_bytes(members, "operator_key")),
        policy=_map(members, "policy"),
    )
    check_origin(genesis.origin)
    return genesis


def parse_key_record(payload: bytes) -> KeyRecord:
    """Parse the payload of a `key` statement; `verify_possession` is not called here.

    Raises:
        EncodingError: Not a key record, or one that names a person.
        VersionError: Of a version that this release does not know.
    """
    members = _members(payload, "key record")
    kind, name = _text(members, "kind"), members.get("name")
    if kind not in set(IssuerKind):
        raise EncodingError(f"kind must be one of {', '.join(IssuerKind)}, got {kind!r:.40}")
    if name is not None:
        _check_name(_text(members, "name"), kind)
    return KeyRecord(
        issuer=_text(members, "issuer"),
        key=parse_cose_key(_bytes(members, "key")),
        kind=IssuerKind(kind),
        name=name,
        possession=_bytes(members, "possession"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """An emitter says that it lives, how far it counted, and when it will speak again.

    Attributes:
        time: The emitter's clock, seconds since 1970. From the operator it is the ledger's "now".
        state: `start` and `end` of an epoch, `beat` in between.
        last_seq: Number of the emitter's last statement before this one; None if there is none.
        open_intents: Intents that have no outcome yet.
        next_due: When the next heartbeat is due at the latest; None after `end`.
        unknown: From the operator: statements without a valid signature of a registered key that
            were turned away since the last heartbeat.
        unknown_root: Root over the digests of those; 32 zero bytes if there are none.
    """

    time: int
    state: str
    last_seq: int | None = None
    open_intents: int = 0
    next_due: int | None = None
    unknown: int = 0
    unknown_root: bytes = bytes(32)

    def encode(self) -> bytes:
        """Return the inline payload."""
        return dcbor.encode(
            {
                "version": VERSION,
                "time": self.time,
                "state": self.state,
                "last_seq": self.last_seq,
                "open_intents": self.open_intents,
                "next_due": self.next_due,
                "unknown": self.unknown,
                "unknown_root": self.unknown_root,
            }
        )


def parse_heartbeat(payload: bytes) -> Heartbeat:
    """Parse the payload of a `heartbeat` statement.

    Raises:
        EncodingError: Not a heartbeat.
        VersionError: Of a version that this release does not know.
    """
    members = _members(payload, "heartbeat")
    state = _text(members, "state")
    if state not in {"start", "beat", "end"}:
        raise EncodingError(f"state must be start, beat or end, got {state!r:.40}")
    return Heartbeat(
        time=_number(members, "time"),
        state=state,
        last_seq=_number(members, "last_seq") if members.get("last_seq") is not None else None,
        open_intents=_number(members, "open_intents"),
        next_due=_number(members, "next_due") if members.get("next_due") is not None else None,
        unknown=_number(members, "unknown"),
        unknown_root=_bytes(members, "unknown_root"),
    )


def _members(payload: bytes, what: str) -> dict[str, Any]:
    members = dcbor.decode_deterministic(payload, what)
    if not isinstance(members, dict):
        raise EncodingError(f"{what} must be a map")
    if (version := members.get("version")) != VERSION or type(version) is not int:
        raise VersionError(f"{what} has version {version!r:.20}, this release reads {VERSION}")
    return members


def _text(members: dict[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value:
        raise EncodingError(f"{name!r} must be text, got {value!r:.40}")
    return value


def _bytes(members: dict[str, Any], name: str) -> bytes:
    value = members.get(name)
    if not isinstance(value, bytes):
        raise EncodingError(f"{name!r} must be bytes, got {value!r:.40}")
    return value


def _map(members: dict[str, Any], name: str) -> dict[str, Any]:
    value = members.get(name)
    if not isinstance(value, dict):
        raise EncodingError(f"{name!r} must be a map, got {value!r:.40}")
    return value


def _number(members: dict[str, Any], name: str) -> int:
    value = members.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise EncodingError(f"{name!r} must be a number, got {value!r:.40}")
    return value
