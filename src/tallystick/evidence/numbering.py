"""Numbering: signed statements of one issuer, each with its place and its predecessor's id.

Touches no ledger, so that a statement can be numbered, signed and made durable elsewhere first.
"""

import os
from hashlib import sha256
from typing import Any, Final

from tallystick.identity import Signer
from tallystick.ledger.operator import Clock
from tallystick.statement import Header, Sequence, SignedStatement, sign_statement
from tallystick.statement.governance import Heartbeat, StatementType
from tallystick.statement.labels import FIELDS_MEDIA_TYPE, INLINE_MEDIA_TYPE, media_type

HEARTBEAT_SECONDS: Final = 60


def emitter_id(genesis: bytes, issuer: str, name: str) -> bytes:
    """Return the 16 bytes that name one process of an issuer at one log, the same each time."""
    return sha256(b"tallystick/emitter/1\0" + genesis + f"{issuer}\0{name}".encode()).digest()[:16]


def random_urn() -> str:
    """Return a random `urn:uuid` (RFC 9562, version 4): the `uuid` module takes twice as long."""
    octets = bytearray(os.urandom(16))
    octets[6] = octets[6] & 0x0F | 0x40
    octets[8] = octets[8] & 0x3F | 0x80
    text = octets.hex()
    return f"urn:uuid:{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Numbering:
    """One epoch of one emitter. Not safe to share: its owner decides the order."""

    def __init__(self, signer: Signer, emitter: bytes, epoch: int, clock: Clock) -> None:
        """Begin an epoch at number 0."""
        self._signer, self._clock = signer, clock
        self.issuer, self.emitter, self.epoch = signer.issuer, emitter, epoch
        self._key_id = signer.public.thumbprint()
        self._last: SignedStatement | None = None

    @property
    def last(self) -> SignedStatement | None:
        """The newest statement, None before the first."""
        return self._last

    def sign(self, type_: StatementType, payload: bytes, **members: Any) -> SignedStatement:
        """Sign the next statement without taking its number yet; see `take`.

        Args:
            type_: Statement type.
            payload: Commitment, or inline content where `members` say so.
            members: Further members of `tallystick.statement.Header`.
        """
        last = self._last.header.sequence if self._last else None
        sequence = Sequence(
            emitter=self.emitter,
            epoch=self.epoch,
            seq=last.seq + 1 if last else 0,
            prev=self._last.id if self._last else None,
        )
        if members.get("hashed", True):
            members.setdefault("content_type", FIELDS_MEDIA_TYPE)
        # Complete, as a reader reads it back, so that it need not be read back.
        header = Header(
            algorithm=self._signer.algorithm,
            key_id=self._key_id,
            issuer=self.issuer,
            type=type_.value,
            typ=media_type(type_),
            sequence=sequence,
            subject=members.pop("subject", None) or random_urn(),
            issued_at=members.pop("issued_at", None) or self._clock(),
            **members,
        )
        return sign_statement(header, payload, self._signer.sign)

    def take(self, statement: SignedStatement) -> None:
        """Count a statement that `sign` made: the next one follows it.

        Either it is durable now, or its owner makes these very bytes durable before anything
        after them: a number that was taken must never be lost.
        """
        self._last = statement

    def heartbeat(
        self, state: str, open_intents: int = 0, interval_s: int = HEARTBEAT_SECONDS
    ) -> SignedStatement:
        """Sign a heartbeat: how far this epoch counted, and when it will speak again.

        Args:
            state: `start`, `beat` or `end`.
            open_intents: Intents that have no outcome yet.
            interval_s: Until the next one; it counts as overdue after twice that.
        """
        now = self._clock()
        last = self._last.header.sequence if self._last else None
        beat = Heartbeat(
            time=now,
            state=state,
            last_seq=last.seq if last else None,
            open_intents=open_intents,
            next_due=None if state == "end" else now + 2 * interval_s,
        )
        return self.sign(
            StatementType.HEARTBEAT,
            beat.encode(),
            hashed=False,
            content_type=INLINE_MEDIA_TYPE,
            issued_at=now,
        )
