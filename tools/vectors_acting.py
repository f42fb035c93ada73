"""Golden vectors of delegations, of which one link is revoked, and of handovers of a log's keys."""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, Final

from tallystick.identity import SoftwareSigner
from tallystick.statement import (
    Header,
    KeyKind,
    Relation,
    SignedStatement,
    VerifierKey,
    sign_statement,
)
from tallystick.statement.delegation import Delegation, Revocation, revocation_subject
from tallystick.statement.governance import Heartbeat, IssuerKind, KeyRecord, StatementType
from tallystick.statement.handover import Handover, HandoverReason
from tallystick.statement.labels import INLINE_MEDIA_TYPE

DAY: Final = 86_400
TYPES: Final = frozenset({"action", "inference"})
Said = tuple[str, SignedStatement]


def signer_of(name: str) -> SoftwareSigner:
    """Return the key of a name, known to everybody."""
    return SoftwareSigner(KeyKind.ED25519, sha256(f"key {name}".encode()).digest())


class _Voice:
    """Signs one after another, each with a subject of its own."""

    def __init__(self, now: int) -> None:
        self._now, self._count = now, 0

    def say(
        self, signer: SoftwareSigner, type_: StatementType, payload: bytes, **members: Any
    ) -> SignedStatement:
        self._count += 1
        inline = {"hashed": False, "content_type": INLINE_MEDIA_TYPE}
        header = Header(
            algorithm=signer.algorithm,
            key_id=signer.public.thumbprint(),
            issuer=signer.public.did(),
            type=type_,
            **{
                "subject": f"urn:example:acting:{self._count}", "issued_at": self._now,
                **inline, **members,
            },
        )  # fmt: skip
        return sign_statement(header, payload, signer.sign)


def delegations(origin: str, signers: Mapping[str, SoftwareSigner], now: int) -> Iterator[Said]:
    """Yield a chain of two, what is done under it, its end, and what comes too late.

    Args:
        origin: The log.
        signers: Keys of `operator`, `person`, and `ai`.
        now: Seconds since 1970.
    """
    voice, operator, helper = _Voice(now), signers["operator"], signer_of("helper")
    person, agent = signers["person"], signers["ai"]
    record = KeyRecord.signed(
        origin, helper.public, IssuerKind.MACHINE, "Ordering helper", helper.sign
    )
    key = voice.say(operator, StatementType.KEY, record.encode(), subject=helper.public.did())
    beat = Heartbeat(time=now, state="beat", next_due=now + 120)
    yield "01-key-helper", key
    yield "02-heartbeat", voice.say(operator, StatementType.HEARTBEAT, beat.encode())
    first = Delegation(
        principal=person.issuer, agent=agent.issuer, types=TYPES, not_after=now + DAY, depth=1,
        purpose="ordering",
    )  # fmt: skip
    granted = voice.say(person, StatementType.DELEGATION, first.encode())
    yield "03-grant", granted
    second = Delegation(
        principal=agent.issuer, agent=helper.issuer, types=frozenset({"inference"}),
        not_after=now + DAY // 2,
    )  # fmt: skip
    links = {Relation.ACTED_FOR: (granted.id,)}
    passed = voice.say(agent, StatementType.DELEGATION, second.encode(), links=links)
    yield "04-passed-on", passed
    under = {Relation.ACTED_FOR: (passed.id,)}
    content = sha256(b"content").digest()
    opaque = {"hashed": True, "content_type": "text/plain"}
    yield "05-act", voice.say(helper, StatementType.INFERENCE, content, links=under, **opaque)
    called = {Relation.ACTED_FOR: (key.id, passed.id)}
    recorded = {"links": called, "assurance": "api-key", **opaque}
    yield "06-recorded", voice.say(agent, StatementType.INFERENCE, content, **recorded)
    end = Revocation(granted.id)
    subject = revocation_subject(granted.id)
    yield (
        "07-revocation",
        voice.say(person, StatementType.DELEGATION, end.encode(), subject=subject),
    )
    yield "08-too-late", voice.say(helper, StatementType.INFERENCE, content, links=under, **opaque)


def handovers(origin: str, signers: Mapping[str, SoftwareSigner], now: int) -> Iterator[Said]:
    """Yield how a log goes over to other keys, once agreed to and once because a key was stolen."""
    voice, operator = _Voice(now), signers["operator"]
    before = signers["checkpoint"]
    for name, reason, until in (
        ("1-rotated", HandoverReason.ROTATED, None),
        ("2-compromised", HandoverReason.COMPROMISED, 45),
    ):
        after, receipt = signer_of(f"checkpoint {name}"), signer_of(f"receipt {name}")
        follows = VerifierKey(origin, 1, after.public.raw)
        said = Handover(
            origin=origin, previous=VerifierKey(origin, 1, before.public.raw),
            checkpoint_key=follows, receipt_key=receipt.public, reason=reason,
            policy=f"log {follows.encode()}\nquorum none\n", until=until,
        )  # fmt: skip
        agrees = before.sign if reason is HandoverReason.ROTATED else None
        payload = said.signed(after.sign, receipt.sign, agrees).encode()
        yield name, voice.say(operator, StatementType.HANDOVER, payload, subject=origin)
        before = after
