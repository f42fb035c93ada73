"""Handovers: from which size on a log signs with other keys, and who says so.

    keys = LogKeys.begin(genesis)
    for index, said in handovers:      # in log order, each signed by the operator
        keys.check(said, index)        # raises; the rules of admission and the verifier ask it
        keys.apply(said, index)
    keys.at(size)                      # whose checkpoints and receipts of that size are the log's

The first checkpoint that holds the handover has the size behind its entry. That one size may be
signed by either key; smaller ones by the key before, larger ones by the key that follows.

The operator of the log registers a handover. The key before agrees to it, unless it was lost or
stolen: then the operator alone says so, and only those believe it who know the operator, because
they pinned the genesis entry.

Source:
    docs/reference/formats.md, section "Handovers".
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Self

from tallystick.errors import EncodingError, KeyChainError, SignatureError, VersionError
from tallystick.statement import dcbor
from tallystick.statement.governance import Genesis, Sign
from tallystick.statement.keys import KeyKind, PublicKey, parse_cose_key
from tallystick.statement.note import TYPE_ED25519, VerifierKey, parse_vkey

VERSION: Final = 1
HANDOVER_TAG: Final = "tallystick/handover/1"
POLICY_BYTES_MAX: Final = 64 * 1024


class HandoverReason(StrEnum):
    """Why a log signs with other keys."""

    ROTATED = "rotated"
    COMPROMISED = "compromised"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """The next keys of a log.

    Attributes:
        origin: The log.
        previous: The checkpoint key that ends.
        checkpoint_key: The one that follows.
        receipt_key: Signs receipts from then on.
        reason: Why.
        until: The largest size at which the key before is to be believed, only for a compromised
            one; None for the size behind this entry.
        policy: The trust policy (C2SP tlog-policy) that holds from then on.
        possession: Signature by the checkpoint key that follows.
        receipt_possession: Signature by the receipt key that follows.
        agreement: Signature by the checkpoint key that ends; empty if it cannot be asked.
    """

    origin: str
    previous: VerifierKey
    checkpoint_key: VerifierKey
    receipt_key: PublicKey
    reason: HandoverReason
    policy: str
    until: int | None = None
    possession: bytes = b""
    receipt_possession: bytes = b""
    agreement: bytes = b""

    def claim(self) -> bytes:
        """Return what the keys sign. No checkpoint, for those are text."""
        return dcbor.encode([HANDOVER_TAG, *self._said().values()])

    def signed(self, next_: Sign, receipt: Sign, previous: Sign | None) -> Self:
        """Return it with the signatures of the keys that follow, and of the one that ends."""
        claim = self.claim()
        return replace(
            self,
            possession=next_(claim),
            receipt_possession=receipt(claim),
            agreement=previous(claim) if previous else b"",
        )

    def encode(self) -> bytes:
        """Return the inline payload."""
        return dcbor.encode(
            {
                "version": VERSION,
                **self._said(),
                "possession": self.possession,
                "receipt_possession": self.receipt_possession,
                "agreement": self.agreement,
            }
        )

    def _said(self) -> dict[str, Any]:
        return {
            "origin": self.origin,
            "previous": self.previous.encode(),
            "checkpoint_key": self.checkpoint_key.encode(),
            "receipt_key": self.receipt_key.encode(),
            "reason": str(self.reason),
            "until": self.until,
            "policy": self.policy,
        }


def parse_handover(payload: bytes) -> Handover:
    """Parse the payload of a `handover` statement; no signature is checked here.

    Raises:
        EncodingError: Not a handover.
        VersionError: Of a version that this release does not know.
    """
    members = dcbor.decode_deterministic(payload, "handover")
    if not isinstance(members, dict):
        raise EncodingError("handover must be a map")
    if (version := members.get("version")) != VERSION or type(version) is not int:
        raise VersionError(f"handover has version {version!r:.20}, this release reads {VERSION}")
    reason, until = _take(members, "reason", str), members.get("until")
    if reason not in set(HandoverReason):
        raise EncodingError(
            f"reason must be one of {', '.join(HandoverReason)}, got {reason!r:.40}"
        )
    if until is not None and (type(until) is not int or until < 0):
        raise EncodingError(f"'until' must be a size, got {until!r:.40}")
    if len(policy := _take(members, "policy", str)) > POLICY_BYTES_MAX:
        raise EncodingError(f"the policy must have at most {POLICY_BYTES_MAX} letters")
    return Handover(
        origin=_take(members, "origin", str),
        previous=parse_vkey(_take(members, "previous", str)),
        checkpoint_key=parse_vkey(_take(members, "checkpoint_key", str)),
        receipt_key=parse_cose_key(_take(members, "receipt_key", bytes)),
        reason=HandoverReason(reason),
        until=until,
        policy=policy,
        possession=_take(members, "possession", bytes),
        receipt_possession=_take(members, "receipt_possession", bytes),
        agreement=_take(members, "agreement", bytes),
    )


def _take(members: dict[str, Any], name: str, kind: type) -> Any:
    value = members.get(name)
    if type(value) is not kind:
        raise EncodingError(f"{name!r} must be {kind.__name__}, got {value!r:.40}")
    return value


@dataclass(frozen=True, slots=True)
class Term:
    """The keys of a log, and at which sizes they sign.

    Attributes:
        checkpoint_key: Signs checkpoints.
        receipt_key: Signs receipts.
        first: Smallest size.
        last: Largest size; None while they sign.
        agreed: The key before agreed to these; true of the first ones.
        reason: Why these followed; None for the first ones.
    """

    checkpoint_key: VerifierKey
    receipt_key: PublicKey
    first: int = 0
    last: int | None = None
    agreed: bool = True
    reason: HandoverReason | None = None

    def covers(self, size: int) -> bool:
        """Tell whether a checkpoint of that size is theirs to sign."""
        return self.first <= size and (self.last is None or size <= self.last)


@dataclass(slots=True)
class LogKeys:
    """The keys of one log, as far as handovers were taken in.

    Attributes:
        origin: The log.
        terms: In log order; the last one signs now.
    """

    origin: str = ""
    terms: list[Term] = field(default_factory=list)

    @classmethod
    def begin(cls, genesis: Genesis) -> Self:
        """Return the keys that a log begins with."""
        return cls(genesis.origin, [Term(genesis.checkpoint_key, genesis.receipt_key)])

    @property
    def now(self) -> Term:
        """The keys that sign at the end of what was taken in."""
        return self.terms[-1]

    def at(self, size: int) -> list[Term]:
        """Return whose checkpoints and receipts of a size are the log's, the newest first."""
        return [term for term in reversed(self.terms) if term.covers(size)]

    def check(self, said: Handover, index: int) -> None:
        """Accept only what follows from the keys before; who registered it is not checked here.

        Raises:
            KeyChainError: It does not follow.
        """
        now = self.now
        if (said.origin, said.previous) != (self.origin, now.checkpoint_key):
            raise _refused(
                f"it follows the key {said.previous.encode()} of {said.origin!r}, the log "
                f"{self.origin!r} signs with {now.checkpoint_key.encode()}"
            )
        self._check_next(said)
        if said.until is not None and (
            said.reason is not HandoverReason.COMPROMISED or not now.first <= said.until <= index
        ):
            raise _refused(
                f"'until' is for a compromised key, and in {now.first}..{index}, got {said.until}"
            )
        if not said.agreement and said.reason is HandoverReason.ROTATED:
            raise _refused("the key that ends did not agree, and is neither lost nor compromised")
        _check_signatures(said)

    def _check_next(self, said: Handover) -> None:
        new = said.checkpoint_key
        if (new.name, new.kind) != (self.origin, TYPE_ED25519):
            raise _refused(f"the next key must be an Ed25519 key of {self.origin!r}")
        before = {term.checkpoint_key.public for term in self.terms}
        before |= {term.receipt_key.raw for term in self.terms}
        if {new.public, said.receipt_key.raw} & before or new.public == said.receipt_key.raw:
            raise _refused("a key of the log is taken once, for one use")
        if f"log {new.encode()}" not in said.policy.split("\n"):
            raise _refused("the policy that holds from then on does not name the next key")

    def apply(self, said: Handover, index: int) -> None:
        """Take in what was checked."""
        size = index + 1
        last = size if said.until is None else said.until
        self.terms[-1] = replace(self.now, last=last)
        agreed = bool(said.agreement)
        self.terms.append(
            Term(said.checkpoint_key, said.receipt_key, size, None, agreed, said.reason)
        )


def _check_signatures(said: Handover) -> None:
    """Accept only if the keys that follow, and the one that ends where it was asked, agree."""
    claim = said.claim()
    signed = [
        ("the next checkpoint key", _public(said.checkpoint_key), said.possession),
        ("the next receipt key", said.receipt_key, said.receipt_possession),
    ]
    if said.agreement:
        signed.append(("the key that ends", _public(said.previous), said.agreement))
    for who, key, signature in signed:
        try:
            key.verify(signature, claim)
        except SignatureError as error:
            raise _refused(f"{who} did not agree: {error}") from error


def _public(key: VerifierKey) -> PublicKey:
    return PublicKey(KeyKind.ED25519, key.public)


def _refused(message: str) -> KeyChainError:
    return KeyChainError(message, reason="handover")
